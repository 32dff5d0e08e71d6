"""A message template together with one row of a recipient table.

Previews go through the same processes and the same code as sending.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from flask import current_app

from webapp.core.db import db
from webapp.core.errors import NotFound
from webapp.core.words import _
from webapp.message_templates.findings import Finding, Severity
from webapp.message_templates.lint import (
    empty_cells,
    needed_names,
    without_remark_on,
)
from webapp.message_templates.rendering import (
    Rendered,
    RenderFailure,
    Source,
    shared_pool,
)
from webapp.message_templates.rows import typed_row
from webapp.message_templates.source import PART_WORDS
from webapp.recipients.models import Recipient, RecipientTable

_COUNTED_ROWS = 50_000
_LISTED_ROWS = 3


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a recipient table and where it stands."""

    recipient: Recipient
    number: int
    total: int
    values: dict[str, object]


@dataclass(frozen=True, slots=True)
class Preview:
    """What a message template becomes for one row, and what is to be said about it."""

    rendered: Rendered | None
    failure: RenderFailure | None
    findings: list[Finding]
    base_url: str


def table_of(table_id: int) -> RecipientTable:
    """Return a recipient table.

    Raises
    ------
    NotFound
        If there is none.
    """
    table = db.session.get(RecipientTable, table_id)
    if table is None or table.deleted_at:
        raise NotFound(_("This recipient table does not exist."))
    return table


def tables() -> list[RecipientTable]:
    """Return the recipient tables to choose from, the newest first."""
    query = sa.select(RecipientTable).where(RecipientTable.deleted_at.is_(None))
    return list(db.session.scalars(query.order_by(RecipientTable.id.desc())))


def base_url() -> str:
    """Return what relative links belong to where nothing else is said."""
    return str(current_app.config["POSTROOM"].base_url)


def kinds_of(table: RecipientTable) -> dict[str, str]:
    """Return column name to kind."""
    return {column.name: column.kind.value for column in table.columns}


def findings_of(
    source: Source, table: RecipientTable | None, base: str
) -> list[Finding]:
    """Return what the linter says about a source and the columns of a table."""
    names = [column.name for column in table.columns] if table else None
    found = shared_pool().check(source, names, base)
    return without_remark_on(table.address_column, found) if table else found


def system_values(base: str) -> dict[str, object]:
    """Return stand-ins for the names that each sent message has."""
    root = base.rstrip("/")
    return {
        "unsubscribe_url": f"{root}/u/preview",
        "view_url": f"{root}/v/preview",
    }


def recipient_of(recipient_id: int) -> tuple[Recipient, RecipientTable]:
    """Return a recipient and its table.

    Raises
    ------
    NotFound
        If there is none.
    """
    recipient = db.session.get(Recipient, recipient_id)
    if recipient is None:
        raise NotFound(_("This recipient does not exist."))
    return recipient, table_of(recipient.recipient_table_id)


def row_at(table: RecipientTable, number: int) -> Row | None:
    """Return the row of a number, counted from 1; None in an empty table."""
    total = _count(table)
    if not total:
        return None
    number = min(max(number, 1), total)
    recipient = db.session.scalars(
        _rows(table).order_by(Recipient.id).offset(number - 1).limit(1)
    ).one()
    values = typed_row(recipient.row_values, kinds_of(table))
    return Row(recipient, number, total, values)


def find_row(
    table: RecipientTable, how: str, source: Source, search: str = "", after: int = 0
) -> int | None:
    """Return the number of a row worth looking at.

    Parameters
    ----------
    how
        ``random``, ``longest``, ``missing`` or ``search``.
    after
        Number of the row from which *missing* and *search* go on, around the end.
    """
    if how == "random":
        return secrets.randbelow(max(_count(table), 1)) + 1
    written = sa.cast(Recipient.row_values, sa.Text)
    query = _rows(table, Recipient.id)
    if how == "longest":
        query = query.order_by(sa.func.length(written).desc(), Recipient.id)
        return _number_of(table, db.session.scalar(query.limit(1)))
    wanted = _is_missing(table, source) if how == "missing" else None
    if how == "search":
        found = Recipient.address.icontains(search, autoescape=True)
        wanted = found | written.icontains(search, autoescape=True)
    if wanted is None:
        return None
    current = row_at(table, after) if after else None
    at = current.recipient.id if current else 0
    query = query.where(wanted).order_by(Recipient.id).limit(1)
    found_id = db.session.scalar(query.where(Recipient.id > at))
    return _number_of(table, found_id or db.session.scalar(query))


def count_missing(table: RecipientTable, source: Source) -> int:
    """Return how many rows lack a value that the source needs."""
    missing = _is_missing(table, source)
    if missing is None or table.recipients_count > _COUNTED_ROWS:
        return 0
    query = _rows(table, sa.func.count()).where(missing)
    return db.session.scalar(query) or 0


def preview(
    source: Source,
    values: Mapping[str, object],
    table: RecipientTable | None,
    base: str | None = None,
) -> Preview:
    """Render one row and say what the linter finds."""
    base = base or base_url()
    pool = shared_pool()
    (made,) = pool.render_many(source, [{**system_values(base), **values}], base)
    findings = findings_of(source, table, base)
    if isinstance(made, Rendered):
        return Preview(made, None, findings, base)
    return Preview(None, made, _with_failure(findings, made), base)


def _with_failure(findings: list[Finding], failure: RenderFailure) -> list[Finding]:
    """Add why the row failed, unless the linter names the same place already."""
    place = (failure.part, failure.line)
    told = (one for one in findings if one.severity is Severity.ERROR)
    if any((one.part, one.line) == place for one in told):
        return findings
    words = failure.words
    if failure.part:
        words += f" ({PART_WORDS[failure.part]})"
    code = "S03"
    if failure.variable:
        code = "V03" if "is empty" in failure.words else "V01"
    return [Finding(code, Severity.ERROR, words, *place), *findings]


def missing_findings(table: RecipientTable, source: Source) -> list[Finding]:
    """Return V03 for the rows of a table, counted by the database."""
    if table.recipients_count > _COUNTED_ROWS:
        return []
    found = []
    for name in sorted(needed_names(source) & set(kinds_of(table))):
        missing = _is_empty(name)
        count = db.session.scalar(_rows(table, sa.func.count()).where(missing)) or 0
        if count:
            first = _rows(table, Recipient.id).where(missing).order_by(Recipient.id)
            ids = db.session.scalars(first.limit(_LISTED_ROWS))
            numbers = [_number_of(table, one) or 0 for one in ids]
            found.append(empty_cells(source, name, count, numbers))
    return found


def _rows(table: RecipientTable, *what: Any) -> "sa.Select[Any]":
    query = sa.select(*(what or (Recipient,)))
    return query.where(Recipient.recipient_table_id == table.id)


def _count(table: RecipientTable) -> int:
    return db.session.scalar(_rows(table, sa.func.count())) or 0


def _number_of(table: RecipientTable, recipient_id: int | None) -> int | None:
    if recipient_id is None:
        return None
    upto = _rows(table, sa.func.count()).where(Recipient.id <= recipient_id)
    number: int | None = db.session.scalar(upto)
    return number


def _is_empty(name: str) -> "sa.ColumnElement[bool]":
    cell = Recipient.row_values[name].as_string()
    return sa.or_(cell.is_(None), cell == "")


def _is_missing(
    table: RecipientTable, source: Source
) -> "sa.ColumnElement[bool] | None":
    names = sorted(needed_names(source) & set(kinds_of(table)))
    return sa.or_(*map(_is_empty, names)) if names else None
