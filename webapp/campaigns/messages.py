"""Reading messages: the list of a campaign, one message, its source, its timeline."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from webapp.campaigns import addressed, coming_back
from webapp.campaigns.audience import Person, first_people
from webapp.campaigns.checking import row_for
from webapp.campaigns.letters import (
    Row,
    Stationery,
    finished,
    letter_of,
    row_of,
    stationery_of,
    stationery_of_single,
    values_of,
)
from webapp.campaigns.models import (
    SETTLED,
    Attempt,
    CameBack,
    Campaign,
    Event,
    Message,
    MessageAddress,
    has_status,
)
from webapp.campaigns.states import Status
from webapp.composing.addresses import AddressError, address_key
from webapp.composing.letter import Attachment, ComposeError, Letter
from webapp.core import blobs
from webapp.core.clock import now
from webapp.core.db import db
from webapp.core.errors import NotFound, Refused
from webapp.core.words import _
from webapp.message_templates.delivered import Check, Delivered, checks
from webapp.message_templates.pictures import with_pictures
from webapp.message_templates.rendering import Rendered, RenderFailure, shared_pool
from webapp.senders import signing
from webapp.senders.models import Sender


def get(message_id: int, campaign_id: int | None = None) -> Message:
    """Return a message, of this campaign if one is named.

    Raises
    ------
    NotFound
        If there is none.
    """
    message = db.session.get(Message, message_id)
    if message is None or (campaign_id and message.campaign_id != campaign_id):
        raise NotFound(_("There is no such message."))
    return message


def listing(
    campaign_id: int,
    status: str = "",
    reason: str = "",
    words: str = "",
    answer: str = "",
) -> tuple["sa.Select[Any]", Any, "sa.Select[Any] | None"]:
    """Return the query of a campaign's messages and the column that pages it.

    Each of the orders stands in an index that has its filter first. A whole address is
    found by an index; a part of one, or a class of reasons, is searched for in windows:
    the third is the query of all rows to search in.

    Parameters
    ----------
    answer
        Only messages of which this kind came back; see `coming_back.KINDS`.
    """
    exact = _exact(words)
    # Few have one address. A sum stands in no index, so that SQLite, which has no
    # statistics, finds those few and does not read the whole campaign in its order.
    whose = Message.campaign_id if exact is None else Message.campaign_id + 0
    query = sa.select(Message).where(whose == campaign_id)
    if answer in coming_back.KINDS:
        query = coming_back.with_kind(campaign_id, answer)
    if status in set(Status):
        query = query.where(Message.status == Status(status))
    key: Any = Message.id if status in set(Status) else Message.recipient_id
    if answer in coming_back.KINDS:
        key = CameBack.message_id.label("id")
    everything = query
    if reason:
        query = query.where(Message.reason_class == reason)
    if exact is not None:
        if answer not in coming_back.KINDS:
            key = (key + 0).label(key.key)
        return query.where(exact), key, None
    if words:
        query = query.where(Message.address.icontains(words.strip(), autoescape=True))
    return query, key, everything if words or reason else None


def _exact(words: str) -> "sa.ColumnElement[bool] | None":
    """Return the condition for a whole address; none for a part of one."""
    try:
        return addressed.to_any([address_key(words)])
    except AddressError:
        return None


def singles() -> "sa.Select[Any]":
    """Return the query of the messages without a campaign."""
    return sa.select(Message).where(Message.campaign_id.is_(None))


def latest(campaign_id: int, limit: int) -> Sequence[Message]:
    """Return the messages of a campaign that came back last, then those that wait."""
    query = sa.select(Message).where(Message.campaign_id == campaign_id)
    order = (Message.updated_at.desc(), Message.id.desc())
    settled = query.where(has_status(Message.status, *SETTLED)).order_by(*order)
    found = list(db.session.scalars(settled.limit(limit)))
    for status in Status:
        if len(found) < limit and status not in SETTLED:
            rest = query.where(Message.status == status).order_by(Message.id)
            found += db.session.scalars(rest.limit(limit - len(found)))
    return found


def neighbours(message: Message) -> tuple[int | None, int | None]:
    """Return the ids of the messages of the rows before and after this one."""
    other = sa.select(Message.id).where(Message.campaign_id == message.campaign_id)
    before = other.where(Message.recipient_id < message.recipient_id)
    after = other.where(Message.recipient_id > message.recipient_id)
    return (
        db.session.scalar(before.order_by(Message.recipient_id.desc()).limit(1)),
        db.session.scalar(after.order_by(Message.recipient_id).limit(1)),
    )


def addresses_of(message: Message) -> Sequence[MessageAddress]:
    """Return the outcome of each envelope recipient, except blind copies."""
    return db.session.scalars(
        sa.select(MessageAddress)
        .where(MessageAddress.message_id == message.id, MessageAddress.kind != "bcc")
        .order_by(MessageAddress.id)
    ).all()


def attempts_of(message: Message) -> Sequence[Attempt]:
    """Return the tries of a message, the first first."""
    return db.session.scalars(
        sa.select(Attempt)
        .where(Attempt.message_id == message.id)
        .order_by(Attempt.number, Attempt.started_at)
    ).all()


def sender_names(attempts: Sequence[Attempt]) -> dict[int | None, str]:
    """Return the names of the senders that tries went by."""
    ids = {one.sender_id for one in attempts}
    query = sa.select(Sender.id, Sender.name).where(Sender.id.in_(ids - {None}))
    return {sender_id: name for sender_id, name in db.session.execute(query)}  # noqa: C416 - a row is no pair for mypy


def events_of(message: Message) -> Sequence[Event]:
    """Return the events of a message, the first first."""
    return db.session.scalars(
        sa.select(Event)
        .where(Event.message_id == message.id)
        .order_by(Event.at, Event.id)
    ).all()


def preview(campaign: Campaign, person: Person) -> Rendered | RenderFailure | None:
    """Render one recipient's message as it would be sent; None if nothing is chosen."""
    return _previewed(stationery_of(campaign), row_for(person))


def _previewed(stationery: Stationery, row: Row) -> Rendered | RenderFailure | None:
    if stationery.source is None:
        return None
    values = values_of(stationery, row)
    return shared_pool().render_many(stationery.source, [values], stationery.base_url)[
        0
    ]


def delivered(campaign: Campaign, person: Person) -> Sequence[Check] | str:
    """Return what a server would see of a preview, or why it cannot be sent.

    Nothing where the row cannot be rendered, or no sender is chosen.
    """
    stationery, row, sender = stationery_of(campaign), row_for(person), campaign.sender
    rendered = _previewed(stationery, row)
    if sender is None or not isinstance(rendered, Rendered):
        return ()
    try:
        unsigned = replace(stationery, signers=())
        made = finished(unsigned, letter_of(stationery, row, rendered))
    except (ComposeError, AddressError) as error:
        return error.words
    return checks(Delivered(made.data, made.mail_from, True, sender.server_size))


def preview_html(campaign: Campaign, recipient_id: int) -> str:
    """Return the HTML of one recipient's preview; empty where there is none."""
    people = first_people(campaign, exact=recipient_id)
    shown = preview(campaign, people[0]) if people else None
    if not isinstance(shown, Rendered):
        return ""
    found = stationery_of(campaign).attachments
    return with_pictures(shown.html or "", _pictures(found))


def html_of(made: Letter) -> str:
    """Return the HTML of a letter, the images that go along inside of it."""
    return with_pictures(made.html or "", _pictures(made.attachments))


def _pictures(attachments: Sequence[Attachment]) -> dict[str, bytes]:
    return {one.content_id: one.content for one in attachments if one.content_id}


@dataclass(frozen=True, slots=True)
class Shown:
    """A message as it is shown beside its timeline; `words` says why it is not."""

    subject: str = ""
    text: str = ""
    has_html: bool = False
    source: str = ""
    size: int = 0
    words: str = ""


def shown(message: Message) -> Shown:
    """Return a message for reading; a row that cannot be rendered says why."""
    try:
        data, made = source(message), letter(message)
    except Refused as error:
        return Shown(words=error.words)
    return Shown(
        subject=made.subject,
        text=made.text or _as_it_is(message),
        has_html=bool(made.html),
        source=data.decode("utf-8", "replace"),
        size=len(data),
    )


def _as_it_is(message: Message) -> str:
    given = (message.bodies or {}).get("raw")
    return _("It is sent as it was given: look at the source.") if given else ""


def rendered_of(message: Message) -> Rendered | None:
    """Render a message again as it was frozen; None where it keeps its own bodies.

    Raises
    ------
    Refused
        If it cannot be rendered.
    """
    if message.campaign is None:
        return None
    stationery = stationery_of(message.campaign)
    if stationery.source is None:
        raise Refused(_("This campaign has no message template yet."))
    values = values_of(stationery, row_of(message))
    made = shared_pool().render_many(stationery.source, [values], stationery.base_url)
    if isinstance(made[0], RenderFailure):
        raise Refused(made[0].words)
    return made[0]


def letter(message: Message) -> Letter:
    """Return the letter of a message, without its blind copies.

    Raises
    ------
    Refused
        If it cannot be rendered.
    """
    return letter_of(_stationery(message), row_of(message), rendered_of(message))


def _stationery(message: Message) -> Stationery:
    if message.campaign is not None:
        return stationery_of(message.campaign)
    return stationery_of_single(message)


def source(message: Message) -> bytes:
    """Return the source of a message as it was or will be sent.

    That of a dry run was kept; that of others is composed again from what was frozen,
    and signed with the keys of that time, which gives the same bytes. Blind copies are
    in no header.

    Raises
    ------
    Refused
        If it cannot be rendered or composed.
    """
    if message.mime_sha256:
        kept = b"".join(blobs.read(message.mime_sha256))
        if kept:
            return kept
    try:
        stationery = _stationery(message)
        made = letter_of(stationery, row_of(message), rendered_of(message))
        keys = signing.signers(made.from_.addr, message.marked_at or now())
        return finished(replace(stationery, signers=keys), made).data
    except (ComposeError, AddressError) as error:
        raise Refused(error.words) from error
