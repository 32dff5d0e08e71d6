"""A letter becomes bytes: headers, parts, attachments, and the envelope beside them.

    mixed                         if files go along
      ├ alternative               if there is text and HTML; text first
      │   ├ text/plain
      │   └ related               if the HTML shows images by ``cid:``
      │       ├ text/html
      │       └ images, inline
      └ files

The same letter gives the same bytes, so a second attempt sends what the first did: the
boundaries come from the Message-ID. They begin with ``=_``, which no body of ours can
hold (quoted-printable writes ``=3D``, base64 has no underscore, and a text with ``=_``
is never sent as 7bit; RFC 2045 6.7).

Composed by hand, not with `email.message.EmailMessage`: that one decodes encoded words
in values, and takes more than ten times as long (bench/composing.py). The fields that
all messages of a campaign share, and its encoded files, are kept and written once.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from email.utils import format_datetime
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple

from webapp.composing.addresses import AddressError, needs_smtputf8, parse_address
from webapp.composing.bodies import encoded, in_base64
from webapp.composing.headers import address_field, field, parameter, text_field
from webapp.composing.letter import Address, Attachment, ComposeError, Letter
from webapp.composing.wire import Gated, Octets, gate_headers, gated

MESSAGE_ID = re.compile(r"[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~.]+@[A-Za-z0-9.\-]+")
CONTENT_ID = re.compile(r"[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~.@]{1,200}")
_CONTENT_TYPE = re.compile(
    r"([\w!#$&^.+\-]+/[\w!#$&^.+\-]+)(; ?charset=[\w\-]+)?", re.ASCII
)
_OWN = frozenset(
    {
        "from",
        "to",
        "cc",
        "bcc",
        "reply-to",
        "sender",
        "subject",
        "date",
        "message-id",
        "mime-version",
        "received",
    }
)
# What is the same in all messages of a campaign is made once.
_KEPT = 256
_SOME_BOUNDARY = "0" * 32
_RETURN_PATH = "return-path"
_OWN_PREFIXES = ("content-", "resent-", "dkim-", "arc-")


@dataclass(frozen=True, slots=True)
class Composed:
    """A message ready for the wire, and its envelope.

    ``smtputf8`` says that it may only go to a server that offers SMTPUTF8 (RFC 6531).
    """

    octets: Octets
    mail_from: str
    rcpt_to: tuple[str, ...]
    smtputf8: bool

    @property
    def data(self) -> bytes:
        """The message as one; to send it asks for no such copy."""
        return bytes(self.octets)


class _Part(NamedTuple):
    """One MIME entity: its header fields, and its body with a CRLF at the end.

    The body is in pieces, so that a large file is not copied into each message.
    """

    fields: bytes
    body: Sequence[bytes]


class _Addressed(NamedTuple):
    """The addresses of a letter, parsed; the headers that it may set; the envelope."""

    from_: Address
    to: tuple[Address, ...]
    cc: tuple[Address, ...]
    reply_to: tuple[Address, ...]
    headers: tuple[tuple[str, str], ...]
    mail_from: str
    rcpt_to: tuple[str, ...]


def compose(letter: Letter) -> Composed:
    """Compose one letter.

    Raises
    ------
    ComposeError
        If a value of the letter cannot be sent as it is; the words say which.
    """
    addressed = _addressed(letter)
    message_id = _message_id(letter)
    content = _content(letter, message_id)
    head = _header_block(letter, addressed, message_id) + content.fields + b"\r\n"
    gate_headers(head)
    return _composed(addressed, head, gated((head, *content.body)))


def enveloped(letter: Letter, data: bytes) -> Composed:
    """Return given bytes with the envelope of a letter; its bodies do not count.

    Raises
    ------
    ComposeError
        If an address is none, or a server could read the bytes in two ways.
    """
    addressed = _addressed(letter)
    octets = gated([data])
    return _composed(addressed, data.partition(b"\r\n\r\n")[0], octets)


def _composed(addressed: _Addressed, head: bytes, octets: Octets) -> Composed:
    """Return a message and its envelope; an address beyond ASCII needs SMTPUTF8."""
    mail_from, rcpt_to = addressed.mail_from, addressed.rcpt_to
    smtputf8 = not head.isascii() or any(map(needs_smtputf8, (mail_from, *rcpt_to)))
    return Composed(octets, mail_from, rcpt_to, smtputf8)


def _addressed(letter: Letter) -> _Addressed:
    """Parse every address of a letter, and see where it goes and whence."""
    headers, envelope_from = letter.headers, letter.envelope_from
    if _gives_return_path(tuple([name for name, _ in headers])):
        paths = [value for name, value in headers if name.lower() == _RETURN_PATH]
        envelope_from = paths[-1].strip().removeprefix("<").removesuffix(">")
        headers = tuple(pair for pair in headers if pair[0].lower() != _RETURN_PATH)
    from_ = _parsed("From", letter.from_)
    to = tuple([_parsed("To", box) for box in letter.to])
    cc = tuple([_parsed("Cc", box) for box in letter.cc])
    bcc = tuple([_parsed("Bcc", box) for box in letter.bcc])
    reply_to = tuple([_parsed("Reply-To", box) for box in letter.reply_to])
    mail_from = from_.addr
    if envelope_from is not None:
        sender = Address("", envelope_from)
        mail_from = _parsed("Return-Path", sender).addr if envelope_from else ""
    rcpt_to = tuple(dict.fromkeys([box.addr for box in (*to, *cc, *bcc)]))
    if not rcpt_to:
        raise ComposeError("The message has no recipient.")
    return _Addressed(from_, to, cc, reply_to, headers, mail_from, rcpt_to)


def _parsed(header: str, box: Address) -> Address:
    """Return the mailbox with its address parsed."""
    try:
        addr = parse_address(box.addr)
    except AddressError as error:
        raise ComposeError(f"{header}: {error.words}") from None
    return box if addr == box.addr else Address(box.name, addr)


@lru_cache(maxsize=_KEPT)
def _gives_return_path(given: tuple[str, ...]) -> bool:
    """Say whether Return-Path is among further headers.

    Raises
    ------
    ComposeError
        If another is ours to write, or comes twice.
    """
    names = [name.lower() for name in given if name.lower() != _RETURN_PATH]
    for name in names:
        if name in _OWN or name.startswith(_OWN_PREFIXES):
            raise ComposeError(
                f"The header {name} cannot be set: it is made by itself."
            )
        if names.count(name) > 1:
            raise ComposeError(f"The header {name} is given twice.")
    return len(names) < len(given)


def _message_id(letter: Letter) -> str:
    """Return the Message-ID without its angle brackets."""
    message_id = letter.message_id.strip().removeprefix("<").removesuffix(">")
    if not MESSAGE_ID.fullmatch(message_id):
        raise ComposeError("The Message-ID is malformed.")
    return message_id


def _header_block(letter: Letter, addressed: _Addressed, message_id: str) -> bytes:
    """Return the message's own fields, without those of its content."""
    offset = letter.date.utcoffset()
    if offset is None:
        raise ComposeError("The date has no time zone.")
    lines = [
        address_field("From", (addressed.from_,)),
        address_field("To", addressed.to),
    ]
    if addressed.cc:
        lines.append(address_field("Cc", addressed.cc))
    if addressed.reply_to:
        lines.append(address_field("Reply-To", addressed.reply_to))
    lines.append(text_field("Subject", letter.subject))
    lines.append(_date_field(letter.date, offset))
    lines.append(field("Message-ID", (f"<{message_id}>",)))
    lines += [text_field(name, value) for name, value in addressed.headers]
    lines.append(b"MIME-Version: 1.0\r\n")
    return b"".join(lines)


@lru_cache(maxsize=_KEPT)
def _date_field(date: datetime, offset: timedelta) -> bytes:
    """Return the date; instants are equal whatever their offset, so it is asked for."""
    del offset
    return field("Date", format_datetime(date).split(" "))


def _content(letter: Letter, message_id: str) -> _Part:
    """Return the tree of parts below the header block."""
    inline: list[Attachment] = []
    files: list[Attachment] = []
    for attachment in letter.attachments:
        is_inline = letter.html is not None and attachment.content_id is not None
        (inline if is_inline else files).append(attachment)
    bodies: list[_Part] = []
    if letter.text is not None:
        bodies.append(_text_part("plain", letter.text))
    if letter.html is not None:
        parts = [_text_part("html", letter.html)]
        parts += [_file_part(image, "inline") for image in inline]
        bodies.append(_multipart("related", parts, message_id, ' type="text/html"'))
    if not bodies:
        raise ComposeError("The message has neither text nor HTML.")
    body = _multipart("alternative", bodies, message_id)
    parts = [body, *[_file_part(file, "attachment") for file in files]]
    return _multipart("mixed", parts, message_id)


def _multipart(
    kind: str, parts: Sequence[_Part], message_id: str, more: str = ""
) -> _Part:
    """Return a multipart of these parts; a single one stays what it is."""
    if len(parts) == 1:
        return parts[0]
    boundary = sha256(f"{kind} {message_id}".encode()).hexdigest()[:32].encode()
    fields = _multipart_field(kind, more).replace(_SOME_BOUNDARY.encode(), boundary)
    line = b"--=_" + boundary
    body: list[bytes] = []
    for part in parts:
        body += (b"%s\r\n%s\r\n" % (line, part.fields), *part.body)
    return _Part(fields, (*body, b"%s--\r\n" % line))


@lru_cache(maxsize=_KEPT)
def _multipart_field(kind: str, more: str) -> bytes:
    """Return the type of a multipart with some boundary, which is to be replaced."""
    words = [f"multipart/{kind};", *(f"{word};" for word in more.split())]
    return field("Content-Type", [*words, f'boundary="=_{_SOME_BOUNDARY}"'])


def _text_part(subtype: str, text: str) -> _Part:
    """Return a body part, in the shortest encoding that keeps every character."""
    encoding, body = encoded(text)
    return _Part(_text_fields(subtype, encoding), body)


@lru_cache(maxsize=_KEPT)
def _text_fields(subtype: str, encoding: str) -> bytes:
    fields = field("Content-Type", [f"text/{subtype};", 'charset="utf-8"'])
    return fields + field("Content-Transfer-Encoding", [encoding])


def _file_part(attachment: Attachment, disposition: str) -> _Part:
    """Return an attachment, or an image that the HTML shows inline."""
    content_type = _CONTENT_TYPE.fullmatch(attachment.content_type)
    if content_type is None or content_type[1].startswith(("multipart/", "message/")):
        raise ComposeError(
            f"“{attachment.filename}” has a type that cannot be attached."
        )
    if not attachment.filename or set("/\\") & set(attachment.filename):
        raise ComposeError("An attachment has no proper file name.")
    words = content_type[0].replace(" ", "").replace(";", "; ").split(" ")
    named = parameter("filename", attachment.filename)
    lines = [
        field("Content-Type", words),
        field("Content-Transfer-Encoding", ["base64"]),
        field("Content-Disposition", [f"{disposition};", named]),
    ]
    if attachment.content_id is not None:
        if not CONTENT_ID.fullmatch(attachment.content_id):
            raise ComposeError("An image has a malformed content id.")
        lines.append(field("Content-ID", [f"<{attachment.content_id}>"]))
    if attachment.encoded is None:
        attachment = encoded_once(attachment)
    assert attachment.encoded is not None
    return _Part(b"".join(lines), (attachment.encoded,))


def encoded_once(attachment: Attachment) -> Attachment:
    """Return an attachment with its base64, for all the letters that will carry it."""
    return replace(attachment, encoded=Gated(in_base64(attachment.content)))
