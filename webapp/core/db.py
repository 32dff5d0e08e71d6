"""The database: one base, UTC instants, names for constraints, SQLite done right.

Three traps are handled here and nowhere else.

* SQLite drops time zones: `UtcDateTime` stores UTC and gives aware values back.
* A read-then-write transaction of SQLite fails at once with "database is locked" when
  another connection wrote in between. So each one begins as ``BEGIN IMMEDIATE``,
  unless it can only read: the requests GET and HEAD, and the block of `reading`.
* A forgotten commit after a power cut would send twice: ``synchronous=FULL`` with WAL
  (https://www.sqlite.org/pragma.html#pragma_synchronous).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any, ClassVar, TypeVar

import sqlalchemy as sa
from flask import Flask, has_request_context, request
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.engine import Connection, Dialect, Engine
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.sql.functions import FunctionElement

Row = TypeVar("Row")

BUSY_MS = 15_000
_KEPT = 64
_reading: ContextVar[bool] = ContextVar("reading", default=False)


class UtcDateTime(sa.types.TypeDecorator[datetime]):
    """An instant; stored in UTC, given back aware."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(
        self, value: datetime | None, dialect: Dialect
    ) -> datetime | None:
        """Refuse a naive value, and store UTC."""
        del dialect
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant needs a time zone")
        return value.astimezone(UTC)

    def bind_processor(self, dialect: Dialect) -> Any:
        """Write an instant once: a batch of rows has the same one many times."""
        written = super().bind_processor(dialect)
        assert written is not None
        return lru_cache(maxsize=_KEPT)(written)

    def process_result_value(
        self, value: datetime | None, dialect: Dialect
    ) -> datetime | None:
        """Give the instant back in UTC."""
        del dialect
        if value is None:
            return None
        return (
            value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        )


class db_now(FunctionElement[datetime]):  # noqa: N801 - reads as the SQL function that it is
    """The database's clock, to the millisecond: due times never trust a worker's."""

    type = UtcDateTime()
    inherit_cache = True
    name = "db_now"


@compiles(db_now)
def _db_now(element: db_now, compiler: Any, **kw: Any) -> str:
    del element, compiler, kw
    return "clock_timestamp()"


@compiles(db_now, "sqlite")
def _db_now_sqlite(element: db_now, compiler: Any, **kw: Any) -> str:
    del element, compiler, kw
    return "strftime('%Y-%m-%d %H:%M:%f000', 'now')"


def enum_of(kind: type[StrEnum], length: int = 16) -> sa.Enum:
    """Return a column type that stores the values of a `StrEnum`, not its names."""
    return sa.Enum(
        kind,
        values_callable=lambda members: [member.value for member in members],
        native_enum=False,
        length=length,
        validate_strings=True,
    )


class Base(DeclarativeBase):
    """Base of all models."""

    metadata = sa.MetaData(
        naming_convention={
            "ix": "ix_%(column_0_N_label)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: UtcDateTime(),
        dict[str, Any]: sa.JSON(),
        list[str]: sa.JSON(),
        list[Any]: sa.JSON(),
    }


db = SQLAlchemy()


@contextmanager
def reading() -> Iterator[None]:
    """Begin this block's transactions as readers, so that they hold up no writer."""
    token = _reading.set(True)
    try:
        yield
    finally:
        _reading.reset(token)


def read_alone(query: sa.Select[Row]) -> Row | None:
    """Return one row, detached, read in a short transaction of its own.

    For what each request asks before its work: with the transaction of the request
    itself, a slow upload would hold up every other writer of SQLite.
    """
    with reading(), Session(db.engine) as session:
        return session.scalar(query)


def gather_statistics(table: str) -> None:
    """Let PostgreSQL look at a table of which many rows are new; owns its commit.

    Not SQLite: with a million messages no plan over them gets better, for each page has
    an index made for it, and tables that are small just then are read from end to end
    from then on, however large they become.
    """
    if db.engine.dialect.name == "postgresql":
        db.session.connection().exec_driver_sql(f"ANALYZE {table}")
        db.session.commit()


def _only_reads() -> bool:
    if has_request_context() and request.method in {"GET", "HEAD", "OPTIONS"}:
        return True
    return _reading.get()


def prepare_sqlite(engine: Engine) -> None:
    """Set up each connection of an SQLite engine, and how its transactions begin."""

    @sa.event.listens_for(engine, "connect")
    def _connect(connection: Any, record: Any) -> None:
        del record
        connection.isolation_level = None
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            f"busy_timeout={BUSY_MS}",
            "foreign_keys=ON",
            "temp_store=MEMORY",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN" if _only_reads() else "BEGIN IMMEDIATE")


def init_app(app: Flask, url: str) -> None:
    """Tie the database to an application."""
    app.config["SQLALCHEMY_DATABASE_URI"] = url
    # Parameters hold addresses and texts of people; no error may bring them into a log.
    options: dict[str, Any] = {"hide_parameters": True}
    if url.startswith("sqlite"):
        options["connect_args"] = {"timeout": BUSY_MS / 1000}
    else:
        options["pool_pre_ping"] = True
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = options
    db.init_app(app)
    with app.app_context():
        if db.engine.dialect.name == "sqlite":
            prepare_sqlite(db.engine)


__all__ = [
    "Base",
    "UtcDateTime",
    "db",
    "db_now",
    "enum_of",
    "gather_statistics",
    "init_app",
    "prepare_sqlite",
    "read_alone",
    "reading",
]
