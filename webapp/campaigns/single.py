"""Single messages, without a campaign: by the API, or written to one person.

They take the same way as the messages of campaigns: a row, a ticket, a worker. The
bodies stand in the row, so that it can be composed again as it was. Having unsubscribed
does not stop one; who may not be written to at all is left out, and the row says so.
"""

import base64
import binascii
import re
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from webapp.campaigns import eml, uploads
from webapp.campaigns.attachments import attachments_listed, check_attachments, listed
from webapp.campaigns.letters import (
    finished,
    letter_of,
    message_id_of,
    row_of,
    stationery_of_single,
    token_key,
)
from webapp.campaigns.models import Message, MessageAddress
from webapp.campaigns.states import FINAL, WAITING, Status
from webapp.composing.addresses import AddressError, address_key, parse_mailbox
from webapp.composing.letter import Address, ComposeError, Letter
from webapp.composing.mime import compose
from webapp.core import queue
from webapp.core.clock import now
from webapp.core.db import db, db_now, reading
from webapp.core.errors import Invalid, Refused
from webapp.core.ids import uuid7
from webapp.core.words import _
from webapp.message_templates.rendering import shared_pool
from webapp.operators import audit
from webapp.senders.models import Sender, TransportKind
from webapp.suppressions.conditions import suppressed

NO_HOLD = timedelta()
LONGEST_WAIT = 10
LOOK_EVERY = 0.1
LARGEST_TOGETHER = 25 * 1024 * 1024
IS_HTML = re.compile(r"\s*(<!doctype html|<html)\b", re.IGNORECASE)
KINDS = ("to", "cc", "bcc")
#: The fields of a call and the attributes of the letter that they fill.
FIELDS = {
    "subject": "subject",
    "from": "from_",
    "to": "to",
    "cc": "cc",
    "bcc": "bcc",
    "reply_to": "reply_to",
    "headers": "headers",
    "text": "text",
    "html": "html",
    "attachments": "attachments",
}


def send(values: Mapping[str, Any]) -> Message:
    """Queue one message.

    Parameters
    ----------
    values
        As `webapp.campaigns.forms.MessageForm` has them.

    Raises
    ------
    Invalid
        If it has no sender, or cannot be composed; naming the field.
    """
    message = queued(values)
    db.session.commit()
    queue.wake("delivery.message", message.id, lane=queue.Lane.TRANSACTIONAL)
    return message


def queued(values: Mapping[str, Any], hold: timedelta = NO_HOLD) -> Message:
    """Queue one message in the caller's transaction; raises as `send` does.

    Parameters
    ----------
    hold
        How long it waits before it leaves; until then it can be taken back.
    """
    sender, public_id = _sender(values["sender_id"]), uuid7()
    bodies, message_id = _given(values, sender, public_id)
    boxes = _boxes(bodies)
    left_out = [one for one in boxes if _is_suppressed(one[1])]
    _kind, first = next((one for one in boxes if one not in left_out), boxes[0])
    message = Message(
        public_id=public_id,
        sender_id=sender.id,
        name=first.name[:200],
        address=first.addr,
        address_key=address_key(first.addr),
        bodies=bodies,
        row_values={},
        created_at=now(),
        due_at=_database_time() + hold,
        message_id_header=message_id,
        is_dry_run=sender.kind == TransportKind.DRY_RUN,
    )
    stationery = stationery_of_single(message)
    letter = letter_of(stationery, row_of(message), None)
    if stationery.raw:
        finished(stationery, letter)
    else:
        _check(letter)
    db.session.add(message)
    db.session.flush()
    _note_left_out(message, left_out)
    audit.record("message.queued", "message", message.id)
    return message


def take_back(message_id: int) -> None:
    """Cancel a message that waits; in the caller's transaction.

    Raises
    ------
    Refused
        If it has left already, or is leaving just now.
    """
    gone: int = db.session.execute(
        sa.update(Message)
        .where(
            Message.id == message_id,
            Message.campaign_id.is_(None),
            Message.status.in_(WAITING),
        )
        .values(status=Status.CANCELLED, updated_at=now())
        .execution_options(synchronize_session=False)
    ).rowcount  # type: ignore[attr-defined]  # an UPDATE has one
    if not gone:
        db.session.rollback()
        raise Refused(_("It is too late: the message has left, or is leaving."))
    audit.record("message.cancelled", "message", message_id)


def _database_time() -> datetime:
    at: datetime = db.session.execute(sa.select(db_now())).scalar_one()
    return at


def wait_for(message_id: int, seconds: float) -> Message:
    """Return a message as soon as it is final, or as it is when the time is over.

    One that is deferred is not waited for: it is tried again in minutes.
    """
    until = time.monotonic() + min(seconds, LONGEST_WAIT)
    while True:
        with reading():
            message = db.session.get_one(Message, message_id, populate_existing=True)
            over = message.status in FINAL | {Status.DEFERRED, Status.UNKNOWN}
            if over or time.monotonic() > until:
                return message
            db.session.rollback()
        time.sleep(LOOK_EVERY)


def _sender(sender_id: int | None) -> Sender:
    """Return the sender that is named, or the system's own, or the only one."""
    usable = sa.select(Sender).where(Sender.archived_at.is_(None))
    if sender_id:
        found = db.session.scalars(usable.where(Sender.id == sender_id)).all()
        words = _("There is no such sender.")
    else:
        found = db.session.scalars(usable.where(Sender.is_system)).all()
        found = found or db.session.scalars(usable.limit(2)).all()
        words = _("Name the sender: there is none or more than one.")
    if len(found) != 1:
        raise _wrong("sender_id", words)
    return found[0]


def _boxes(bodies: Mapping[str, Any]) -> list[tuple[str, Address]]:
    """Return the envelope recipients: which header names each, and the mailbox."""
    return [(kind, parse_mailbox(one)) for kind in KINDS for one in bodies[kind]]


def _is_suppressed(box: Address) -> bool:
    condition = suppressed(address_key(box.addr), None, transactional=True)
    return bool(db.session.scalar(sa.select(condition)))


def _note_left_out(message: Message, left_out: Sequence[tuple[str, Address]]) -> None:
    words = _("Suppressed: this address is never written to.")
    unique = {box.addr: kind for kind, box in reversed(left_out)}
    db.session.add_all(
        MessageAddress(
            message_id=message.id,
            kind=kind,
            address=addr,
            status=Status.SKIPPED,
            reply=words,
        )
        for addr, kind in unique.items()
    )


def _given(
    values: Mapping[str, Any], sender: Sender, public_id: uuid.UUID
) -> tuple[dict[str, Any], str]:
    """Return what the row keeps, and the Message-ID."""
    if eml.is_given(values):
        ours = message_id_of(token_key(), public_id, sender.from_address)
        made = eml.look(values, ours)
        return eml.bodies_of(made, values["envelope_from"]), made.message_id
    bodies = _bodies(values)
    given = bodies.get("from")
    addr = parse_mailbox(given).addr if given else sender.from_address
    return bodies, message_id_of(token_key(), public_id, addr)


def _bodies(values: Mapping[str, Any]) -> dict[str, Any]:
    text, html = values["text"] or "", values["html"] or None
    if html is None and IS_HTML.match(text):
        text, html = "", text
    if html and not text.strip():
        text = shared_pool().text_of(html) or ""
    kept = {name: values[name] for name in (*KINDS, "reply_to", "headers")}
    kept.update(subject=values["subject"], text=text, html=html)
    for name in ("from", "envelope_from"):
        if values.get(name) is not None:
            kept[name] = values[name]
    kept["attachments"] = _attachments(values["attachments"])
    return kept


def _attachments(given: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Store the files of a message; the same content is stored once."""
    found = [_attachment(number, one) for number, one in enumerate(given)]
    check_attachments(found, LARGEST_TOGETHER)
    return found


def _attachment(number: int, one: Mapping[str, Any]) -> dict[str, Any]:
    field, name = f"attachments.{number}", one.get("filename") or ""
    content_id = one.get("content_id") or ""
    if one.get("upload_id"):
        (found,) = attachments_listed([one])
        return {**found, "filename": name or found["filename"]}
    try:
        content = base64.b64decode(one["content"], validate=True)
    except (binascii.Error, ValueError) as error:
        words = _("This must be base64 (RFC 4648 section 4).")
        raise _wrong(f"{field}.content", words) from error
    return listed(uploads.kept(name, content, f"{field}.content"), content_id)


def _check(letter: Letter) -> None:
    """Refuse what cannot be composed, naming the field that is to blame."""
    try:
        compose(letter)
    except (ComposeError, AddressError) as error:
        raise _wrong(_guilty(letter), error.words) from error


def _guilty(letter: Letter) -> str:
    """Return the field without which the letter could be composed."""
    box = Address("", "somebody@example.org")
    plain = Letter(
        from_=box, to=(box,), text="x", message_id=letter.message_id, date=letter.date
    )
    for name, attribute in FIELDS.items():
        try:
            compose(replace(plain, **{attribute: getattr(letter, attribute)}))
        except ComposeError:
            return name
    return "text"


def _wrong(field: str, words: str) -> Invalid:
    return Invalid(_("Some values need your attention."), {field: [words]})
