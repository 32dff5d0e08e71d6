"""From a message's row to the letter that is sent: one way for sending and for showing.

`Stationery` is what all messages of a campaign share, read from the database once;
`values_of` and `letter_of` are pure, so that delivery can call them in its hot loop and
the page that shows a message's source gets the same bytes.

A message without a campaign keeps its own bodies, and has its own stationery.
"""

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from flask import current_app

from webapp.campaigns import message_tokens
from webapp.campaigns.attachments import all_attachments, attachments_of
from webapp.campaigns.models import Campaign, Message
from webapp.composing.addresses import parse_mailbox
from webapp.composing.dkim import Signer, signed
from webapp.composing.letter import Address, Attachment, Letter
from webapp.composing.mime import Composed, compose, enveloped
from webapp.core import blobs, secrets
from webapp.core.db import db, reading
from webapp.core.ids import base32
from webapp.message_templates.models import MessageTemplateVersion
from webapp.message_templates.rendering import Rendered, Source
from webapp.message_templates.rows import typed_row
from webapp.message_templates.source import DEFAULT_LANGUAGE
from webapp.senders import signing
from webapp.senders.models import Sender

UNSUBSCRIBE = message_tokens.UNSUBSCRIBE
VIEW = message_tokens.VIEW
BOUNCE = message_tokens.BOUNCE
MESSAGE_ID = message_tokens.MESSAGE_ID


@dataclass(frozen=True, slots=True, kw_only=True)
class Stationery:
    """What all messages of a campaign share.

    Attributes
    ----------
    source
        The frozen message template; ``None`` where each message keeps its own bodies.
    base_url
        What relative links in the message belong to.
    public_url
        The address of this installation, for unsubscribe links.
    bounce_address
        Where bounces go; the message's token is put into it (VERP). May be empty.
    list_id
        Identifies the recipient table (RFC 2919); empty for single messages.
    kinds
        Column name to kind: dates and numbers are such in message templates.
    key
        Signs the tokens of messages.
    signers
        The DKIM keys of the From domain.
    raw
        A message that is sent as it is; empty for those that are composed.
    """

    source: Source | None
    base_url: str
    public_url: str
    from_: Address
    reply_to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    bcc: tuple[Address, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    attachments: tuple[Attachment, ...] = ()
    bounce_address: str = ""
    list_id: str = ""
    kinds: Mapping[str, str] = field(default_factory=dict)
    key: bytes = field(repr=False, default=b"")
    signers: tuple[Signer, ...] = ()
    raw: bytes = field(repr=False, default=b"")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What composing needs of one message row; `attachments` are its own alone."""

    public_id: uuid.UUID
    address: str
    name: str
    row_values: Mapping[str, Any]
    message_id_header: str
    dated_at: datetime
    bodies: Mapping[str, Any] | None = None
    attachments: tuple[Attachment, ...] = ()


def source_of(version: MessageTemplateVersion) -> Source:
    """Return what a version says, as rendering takes it.

    Examples
    --------
    >>> from webapp.message_templates.models import Format
    >>> version = MessageTemplateVersion(format=Format.TEXT, subject="S", text="a")
    >>> source_of(version) == Source("text", "S", "a")
    True
    """
    return Source(
        version.format.value,
        version.subject or "",
        version.text or "",
        version.html or "",
        version.preview_text or "",
        version.language or DEFAULT_LANGUAGE,
    )


def token_key() -> bytes:
    """Return the key that signs the tokens of messages."""
    settings = current_app.config["POSTROOM"]
    return secrets.derive(settings.secret_key, "message tokens")


def token_keys() -> list[bytes]:
    """Return the keys by which a token of a message may be signed, older ones too."""
    return [secrets.derive(key, "message tokens") for key in secrets.master_keys()]


def snapshot_of(sender: Sender) -> dict[str, Any]:
    """Return what a campaign keeps of its sender at launch; no secret."""
    kept = ("name", "from_name", "from_address", "reply_to", "bounce_address")
    return {
        "kind": sender.kind.value,
        **{name: getattr(sender, name) for name in kept},
        "queue_lifetime": sender.queue_lifetime,
    }


def stationery_of(campaign: Campaign) -> Stationery:
    """Return what the messages of a campaign share; reads the database."""
    sender = campaign.sender_snapshot
    if not sender and campaign.sender:
        sender = snapshot_of(campaign.sender)
    version = campaign.message_template_version
    if version is None and campaign.message_template:
        version = campaign.message_template.versions[0]
    public_url = current_app.config["POSTROOM"].base_url
    reply_to = campaign.reply_to or sender.get("reply_to", "")
    return Stationery(
        source=source_of(version) if version else None,
        base_url=campaign.base_url or public_url,
        public_url=public_url,
        from_=Address(sender.get("from_name", ""), sender.get("from_address", "")),
        reply_to=_mailboxes([reply_to] if reply_to else []),
        cc=_mailboxes(campaign.cc),
        bcc=_mailboxes(campaign.bcc),
        headers=tuple((str(k), str(v)) for k, v in campaign.headers.items()),
        attachments=attachments_of(all_attachments(campaign)),
        bounce_address=sender.get("bounce_address", ""),
        list_id=_list_id(campaign, sender.get("from_address", "")),
        kinds=_kinds(campaign),
        key=token_key(),
        signers=signing.signers(sender.get("from_address", "")),
    )


def stationery_of_single(message: Message) -> Stationery:
    """Return what a message without a campaign says about itself."""
    bodies = message.bodies or {}
    sender = db.session.get_one(Sender, message.sender_id)
    public_url = current_app.config["POSTROOM"].base_url
    from_ = Address(sender.from_name, sender.from_address)
    if bodies.get("from"):
        from_ = parse_mailbox(bodies["from"])
    reply_to = bodies.get("reply_to") or ([sender.reply_to] if sender.reply_to else [])
    headers = [(str(k), str(v)) for k, v in bodies.get("headers", {}).items()]
    if bodies.get("envelope_from") is not None:
        headers.append(("Return-Path", f"<{bodies['envelope_from']}>"))
    return Stationery(
        source=None,
        base_url=public_url,
        public_url=public_url,
        from_=from_,
        reply_to=_mailboxes(reply_to),
        cc=_mailboxes(bodies.get("cc", [])),
        bcc=_mailboxes(bodies.get("bcc", [])),
        headers=tuple(headers),
        attachments=attachments_of(bodies.get("attachments", [])),
        bounce_address=sender.bounce_address,
        key=token_key(),
        signers=signing.signers(from_.addr),
        raw=b"".join(blobs.read(bodies["raw"])) if bodies.get("raw") else b"",
    )


def with_own(row: Row, files: Sequence[Mapping[str, Any]]) -> Row:
    """Return a row with the files that only its recipient gets; reads the database."""
    if not files:
        return row
    with reading():
        attachments = attachments_of(files)
        db.session.rollback()
    return replace(row, attachments=attachments)


def row_of(message: Message) -> Row:
    """Return what composing needs of a message."""
    return Row(
        public_id=message.public_id,
        address=message.address,
        name=message.name,
        row_values=message.row_values,
        message_id_header=message.message_id_header,
        dated_at=message.dated_at or message.created_at,
        bodies=message.bodies,
        attachments=attachments_of(message.attachments or ()),
    )


def message_id_of(key: bytes, public_id: uuid.UUID, from_address: str) -> str:
    """Return the Message-ID, fixed before the first attempt (RFC 5322 3.6.4)."""
    return message_ids(key, from_address)(public_id.int)


def message_ids(key: bytes, from_address: str) -> Callable[[int], str]:
    """Return what makes the Message-ID of a public id (a number) of one sender."""
    domain = from_address.rpartition("@")[2] or "localhost"
    sign = message_tokens.sign_number
    return lambda number: f"<{sign(key, number, MESSAGE_ID)}@{domain}>"


def values_of(stationery: Stationery, row: Row) -> dict[str, object]:
    """Return what placeholders stand for in one message: its cells and our names."""
    values = typed_row(row.row_values, stationery.kinds)
    for name, purpose in _links_asked_for(stationery.source):
        values[name] = public_link(stationery, row.public_id, purpose)
    return values


@lru_cache(maxsize=8)
def _links_asked_for(source: Source | None) -> tuple[tuple[str, str], ...]:
    """Return our names that a message template asks for; what signs a link costs."""
    links = (("unsubscribe_url", UNSUBSCRIBE), ("view_url", VIEW))
    return tuple(one for one in links if source is None or source.may_ask_for(one[0]))


def public_link(stationery: Stationery, public_id: uuid.UUID, purpose: str) -> str:
    """Return the address of a public page about one message: ``/u/…`` or ``/v/…``."""
    token = message_tokens.sign(stationery.key, public_id, purpose)
    return f"{stationery.public_url}/{purpose[0]}/{token}"


def letter_of(stationery: Stationery, row: Row, rendered: Rendered | None) -> Letter:
    """Return one message, ready to be composed.

    Parameters
    ----------
    rendered
        ``None`` for a message that keeps its own bodies.
    """
    bodies = row.bodies or {}
    if rendered is None:
        rendered = Rendered(
            bodies.get("subject", ""), bodies.get("text", ""), bodies.get("html")
        )
    own = {name.lower() for name, _ in stationery.headers}
    extra = [
        pair for pair in _list_headers(stationery, row) if pair[0].lower() not in own
    ]
    to = bodies.get("to")
    return Letter(
        from_=stationery.from_,
        to=_mailboxes(to) if to is not None else (Address(row.name, row.address),),
        cc=stationery.cc,
        bcc=stationery.bcc,
        reply_to=stationery.reply_to,
        subject=rendered.subject,
        text=rendered.text or None if rendered.html else rendered.text,
        html=rendered.html,
        headers=(*stationery.headers, *extra),
        attachments=(*stationery.attachments, *row.attachments),
        message_id=row.message_id_header,
        date=row.dated_at,
        envelope_from=_envelope_from(stationery, row),
    )


def finished(stationery: Stationery, letter: Letter) -> Composed:
    """Return the bytes of a message as they leave, signed: the one place for that.

    Raises
    ------
    ComposeError
        If a value of the letter cannot be sent as it is.
    """
    raw = stationery.raw
    made = enveloped(letter, raw) if raw else compose(letter)
    return signed(made, stationery.signers, letter.date)


@lru_cache(maxsize=64)
def _quoted(addr: str) -> str:
    return quote(addr, safe="@")


def _list_headers(stationery: Stationery, row: Row) -> list[tuple[str, str]]:
    """Return what a mailing to many has to carry (RFC 2369, RFC 2919, RFC 8058)."""
    if not stationery.list_id:
        return []
    token = message_tokens.sign(stationery.key, row.public_id, UNSUBSCRIBE)
    to = _quoted((stationery.reply_to or (stationery.from_,))[0].addr)
    by_mail = f"mailto:{to}?subject=unsubscribe%20{token}"
    by_web = public_link(stationery, row.public_id, UNSUBSCRIBE)
    return [
        ("List-Unsubscribe", f"<{by_web}>, <{by_mail}>"),
        ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
        ("List-Id", f"<{stationery.list_id}>"),
        ("Feedback-ID", f"{stationery.list_id.partition('.')[0]}:postroom"),
    ]


def _list_id(campaign: Campaign, from_address: str) -> str:
    table = campaign.recipient_table
    domain = from_address.rpartition("@")[2] or "localhost"
    return f"{base32(table.public_id)}.{domain}" if table else ""


def _kinds(campaign: Campaign) -> dict[str, str]:
    columns = campaign.recipient_table.columns if campaign.recipient_table else []
    return {column.name: column.kind.value for column in columns}


def _envelope_from(stationery: Stationery, row: Row) -> str | None:
    local, at, domain = stationery.bounce_address.rpartition("@")
    if not at:
        return None
    token = message_tokens.sign(stationery.key, row.public_id, BOUNCE)
    return f"{local}+{token}@{domain}" if len(local) + len(token) < 64 else None  # noqa: PLR2004 - octets of a local part, RFC 5321 4.5.3.1.1


def _mailboxes(listed: Iterable[str]) -> tuple[Address, ...]:
    return tuple(parse_mailbox(one) for one in listed)
