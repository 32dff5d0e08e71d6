"""The outbox of dry runs: what would have left, kept whole, shown and exported.

The bytes are those that a server would have been given. They are taken apart by the
reader for mails of strangers, under its caps: an ``.eml`` that is sent as it is may
hold anything.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import sqlalchemy as sa

from webapp.campaigns import messages
from webapp.campaigns.models import Campaign, Message
from webapp.campaigns.states import Status
from webapp.composing import mbox
from webapp.core import blobs
from webapp.core.clock import now
from webapp.core.db import db, reading
from webapp.core.errors import NotFound
from webapp.core.file_names import RASTER
from webapp.core.http import LARGEST_ID
from webapp.core.words import _
from webapp.mailboxes.headers import BLOCK_CAP, parse_headers
from webapp.mailboxes.mime import Parsed, Part, parse_mail
from webapp.mailboxes.sanitise import MOST_INLINE_OCTETS, Clean
from webapp.mailboxes.sanitise_limited import clean_limited
from webapp.senders.models import Sender

Row = TypeVar("Row", Campaign, Sender)

BATCH = 50
# Written out, not bound: so the index over kept messages alone can serve it.
KEPT = Message.mime_sha256 != sa.literal_column("''")


@dataclass(frozen=True, slots=True)
class Which:
    """Whose messages: of a campaign, or of a sender, or all."""

    campaign: Campaign | None = None
    sender: Sender | None = None

    def query(self) -> "sa.Select[Any]":
        """Return the query of the kept messages."""
        query = sa.select(Message).where(KEPT)
        if self.campaign is not None:
            of_it = Message.campaign_id == self.campaign.id
            return query.where(of_it, Message.status == Status.SENT)
        if self.sender is not None:
            return query.where(Message.sender_id == self.sender.id)
        return query.where(Message.is_dry_run)  # as all are that are kept


@dataclass(frozen=True, slots=True)
class Kept:
    """One message, with its octets and what they are."""

    message: Message
    data: bytes
    mail: Parsed

    @property
    def subject(self) -> str:
        """The subject, decoded."""
        return self.mail.headers.text("subject")

    @property
    def text(self) -> str:
        """The text that is read where HTML is not."""
        return "\n".join(part.text() for part in self.mail.bodies("plain"))

    @property
    def html(self) -> str:
        """The HTML as it is; empty where there is none."""
        return "".join(part.text() for part in self.mail.bodies("html"))


@dataclass(frozen=True, slots=True)
class Line:
    """One message in the list; `size` in octets."""

    message: Message
    subject: str
    size: int


def lines(found: Sequence[Message]) -> list[Line]:
    """Return messages with what their headers say, read in one query."""
    heads = blobs.beginnings([one.mime_sha256 for one in found], BLOCK_CAP)
    shown = []
    for one in found:
        head, size = heads.get(one.mime_sha256, (b"", 0))
        block = head.partition(b"\r\n\r\n")[0]
        shown.append(Line(one, parse_headers(block).text("subject"), size))
    return shown


def which(campaign_id: int | None, sender_id: int | None) -> Which:
    """Return whose messages are meant.

    Raises
    ------
    NotFound
        If there is no such campaign or sender.
    """
    return Which(_one(Campaign, campaign_id), _one(Sender, sender_id))


def kept(message_id: int) -> Kept:
    """Return one kept message.

    Raises
    ------
    NotFound
        If there is none, or it went to a server.
    """
    message = messages.get(message_id)
    data = b"".join(blobs.read(message.mime_sha256)) if message.mime_sha256 else b""
    if not data:
        raise NotFound(_("This message was not kept by a dry run."))
    return Kept(message, data, parse_mail(data))


def clean_html(one: Kept) -> Clean:
    """Return the HTML made harmless, with the message's own images in it.

    Raises
    ------
    TooHard
        If it is too complicated.
    """
    return clean_limited(one.html, dict(_images(one.mail)))


def part(one: Kept, section: str) -> Part:
    """Return one part that holds content.

    Raises
    ------
    NotFound
        If there is none of this number.
    """
    for found in one.mail.root.walk():
        if found.section == section and not found.is_container:
            return found
    raise NotFound(_("This message has no such part."))


def mbox_of(chosen: Which) -> Iterator[bytes]:
    """Return all messages as one mbox file, read in batches while it is sent."""
    return _entries(chosen.query())


def _one(kind: type[Row], wanted: int | None) -> Row | None:
    """Return the row of this id, if one is asked for."""
    if wanted is None:
        return None
    found = db.session.get(kind, wanted) if 0 < wanted <= LARGEST_ID else None
    if found is None:
        raise NotFound(_("There is no such campaign or sender."))
    return found


def _entries(query: "sa.Select[Any]") -> Iterator[bytes]:
    last = 0
    while True:
        following = query.where(Message.id > last).order_by(Message.id).limit(BATCH)
        columns = (Message.id, Message.mime_sha256, Message.sent_at)
        with reading():
            rows = db.session.execute(following.with_only_columns(*columns)).all()
            db.session.rollback()
        for row in rows:
            with reading():
                data = b"".join(blobs.read(row.mime_sha256))
                db.session.rollback()
            yield mbox.entry(data, row.sent_at or now())
        if len(rows) < BATCH:
            return
        last = rows[-1].id


def _images(mail: Parsed) -> Iterator[tuple[str, bytes]]:
    """Yield the raster images inside of the message, under a cap together."""
    left = MOST_INLINE_OCTETS
    for found in mail.attachments():
        if found.content_id and found.mime_type in RASTER and found.size <= 2 * left:
            octets = found.octets()
            left -= len(octets)
            yield found.content_id, octets
