"""Lists of suppressions as CSV: read in any common form, written for a spreadsheet.

Pure. One column is enough: an address, a domain or a phone in each line. With a heading
the columns may stand in any order, so that what other tools export is taken as it is.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from webapp.composing.addresses import AddressError
from webapp.core.csv_cells import as_it_was, neutralised
from webapp.suppressions.keys import channel_of, suppression_key
from webapp.suppressions.models import Channel, Reason

MOST_ROWS = 50_000
LONGEST_CELL = 1000
HEADINGS = ("address", "kind", "reason", "recipient_table_id", "source", "since")
BYTE_ORDER_MARK = "\ufeff"
_ADDRESS = frozenset(
    {"address", "email", "e-mail", "mail", "email address", "recipient", "adresse"}
)
_REASON = frozenset({"reason", "type", "status", "grund", "motif"})
#: What other tools call our reasons.
_REASONS = {
    **{reason.value: reason for reason in Reason if reason is not Reason.ERASED},
    "unsubscribe": Reason.UNSUBSCRIBED,
    "optout": Reason.UNSUBSCRIBED,
    "opt_out": Reason.UNSUBSCRIBED,
    "bounce": Reason.HARD_BOUNCE,
    "bounced": Reason.HARD_BOUNCE,
    "hard": Reason.HARD_BOUNCE,
    "spam": Reason.COMPLAINT,
    "complained": Reason.COMPLAINT,
    "abuse": Reason.COMPLAINT,
    "cleaned": Reason.HARD_BOUNCE,
}


class NotAList(ValueError):
    """The file cannot be read; the text says why."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line that names somebody."""

    channel: Channel
    key: str
    address: str
    reason: Reason


@dataclass(frozen=True, slots=True)
class Reject:
    """A line that names nobody, and why."""

    number: int
    text: str
    words: str


def read(data: bytes) -> tuple[list[Line], list[Reject]]:
    r"""Return the lines of a file, and those that cannot be taken.

    Raises
    ------
    NotAList
        If it is no text, or has too many lines.

    Examples
    --------
    >>> lines, rejects = read(b"email;reason\nAda@Example.org;bounced\nada\n")
    >>> lines[0].key, lines[0].reason.value, rejects[0].number
    ('ada@example.org', 'hard_bounce', 3)
    >>> [line.key for line in read(b"b@example.org\n@example.net\n")[0]]
    ['b@example.org', 'example.net']
    """
    text = _text(data)
    delimiter = max(",;\t", key=text.partition("\n")[0].count)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    lines: list[Line] = []
    rejects: list[Reject] = []
    places = (0, 1)
    try:
        for number, cells in enumerate(rows, 1):
            if number > MOST_ROWS + 1:
                raise NotAList(f"The file has more than {MOST_ROWS} lines.")
            heading = _heading(cells) if number == 1 else None
            if heading:
                places = heading
            elif any(cell.strip() for cell in cells):
                _take(number, cells, places, (lines, rejects))
    except csv.Error as error:
        raise NotAList("The file cannot be read as a table.") from error
    return lines, rejects


def _text(data: bytes) -> str:
    if b"\0" in data[:4096]:
        raise NotAList("This is no text file. Save it as CSV.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def _heading(cells: Sequence[str]) -> tuple[int, int] | None:
    names = [cell.strip().lower() for cell in cells]
    at = next((at for at, name in enumerate(names) if name in _ADDRESS), None)
    if at is None:
        return None
    reason = next((at for at, name in enumerate(names) if name in _REASON), -1)
    return at, reason


def _take(
    number: int,
    cells: Sequence[str],
    places: tuple[int, int],
    found: tuple[list[Line], list[Reject]],
) -> None:
    lines, rejects = found
    address = _cell(cells, places[0])
    reason = _cell(cells, places[1]).lower().replace(" ", "_").replace("-", "_")
    channel = channel_of(address)
    try:
        key = suppression_key(channel, address)
    except AddressError as error:
        rejects.append(Reject(number, address[:80], error.words))
        return
    known = _REASONS.get(reason, Reason.MANUAL)
    lines.append(Line(channel, key, address[:320], known))


def _cell(cells: Sequence[str], at: int) -> str:
    if not 0 <= at < len(cells):
        return ""
    return as_it_was(cells[at][:LONGEST_CELL].strip())


def lines_of(rows: Iterator[Sequence[object]]) -> Iterator[str]:
    """Yield rows as CSV (RFC 4180), safe to open in a spreadsheet."""
    yield BYTE_ORDER_MARK + _line(HEADINGS)
    for row in rows:
        yield _line(row)


def _line(cells: Sequence[object]) -> str:
    out = io.StringIO()
    texts = ["" if cell is None else str(cell) for cell in cells]
    csv.writer(out).writerow([neutralised(text) for text in texts])
    return out.getvalue()
