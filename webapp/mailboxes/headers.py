"""The header block of a mail, read under caps: lines, addresses, dates, parameters.

Pure and linear. The standard parser is quadratic on 50 000 commas and raises on
``Message-ID: <`` (see SECURITY.md 07), so nothing of it sees a stranger's octets here.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_tz
from urllib.parse import unquote_to_bytes

from webapp.core.one_line import one_line
from webapp.mailboxes.charsets import decode_words, safe_decode

BLOCK_CAP = 64 * 1024
HEADER_CAP = 8 * 1024
MOST_HEADERS = 1000
MOST_ADDRESSES = 100
MOST_PARAMETERS = 50
MOST_REFERENCES = 50
OLDEST_YEAR, NEWEST_YEAR = 1971, 2100

_NAME = re.compile(rb"([!-9;-~]{1,100})[ \t]*:")


@dataclass(frozen=True, slots=True)
class MailAddress:
    """An address as a mail shows it; both parts are strangers' text."""

    name: str
    addr: str

    @property
    def shown(self) -> str:
        """The name, or the address where there is none."""
        return self.name or self.addr


@dataclass(frozen=True, slots=True)
class Headers:
    """The header fields in order: lower-case name, raw unfolded value as text."""

    fields: tuple[tuple[str, str], ...] = ()

    def first(self, name: str) -> str:
        """Return the first value of that name, raw, or the empty string."""
        return next((value for key, value in self.fields if key == name), "")

    def all(self, name: str) -> list[str]:
        """Return every value of that name."""
        return [value for key, value in self.fields if key == name]

    def text(self, name: str) -> str:
        """Return the first value, decoded and fit for one line."""
        return one_line(decode_words(self.first(name)))

    def addresses(self, name: str) -> list[MailAddress]:
        """Return the addresses of all fields of that name."""
        return [
            address for value in self.all(name) for address in parse_addresses(value)
        ][:MOST_ADDRESSES]

    def shown(self) -> list[tuple[str, str]]:
        """Return every field as a page shows it."""
        return [(name, one_line(decode_words(value))) for name, value in self.fields]


def parse_headers(block: bytes) -> Headers:
    r"""Read a header block; what is not a header is left out.

    >>> parse_headers(b"Subject: a\r\n  b\r\nnonsense\r\nX-Y:z\r\n\r\nbody: no").fields
    (('subject', 'a b'), ('x-y', 'z'))
    """
    block = block[:BLOCK_CAP]
    fields: list[tuple[str, bytearray]] = []
    taking = False
    for line in re.split(rb"\r\n|\n|\r", block):
        if not line:
            if fields:
                break
            continue
        if line[:1] in (b" ", b"\t"):
            if taking and len(fields[-1][1]) < HEADER_CAP:
                fields[-1][1].extend(b" " + line.strip())
            continue
        found = _NAME.match(line)
        taking = found is not None and len(fields) < MOST_HEADERS
        if taking and found:
            name = found[1].decode("ascii").lower()
            fields.append((name, bytearray(line[found.end() :].strip())))
    return Headers(
        tuple((name, safe_decode(bytes(value[:HEADER_CAP]))) for name, value in fields)
    )


# --- addresses ----------------------------------------------------------------------

_ADDRESS_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"?|[,;:<>()]|[^",;:<>()]+', re.DOTALL)


def parse_addresses(raw: str) -> list[MailAddress]:
    """Read an address list as leniently as mails need it (RFC 5322 3.4 and worse).

    >>> parse_addresses('"Byrne, Ada" <ada@example.com>, b@example.com (Bo)')
    [MailAddress(name='Byrne, Ada', addr='ada@example.com'), \
MailAddress(name='Bo', addr='b@example.com')]
    >>> parse_addresses("undisclosed-recipients:;")
    []
    """
    found: list[MailAddress] = []
    for words, angle, comment in _mailboxes(raw[:HEADER_CAP]):
        address = _address(words, angle, comment)
        if address:
            found.append(address)
        if len(found) == MOST_ADDRESSES:
            break
    return found


def _mailboxes(raw: str) -> Iterator[tuple[str, str | None, str]]:
    """Yield (words, what stood in angles, comment) of each element of the list."""
    words, comment = "", ""
    angle: str | None = None
    depth, in_angle = 0, False
    for piece in _ADDRESS_TOKEN.findall(raw):
        if piece == "(":
            depth += 1
        elif depth:
            depth -= piece == ")"
            comment += piece if depth else ""
        elif in_angle:
            in_angle = piece not in (">", ",")
            angle = (angle or "") + (piece if in_angle else "")
        elif piece == "<":
            in_angle, angle = True, angle or ""
        elif piece in (",", ";"):
            yield words, angle, comment
            words, comment, angle = "", "", None
        elif piece == ":":
            words = ""  # the name of a group
        else:
            words += piece
    yield words, angle, comment


def _address(words: str, angle: str | None, comment: str) -> MailAddress | None:
    addr = (angle if angle is not None else words).strip()
    name = words if angle is not None else comment
    name = one_line(decode_words(re.sub(r'\\(.)|"', r"\1", name)), 200)
    addr = one_line(addr, 320).replace(" ", "")
    if not addr and not name:
        return None
    if "@" not in addr and angle is None:
        return MailAddress(one_line(decode_words(words), 200), "")
    return MailAddress(name if name != addr else "", addr)


# --- dates --------------------------------------------------------------------------


def parse_date(raw: str) -> datetime | None:
    """Read a Date header (RFC 5322 3.3), or return None when no calendar knows it.

    >>> parse_date("Sun, 22 Nov 2026 07:12:41 +0100").isoformat()
    '2026-11-22T07:12:41+01:00'
    >>> parse_date("Fri, 31 Dec 99999999999999999999 23:59:59 -1200") is None
    True
    """
    try:
        parsed = parsedate_tz(raw[:100])
        if parsed is None or not OLDEST_YEAR <= parsed[0] <= NEWEST_YEAR:
            return None
        offset = parsed[9] or 0
        zone = timezone(timedelta(seconds=offset)) if offset else UTC
        year, month, day, hour, minute, second = parsed[:6]
        return datetime(year, month, day, hour, minute, min(second, 59), tzinfo=zone)
    except Exception:  # noqa: BLE001 - the library raises five kinds on strangers' dates
        return None


# --- Message-IDs --------------------------------------------------------------------

_MESSAGE_ID = re.compile(r"<[^<>\s]{1,500}>")


def message_ids(raw: str) -> list[str]:
    """Return the Message-IDs in a value, in order, with their angles.

    >>> message_ids("<a@b> junk <c@d>")
    ['<a@b>', '<c@d>']
    """
    return _MESSAGE_ID.findall(raw)[:MOST_REFERENCES]


# --- Content-Type and Content-Disposition --------------------------------------------

_PARAMETER = re.compile(
    r';\s*([!#$&+.^_`|~0-9A-Za-z*\'%-]{1,60})\s*=\s*(?:"((?:[^"\\]|\\.)*)"?|([^;]*))',
    re.ASCII,
)


def parse_parameters(raw: str) -> tuple[str, dict[str, str]]:
    """Split a value with parameters, RFC 2231 continuations and charsets included.

    >>> parse_parameters("text/plain; name*0*=utf-8''Gr%C3%BC; name*1=sse.txt")
    ('text/plain', {'name': 'Grüsse.txt'})
    >>> parse_parameters('a/b; charset="utf-8"; name="=?utf-8?q?=C3=9F?="')
    ('a/b', {'charset': 'utf-8', 'name': 'ß'})
    """
    head, _, _ = raw.partition(";")
    plain: dict[str, str] = {}
    pieces: dict[str, dict[int, tuple[bool, str]]] = {}
    for count, found in enumerate(_PARAMETER.finditer(raw[:HEADER_CAP])):
        if count >= MOST_PARAMETERS:
            break
        value = (
            re.sub(r"\\(.)", r"\1", found[2])
            if found[2] is not None
            else found[3].strip()
        )
        name, star, rest = found[1].lower().partition("*")
        if not star:
            plain.setdefault(name, decode_words(value))
            continue
        digits = rest.rstrip("*")
        number = int(digits) if digits.isdecimal() and len(digits) < len("1000") else 0
        coded = rest.endswith("*") or not rest
        pieces.setdefault(name, {}).setdefault(number, (coded, value))
    for name, numbered in pieces.items():
        plain[name] = _joined(numbered)
    return head.strip().lower(), plain


def _joined(numbered: dict[int, tuple[bool, str]]) -> str:
    """Join the continuations of one parameter (RFC 2231 3 and 4.1)."""
    charset = ""
    octets = b""
    for index, (_, (coded, value)) in enumerate(sorted(numbered.items())):
        piece = value
        if coded and index == 0 and value.count("'") > 1:
            charset, _, piece = value.split("'", 2)
        raw = piece.encode("utf-8", "replace")
        octets += unquote_to_bytes(raw) if coded else raw
    return safe_decode(octets, charset or None)
