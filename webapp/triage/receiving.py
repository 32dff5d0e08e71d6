"""Take in what the sync read: sort it, tie it, keep our own row, and act on proof.

Sorting is pure and comes before the transaction; what is stored, and what follows from
it, is one transaction with the cursor of the sync. One mail that cannot be sorted or
stored is set aside with the reason, and the others go on.
"""

import logging
import re
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DataError, DBAPIError

from webapp.campaigns import addressed, message_tokens
from webapp.campaigns.letters import token_keys
from webapp.campaigns.models import Message
from webapp.core.clock import now
from webapp.core.db import db
from webapp.core.errors import Refused
from webapp.core.one_line import one_line
from webapp.core.words import _
from webapp.mailboxes import rounds, syncing
from webapp.mailboxes.arrivals import Arrival
from webapp.mailboxes.kinds import MailKind
from webapp.mailboxes.models import Mail, Mailbox
from webapp.mailboxes.syncing import Place
from webapp.triage import effects, rules
from webapp.triage.effects import SUGGESTION
from webapp.triage.models import Answer
from webapp.triage.sorting import Sorted, addresses_of, needs_source, sort

log = logging.getLogger(__name__)

#: How long after a message a mail without proof may still be about it.
SUGGEST_WITHIN = timedelta(days=14)
_LOGIC = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
MOST_SUGGESTED = 3
HISTORY = "It arrived before the mailbox was connected."


@dataclass(frozen=True)
class Taken:
    """A mail, what was made of it, and its row's values."""

    arrival: Arrival
    made: Sorted


def read_next() -> bool:
    """Read the mailbox whose time has come; say whether there was one."""
    held = rounds.take()
    if held is None:
        return False
    syncing.run(held, needs_source, sort_all)
    return True


def read_one(mailbox_id: int) -> bool:
    """Read one mailbox now; say whether nobody else was at it."""
    held = rounds.take(mailbox_id)
    if held is None:
        return False
    syncing.run(held, needs_source, sort_all)
    return True


def sort_all(place: Place, arrivals: Sequence[Arrival]) -> Callable[[], None]:
    """Sort mails, and return what stores them within a transaction."""
    read = _reader()
    taken = [Taken(one, _sorted(one, read)) for one in arrivals]
    return lambda: _store(place, taken)


def take_again(mail_id: int, arrival: Arrival) -> bool:
    """Sort a mail anew that was set aside; say whether that worked. Owns its commit.

    Raises
    ------
    Refused
        If somebody else was faster.
    """
    made = _sorted(arrival, _reader())
    mail = db.session.get_one(Mail, mail_id, with_for_update=True)
    if mail.kind is not MailKind.SET_ASIDE:
        db.session.rollback()
        raise Refused(_("This mail is not set aside any more."))
    if made.kind is not MailKind.SET_ASIDE:
        made = _kept_again(mail, Taken(arrival, made))
    if made.kind is MailKind.SET_ASIDE:
        mail.words, mail.worked_at = one_line(made.words, 500), now()
    db.session.commit()
    return made.kind is not MailKind.SET_ASIDE


def _kept_again(mail: Mail, one: Taken) -> Sorted:
    """Make the row of a mail what it says now, and do what follows."""
    identity = one.arrival.identity()
    if _known(mail.mailbox_id, [identity]).get(identity, mail) is not mail:
        db.session.delete(mail)  # it was read elsewhere meanwhile
        return one.made
    box = db.session.get_one(Mailbox, mail.mailbox_id)
    received = one.arrival.received
    is_history = received is not None and received <= box.connected_at - syncing.SKEW
    made = Sorted(MailKind.OTHER, words=HISTORY) if is_history else one.made
    messages = _messages([made])
    try:
        with db.session.begin_nested():
            mail.identity = identity
            for name, value in _said(Taken(one.arrival, made)).items():
                setattr(mail, name, value)
            _follow(mail, made, messages)
            if not is_history:
                rules.apply(mail)
    except Exception as error:
        if isinstance(error, DBAPIError) and not isinstance(error, DataError):
            raise
        log.warning("a mail stays set aside: %s", type(error).__name__)
        return _set_aside(error)
    return made


def _reader() -> Callable[[str, str], uuid.UUID | None]:
    keys = token_keys()
    return lambda token, purpose: message_tokens.read_by_any(keys, token, purpose)


def _sorted(arrival: Arrival, read: Callable[[str, str], uuid.UUID | None]) -> Sorted:
    if arrival.trouble:
        return Sorted(MailKind.SET_ASIDE, words=arrival.trouble)
    try:
        return sort(arrival, read)
    except Exception as error:  # noqa: BLE001 - a stranger's mail must not stop the others
        log.warning("a mail was set aside: %s", type(error).__name__)
        return _set_aside(error)


def _set_aside(error: Exception) -> Sorted:
    words = f"This mail could not be sorted ({type(error).__name__})."
    return Sorted(MailKind.SET_ASIDE, words=words)


def _store(place: Place, taken: Sequence[Taken]) -> None:
    known = _known(place.mailbox_id, [one.arrival.identity() for one in taken])
    messages = _messages([one.made for one in taken])
    for one in taken:
        mail = known.get(one.arrival.identity())
        if mail is not None:
            # Known again elsewhere: moved, or its folder has other numbers or a name.
            mail.folder_id = place.folder_id
            mail.uidvalidity, mail.uid = place.uidvalidity, one.arrival.uid
            if mail.is_sorted:
                continue
        try:
            with db.session.begin_nested():
                mail = _row(place, one) if mail is None else _sorted_now(mail, one)
                _follow(mail, one.made, messages)
                rules.apply(mail)
        except Exception as error:
            if isinstance(error, DBAPIError) and not isinstance(error, DataError):
                raise
            log.warning("a mail was set aside: %s", type(error).__name__)
            aside = _set_aside(error)
            mail = _row(place, Taken(_bare(one.arrival), aside))
        known[mail.identity] = mail
    db.session.flush()


def _bare(arrival: Arrival) -> Arrival:
    """Return what can be stored of any mail: where it lies."""
    return Arrival(
        arrival.uid,
        arrival.received,
        arrival.size,
        type(arrival.headers)(),
        trouble="set aside",
    )


def _known(mailbox_id: int, identities: Sequence[str]) -> dict[str, Mail]:
    query = sa.select(Mail).where(
        Mail.mailbox_id == mailbox_id, Mail.identity.in_(identities)
    )
    return {mail.identity: mail for mail in db.session.scalars(query)}


def _messages(made: Sequence[Sorted]) -> dict[uuid.UUID, Message]:
    """Return the messages that the mails name, with one question."""
    wanted = {public_id for one in made for public_id in one.named}
    wanted |= {one.proof.public_id for one in made if one.proof}
    if not wanted:
        return {}
    query = sa.select(Message).where(Message.public_id.in_(wanted))
    return {message.public_id: message for message in db.session.scalars(query)}


def _row(place: Place, one: Taken) -> Mail:
    mail = Mail(
        mailbox_id=place.mailbox_id,
        folder_id=place.folder_id,
        uidvalidity=place.uidvalidity,
        uid=one.arrival.uid,
        identity=_identity(place, one.arrival),
        **_said(one),
    )
    db.session.add(mail)
    db.session.flush()
    return mail


def _said(one: Taken) -> dict[str, Any]:
    """Return what a row says of its mail, wherever it lies."""
    arrival = one.arrival
    name, address = addresses_of(arrival.headers)
    return {
        "message_id_header": arrival.message_id[:1000],
        "kind": one.made.kind,
        "from_name": name,
        "from_address": address,
        "subject": arrival.headers.text("subject")[:500],
        "words": one_line(one.made.words, 500),
        "received_at": arrival.received,
        "size": arrival.size,
    }


def _sorted_now(mail: Mail, one: Taken) -> Mail:
    """Give a row that a person's hand made what the sorting says."""
    mail.kind, mail.words = one.made.kind, one_line(one.made.words, 500)
    mail.is_sorted = True
    return mail


def _identity(place: Place, arrival: Arrival) -> str:
    """Return the identity; that of a mail of which nothing is known is its place."""
    if arrival.trouble:
        key = f"{place.folder_id}.{place.uidvalidity}.{arrival.uid}"
        return f"place {key}"[:64]
    return arrival.identity()


def _follow(mail: Mail, made: Sorted, messages: dict[uuid.UUID, Message]) -> None:
    """Tie a mail to its message and act; without proof only suggest."""
    if made.kind in {MailKind.COPY, MailKind.SET_ASIDE}:
        return
    message = messages.get(made.proof.public_id) if made.proof else None
    if made.proof and message is not None:
        by = made.proof.by if effects.act(mail, made, message, made.proof.by) else ""
        _tie(mail, made, message, by or SUGGESTION)
        return
    likely = [messages[one] for one in made.named if one in messages]
    for message in likely[:MOST_SUGGESTED] or _likely(mail, made):
        _tie(mail, made, message, SUGGESTION)


def _tie(mail: Mail, made: Sorted, message: Message, by: str) -> None:
    kind = MailKind.REPLY if made.kind is MailKind.OTHER else made.kind
    made = effects.telling(made, message)
    detail = {
        "recipients": list(made.recipients),
        "hardness": made.hardness.value if made.hardness else "",
        "status": made.status,
        "words": made.words,
        "proposed": made.proposed,
    }
    kept = {name: value for name, value in detail.items() if value}
    db.session.add(
        Answer(
            mail_id=mail.id,
            message_id=message.id,
            kind=kind.value,
            matched_by=by,
            detail=kept,
        )
    )
    db.session.flush()


def _likely(mail: Mail, made: Sorted) -> list[Message]:
    """Return the message that a mail may be about: its person's last one, if it fits.

    Sender and subject can be anybody's, so this is a hint for a person and no more.
    """
    is_report = made.kind in {MailKind.BOUNCE, MailKind.COMPLAINT, MailKind.NOTICE}
    keys = effects.keys_of(made.recipients if is_report else [mail.from_address])
    if not keys:
        return []
    found = db.session.scalars(
        sa.select(Message)
        .where(
            addressed.to_any(keys),
            Message.sent_at >= now() - SUGGEST_WITHIN,
        )
        .order_by(Message.id.desc())
        .limit(MOST_SUGGESTED)
    ).all()
    fitting = [one for one in found if is_report or _fits(mail.subject, one)]
    last = effects.first_of(fitting)
    return [last] if last else []


def _fits(subject: str, message: Message) -> bool:
    """Whether a subject holds every fixed piece of the message's subject."""
    written = str((message.bodies or {}).get("subject", ""))
    campaign = message.campaign
    if campaign and campaign.message_template_version:
        written = campaign.message_template_version.subject
    pieces = [" ".join(one.split()) for one in _LOGIC.split(written)]
    telling = [one.strip(" ,.:;!?-").casefold() for one in pieces]
    telling = [one for one in telling if len(one) > 3]  # noqa: PLR2004 - shorter says nothing
    return bool(telling) and all(one in subject.casefold() for one in telling)
