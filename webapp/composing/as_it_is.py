"""An ``.eml`` that is sent as it is: looked at, never rebuilt.

Its octets leave as they came. What has to be otherwise is done and said, one sentence
each: line ends become CRLF where all of them are LF; a Message-ID, Date, MIME-Version
or To that is missing is put before the rest; Bcc and Return-Path, which nobody may see,
move to the envelope. Everything else that is wrong refuses the message: nothing is
dropped, mended or guessed.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.parser import BytesHeaderParser
from email.utils import format_datetime, parsedate_tz

from webapp.composing.addresses import (
    AddressError,
    parse_address,
    parse_mailboxes,
    shown,
)
from webapp.composing.dkim import header_fields
from webapp.composing.headers import MAX_LINE, checked
from webapp.composing.letter import Address, ComposeError
from webapp.composing.mime import MESSAGE_ID
from webapp.composing.wire import Gated, gate

LARGEST = 25 * 1024 * 1024
MOST_RECIPIENTS = 50
_LARGEST_BLOCK = 64 * 1024
_LONGEST_MESSAGE_ID = 250
_NAME = re.compile(rb"[!-9;-~]{1,76}:")
_EMPTY_GROUP = re.compile(r"[^:<>@,]*:\s*;")
# RFC 5322 3.6, RFC 2045: fields that stand at most once.
ONCE = (
    *("from", "sender", "reply-to", "to", "cc", "subject", "date", "message-id"),
    *("in-reply-to", "references", "mime-version", "content-type"),
    *("content-transfer-encoding", "content-disposition", "content-id", "return-path"),
)
MOVED = ("bcc", "return-path")


@dataclass(frozen=True, slots=True, kw_only=True)
class AsItIs:
    """A message that may leave.

    Attributes
    ----------
    data
        What leaves.
    message_id
        With its angle brackets.
    envelope_from
        What Return-Path said, if it was there; the empty text is the null sender.
    notes
        What is otherwise than in the file, in words.
    """

    data: bytes
    from_: Address
    to: tuple[Address, ...]
    cc: tuple[Address, ...]
    bcc: tuple[Address, ...]
    subject: str
    message_id: str
    envelope_from: str | None
    notes: tuple[str, ...]


def read(content: bytes, message_id: str, date: datetime) -> AsItIs:
    r"""Look at a file, and return what leaves.

    Parameters
    ----------
    message_id, date
        For a message that has none.

    Raises
    ------
    ComposeError
        If it cannot be sent as it is; the words say why.

    Examples
    --------
    >>> from datetime import UTC
    >>> file = b"From: a@x.example\nTo: b@x.example\nSubject: Hi\n\nHello\n"
    >>> made = read(file, "<1@x.example>", datetime(2026, 11, 22, tzinfo=UTC))
    >>> made.notes[0]
    'The line ends were LF and are CRLF now.'
    >>> made.data.endswith(b"Subject: Hi\r\n\r\nHello\r\n")
    True
    """
    notes: list[str] = []
    data = _with_crlf(content, notes)
    head, _, body = data.partition(b"\r\n\r\n")
    if len(head) > _LARGEST_BLOCK:
        raise ComposeError("The headers are larger than 64 KB.")
    lines = list(header_fields(head))
    fields = _fields(lines)
    _check_parts(head, body)
    boxes = {name: _boxes(fields, name) for name in ("from", "to", "cc", "bcc")}
    if len(boxes["from"]) != 1:
        raise ComposeError("The header From must name exactly one address.")
    count = len({box.addr for kind in ("to", "cc", "bcc") for box in boxes[kind]})
    if not count:
        raise ComposeError("Nobody is named in To, Cc or Bcc.")
    if count > MOST_RECIPIENTS:
        raise ComposeError(f"It names more than {MOST_RECIPIENTS} recipients.")
    envelope_from = _envelope_from(fields)
    message_id = _message_id(fields) or message_id
    added = _added(fields, message_id, date, notes)
    kept = _without_moved(lines, len(boxes["bcc"]), notes)
    return AsItIs(
        data=Gated(b"".join([*added, *kept, b"\r\n", body])),
        from_=boxes["from"][0],
        to=boxes["to"],
        cc=boxes["cc"],
        bcc=boxes["bcc"],
        subject=_decoded("Subject", fields["subject"][0]),
        message_id=message_id,
        envelope_from=envelope_from,
        notes=tuple(notes),
    )


def _with_crlf(content: bytes, notes: list[str]) -> bytes:
    """Return the content with CRLF at the end of each line, if there is no doubt."""
    if not content.strip():
        raise ComposeError("The file is empty.")
    if len(content) > LARGEST:
        raise ComposeError("The file is larger than 25 MB.")
    if b"\r" not in content and b"\n" in content:
        content = content.replace(b"\n", b"\r\n")
        notes.append("The line ends were LF and are CRLF now.")
    if not content.endswith(b"\r\n"):
        content += b"\r\n"
        notes.append("The last line had no end and has one now.")
    if b"\r\n\r\n" not in content:
        content += b"\r\n"
        notes.append("An empty line now follows the headers; there is no body.")
    _refuse_odd_lines(content)
    gate(content)
    return content


def _refuse_odd_lines(content: bytes) -> None:
    """Say which line cannot leave; the gate only says that there is one."""
    for number, line in enumerate(content.split(b"\r\n"), 1):
        if b"\r" in line or b"\n" in line:
            words = "holds a CR or LF on its own, which servers read differently"
            raise ComposeError(f"Line {number} {words}.")
        if b"\0" in line:
            raise ComposeError(f"Line {number} holds a NUL.")
        if len(line) > MAX_LINE:
            raise ComposeError(f"Line {number} is longer than {MAX_LINE} octets.")


def _fields(lines: Sequence[bytes]) -> dict[str, list[str]]:
    """Return the header fields by lower-case name, unfolded."""
    found: dict[str, list[str]] = {}
    for line in lines:
        if not _NAME.match(line) or re.search(rb"\r\n[ \t]+(?:\r\n|\Z)", line):
            text = shown(line.decode("utf-8", "replace"))
            raise ComposeError(f"This is no header line: “{text}”.")
        field, _, raw = line.partition(b":")
        name = field.decode()
        try:
            value = raw.replace(b"\r\n", b"").decode()
        except UnicodeDecodeError:
            words = "holds letters that are neither ASCII nor UTF-8"
            raise ComposeError(f"The header {name} {words}.") from None
        found.setdefault(name.lower(), []).append(value.strip(" \t"))
    for name in ONCE:
        if len(found.get(name, ())) > 1:
            raise ComposeError(f"The header {name} stands there more than once.")
    for name in ("from", "subject"):
        if name not in found:
            raise ComposeError(f"The header {name.capitalize()} is missing.")
    return found


def _boxes(fields: dict[str, list[str]], name: str) -> tuple[Address, ...]:
    """Return the mailboxes that the fields of this name hold."""
    boxes: list[Address] = []
    try:
        for value in fields.get(name, ()):
            if not _EMPTY_GROUP.fullmatch(value):
                boxes += parse_mailboxes(value)
    except AddressError as error:
        raise ComposeError(f"{name.capitalize()}: {error.words}") from None
    return tuple(Address(_decoded(name, box.name), box.addr) for box in boxes)


def _decoded(name: str, value: str) -> str:
    """Return a value without encoded words; it is for showing only."""
    try:
        text = str(make_header(decode_header(value)))
    except (HeaderParseError, LookupError, ValueError):
        text = value
    return checked(name.capitalize(), text)


def _envelope_from(fields: dict[str, list[str]]) -> str | None:
    if "return-path" not in fields:
        return None
    path = fields["return-path"][0].removeprefix("<").removesuffix(">").strip()
    try:
        return parse_address(path) if path else ""
    except AddressError as error:
        raise ComposeError(f"Return-Path: {error.words}") from None


def _message_id(fields: dict[str, list[str]]) -> str | None:
    if "message-id" not in fields:
        return None
    value = fields["message-id"][0]
    bare = value.removeprefix("<").removesuffix(">")
    if not MESSAGE_ID.fullmatch(bare) or value != f"<{bare}>":
        raise ComposeError("The Message-ID is malformed.")
    if len(value) > _LONGEST_MESSAGE_ID:
        raise ComposeError("The Message-ID is too long.")
    return value


def _added(
    fields: dict[str, list[str]], message_id: str, date: datetime, notes: list[str]
) -> list[bytes]:
    """Return the fields that are put before the others because they are missing."""
    if "date" in fields and parsedate_tz(fields["date"][0]) is None:
        raise ComposeError("The Date cannot be read.")
    missing = {
        "To": "undisclosed-recipients:;",
        "Date": format_datetime(date),
        "Message-ID": message_id,
        "MIME-Version": "1.0",
    }
    added = []
    for name, value in missing.items():
        if name.lower() not in fields:
            added.append(f"{name}: {value}\r\n".encode())
            notes.append(f"{name} was missing and is “{value}” now.")
    return added


def _without_moved(lines: Sequence[bytes], blind: int, notes: list[str]) -> list[bytes]:
    """Return the header lines that stay; what nobody may see is in the envelope."""
    names = [line.partition(b":")[0].decode().lower() for line in lines]
    if "bcc" in names:
        words = "Bcc was taken out of the headers. Blind copies"
        notes.append(f"{words}: {blind}; they get the message, and nobody sees that.")
    if "return-path" in names:
        words = "Return-Path was taken out of the headers"
        notes.append(f"{words} and is the envelope sender, where bounces go.")
    return [
        line + b"\r\n"
        for name, line in zip(names, lines, strict=True)
        if name not in MOVED
    ]


def _check_parts(head: bytes, body: bytes) -> None:
    """Refuse a multipart message in which no part could be found."""
    declared = BytesHeaderParser().parsebytes(head + b"\r\n\r\n")
    if declared.get_content_maintype() != "multipart":
        return
    boundary = declared.get_boundary()
    if not boundary:
        raise ComposeError("Content-Type says multipart, and names no boundary.")
    if b"--" + boundary.encode("utf-8", "replace") not in body:
        raise ComposeError("Content-Type says multipart, and no part is there.")
