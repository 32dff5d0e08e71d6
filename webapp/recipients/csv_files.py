"""CSV and TSV files of strangers: told from what is no text, read in bounded memory.

What a file is, its content says and not its name. Encoding and delimiter are detected;
a person can change both. A row is numbered as a spreadsheet does: the heading is row 1,
and a cell with line breaks does not count twice.
"""

import codecs
import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import cast

import charset_normalizer

from webapp.recipients.cells import LONGEST_CELL, parse_cell
from webapp.recipients.columns import MOST_COLUMNS
from webapp.recipients.kinds import ColumnKind
from webapp.recipients.reasons import CellProblem

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
_SEVERAL = 12  # bytes beyond ASCII, below which no statistics help
_MAGIC = (
    (b"\x89PNG", "This is a PNG image, whatever its name says."),
    (b"\xff\xd8\xff", "This is a JPEG image, whatever its name says."),
    (b"GIF8", "This is a GIF image, whatever its name says."),
    (b"%PDF", "This is a PDF, whatever its name says."),
    (b"PK\x03\x04", "This is a zip file or an XLSX workbook. Save it as CSV first."),
    (b"\xd0\xcf\x11\xe0", "This is an old Excel workbook. Save it as CSV first."),
    (b"\x1f\x8b", "This file is compressed. Unpack it first."),
    (b"\x7fELF", "This is a program."),
    (b"SQLite format 3", "This is a database."),
)
_CONTROL = re.compile(b"[\x00-\x08\x0b\x0e-\x1f]")


class FileProblem(ValueError):
    """A file that cannot be read as a whole; the text says why and what to do."""


@dataclass(frozen=True)
class Layout:
    """How a file is to be read."""

    encoding: str
    delimiter: str
    has_header: bool


class Inspector:
    r"""Looks at a file while it comes in, chunk by chunk, and keeps only samples.

    Examples
    --------
    >>> inspector = Inspector()
    >>> inspector.feed("name;city\nZoë;Malmö\n".encode())
    >>> inspector.layout()
    Layout(encoding='utf-8', delimiter=';', has_header=True)
    """

    def __init__(self) -> None:
        self.head = b""
        self._odd = b""
        self._utf8: codecs.IncrementalDecoder | None = None
        self._is_utf8 = True

    def feed(self, chunk: bytes) -> None:
        """Look at the next chunk."""
        if len(self.head) < SAMPLE:
            self.head += chunk[: SAMPLE - len(self.head)]
        if not self._is_utf8:
            return
        self._utf8 = self._utf8 or codecs.getincrementaldecoder("utf-8")()
        try:
            self._utf8.decode(chunk)
        except UnicodeDecodeError as error:
            self._is_utf8 = False
            self._odd = chunk[max(0, error.start - SAMPLE // 2) :][:SAMPLE]

    def layout(self) -> Layout:
        """Return how the file is to be read.

        Raises
        ------
        FileProblem
            If it is no text, or there is nothing in it.
        """
        refuse_no_text(self.head)
        encoding = self._encoding()
        text = self.head.decode(encoding, "replace").removeprefix("\ufeff")
        if not text.strip():
            raise FileProblem("This file is empty.")
        delimiter = guess_delimiter(text)
        layout = Layout(encoding, delimiter, has_header=True)
        first = first_rows(io.BytesIO(self.head), replace(layout, has_header=False), 1)
        return replace(layout, has_header=looks_like_headings(first[0]))

    def _encoding(self) -> str:
        wide = _utf_16(self.head)
        if wide:
            return wide
        if self._is_utf8:
            return "utf-8"
        return _eight_bit(self.head + self._odd)


def refuse_no_text(head: bytes) -> None:
    """Refuse what is no text by its content.

    Raises
    ------
    FileProblem
        If it is a picture, an archive, a workbook or another binary file.
    """
    for magic, words in _MAGIC:
        if head.startswith(magic):
            raise FileProblem(words)
    if not head:
        raise FileProblem("This file is empty.")
    if not _utf_16(head) and len(_CONTROL.findall(head)) > len(head) // 200:
        raise FileProblem("This is not a text file. Save the table as CSV first.")


def guess_delimiter(text: str) -> str:
    r"""Return the delimiter that parts the first lines most evenly.

    Examples
    --------
    >>> [guess_delimiter(text) for text in ("a;b\n1,5;2", "a\tb", "a|b", "only")]
    [';', '\t', '|', ',']
    """
    lines = text[:SAMPLE].splitlines(keepends=True)
    lines = lines[:20] if len(lines) > 20 else lines[:-1] or lines  # noqa: PLR2004 - enough to see; the last line may be cut
    best, delimiter = (0.0, 1), ","
    for candidate in DELIMITERS:
        widths = [len(row) for row in _forgiving(lines, candidate) if row]
        usual = max(set(widths), key=widths.count) if widths else 1
        if usual > 1:
            score = (widths.count(usual) / len(widths), usual)
            best, delimiter = max((best, delimiter), (score, candidate))
    return delimiter


def looks_like_headings(cells: Sequence[str]) -> bool:
    """Say whether a first row names the columns.

    Examples
    --------
    >>> looks_like_headings(["E-mail", "2026"]), looks_like_headings(["a@b.example"])
    (True, False)
    """
    return not any(_is_data(cell) for cell in cells)


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


def _forgiving(lines: Sequence[str], delimiter: str) -> Iterator[list[str]]:
    try:
        yield from csv.reader(lines, delimiter=delimiter)
    except csv.Error:
        return


def _utf_16(head: bytes) -> str | None:
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    pairs = len(head) // 2
    if pairs and head[1::2].count(0) > pairs * 0.4 and head[::2].count(0) == 0:
        return "utf-16-le"
    if pairs and head[::2].count(0) > pairs * 0.4 and head[1::2].count(0) == 0:
        return "utf-16-be"
    return None


def _eight_bit(sample: bytes) -> str:
    """Guess an encoding of eight bits; Windows-1252 where there is little to go by."""
    if sum(byte > 127 for byte in sample) < _SEVERAL:  # noqa: PLR2004 - the end of ASCII
        return "cp1252"
    several = [name for name in ENCODINGS if not name.startswith("utf")]
    matches = list(charset_normalizer.from_bytes(sample, cp_isolation=several))
    if not matches:
        return "cp1252"
    best = matches[0]
    western = [one for one in matches if "cp1252" in one.could_be_from_charset]
    # Where several fit as well, the most usual one; a person sees it and can change it.
    if western and western[0].chaos <= best.chaos:
        return "cp1252"
    return best.encoding if best.encoding in ENCODINGS else "cp1252"


def _is_data(cell: str) -> bool:
    if "@" in cell:
        return True
    for kind in (ColumnKind.DATE, ColumnKind.URL):
        try:
            if parse_cell(kind, cell) is not None:
                return True
        except CellProblem:
            continue
    return False
