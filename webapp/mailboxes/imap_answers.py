"""What an IMAP server answers, taken apart: LIST, STATUS, folder names, codes.

Pure. Each line is read on its own, so that one malformed name costs itself and
not the list.
"""

import binascii
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from webapp.core.one_line import printable
from webapp.mailboxes import folder_roles

#: So many UIDs at most in one answer that says where mails went.
MOST_PLACED = 10_000

#: One untagged answer as imaplib keeps it: a line, or (line, literal) and its rest.
Answer = bytes | tuple[bytes, bytes]

_TOKEN = re.compile(rb'\s*(?:([()])|"((?:[^"\\]|\\.)*)"|([^\s()"]+))', re.DOTALL)
_CODE = re.compile(rb"\[([A-Z0-9-]+)(?: ([^\]]*))?\]", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Listed:
    """A folder as the server names it; `raw` is the key, `name` is for people."""

    raw: bytes
    name: str
    delimiter: str
    role: str
    selectable: bool
    subscribed: bool = False


@dataclass(frozen=True, slots=True)
class Counts:
    """What STATUS says of a folder; None where the server is silent."""

    messages: int | None = None
    unseen: int | None = None
    uidnext: int | None = None
    uidvalidity: int | None = None
    highestmodseq: int | None = None


def decode_name(raw: bytes) -> str:
    """Decode a folder's name (modified UTF-7, RFC 3501 5.1.3) as far as it can be.

    Whatever is malformed is shown as it came; nothing raises.

    >>> decode_name(b"Entw&APw-rfe"), decode_name(b"R&D"), decode_name("Größe".encode())
    ('Entwürfe', 'R&D', 'Größe')
    >>> decode_name(b"&2D0-"), decode_name(b"A &- B")
    ('�', 'A & B')
    """
    if not raw.isascii():
        return printable(raw.decode("utf-8", "replace"))
    text = re.sub(r"&([^-&]*)-", _shifted, raw.decode("ascii"))
    return printable(text).replace("\n", " ").replace("\t", " ")


def _shifted(found: re.Match[str]) -> str:
    if not found[1]:
        return "&"
    bare = found[1].replace(",", "/")
    try:
        octets = binascii.a2b_base64(bare + "=" * (-len(bare) % 4))
    except binascii.Error:
        return found[0]
    if len(octets) % 2:
        return found[0]
    return octets.decode("utf-16-be", "replace")


def encode_name(name: str) -> bytes:
    """Encode a folder's name as servers know it (modified UTF-7, RFC 3501 5.1.3).

    >>> encode_name("Entwürfe"), encode_name("R&D"), encode_name("日本")
    (b'Entw&APw-rfe', b'R&-D', b'&ZeVnLA-')
    """
    pieces = re.split(r"([^\x20-\x7e]+)", name)
    return b"".join(
        _to_shift(piece) if odd else piece.replace("&", "&-").encode("ascii")
        for odd, piece in zip(itertools.cycle((False, True)), pieces, strict=False)
    )


def _to_shift(text: str) -> bytes:
    octets = binascii.b2a_base64(text.encode("utf-16-be"), newline=False)
    return b"&" + octets.rstrip(b"=").replace(b"/", b",") + b"-"


def lines(answers: Iterable[Answer | None]) -> Iterator[list[bytes | None]]:
    """Join imaplib's pieces to whole answers; a literal follows None in the list."""
    parts: list[bytes | None] = []
    for answer in answers:
        if isinstance(answer, tuple):
            parts += [answer[0], None, answer[1]]
        elif answer is not None:
            yield [*parts, answer]
            parts = []
    if parts:
        yield parts


def tokens(line: Sequence[bytes | None]) -> list[bytes]:
    """Split an answer into parentheses, atoms, and the contents of strings.

    Parentheses are the tokens ``b"("`` and ``b")"``; a string that is just such a
    character gets a NUL before it, so that it is not taken for one.
    """
    found: list[bytes] = []
    pieces = iter(line)
    for piece in pieces:
        if piece is None:
            literal = next(pieces, b"") or b""
            found[-1:] = [_content(literal)]  # in place of the {size}
            continue
        for paren, quoted, atom in _TOKEN.findall(piece):
            is_string = not paren and not atom
            text = re.sub(rb"\\(.)", rb"\1", quoted, flags=re.DOTALL)
            found.append(_content(text) if is_string else paren or atom)
    return found


def _content(text: bytes) -> bytes:
    return b"\0" + text if text in (b"(", b")") else text


def parse_list(answers: Iterable[Answer | None]) -> list[Listed]:
    r"""Read the answers to LIST; what cannot be read is left out.

    A name speaks for a role only where no folder says that it has it.

    >>> parse_list([b'(\\HasNoChildren \\Sent) "/" "Out"'])[0].role
    'sent'
    >>> [one.role for one in parse_list([b'() "/" "Sent"', b'(\\Sent) "/" "Out"'])]
    ['', 'sent']
    """
    found = (_listed(tokens(line)) for line in lines(answers))
    known = {each.raw: each for each in found if each}.values()
    told = {each.role for each in known}
    return [each if each.role else _named(each, told) for each in known]


def _named(each: Listed, told: set[str]) -> Listed:
    role = folder_roles.by_name(each.name, each.delimiter)
    return each if role in told else replace(each, role=role)


def _listed(line: list[bytes]) -> Listed | None:
    if line[:1] != [b"("] or b")" not in line:
        return None
    end = line.index(b")")
    flags = {flag.decode("ascii", "replace").lower() for flag in line[1:end]}
    rest = line[end + 1 : end + 3]
    if len(rest) < len(("delimiter", "name")) or not rest[1].strip(b"\0"):
        return None
    delimiter = "" if rest[0].upper() == b"NIL" else rest[0].decode("ascii", "replace")
    raw = rest[1].removeprefix(b"\0")
    name = decode_name(raw)
    is_inbox = raw.upper() == b"INBOX"
    return Listed(
        raw=raw,
        name=name,
        delimiter=delimiter[:1],
        role="inbox" if is_inbox else folder_roles.by_flag(flags),
        selectable=not flags & {"\\noselect", "\\nonexistent"},
        subscribed="\\subscribed" in flags,
    )


def parse_status(answers: Iterable[Answer | None]) -> dict[bytes, Counts]:
    """Read the answers to STATUS, by raw name.

    >>> parse_status([b'"INBOX" (MESSAGES 3 UNSEEN 1)'])[b"INBOX"].unseen
    1
    """
    found: dict[bytes, Counts] = {}
    for line in lines(answers):
        parts = tokens(line)
        if b"(" not in parts[1:]:
            continue
        numbers = [part for part in parts[parts.index(b"(", 1) :] if part not in b"()"]
        values = {
            key.decode("ascii", "replace").lower(): int(value)
            for key, value in zip(numbers[::2], numbers[1::2], strict=False)
            if value.isdigit()
        }
        known = {key: values.get(key) for key in Counts.__dataclass_fields__}
        found[parts[0].removeprefix(b"\0")] = Counts(**known)
    return found


@dataclass(frozen=True, slots=True)
class Placed:
    """Where mails are now: the numbering of their folder, and the new UID of each."""

    uidvalidity: int
    uids: dict[int, int]


def parse_copyuid(answers: Iterable[Answer | None]) -> Placed | None:
    """Read the code COPYUID (RFC 4315 3): new UIDs by the old ones.

    >>> parse_copyuid([b"38505 304,319:320 3956:3958"])
    Placed(uidvalidity=38505, uids={304: 3956, 319: 3957, 320: 3958})
    """
    for answer in reversed(list(answers)):
        words = answer.split() if isinstance(answer, bytes) else []
        if len(words) == len(("uidvalidity", "old", "new")) and words[0].isdigit():
            old, new = uids_of(words[1]), uids_of(words[2])
            if old and len(old) == len(new):
                return Placed(int(words[0]), dict(zip(old, new, strict=True)))
    return None


def parse_appenduid(answers: Iterable[Answer | None]) -> tuple[int, int] | None:
    """Read the code APPENDUID (RFC 4315 3): UIDVALIDITY and the new UID.

    >>> parse_appenduid([b"38505 3955"]), parse_appenduid([])
    ((38505, 3955), None)
    """
    for answer in reversed(list(answers)):
        found = re.fullmatch(
            rb"(\d+) (\d+)", answer if isinstance(answer, bytes) else b""
        )
        if found:
            return int(found[1]), int(found[2])
    return None


def uids_of(uids: bytes) -> list[int]:
    """Expand a UID set in its own order; nothing if it is none, or too long.

    >>> uids_of(b"304,319:320")
    [304, 319, 320]
    """
    found: list[int] = []
    for piece in uids.split(b","):
        match = re.fullmatch(rb"(\d{1,10})(?::(\d{1,10}))?", piece)
        if not match:
            return []
        first, last = int(match[1]), int(match[2] or match[1])
        if abs(last - first) + len(found) >= MOST_PLACED:
            return []
        found += range(min(first, last), max(first, last) + 1)
    return found


def response_code(text: bytes) -> str:
    """Return the response code of a status line (RFC 5530), upper-case, or nothing.

    >>> response_code(b"[AUTHENTICATIONFAILED] Authentication failed.")
    'AUTHENTICATIONFAILED'
    """
    found = _CODE.match(text.strip())
    return found[1].decode("ascii").upper() if found else ""
