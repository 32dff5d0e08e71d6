"""Rows into the database and out of it in bulk, within the caller's transaction.

SQLAlchemy Core and not the ORM, because an import writes a million of them (the ORM
needs thirty times as long for a row).
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, cast

import sqlalchemy as sa

from webapp.core.clock import now
from webapp.core.db import db
from webapp.core.ids import uuid7
from webapp.recipients.models import (
    DeletedRecipient,
    Recipient,
    RecipientKey,
)
from webapp.recipients.rows import Row

AT_ONCE = 400  # values in one IN (…); SQLite takes at most 32 766


def row_columns(row: Row) -> dict[str, Any]:
    """Return what of a row stands in the table ``recipient``."""
    return {
        "row_values": row.values,
        "problems": row.problems,
        "has_problems": bool(row.problems),
        "address": row.address,
        "address_key": row.address_key,
        "search": row.search,
    }


def insert_rows(
    table_id: int,
    rows: Sequence[Row],
    more: Sequence[Mapping[str, Any]] | None = None,
    import_id: int | None = None,
) -> list[int]:
    """Insert rows and what tells their unique values apart; return their ids in order.

    Parameters
    ----------
    more
        Of each row, what it keeps from earlier, such as its id.
    """
    if not rows:
        return []
    at = now()
    fields = [
        {
            "public_id": uuid7(),
            "recipient_table_id": table_id,
            "import_id": import_id,
            "version": 1,
            "created_at": at,
            "updated_at": at,
            **row_columns(row),
            **(more[number] if more else {}),
        }
        for number, row in enumerate(rows)
    ]
    ids = _insert(fields)
    _insert_keys(table_id, zip(ids, rows, strict=True))
    return ids


def _insert(fields: Sequence[Mapping[str, Any]]) -> list[int]:
    """Insert rows; return their ids in order.

    SQLite would give ids back from one row at a time only, a third of the time of an
    import. It has one writer, so what was given at last was given in a row.
    """
    # Not Recipient but its Table: the ORM would build an object for each row.
    table = cast(sa.Table, Recipient.__table__)
    connection = db.session.connection()
    if connection.dialect.name != "sqlite":
        insert = sa.insert(table).returning(table.c.id, sort_by_parameter_order=True)
        return list(connection.execute(insert, fields).scalars())
    connection.execute(sa.insert(table), fields)
    if "id" in fields[0]:
        return [field["id"] for field in fields]
    given = sa.text("SELECT seq FROM sqlite_sequence WHERE name = 'recipient'")
    last = connection.execute(given).scalar_one()
    return list(range(last - len(fields) + 1, last + 1))


def replace_keys(table_id: int, recipient_id: int, row: Row) -> None:
    """Bring what tells a row's unique values apart in line with the row."""
    db.session.execute(
        sa.delete(RecipientKey).where(RecipientKey.recipient_id == recipient_id)
    )
    _insert_keys(table_id, [(recipient_id, row)])


def taken_keys(
    table_id: int, rows: Iterable[Row], but_not: int | None = None
) -> set[tuple[str, str]]:
    """Return column and key of the unique values that other rows have already."""
    by_column: dict[str, list[str]] = {}
    for row in rows:
        for name, key in row.keys.items():
            by_column.setdefault(name, []).append(key)
    taken: set[tuple[str, str]] = set()
    for name, keys in by_column.items():
        for owner, key in rows_of_keys(table_id, name, keys):
            if owner != but_not:
                taken.add((name, key))
    return taken


def rows_of_keys(
    table_id: int, column: str, keys: Iterable[str]
) -> Iterable[tuple[int, str]]:
    """Yield id and key of the rows that have one of these values in a unique column."""
    for some in _pieces(keys):
        found = sa.select(RecipientKey.recipient_id, RecipientKey.key).where(
            RecipientKey.recipient_table_id == table_id,
            RecipientKey.column_name == column,
            RecipientKey.key.in_(some),
        )
        yield from ((row.recipient_id, row.key) for row in db.session.execute(found))


def rows_of_addresses(table_id: int, keys: Iterable[str]) -> Iterable[tuple[int, str]]:
    """Yield id and address key of the rows with one of these addresses."""
    for some in _pieces(keys):
        found = sa.select(Recipient.id, Recipient.address_key).where(
            Recipient.recipient_table_id == table_id,
            Recipient.address_key.in_(some),
        )
        yield from ((row.id, row.address_key) for row in db.session.execute(found))


def drop_rows(table_id: int, batch: uuid.UUID, which: "sa.ColumnElement[bool]") -> int:
    """Move rows to the deleted ones, and say how many they were."""
    mine = sa.and_(Recipient.recipient_table_id == table_id, which)
    kept = sa.select(
        Recipient.id,
        sa.literal(batch, sa.Uuid()),
        Recipient.public_id,
        Recipient.recipient_table_id,
        Recipient.row_values,
        Recipient.version,
        Recipient.import_id,
        Recipient.created_at,
        sa.literal(now(), DeletedRecipient.deleted_at.type),
    ).where(mine)
    names = [
        "id",
        "batch",
        "public_id",
        "recipient_table_id",
        "row_values",
        "version",
        "import_id",
        "created_at",
        "deleted_at",
    ]
    db.session.execute(sa.insert(DeletedRecipient).from_select(names, kept))
    gone = db.session.execute(
        sa.delete(Recipient).where(mine).execution_options(synchronize_session=False)
    )
    return int(getattr(gone, "rowcount", 0))


def _insert_keys(table_id: int, rows: Iterable[tuple[int, Row]]) -> None:
    keys = [
        {
            "recipient_table_id": table_id,
            "column_name": name,
            "key": key,
            "recipient_id": recipient_id,
        }
        for recipient_id, row in rows
        for name, key in row.keys.items()
    ]
    if keys:
        db.session.execute(sa.insert(cast(sa.Table, RecipientKey.__table__)), keys)


def _pieces(keys: Iterable[str]) -> Iterable[list[str]]:
    rest = iter(keys)
    while some := list(islice(rest, AT_ONCE)):
        yield some
