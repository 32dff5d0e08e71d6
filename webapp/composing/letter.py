"""What is to be written to whom: plain values, before they become bytes."""

from dataclasses import dataclass, field
from datetime import datetime


class ComposeError(Exception):
    """One message cannot be composed; the others are not concerned.

    Attributes
    ----------
    words
        One sentence for an operator: which value is wrong, and why.
    """

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.words = words


@dataclass(frozen=True, slots=True)
class Address:
    """A mailbox (RFC 5322 3.4): a display name, maybe empty, and an addr-spec."""

    name: str
    addr: str


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes along; with a ``content_id`` the HTML part shows it.

    ``encoded`` is its content in base64 where `webapp.composing.mime.encoded_once` put
    it: then all letters that share the attachment share that text, too.
    """

    filename: str
    content: bytes
    content_type: str = "application/octet-stream"
    content_id: str | None = None
    encoded: bytes | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """All that one message consists of.

    Attributes
    ----------
    text, html
        The bodies; at least one. ``None`` means that there is no such part.
    headers
        Further headers, in their order. ``Return-Path`` among them sets the envelope
        sender.
    message_id
        With or without its angle brackets; fixed before the first attempt.
    date
        Aware.
    envelope_from
        ``None`` means the From address, the empty string means the null sender ``<>``.
    """

    from_: Address
    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    bcc: tuple[Address, ...] = ()
    reply_to: tuple[Address, ...] = ()
    subject: str = ""
    text: str | None = None
    html: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    attachments: tuple[Attachment, ...] = ()
    message_id: str
    date: datetime
    envelope_from: str | None = None
