"""What the database is asked, and how it would look for the answer."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from webapp.core.db import db

Asked = tuple[str, Any]


@contextmanager
def asking() -> Iterator[list[Asked]]:
    """Collect the statements that the database is asked, with their parameters."""
    seen: list[Asked] = []

    def note(_connection: Any, _cursor: Any, text: str, values: Any, *_: Any) -> None:
        if not text.startswith(("BEGIN", "SAVEPOINT", "RELEASE", "PRAGMA")):
            seen.append((text, values))

    sa.event.listen(db.engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        sa.event.remove(db.engine, "before_cursor_execute", note)


def scans(seen: list[Asked], *tables: str) -> list[str]:
    """Return the statements for which SQLite would read all of one of these tables.

    Reading all of an index counts as much: it has as many rows.
    """
    found = []
    with db.engine.connect() as connection:
        for text, values in seen:
            if not text.startswith(("SELECT", "UPDATE", "DELETE", "INSERT", "WITH")):
                continue
            many = isinstance(values, list)
            plan = connection.exec_driver_sql(
                f"EXPLAIN QUERY PLAN {text}", values[0] if many else values
            ).all()
            steps = [str(row[3]) for row in plan]
            if any(_is_scan(step, table) for step in steps for table in tables):
                found.append("\n  ".join([text, *steps]))
    return found


def _is_scan(step: str, table: str) -> bool:
    return step.split()[:2] == ["SCAN", table]
