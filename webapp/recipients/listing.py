"""Which rows of a recipient table a person wants to see, in pages of equal cost.

Rows come in the order in which they were added, by keyset on (table, id).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import aliased

from webapp.core.db import db
from webapp.core.errors import Invalid
from webapp.core.http import end_of_window
from webapp.recipients.models import Recipient, RecipientTable
from webapp.suppressions.conditions import suppressed

PAGE = 50
COUNT_UP_TO = 5_000  # rows; beyond it, filters carry no figures: pages stay quick


class Only(StrEnum):
    """A filter of rows."""

    INVALID = "invalid"
    DUPLICATE = "duplicate"
    SUPPRESSED = "suppressed"


@dataclass(frozen=True)
class Wanted:
    """What was asked for: a search, and a filter."""

    q: str = ""
    only: Only | None = None


@dataclass(frozen=True)
class RowPage:
    """One page of rows; the ids lead to the pages before and after.

    A search or a filter looks at some thousand rows for one page, so that there may be
    fewer rows than fit on it, or none, and yet a page after it.
    """

    rows: Sequence[Recipient]
    before: int | None
    after: int | None


def wanted_of(q: str, only: str) -> Wanted:
    """Return what was asked for.

    Raises
    ------
    Invalid
        If there is no such filter.
    """
    try:
        return Wanted(q.strip()[:200], Only(only) if only else None)
    except ValueError as error:
        words = "The filter is one of: invalid, duplicate, suppressed."
        raise Invalid(words, {"only": [words]}) from error


def query_of(table: RecipientTable, wanted: Wanted) -> "sa.Select[Any]":
    """Return the query for the rows, without order."""
    query = sa.select(Recipient).where(Recipient.recipient_table_id == table.id)
    if wanted.only:
        query = query.where(_only(table.id, wanted.only))
    if wanted.q:
        query = query.where(_search(table, wanted.q))
    return query


def window_of(table: RecipientTable, wanted: Wanted) -> "sa.Select[Any] | None":
    """Return the query of all rows to search in; none where an index finds them."""
    if wanted.q or wanted.only not in {None, Only.INVALID}:
        return query_of(table, Wanted())
    return None


def page(
    table: RecipientTable,
    wanted: Wanted,
    after: int | None = None,
    before: int | None = None,
) -> RowPage:
    """Return a page of rows behind or before a row."""
    query, window = query_of(table, wanted), window_of(table, wanted)
    backwards = before is not None
    beyond = Recipient.id < before if backwards else Recipient.id > (after or 0)
    order = Recipient.id.desc() if backwards else Recipient.id.asc()
    end = None
    if window is not None:
        end = end_of_window(window.where(beyond), Recipient.id, order)
    if end is not None:
        query = query.where(Recipient.id >= end if backwards else Recipient.id <= end)
    rows = list(db.session.scalars(query.where(beyond).order_by(order).limit(PAGE + 1)))
    more, rows = len(rows) > PAGE, rows[:PAGE]
    onwards = rows[-1].id if more else end
    if backwards:
        rows.reverse()
        return RowPage(rows, onwards, rows[-1].id if rows else before)
    return RowPage(rows, (rows[0].id if rows else after) if after else None, onwards)


def counts(table: RecipientTable) -> dict[Only, int | None]:
    """Return how many rows each filter has; nothing where counting would take long."""
    found: dict[Only, int | None] = {}
    for only in Only:
        if table.recipients_count > COUNT_UP_TO and only is not Only.INVALID:
            found[only] = None
            continue
        inner = query_of(table, Wanted(only=only)).with_only_columns(Recipient.id)
        some = inner.limit(COUNT_UP_TO + 1).subquery()
        count = db.session.scalar(sa.select(sa.func.count()).select_from(some)) or 0
        found[only] = count if count <= COUNT_UP_TO else None
    return found


def badges(table: RecipientTable, rows: Sequence[Recipient]) -> dict[int, set[Only]]:
    """Return which filters each of these rows falls under."""
    ids = [row.id for row in rows]
    found: dict[int, set[Only]] = {row_id: set() for row_id in ids}
    for only in Only:
        query = query_of(table, Wanted(only=only)).where(Recipient.id.in_(ids))
        for row_id in db.session.scalars(query.with_only_columns(Recipient.id)):
            found[row_id].add(only)
    return found


def filled(table: RecipientTable, rows: Sequence[Recipient]) -> dict[str, int]:
    """Return how many percent of these rows have each column filled."""
    return {
        column.name: round(
            100 * sum(column.name in row.row_values for row in rows) / len(rows)
        )
        if rows
        else 0
        for column in table.columns
    }


def _only(table_id: int, only: Only) -> "sa.ColumnElement[bool]":
    if only is Only.INVALID:
        return Recipient.has_problems.expression
    if only is Only.SUPPRESSED:
        is_suppressed = suppressed(Recipient.address_key, table_id)
        return sa.and_(Recipient.address_key != "", is_suppressed)
    earlier = aliased(Recipient)
    same = sa.select(earlier.id).where(
        earlier.recipient_table_id == table_id,
        earlier.address_key == Recipient.address_key,
        earlier.id < Recipient.id,
    )
    return sa.and_(Recipient.address_key != "", sa.exists(same))


def _search(table: RecipientTable, q: str) -> "sa.ColumnElement[bool]":
    """Return the condition for ``words`` anywhere, or for ``column:words``."""
    found = re.fullmatch(r"\s*([A-Za-z_][A-Za-z0-9_]*)\s*:(.*)", q, re.DOTALL)
    names = {column.name for column in table.columns}
    if found and found[1] in names:
        # The name is a bound parameter here, like the text: never part of the SQL.
        cell = Recipient.row_values[found[1]].as_string()
        text = found[2].strip().strip('"').lower()
        return sa.func.lower(cell).contains(text, autoescape=True)
    return Recipient.search.contains(q.casefold(), autoescape=True)
