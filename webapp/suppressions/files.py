"""Lists of suppressions as CSV: read in any common form, written for a spreadsheet.

Pure. One column is enough: an address, a domain or a phone in each line. With a heading
the columns may stand in any order, so that what other tools export is taken as it is.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from webapp.composing.addresses import AddressError
from webapp.core.csv_cells import as_it_was, neutralised
from webapp.core.one_line import one_line
from webapp.core.words import _
from webapp.suppressions.keys import channel_of, suppression_key
from webapp.suppressions.models import Channel, Reason

MOST_ROWS = 50_000
LONGEST_CELL = 1000
HEADINGS = ("address", "kind", "reason", "recipient_table_id", "source", "since")
BYTE_ORDER_MARK = "\ufeff"
UTF_16 = (b"\xff\xfe", b"\xfe\xff")
#: What columns are called. The last three are those of our own export alone.
_NAMES = {
    "address": frozenset(
        {"address", "email", "e-mail", "mail", "email address", "recipient", "adresse"}
    ),
    "reason": frozenset({"reason", "type", "status", "grund", "motif"}),
    "table": frozenset({"recipient_table_id"}),
    "source": frozenset({"source"}),
    "since": frozenset({"since"}),
}
_NUMBER = re.compile(r"[1-9]\d{0,8}", re.ASCII)
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
    """A line that names somebody; our own export says more of them than others."""

    channel: Channel
    key: str
    address: str
    reason: Reason
    table_id: int | None = None
    source: str = ""
    since: datetime | None = None


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
    >>> read(b"address,recipient_table_id\nb@example.org,3\n")[0][0].table_id
    3
    """
    text = _text(data)
    delimiter = max(",;\t", key=text.partition("\n")[0].count)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    lines: list[Line] = []
    rejects: list[Reject] = []
    places = {"address": 0, "reason": 1}
    try:
        for number, cells in enumerate(rows, 1):
            if number > MOST_ROWS + 1:
                raise NotAList(_("The file has more than %(n)s lines.", n=MOST_ROWS))
            heading = _heading(cells) if number == 1 else {}
            if heading:
                places = heading
            elif any(cell.strip() for cell in cells):
                _take(number, cells, places, (lines, rejects))
    except csv.Error as error:
        raise NotAList(_("The file cannot be read as a table.")) from error
    return lines, rejects


def _text(data: bytes) -> str:
    if data[:2] in UTF_16:  # what spreadsheets call Unicode text
        return data.decode("utf-16", "replace")
    if b"\0" in data[:4096]:
        raise NotAList(_("This is no text file. Save it as CSV."))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def _heading(cells: Sequence[str]) -> dict[str, int]:
    """Return the columns that a first line names; nothing if it is no heading."""
    found: dict[str, int] = {}
    for at, cell in enumerate(cells):
        name = cell.strip().lower()
        for known, names in _NAMES.items():
            if name in names:
                found.setdefault(known, at)
    return found if "address" in found else {}


def _take(
    number: int,
    cells: Sequence[str],
    places: Mapping[str, int],
    found: tuple[list[Line], list[Reject]],
) -> None:
    lines, rejects = found
    said = {name: _cell(cells, at) for name, at in places.items()}
    address = said["address"]
    channel = channel_of(address)
    try:
        key = suppression_key(channel, address)
    except AddressError as error:
        rejects.append(Reject(number, address[:80], error.words))
        return
    reason = said.get("reason", "").lower().replace(" ", "_").replace("-", "_")
    table = said.get("table", "")
    lines.append(
        Line(
            channel,
            key,
            address[:320],
            _REASONS.get(reason, Reason.MANUAL),
            int(table) if _NUMBER.fullmatch(table) else None,
            one_line(said.get("source", ""), 200),
            _instant(said.get("since", "")),
        )
    )


def _instant(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.astimezone(UTC) if found.tzinfo else None


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
