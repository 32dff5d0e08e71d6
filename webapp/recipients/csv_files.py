"""CSV and TSV files of strangers, read in bounded memory.

A row is numbered as a spreadsheet does: the heading is row 1, and a cell with line
breaks does not count twice. Encoding and delimiter are detected by `csv_detect`; a
person can change both.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

from webapp.recipients.cells import LONGEST_CELL
from webapp.recipients.columns import MOST_COLUMNS

MOST_ROWS = 2_000_000
LARGEST_FILE = 1024 * 1024 * 1024
LONGEST_LINE = 2 * 1024 * 1024
SAMPLE = 64 * 1024
DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
ENCODINGS = {
    "utf-8": "UTF-8",
    "utf-16": "UTF-16",
    "utf-16-le": "UTF-16 LE",
    "utf-16-be": "UTF-16 BE",
    "cp1252": "Windows-1252 (Western Europe)",
    "cp1250": "Windows-1250 (Central Europe)",
    "cp1251": "Windows-1251 (Cyrillic)",
    "cp1253": "Windows-1253 (Greek)",
    "cp1254": "Windows-1254 (Turkish)",
    "shift_jis": "Shift JIS (Japanese)",
    "gb18030": "GB 18030 (Chinese)",
}


class FileProblem(ValueError):
    """A file that cannot be read as a whole; the text says why and what to do."""


@dataclass(frozen=True)
class Layout:
    """How a file is to be read."""

    encoding: str
    delimiter: str
    has_header: bool


def read_rows(
    file: io.RawIOBase | io.BytesIO, layout: Layout
) -> Iterator[tuple[int, list[str]]]:
    """Yield row number and cells of each row that is not blank, without the heading.

    Memory stays within a few lines, whatever the file holds.

    Raises
    ------
    FileProblem
        At a line or cell that is too long, too many columns or rows.
    """
    for number, cells in _all_rows(file, layout):
        if number == 1 and layout.has_header:
            continue
        yield number, cells


def headings(file: io.RawIOBase | io.BytesIO, layout: Layout) -> list[str]:
    """Return the headings; where there are none, “Column 1” and so on.

    Raises
    ------
    FileProblem
        If there is no row at all.
    """
    for _number, cells in _all_rows(file, layout):
        return [
            (_heading(cell) if layout.has_header else "") or f"Column {place}"
            for place, cell in enumerate(cells, 1)
        ]
    raise FileProblem("This file is empty.")


def _heading(cell: str) -> str:
    return " ".join(cell.replace("\0", " ").split())[:200]


def first_rows(
    file: io.RawIOBase | io.BytesIO, layout: Layout, count: int
) -> list[list[str]]:
    """Return the first rows.

    Raises
    ------
    FileProblem
        If there is none, or one cannot be read.
    """
    found: list[list[str]] = []
    for _number, cells in read_rows(file, layout):
        found.append(cells)
        if len(found) == count:
            break
    if not found:
        only = "a heading and no rows" if layout.has_header else "no rows"
        raise FileProblem(f"This file has {only}.")
    return found


def _all_rows(
    file: io.RawIOBase | io.BytesIO, layout: Layout
) -> Iterator[tuple[int, list[str]]]:
    file.seek(0)
    encoding = "utf-8-sig" if layout.encoding == "utf-8" else layout.encoding
    buffered = io.BufferedReader(cast(io.RawIOBase, file), SAMPLE)
    text = io.TextIOWrapper(buffered, encoding, errors="replace", newline="")
    number = 0
    try:
        for cells in csv.reader(_lines(text), delimiter=layout.delimiter):
            number += 1
            if any(cell.strip() for cell in cells):
                yield _within_limits(number, layout), _columns(number, cells)
    except csv.Error as error:
        raise FileProblem(
            f"Row {number + 1} cannot be read: a cell is very long, or a quotation "
            'mark (") is not closed.'
        ) from error
    finally:
        # Or the wrappers would close the file, which is not theirs.
        text.detach()
        buffered.detach()


def _within_limits(number: int, layout: Layout) -> int:
    if number - layout.has_header > MOST_ROWS:
        raise FileProblem(
            "This file has more than 2 million rows. Split it and import the parts."
        )
    return number


def _columns(number: int, cells: list[str]) -> list[str]:
    if len(cells) > MOST_COLUMNS and any(cells[MOST_COLUMNS:]):
        raise FileProblem(
            f"Row {number} has {len(cells)} columns; {MOST_COLUMNS} are the most."
        )
    return cells[:MOST_COLUMNS]


def too_long(cells: Sequence[str]) -> int | None:
    """Return the place of the first cell that is longer than a cell may be."""
    for place, cell in enumerate(cells):
        if len(cell) > LONGEST_CELL:
            return place
    return None


def _lines(text: io.TextIOWrapper) -> Iterator[str]:
    while line := text.readline(LONGEST_LINE):
        if len(line) >= LONGEST_LINE and not line.endswith("\n"):
            raise FileProblem("A line is longer than 2 million characters.")
        yield line
