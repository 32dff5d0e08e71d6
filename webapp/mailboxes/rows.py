"""One mail as a list shows it, from capped pieces of its header and text. Pure."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from webapp.core.one_line import one_line
from webapp.mailboxes.charsets import safe_decode
from webapp.mailboxes.headers import (
    Headers,
    MailAddress,
    message_ids,
    parse_date,
    parse_headers,
    parse_parameters,
)
from webapp.mailboxes.mime import decode_payload, parse_mail

SNIPPET = 140
TEXTS = ("text/plain", "text/html")
_MARKUP = re.compile(
    r"<(style|script|head)\b.*?(?:</\1>|\Z)|<[^>]*(?:>|\Z)|&(?:nbsp|zwnj|#\d+|#x\w+);?",
    re.IGNORECASE | re.DOTALL,
)
_SUBJECT_HEADERS = (
    b"FROM SUBJECT DATE MESSAGE-ID IN-REPLY-TO REPLY-TO CONTENT-TYPE "
    b"CONTENT-TRANSFER-ENCODING"
)
#: What a row is made of, in FETCH items with their caps (octets).
HEADER_ITEMS = (
    (b"BODY.PEEK[HEADER.FIELDS (" + _SUBJECT_HEADERS + b")]", b"<0.8192>"),
    (b"BODY.PEEK[HEADER.FIELDS (TO CC BCC)]", b"<0.2048>"),
    (b"BODY.PEEK[HEADER.FIELDS (REFERENCES)]", b"<0.4096>"),
)
TEXT_ITEM = (b"BODY.PEEK[TEXT]", b"<0.1536>")
PLAIN_ITEMS = (b"UID", b"FLAGS", b"INTERNALDATE", b"RFC822.SIZE")
SYSTEM_FLAGS = ("seen", "answered", "flagged", "deleted", "draft", "recent")


@dataclass(frozen=True)
class MailRow:
    """A mail in a list. `readable` is false for a placeholder: show its source only."""

    uid: int
    flags: frozenset[str]
    received: datetime | None
    size: int | None
    headers: Headers
    snippet: str = ""
    readable: bool = True

    def has(self, flag: str) -> bool:
        r"""Say whether the mail has a system flag, by its name without the backslash.

        >>> MailRow(1, frozenset({"\\Seen"}), None, 0, Headers()).has("seen")
        True
        """
        return f"\\{flag}".lower() in {have.lower() for have in self.flags}

    @property
    def keywords(self) -> list[str]:
        """The flags that are not IMAP's own."""
        return sorted(flag for flag in self.flags if not flag.startswith("\\"))

    @property
    def sender(self) -> MailAddress | None:
        """The first address of From."""
        return next(iter(self.headers.addresses("from")), None)

    @property
    def subject(self) -> str:
        """The subject, decoded."""
        return self.headers.text("subject")

    @property
    def created(self) -> datetime | None:
        """The Date header; where it is none, the time of arrival."""
        return parse_date(self.headers.first("date")) or self.received

    @property
    def message_id(self) -> str:
        """The Message-ID with its angles, or the empty string."""
        return next(iter(message_ids(self.headers.first("message-id"))), "")

    @property
    def has_attachment(self) -> bool:
        """Whether the declared type makes an attachment likely."""
        return self.headers.first("content-type").lower().startswith("multipart/mixed")


def fetch_items(*, partial: bool = True, with_text: bool = True) -> bytes:
    """Return the FETCH items of a row; every body item is a PEEK.

    >>> fetch_items(partial=False, with_text=False)[:33]
    b'(UID FLAGS INTERNALDATE RFC822.SI'
    """
    wanted = [*HEADER_ITEMS, *([TEXT_ITEM] if with_text and partial else [])]
    bodies = [item + (cap if partial else b"") for item, cap in wanted]
    return b"(" + b" ".join([*PLAIN_ITEMS, *bodies]) + b")"


def row_of(uid: int, items: Mapping[bytes, Any]) -> MailRow:
    """Return the row for the items of one mail.

    The labels of header literals differ by server, so they are matched by their start.
    """
    literals = {
        key.upper(): value for key, value in items.items() if isinstance(value, bytes)
    }
    blocks = [
        block for key, block in literals.items() if key.startswith(b"BODY[HEADER")
    ]
    text = next(
        (text for key, text in literals.items() if key.startswith(b"BODY[TEXT]")), b""
    )
    headers = Headers(
        tuple(field for block in blocks for field in parse_headers(block).fields)
    )
    received, size = items.get(b"INTERNALDATE"), items.get(b"RFC822.SIZE")
    return MailRow(
        uid=uid,
        flags=flags_of(items.get(b"FLAGS")),
        received=received if isinstance(received, datetime) else None,
        size=size if isinstance(size, int) else None,
        headers=headers,
        snippet=_snippet(headers, text) if text else "",
    )


def placeholder(uid: int) -> MailRow:
    """Return the row of a mail whose answer could not be read."""
    return MailRow(uid, frozenset(), None, None, Headers(), readable=False)


def flags_of(value: Any) -> frozenset[str]:
    """Return flags as text; ones that are not flags at all are left out."""
    if not isinstance(value, Collection) or isinstance(value, str | bytes):
        return frozenset()
    found = (
        flag.decode("ascii", "replace") for flag in value if isinstance(flag, bytes)
    )
    return frozenset(one_line(flag, 64) for flag in found)


def snippet_of(text: str) -> str:
    r"""Return the start of a text in one line.

    >>> snippet_of("Hello  you,\n\n> old\nnew")
    'Hello you, new'
    """
    lines = (line for line in text.splitlines()[:40] if not line.startswith(">"))
    return one_line(" ".join(lines), SNIPPET)


def _snippet(headers: Headers, text: bytes) -> str:
    """Return the start of what a person reads, from the first octets of a text."""
    kind, parameters = parse_parameters(headers.first("content-type") or TEXTS[0])
    if kind in TEXTS and "name" not in parameters:
        # No parts: nothing has to be taken apart, which is half of a row's time.
        encoding = headers.first("content-transfer-encoding").strip().lower()
        octets = decode_payload(text, encoding)
        shown = safe_decode(octets, parameters.get("charset", "")[:40])
        return snippet_of(shown if kind == TEXTS[0] else _MARKUP.sub(" ", shown))
    head = "".join(
        f"{name}: {headers.first(name)}\r\n"
        for name in ("content-type", "content-transfer-encoding")
        if headers.first(name)
    )
    mail = parse_mail(head.encode("utf-8", "replace") + b"\r\n" + text)
    for part in mail.bodies("plain"):
        return snippet_of(part.text())
    for part in mail.bodies("html"):
        return snippet_of(_MARKUP.sub(" ", part.text()))
    return ""
