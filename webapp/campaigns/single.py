"""Single messages: one that somebody sends by the API, without a campaign.

It takes the same way as the messages of campaigns: a row, a ticket, a worker. Its
bodies stand in the row, so that it can be composed again as it was.
"""

import base64
import binascii
import mimetypes
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from webapp.campaigns.letters import (
    letter_of,
    message_id_of,
    row_of,
    stationery_of_single,
    token_key,
)
from webapp.campaigns.models import Message
from webapp.campaigns.states import FINAL, Status
from webapp.composing.addresses import AddressError, address_key, parse_mailbox
from webapp.composing.letter import ComposeError
from webapp.composing.mime import compose
from webapp.core import blobs, queue
from webapp.core.clock import now
from webapp.core.db import db, db_now, reading
from webapp.core.errors import Invalid
from webapp.core.ids import uuid7
from webapp.core.words import _
from webapp.operators import audit
from webapp.senders.models import Sender, TransportKind

LONGEST_WAIT = 10
LOOK_EVERY = 0.2
IS_HTML = re.compile(r"\s*(<!doctype html|<html)", re.IGNORECASE)


def send(values: Mapping[str, Any]) -> Message:
    """Queue one message.

    Parameters
    ----------
    values
        As `webapp.campaigns.forms.MessageForm` has them.

    Raises
    ------
    Invalid
        If it has no recipient, no body or no sender, or cannot be composed.
    """
    to = [parse_mailbox(one) for one in (values["to"] or values["cc"] or values["bcc"])]
    if not to:
        raise _wrong("to", _("Name at least one recipient."))
    sender = _sender(values["sender_id"])
    public_id, first = uuid7(), to[0]
    message = Message(
        public_id=public_id,
        sender_id=sender.id,
        name=first.name[:200],
        address=first.addr,
        address_key=address_key(first.addr),
        bodies=_bodies(values),
        row_values={},
        created_at=now(),
        due_at=db.session.scalar(sa.select(db_now())),
        message_id_header=message_id_of(token_key(), public_id, _from(values, sender)),
        is_dry_run=sender.kind == TransportKind.DRY_RUN,
    )
    try:
        compose(letter_of(stationery_of_single(message), row_of(message), None))
    except (ComposeError, AddressError) as error:
        raise Invalid(error.words) from error
    db.session.add(message)
    db.session.flush()
    audit.record("message.queued", "message", message.id)
    db.session.commit()
    queue.wake("delivery.message", message.id, lane=queue.Lane.TRANSACTIONAL)
    return message


def wait_for(message_id: int, seconds: float) -> Message:
    """Return a message as soon as it is final, or as it is when the time is over."""
    until = time.monotonic() + min(seconds, LONGEST_WAIT)
    while True:
        with reading():
            message = db.session.get_one(Message, message_id, populate_existing=True)
            over = message.status in FINAL | {Status.DEFERRED}
            if over or time.monotonic() > until:
                return message
            db.session.rollback()
        time.sleep(LOOK_EVERY)


def _sender(sender_id: int | None) -> Sender:
    """Return the sender that is named, or the system's own, or the only one."""
    usable = sa.select(Sender).where(Sender.archived_at.is_(None))
    if sender_id:
        found = db.session.scalars(usable.where(Sender.id == sender_id)).all()
    else:
        found = db.session.scalars(usable.where(Sender.is_system)).all()
        found = found or db.session.scalars(usable.limit(2)).all()
    if len(found) != 1:
        raise _wrong("sender_id", _("Name the sender: there is none or more than one."))
    return found[0]


def _from(values: Mapping[str, Any], sender: Sender) -> str:
    given = values.get("from")
    return parse_mailbox(given).addr if given else sender.from_address


def _bodies(values: Mapping[str, Any]) -> dict[str, Any]:
    text, html = values["text"] or "", values["html"] or None
    if html is None and IS_HTML.match(text):
        text, html = "", text
    if not text and not html:
        raise _wrong("text", _("The message is empty."))
    kept = {name: values[name] for name in ("to", "cc", "bcc", "reply_to", "headers")}
    kept.update(subject=values["subject"], text=text, html=html)
    for name in ("from", "envelope_from"):
        if values[name] is not None:
            kept[name] = values[name]
    kept["attachments"] = _attachments(values["attachments"])
    return kept


def _attachments(listed: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Store the files of a message; the same content is stored once."""
    found = []
    for number, one in enumerate(listed):
        try:
            content = base64.b64decode(one["content"] or "", validate=True)
        except (binascii.Error, ValueError) as error:
            name = f"attachments.{number}.content"
            raise _wrong(
                name, _("This must be base64 (RFC 4648 section 4).")
            ) from error
        guessed, _encoding = mimetypes.guess_type(one["filename"])
        found.append(
            {
                "filename": one["filename"],
                "content_type": guessed or "application/octet-stream",
                "sha256": blobs.put(content),
                "size": len(content),
                "content_id": one["content_id"] or "",
            }
        )
    return found


def _wrong(field: str, words: str) -> Invalid:
    return Invalid(_("Some values need your attention."), {field: [words]})
