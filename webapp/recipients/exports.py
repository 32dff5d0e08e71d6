"""All rows of a table as a file, in pieces: never more than some hundred in memory."""

import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from webapp.core.clock import now
from webapp.core.csv_cells import neutralised
from webapp.core.db import db
from webapp.recipients.cells import Cell, as_text
from webapp.recipients.models import ImportReject, Recipient

AT_ONCE = 500
BYTE_ORDER_MARK = "\ufeff"


def csv_lines(table_id: int, names: Sequence[str]) -> Iterator[str]:
    """Yield the rows as CSV (RFC 4180), safe to open in a spreadsheet.

    UTF-8 with a byte order mark, so that spreadsheets do not guess; the heading is the
    columns' names.
    """
    yield BYTE_ORDER_MARK + _line(names)
    for rows in _values(table_id):
        yield "".join(
            _line([cell_text(values.get(name)) for name in names]) for values in rows
        )


def json_lines(table_id: int, names: Sequence[str]) -> Iterator[str]:
    """Yield the rows as JSON Lines, typed and untouched: for machines."""
    for rows in _values(table_id):
        yield "".join(
            json.dumps({name: values.get(name) for name in names}, ensure_ascii=False)
            + "\n"
            for values in rows
        )


def reject_lines(import_id: int, headings: Sequence[str]) -> Iterator[str]:
    """Yield the rows that an import left out: row number, reason, and their cells."""
    yield BYTE_ORDER_MARK + _line(["row", "reason", *map(neutralised, headings)])
    last = 0
    while rows := _rejects_after(import_id, last):
        last = rows[-1].id
        yield "".join(
            _line([str(row.row_number), _why(row), *map(neutralised, row.cells)])
            for row in rows
        )


def cell_text(cell: Cell | None) -> str:
    """Return the cell as a spreadsheet may see it.

    Examples
    --------
    >>> [cell_text(cell) for cell in ("=1+1", -5, True, None)]
    ["'=1+1", '-5', 'yes', '']
    """
    text = as_text(cell)
    return text if isinstance(cell, int | float) else neutralised(text)


def file_name(table_name: str, form: str) -> str:
    """Return what an export is called.

    Examples
    --------
    >>> file_name("Members: 2026/27", "csv").startswith("members-2026-27-")
    True
    """
    slug = re.sub(r"[^\w]+", "-", table_name.lower()).strip("-")[:60] or "recipients"
    return f"{slug}-{now():%Y-%m-%d}.{form}"


def _line(cells: Sequence[str]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerow(cells)
    return out.getvalue()


def _rejects_after(import_id: int, last: int) -> Sequence["sa.Row[Any]"]:
    query = sa.select(
        ImportReject.id,
        ImportReject.row_number,
        ImportReject.column,
        ImportReject.reason,
        ImportReject.cells,
    ).where(ImportReject.import_id == import_id, ImportReject.id > last)
    rows = db.session.execute(query.order_by(ImportReject.id).limit(AT_ONCE)).all()
    db.session.rollback()
    return rows


def _why(row: "sa.Row[Any]") -> str:
    return neutralised(f"{row.column}: {row.reason}" if row.column else row.reason)


def _values(table_id: int) -> Iterator[list[dict[str, Cell]]]:
    """Yield the values of the rows, some hundred at a time, each in a short read."""
    last = 0
    while True:
        query = sa.select(Recipient.id, Recipient.row_values).where(
            Recipient.recipient_table_id == table_id, Recipient.id > last
        )
        rows = db.session.execute(query.order_by(Recipient.id).limit(AT_ONCE)).all()
        db.session.rollback()
        if not rows:
            return
        last = rows[-1].id
        yield [row.row_values for row in rows]
