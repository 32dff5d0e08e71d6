"""What a file of strangers is: told by its content, and never by its name."""

import codecs
import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

import charset_normalizer

from webapp.recipients.cells import parse_cell
from webapp.recipients.csv_files import (
    DELIMITERS,
    ENCODINGS,
    SAMPLE,
    FileProblem,
    Layout,
    first_rows,
)
from webapp.recipients.kinds import ColumnKind
from webapp.recipients.reasons import CellProblem

_SEVERAL = 12  # bytes beyond ASCII, below which no statistics help
_UTF_32 = "This is text in UTF-32. Save it as UTF-8 or UTF-16."
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
    (codecs.BOM_UTF32_LE, _UTF_32),
    (codecs.BOM_UTF32_BE, _UTF_32),
)
_CONTROL = re.compile(b"[\x00-\x08\x0b\x0e-\x1f]")


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
        """Look at the next chunk.

        Raises
        ------
        FileProblem
            If the file is no text, as soon as that can be seen.
        """
        if len(self.head) < SAMPLE:
            self.head += chunk[: SAMPLE - len(self.head)]
            refuse_no_text(self.head)
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
