"""What can be done with recipient tables, and how those above read their rows.

Rows are added and changed in `row_service`, files come in through `import_service`.
"""

import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import selectinload

from webapp.core.clock import now
from webapp.core.db import db, reading
from webapp.core.errors import Invalid, NotFound, Refused
from webapp.core.queue import Lane, wake
from webapp.operators import audit
from webapp.recipients.cells import Cell
from webapp.recipients.columns import (
    ADDRESS_KINDS,
    MOST_COLUMNS,
    name_problem,
    suggest_name,
)
from webapp.recipients.kinds import ColumnKind, ColumnSpec
from webapp.recipients.models import (
    ImportState,
    Recipient,
    RecipientColumn,
    RecipientImport,
    RecipientTable,
)
from webapp.recipients.rows import template_values

NEWER = "Somebody saved a newer version. Look at it, then save yours again."
IMPORT_JOB = "recipients.import"
REREAD_JOB = "recipients.reread"
SILENT = timedelta(seconds=60)
TAKEN = "There is a recipient table with this name already."


def all_tables() -> "sa.Select[Any]":
    """Return the query for the tables that are not deleted."""
    return (
        sa.select(RecipientTable)
        .options(selectinload(RecipientTable.columns))
        .where(RecipientTable.deleted_at.is_(None))
    )


def names() -> dict[int, str]:
    """Return the names of the tables that are not deleted by id, in their order."""
    there = sa.select(RecipientTable.id, RecipientTable.name).where(
        RecipientTable.deleted_at.is_(None)
    )
    found = db.session.execute(there.order_by(RecipientTable.name))
    return {row.id: row.name for row in found}


def get(table_id: int) -> RecipientTable:
    """Return a table.

    Raises
    ------
    NotFound
        If there is none, or it was deleted.
    """
    table = db.session.get(RecipientTable, table_id)
    if table is None or table.deleted_at is not None:
        raise NotFound("There is no such recipient table, or it was deleted.")
    return table


def specs(table: RecipientTable) -> list[ColumnSpec]:
    """Return the columns as plain values."""
    return [
        ColumnSpec(
            column.name,
            column.kind,
            column.label,
            column.required,
            column.is_unique,
            column.untrusted,
        )
        for column in table.columns
    ]


def column_names(table: RecipientTable) -> list[str]:
    """Return the names of the columns, in their order: the placeholders."""
    return [column.name for column in table.columns]


def rows_after(table_id: int, recipient_id: int, limit: int) -> list[Recipient]:
    """Return the rows behind one, in the order of their ids; 0 begins at the first.

    Any number of rows can be walked through so, in steps that cost the same.
    """
    query = sa.select(Recipient).where(
        Recipient.recipient_table_id == table_id, Recipient.id > recipient_id
    )
    return list(db.session.scalars(query.order_by(Recipient.id).limit(limit)))


def values_for_template(row: Recipient) -> dict[str, Cell]:
    """Return what a message template may use of a row; see `rows.template_values`.

    A cell that is empty or bad is absent: an undefined name, and so an error of this
    row unless the message template says ``default``. Dates are ISO 8601 texts.
    """
    return template_values(row.row_values, row.problems)


def create(
    name: str,
    columns: Sequence[ColumnSpec],
    address_column: str = "",
    *,
    is_example: bool = False,
) -> RecipientTable:
    """Create a table.

    Raises
    ------
    Invalid
        If the name is taken or a column is wrong.
    """
    wanted, address = checked_columns(columns, address_column)
    table = RecipientTable(name=name, address_column=address, is_example=is_example)
    table.columns = [_model(spec, place) for place, spec in enumerate(wanted)]
    db.session.add(table)
    _flush_name()
    audit.record("recipient_table.created", "recipient_table", table.id, name)
    db.session.commit()
    return table


def change(
    table_id: int,
    *,
    version: int | None,
    name: str,
    columns: Sequence[ColumnSpec],
    address_column: str = "",
) -> RecipientTable:
    """Change a table's name and columns; a column that is named no more is dropped.

    Rows that the change concerns are read again by the job ``recipients.reread``; the
    caller wakes it when `reread_from` is set.

    Raises
    ------
    Refused
        If somebody saved a newer version.
    Invalid
        If the name is taken or a column is wrong.
    """
    table = get(table_id)
    take_version(table, version)
    wanted, address = checked_columns(columns, address_column)
    before = {
        (spec.name, spec.kind, spec.required, spec.unique) for spec in specs(table)
    }
    after = {(spec.name, spec.kind, spec.required, spec.unique) for spec in wanted}
    if before != after or address != table.address_column:
        table.reread_from = 0
    table.name, table.address_column = name, address
    _keep_in_step(table, wanted)
    _flush_name()
    audit.record("recipient_table.changed", "recipient_table", table.id, name)
    db.session.commit()
    return table


def add_columns(table: RecipientTable, new: Sequence[ColumnSpec]) -> None:
    """Add columns within the caller's transaction; rows need not be read again."""
    wanted, address = checked_columns([*specs(table), *new], table.address_column)
    table.address_column = address
    table.version += 1
    _keep_in_step(table, wanted)
    db.session.flush()


def delete(table_id: int, typed_name: str | None = None) -> RecipientTable:
    """Delete a table; it can be restored for 30 days.

    Parameters
    ----------
    typed_name
        What a person typed to confirm; ``None`` where a program asks.

    Raises
    ------
    Invalid
        If the name was not typed right.
    """
    table = get(table_id)
    if typed_name is not None and typed_name.strip() != table.name:
        words = "This is not the name of the table."
        raise Invalid(words, {"name": [words]})
    table.deleted_at = now()
    audit.record("recipient_table.deleted", "recipient_table", table.id, table.name)
    db.session.commit()
    return table


def discard_empty(table_id: int) -> None:
    """Forget a table that was made for a file which then was none."""
    table = get(table_id)
    if not table.recipients_count and not table.columns:
        db.session.delete(table)
        db.session.commit()


def restore(table_id: int) -> RecipientTable:
    """Take the deletion of a table back.

    Raises
    ------
    NotFound
        If there is none.
    Refused
        If its name was taken meanwhile.
    """
    table = db.session.get(RecipientTable, table_id)
    if table is None:
        raise NotFound("There is no such recipient table.")
    table.deleted_at = None
    try:
        db.session.flush()
    except IntegrityError as error:
        db.session.rollback()
        raise Refused(TAKEN) from error
    audit.record("recipient_table.restored", "recipient_table", table.id, table.name)
    db.session.commit()
    return table


def take_version(table: RecipientTable, version: int | None) -> None:
    """Move a table on to its next version, unless somebody was faster.

    Raises
    ------
    Refused
        If `version` is not the present one.
    """
    seen = table.version if version is None else version
    won = db.session.execute(
        sa.update(RecipientTable)
        .where(RecipientTable.id == table.id, RecipientTable.version == seen)
        .values(version=seen + 1)
        .execution_options(synchronize_session=False)
        .returning(RecipientTable.id)
    )
    if won.scalar() is None:
        raise Refused(NEWER)
    db.session.refresh(table)


def count_rows(table_id: int, difference: int) -> None:
    """Keep the number of rows in step, within the caller's transaction."""
    db.session.execute(
        sa.update(RecipientTable)
        .where(RecipientTable.id == table_id)
        .values(
            recipients_count=RecipientTable.recipients_count + difference,
            rows_version=RecipientTable.rows_version + 1,
            updated_at=now(),
        )
        .execution_options(synchronize_session=False)
    )


def checked_columns(
    columns: Sequence[ColumnSpec], address_column: str
) -> tuple[list[ColumnSpec], str]:
    """Return the columns with names, and the address column.

    Raises
    ------
    Invalid
        If a name is none or there twice, or the address column holds no address.
    """
    wanted: list[ColumnSpec] = []
    wrong: dict[str, list[str]] = {}
    for place, spec in enumerate(columns):
        taken = [other.name for other in wanted]
        name = spec.name or suggest_name(spec.label, taken)
        words = "There is a column of this name already." if name in taken else None
        if words := words or name_problem(name):
            wrong[f"columns.{place}.name"] = [words]
        fields = {**spec.__dict__, "name": name, "label": spec.label or name}
        wanted.append(ColumnSpec(**fields))
    if len(wanted) > MOST_COLUMNS:
        wrong["columns"] = [f"A table has at most {MOST_COLUMNS} columns."]
    holds = {spec.name: spec.kind for spec in wanted if spec.kind in ADDRESS_KINDS}
    if address_column and address_column not in holds:
        wrong["address_column"] = ["This must be an e-mail or phone column."]
    if wrong:
        raise Invalid("Some columns need your attention.", wrong)
    by_kind = sorted(holds, key=lambda name: holds[name] is not ColumnKind.EMAIL)
    return wanted, address_column or (by_kind[0] if by_kind else "")


def resume_stale_imports() -> int:
    """Wake workers for imports and rereadings that went silent; return how many.

    Whoever reconciles calls it every few seconds; twice at once does no harm, because
    an import has one worker at a time and knows the row that it is at.
    """
    before = now() - SILENT
    imports = sa.select(RecipientImport.id).where(
        RecipientImport.state.in_([ImportState.CHECKING, ImportState.RUNNING]),
        RecipientImport.beat_at < before,
    )
    tables = sa.select(RecipientTable.id).where(
        RecipientTable.reread_from.is_not(None), RecipientTable.updated_at < before
    )
    with reading():
        silent = list(db.session.scalars(imports))
        unread = list(db.session.scalars(tables))
        db.session.rollback()
    minute = int(now().timestamp()) // 60
    for name, ids in ((IMPORT_JOB, silent), (REREAD_JOB, unread)):
        for one in ids:
            unique = f"{name.replace('.', '-')}-{one}-{minute}"
            wake(name, one, lane=Lane.IMPORTS, unique=unique)
    return len(silent) + len(unread)


def new_batch() -> uuid.UUID:
    """Return the name of what is deleted together."""
    return uuid.uuid4()


def _keep_in_step(table: RecipientTable, wanted: Sequence[ColumnSpec]) -> None:
    """Bring the column models in line, and keep those that stay."""
    known = {column.name: column for column in table.columns}
    kept: list[RecipientColumn] = []
    for place, spec in enumerate(wanted):
        fresh = _model(spec, place)
        column = known.get(spec.name)
        if column is None:
            kept.append(fresh)
            continue
        column.label, column.kind, column.position = fresh.label, fresh.kind, place
        column.required, column.is_unique = fresh.required, fresh.is_unique
        column.untrusted = fresh.untrusted
        kept.append(column)
    table.columns = kept


def _model(spec: ColumnSpec, place: int) -> RecipientColumn:
    return RecipientColumn(
        name=spec.name,
        label=spec.label,
        kind=spec.kind,
        required=spec.required,
        is_unique=spec.unique,
        untrusted=spec.untrusted,
        position=place,
    )


def _flush_name() -> None:
    try:
        db.session.flush()
    except IntegrityError as error:
        db.session.rollback()
        raise Invalid(TAKEN, {"name": [TAKEN]}) from error
