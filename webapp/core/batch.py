"""Rows as one parameter: a statement stays the same text, however long its batch is.

Where each row brings parameters of its own, they are processed one by one, and one text
for each length is compiled and prepared anew. Here the rows come as one JSON array of
arrays, which the database takes apart: `json_each` of SQLite
(https://www.sqlite.org/json1.html), `json_array_elements` of PostgreSQL
(https://www.postgresql.org/docs/current/functions-json.html). For a batch of 32 rows
that takes a third of the time; on PostgreSQL it is one round trip, too.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from webapp.core.db import UtcDateTime

WRITTEN = "%Y-%m-%d %H:%M:%S.%f"  # as SQLite stores an instant


class each(FunctionElement[Any]):  # noqa: N801 - reads as the SQL function that it is
    """The elements of a JSON array, one a row, in the column `value`."""

    inherit_cache = True
    name = "each"


@compiles(each)
def _each(element: each, compiler: Any, **kw: Any) -> str:
    given = compiler.process(element.clauses, **kw)
    return f"json_array_elements(CAST({given} AS JSON))"


@compiles(each, "sqlite")
def _each_sqlite(element: each, compiler: Any, **kw: Any) -> str:
    return f"json_each({compiler.process(element.clauses, **kw)})"


class instant(FunctionElement[datetime]):  # noqa: N801 - reads as the SQL function that it is
    """The instant that a text means, which is written as `WRITTEN` says, in UTC."""

    type = UtcDateTime()
    inherit_cache = True
    name = "instant"


@compiles(instant)
def _instant(element: instant, compiler: Any, **kw: Any) -> str:
    text = compiler.process(element.clauses, **kw)
    return f"CAST(({text}) || '+00' AS TIMESTAMP WITH TIME ZONE)"


@compiles(instant, "sqlite")
def _instant_sqlite(element: instant, compiler: Any, **kw: Any) -> str:
    return str(compiler.process(element.clauses, **kw))


class among(FunctionElement[bool]):  # noqa: N801 - reads as the SQL function that it is
    """Whether a value is one of those of a query; SQLite is not asked."""

    type = sa.Boolean()
    inherit_cache = True
    name = "among"


@compiles(among)
def _among(element: among, compiler: Any, **kw: Any) -> str:
    value, query = (compiler.process(one, **kw) for one in element.clauses)
    return f"{value} = ANY (ARRAY{query})"


@compiles(among, "sqlite")
def _among_sqlite(element: among, compiler: Any, **kw: Any) -> str:
    del element, compiler, kw
    return "1"


class Batch:
    """A table within statements, whose rows are the value of one parameter.

    Parameters
    ----------
    name
        Of the parameter, and of the table.
    columns
        Name and type of each, the first one being `id` where `is_at` is used. Within a
        statement, ``batch["id"]`` is one of them.

    Examples
    --------
    >>> batch = Batch("given", id=sa.Integer(), reply=sa.String())
    >>> batch.rows([{"id": 7, "reply": "Ok", "more": None}])
    '[[7,"Ok"]]'
    >>> str(sa.select(batch["reply"])).partition("AS")[0]
    'SELECT given.value ->> 1 '
    """

    def __init__(self, name: str, **columns: sa.types.TypeEngine[Any]) -> None:
        self._each = each(sa.bindparam(name, type_=sa.String()))
        of = self._each.table_valued("value", name=name).c.value
        self._columns = {
            column: _column(of, place, kind)
            for place, (column, kind) in enumerate(columns.items())
        }

    def __getitem__(self, column: str) -> "sa.ColumnElement[Any]":
        """Return a column, for use in a statement."""
        return self._columns[column]

    def is_at(self, key: "sa.ColumnElement[int]") -> "sa.ColumnElement[bool]":
        """Return the condition that a row of a table has the `id` of one of the batch.

        PostgreSQL is told so in another way as well. It takes any batch for a hundred
        rows; where its statistics say that only a handful of rows is *pending*, as they
        do after a launch, it would rather look at all of these than use the key.
        """
        first = self._each.table_valued("value", name="keys").c.value
        keys = sa.select(_column(first, 0, sa.Integer())).scalar_subquery()
        return sa.and_(key == self["id"], among(key, keys))

    def rows(self, given: Iterable[Mapping[str, Any]]) -> str:
        """Return the value of the parameter: these rows, in this order."""
        names = tuple(self._columns)
        return _write([[row[name] for name in names] for row in given])


def _column(
    value: "sa.ColumnElement[Any]", place: int, kind: "sa.types.TypeEngine[Any]"
) -> "sa.ColumnElement[Any]":
    """Return what stands at a place of a row, as a value of its type."""
    at: sa.ColumnClause[Any] = sa.literal_column(str(place))
    if isinstance(kind, sa.JSON):
        return value.op("->")(at)
    text = value.op("->>", return_type=sa.String())(at)
    if isinstance(kind, UtcDateTime):
        return instant(text)
    if isinstance(kind, sa.String):
        return sa.type_coerce(text, kind)
    return sa.cast(text, kind)


@lru_cache(maxsize=64)
def _written(at: datetime) -> str:
    """Write an instant once: a batch has the same one many times."""
    return at.astimezone(UTC).strftime(WRITTEN)


def _plain(value: Any) -> str:
    """Return how an instant and an id are written."""
    if isinstance(value, UUID):
        return value.hex
    if isinstance(value, datetime) and value.tzinfo is not None:
        return _written(value)
    raise TypeError(f"no value for a batch: {type(value).__name__}")


_write = json.JSONEncoder(default=_plain, separators=(",", ":")).encode
