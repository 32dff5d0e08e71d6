"""What can be done with the rows of a recipient table: add, change, delete, restore."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from webapp.core.clock import now
from webapp.core.db import db
from webapp.core.errors import Invalid, NotFound, Refused
from webapp.operators import audit
from webapp.recipients import service
from webapp.recipients.kinds import ColumnKind, ColumnSpec
from webapp.recipients.models import DeletedRecipient, Recipient, RecipientTable
from webapp.recipients.rows import Row, read_row
from webapp.recipients.store import (
    drop_rows,
    insert_rows,
    replace_keys,
    row_columns,
    taken_keys,
)
from webapp.suppressions import service as suppressions
from webapp.suppressions.models import Channel

IS_TAKEN = "Another row has this value already"


def get(table_id: int, recipient_id: int) -> Recipient:
    """Return a row.

    Raises
    ------
    NotFound
        If the table has none of this id.
    """
    row = db.session.get(Recipient, recipient_id)
    if row is None or row.recipient_table_id != service.get(table_id).id:
        raise NotFound("There is no such recipient in this table.")
    return row


def add(table_id: int, rows: Sequence[Mapping[str, Any]]) -> list[Recipient]:
    """Add rows, each a mapping of column name to raw cell; a bad cell keeps its reason.

    Raises
    ------
    Invalid
        If a column does not exist, or a unique column has the value already.
    """
    table = service.get(table_id)
    columns = service.specs(table)
    read = [
        _read(columns, table.address_column, raw, _prefix(rows, number))
        for number, raw in enumerate(rows)
    ]
    _refuse_taken(table.id, read)
    try:
        ids = insert_rows(table.id, read)
    except IntegrityError as error:
        db.session.rollback()
        raise Invalid(f"{IS_TAKEN}.") from error
    service.count_rows(table.id, len(ids))
    db.session.commit()
    found = sa.select(Recipient).where(Recipient.id.in_(ids)).order_by(Recipient.id)
    return list(db.session.scalars(found))


def change(
    table_id: int, recipient_id: int, cells: Mapping[str, Any], version: int | None
) -> Recipient:
    """Change some cells of a row; a bad cell is kept with its reason.

    Raises
    ------
    Refused
        If somebody saved a newer version.
    Invalid
        If a column does not exist, or a unique column has the value already.
    """
    row = get(table_id, recipient_id)
    table = service.get(table_id)
    columns = service.specs(table)
    known = {column.name for column in columns}
    raw = {name: row.row_values[name] for name in known & set(row.row_values)}
    raw.update(cells)
    read = _read(columns, table.address_column, raw, "values")
    _refuse_taken(table.id, [read], recipient_id)
    seen = row.version if version is None else version
    won = db.session.execute(
        sa.update(Recipient)
        .where(Recipient.id == row.id, Recipient.version == seen)
        .values(**row_columns(read), version=seen + 1, updated_at=now())
        .execution_options(synchronize_session=False)
        .returning(Recipient.id)
    )
    if won.scalar() is None:
        raise Refused(service.NEWER)
    replace_keys(table.id, row.id, read)
    service.count_rows(table.id, 0)
    db.session.commit()
    db.session.refresh(row)
    return row


def delete(table_id: int, ids: Sequence[int]) -> tuple[uuid.UUID, int]:
    """Delete rows; return what to call them for `restore`, and how many they were.

    Raises
    ------
    NotFound
        If none of them is there.
    """
    table = service.get(table_id)
    batch = service.new_batch()
    gone = drop_rows(table.id, batch, Recipient.id.in_(ids))
    if not gone:
        raise NotFound("There is no such recipient in this table.")
    service.count_rows(table.id, -gone)
    audit.record(
        "recipients.deleted", "recipient_table", table.id, table.name, rows=gone
    )
    db.session.commit()
    return batch, gone


def suppress(table_id: int, ids: Sequence[int], source: str) -> int:
    """Never write to the addresses of these rows again; say how many they are.

    Raises
    ------
    NotFound
        If none of the rows has an address.
    """
    table = service.get(table_id)
    kinds = {spec.name: spec.kind for spec in service.specs(table)}
    is_phone = kinds.get(table.address_column) is ColumnKind.PHONE
    channel = Channel.PHONE if is_phone else Channel.EMAIL
    mine = sa.select(Recipient.address).where(
        Recipient.recipient_table_id == table.id,
        Recipient.id.in_(ids),
        Recipient.address != "",
    )
    addresses = list(db.session.scalars(mine.distinct()))
    if not addresses:
        raise NotFound("None of these rows has an address.")
    for address in addresses:
        suppressions.suppress_within(channel, address, source=source)
    db.session.commit()
    return len(addresses)


def restore(table_id: int, batch: uuid.UUID) -> int:
    """Bring back what was deleted together, and say how many rows came.

    Raises
    ------
    NotFound
        If there is nothing to bring back.
    Refused
        If a unique column has one of the values again.
    """
    table = service.get(table_id)
    kept = sa.select(DeletedRecipient).where(
        DeletedRecipient.batch == batch, DeletedRecipient.recipient_table_id == table.id
    )
    gone = list(db.session.scalars(kept))
    if not gone:
        raise NotFound("There is nothing to bring back; it may be back already.")
    columns = service.specs(table)
    read = [read_row(columns, table.address_column, one.row_values) for one in gone]
    as_they_were = [
        {
            "id": one.id,
            "public_id": one.public_id,
            "import_id": one.import_id,
            "version": one.version + 1,
            "created_at": one.created_at,
        }
        for one in gone
    ]
    try:
        insert_rows(table.id, read, as_they_were)
    except IntegrityError as error:
        db.session.rollback()
        raise Refused(f"{IS_TAKEN}, so these rows cannot come back.") from error
    db.session.execute(
        sa.delete(DeletedRecipient).where(DeletedRecipient.batch == batch)
    )
    service.count_rows(table.id, len(gone))
    audit.record(
        "recipients.restored", "recipient_table", table.id, table.name, rows=len(gone)
    )
    db.session.commit()
    return len(gone)


def reread(table_id: int, limit: int = 1_000) -> bool:
    """Read the next rows again after a change of columns; say whether more are due.

    A value that a column made unique has twice becomes a bad cell of the later row.
    """
    table = db.session.get(RecipientTable, table_id)
    if table is None or table.reread_from is None:
        return False
    columns = service.specs(table)
    rows = service.rows_after(table.id, table.reread_from, limit)
    for row in rows:
        read = read_row(columns, table.address_column, row.row_values)
        taken = taken_keys(table.id, [read], row.id)
        read.problems.update(dict.fromkeys((name for name, _key in taken), IS_TAKEN))
        for name, _key in taken:
            read.keys.pop(name, None)
        for name, value in row_columns(read).items():
            setattr(row, name, value)
        replace_keys(table.id, row.id, read)
    table.reread_from = rows[-1].id if len(rows) == limit else None
    table.rows_version += 1
    db.session.commit()
    return table.reread_from is not None


def _prefix(rows: Sequence[object], number: int) -> str:
    return "values" if len(rows) == 1 else f"{number}.values"


def _read(
    columns: Sequence[ColumnSpec],
    address_column: str,
    raw: Mapping[str, Any],
    prefix: str,
) -> Row:
    names = {column.name for column in columns}
    unknown = sorted(set(raw) - names)
    if unknown:
        words = "This table has no column of this name."
        fields = {f"{prefix}.{name}": [words] for name in unknown}
        raise Invalid("Some columns are unknown.", fields)
    return read_row(columns, address_column, raw)


def _refuse_taken(
    table_id: int, rows: Sequence[Row], but_not: int | None = None
) -> None:
    taken = taken_keys(table_id, rows, but_not)
    wrong: dict[str, list[str]] = {}
    seen: set[tuple[str, str]] = set()
    for number, row in enumerate(rows):
        for pair in row.keys.items():
            if pair in taken or pair in seen:
                wrong[f"{_prefix(rows, number)}.{pair[0]}"] = [f"{IS_TAKEN}."]
            seen.add(pair)
    if wrong:
        raise Invalid(f"{IS_TAKEN}.", wrong)
