"""The parts of a mail, read under caps in linear time.

Pure. The standard parser takes more than 20 seconds for 100 000 parts and ends in a
RecursionError for 2 000 levels (SECURITY.md 07), so this one splits at boundaries,
counts as it goes, and stops: what lies beyond a cap is not shown, only in the source.
"""

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from webapp.core.file_names import clean_file_name
from webapp.mailboxes import uuencoded
from webapp.mailboxes.charsets import safe_decode
from webapp.mailboxes.flowed import unflowed
from webapp.mailboxes.headers import BLOCK_CAP, Headers, parse_headers, parse_parameters

MAIL_CAP = 25 * 1024 * 1024
TEXT_CAP = 1024 * 1024
MOST_PARTS = 200
DEEPEST = 20
MOST_BODIES = 20
#: In it a part without a type is a mail (RFC 2046 5.1.5).
DIGEST = "multipart/digest"
#: Stands for a text and the files that were written into it.
UNPACKED = "multipart/x-unpacked"
_AS_IT_IS = frozenset({"", "7bit", "8bit", "binary"})

_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,100}/[a-z0-9!#$&^_.+-]{1,100}", re.ASCII)
_EMPTY_LINES = (b"\r\n\r\n", b"\n\n", b"\n\r\n", b"\r\r")
_REST_OF_LINE = re.compile(rb"(--)?[ \t]{0,100}(?:\r\n|\n|\r|\Z)")


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a mail.

    `payload` is still encoded, and empty where the part lies on the server only; `size`
    counts its octets; `section` is IMAP's number for it (RFC 3501 6.4.5).
    """

    section: str
    mime_type: str
    parameters: dict[str, str]
    disposition: str
    file_name: str
    content_id: str
    encoding: str
    size: int
    payload: bytes = field(repr=False)
    parts: tuple["Part", ...] = ()

    @property
    def charset(self) -> str:
        """The charset that the part names, as it names it."""
        return self.parameters.get("charset", "")[:40]

    @property
    def is_container(self) -> bool:
        """Whether it only holds other parts."""
        return self.mime_type.startswith("multipart/") and bool(self.parts)

    def octets(self) -> bytes:
        """Return the payload without its transfer encoding (RFC 2045 6)."""
        return decode_payload(self.payload, self.encoding)

    def text(self) -> str:
        """Return the payload as text, at most `TEXT_CAP` octets of it."""
        text = safe_decode(
            decode_payload(self.payload[: 2 * TEXT_CAP], self.encoding)[:TEXT_CAP],
            self.charset,
        )
        if self.parameters.get("format", "").lower() != "flowed":
            return text
        delsp = self.parameters.get("delsp", "").lower() == "yes"
        return unflowed(text, delsp=delsp)

    def walk(self) -> Iterator["Part"]:
        """Yield this part and all below it, in their order."""
        yield self
        for part in self.parts:
            yield from part.walk()


@dataclass(frozen=True, slots=True)
class Parsed:
    """A mail taken apart; `is_cut` says that a cap left something out."""

    headers: Headers
    root: Part
    is_cut: bool

    def bodies(self, subtype: str) -> list[Part]:
        """Return the parts that are read as the mail's text (``plain``, ``html``)."""
        wanted = f"text/{subtype}"
        found = (part for part in _readable(self.root) if part.mime_type == wanted)
        return [part for part, _ in zip(found, range(MOST_BODIES), strict=False)]

    def attachments(self) -> list[Part]:
        """Return everything that is not read as text, in order; inline ones too."""
        bodies = {id(part) for part in _readable(self.root)}
        return [
            part
            for part in self.root.walk()
            if not part.is_container and id(part) not in bodies
        ]


class _Budget:
    """How many parts may still be read."""

    def __init__(self) -> None:
        self.left = MOST_PARTS
        self.is_cut = False


def parse_mail(source: bytes) -> Parsed:
    r"""Take a mail apart.

    Examples
    --------
    >>> mail = parse_mail(b"Subject: Hi\r\nContent-Type: text/plain\r\n\r\nHello")
    >>> mail.headers.text("subject"), mail.bodies("plain")[0].text()
    ('Hi', 'Hello')
    """
    budget = _Budget()
    budget.is_cut = len(source) > MAIL_CAP
    whole = _Range(source, 0, min(len(source), MAIL_CAP))
    headers, root = _part(whole, "", 0, budget)
    return Parsed(headers, root, budget.is_cut)


@dataclass(frozen=True, slots=True)
class _Range:
    """A stretch of the source; nested parts share its octets, none is copied."""

    source: bytes
    start: int
    end: int

    def octets(self, most: int | None = None) -> bytes:
        end = self.end if most is None else min(self.end, self.start + most)
        return self.source[self.start : end]

    def split_headers(self) -> tuple["_Range", "_Range"]:
        """Split at the first empty line (RFC 5322 2.1)."""
        source, start, end = self.source, self.start, self.end
        for line_end in (b"\r\n", b"\n", b"\r"):
            if source.startswith(line_end, start, end):
                return _Range(source, start, start), self._from(start + len(line_end))
        near, at, length = end, end, 0
        for empty in _EMPTY_LINES:
            found = source.find(empty, start, near)
            if found >= 0:
                near, at, length = min(end, found + len(empty)), found, len(empty)
        return _Range(source, start, at), self._from(at + length)

    def _from(self, start: int) -> "_Range":
        return _Range(self.source, min(start, self.end), self.end)


def _part(
    piece: _Range,
    section: str,
    depth: int,
    budget: _Budget,
    usual: str = "text/plain",
) -> tuple[Headers, Part]:
    head, body = piece.split_headers()
    headers = parse_headers(head.octets(BLOCK_CAP))
    mime_type, parameters = _content_type(headers, usual)
    disposition, more = parse_parameters(headers.first("content-disposition"))
    parts: tuple[Part, ...] = ()
    boundary = parameters.get("boundary", "")
    if mime_type.startswith("multipart/") and boundary:
        kind = "message/rfc822" if mime_type == DIGEST else "text/plain"
        parts = _children(body, boundary, (section, depth), budget, kind)
    part = Part(
        section=section or "1",
        mime_type=mime_type,
        parameters=parameters,
        disposition=disposition[:20],
        file_name=clean_file_name(more.get("filename") or parameters.get("name", "")),
        content_id=headers.first("content-id").strip("<> \t")[:250],
        encoding=headers.first("content-transfer-encoding").strip().lower()[:40],
        size=body.end - body.start,
        payload=b"" if parts else body.octets(),
        parts=parts,
    )
    return headers, unpacked(part)


def unpacked(part: Part) -> Part:
    """Take files that are written into a text out of it, as parts of their own."""
    if part.mime_type != "text/plain" or part.encoding not in _AS_IT_IS:
        return part
    blocks = uuencoded.blocks(part.payload)
    if not blocks or part.disposition == "attachment" or part.file_name:
        return part
    files, text, at = [], b"", 0
    for number, block in enumerate(blocks, 2):
        text += part.payload[at : block.start]
        at = block.end
        files.append(
            replace(
                part,
                section=f"{part.section}.{number}",
                mime_type="application/octet-stream",
                parameters={},
                disposition="attachment",
                file_name=block.file_name,
                encoding=uuencoded.ENCODING,
                size=block.end - block.start,
                payload=part.payload[block.start : block.end],
            )
        )
    text += part.payload[at:]
    words = replace(part, size=len(text), payload=text)
    return replace(part, mime_type=UNPACKED, payload=b"", parts=(words, *files))


def _content_type(headers: Headers, usual: str) -> tuple[str, dict[str, str]]:
    raw = headers.first("content-type")
    mime_type, parameters = parse_parameters(raw) if raw else (usual, {})
    if not _TYPE.fullmatch(mime_type):
        mime_type = "text/plain" if mime_type == "text" else "application/octet-stream"
    return mime_type, parameters


def _children(
    body: _Range, boundary: str, place: tuple[str, int], budget: _Budget, usual: str
) -> tuple[Part, ...]:
    section, depth = place
    if depth >= DEEPEST:
        budget.is_cut = True
        return ()
    prefix = f"{section}." if section else ""
    parts: list[Part] = []
    for piece in _pieces(body, b"--" + boundary.encode("utf-8", "replace")):
        if budget.left <= 0:
            budget.is_cut = True
            break
        budget.left -= 1
        number = f"{prefix}{len(parts) + 1}"
        parts.append(_part(piece, number, depth + 1, budget, usual)[1])
    return tuple(parts)


def _pieces(body: _Range, delimiter: bytes) -> Iterator[_Range]:
    """Yield what lies between the boundary lines (RFC 2046 5.1.1), lazily.

    A plain search for the delimiter is some twenty times faster than one expression
    for the whole line, and a nested mail is searched once a level.
    """
    source = body.source
    start: int | None = None
    at = source.find(delimiter, body.start, body.end)
    while at >= 0:
        behind = at + len(delimiter)
        line = _REST_OF_LINE.match(source, behind, body.end)
        if line and (at == body.start or source[at - 1 : at] in (b"\r", b"\n")):
            if start is not None:
                yield _Range(source, start, max(start, _before_line_end(source, at)))
            if line[1]:
                return
            start = behind = line.end()
        at = source.find(delimiter, behind, body.end)
    if start is not None:
        yield _Range(source, start, body.end)


def _before_line_end(source: bytes, at: int) -> int:
    """Return where the line end before a boundary line begins: it belongs to that."""
    return at - 2 if source[at - 2 : at] == b"\r\n" else at - 1


def _readable(part: Part) -> Iterator[Part]:
    """Yield the text parts that make up what a person reads; attachments are not."""
    if part.is_container:
        for child in part.parts:
            yield from _readable(child)
    elif part.mime_type in ("text/plain", "text/html") and not (
        part.disposition == "attachment" or part.file_name
    ):
        yield part


def decode_payload(payload: bytes, encoding: str) -> bytes:
    r"""Undo a transfer encoding; octets that cannot be in it are passed over.

    >>> decode_payload(b"SGVs\r\nbG8", "base64")
    b'Hello'
    """
    if encoding == "base64":
        return decode_base64(payload)
    if encoding == "quoted-printable":
        return binascii.a2b_qp(payload)
    return uuencoded.decode(payload) if encoding in uuencoded.ENCODINGS else payload


def decode_base64(payload: bytes) -> bytes:
    """Decode base64 with line ends, strange octets and missing padding."""
    bare = re.sub(rb"[^A-Za-z0-9+/]", b"", payload)
    bare = bare[: len(bare) - (len(bare) % 4 == 1)]
    return base64.b64decode(bare + b"=" * (-len(bare) % 4))
