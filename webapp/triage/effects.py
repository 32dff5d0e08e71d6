"""What a proven answer does: a line on the timeline, a count, maybe a suppression.

Only proof acts: a token or Message-ID that we signed, and for a bounce the address that
we wrote to. A report about somebody else's address changes nothing by itself, because
whoever has seen one message could name another's recipient in it (SECURITY.md 42).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import sqlalchemy as sa
from flask import current_app

from webapp.campaigns import addressed, coming_back, proving
from webapp.campaigns.models import Event, Message, MessageAddress
from webapp.composing.addresses import AddressError, address_key
from webapp.core.clock import now
from webapp.core.db import db
from webapp.mailboxes.kinds import MailKind
from webapp.mailboxes.models import Mail
from webapp.senders.hardness import Hardness
from webapp.suppressions import service as suppressions
from webapp.suppressions.models import Channel, Reason, Suppression
from webapp.triage.models import Answer
from webapp.triage.naming import VERP
from webapp.triage.sorting import Sorted, Verdict

SUGGESTION, PERSON = "suggestion", "person"
#: Soft bounces are counted over this time.
SOFT_DAYS = timedelta(days=30)
_HIDDEN = re.compile(
    r"redact|hidden|anonym|masked|^x{3,}|^[0-9a-f]{16,}@", re.IGNORECASE
)


def act(mail: Mail, made: Sorted, message: Message, by: str) -> bool:
    """Do what follows from a mail that is about a message; say whether it is proven.

    Parameters
    ----------
    by
        What ties them: a kind of proof, or a person.
    """
    if made.kind is MailKind.BOUNCE:
        return _bounced(mail, made, message, by)
    if made.kind is MailKind.COMPLAINT:
        return _complained(mail, made, message, by)
    proving.it_went(message, _PROOFS[made.kind], mail.received_at)
    _ACTIONS[made.kind](mail, made, message)
    return True


def _bounced(mail: Mail, made: Sorted, message: Message, by: str) -> bool:
    ours = _addresses_of(message)
    meant = _meant(made, ours, by)
    for whom, verdict in meant:
        _bounced_of(mail, verdict, message, {key: ours[key] for key in whom})
    return bool(meant)


def _meant(
    made: Sorted, ours: Mapping[str, str], by: str
) -> list[tuple[set[str], Verdict]]:
    """Return whom of a message's people a bounce is about, and what it says of them."""
    named = [(keys_of(one.recipients), one) for one in made.verdicts]
    found = [(keys & ours.keys(), one) for keys, one in named if keys & ours.keys()]
    if found:
        return found
    is_unsaid = not any(keys for keys, _one in named)
    if (is_unsaid or by in {VERP, PERSON}) and len(ours) == 1:
        # No other can be meant, or it was forwarded: to several, of whom one may live.
        mildest = min(made.verdicts, key=lambda one: one.hardness is Hardness.HARD)
        return [(set(ours), mildest)]
    return []


def telling(made: Sorted, message: Message) -> Sorted:
    """Return what a bounce says of a message, where it says that of each apart."""
    for one in made.apart:
        if message.address_key in keys_of(one.recipients):
            return replace(
                made,
                recipients=one.recipients,
                hardness=one.hardness,
                status=one.status,
                words=one.words,
            )
    return made


def _bounced_of(
    mail: Mail, verdict: Verdict, message: Message, whom: Mapping[str, str]
) -> None:
    hard = verdict.hardness or Hardness.SOFT
    is_own = message.address_key in whom or not message.address_key
    kind = coming_back.BOUNCED if is_own else proving.COPY_BOUNCED
    proving.it_went(message, kind, mail.received_at)
    is_new = coming_back.tell(
        message,
        kind,
        f"{hard}:{'' if is_own else min(whom)}"[:60],
        mail.received_at,
        mail=mail.id,
        hardness=hard.value,
        status=verdict.status,
        words=verdict.words,
    )
    if not is_new:
        return  # one that is sent again undoes no undo
    if hard is Hardness.HARD:
        for address in whom.values():
            _suppress(address, Reason.HARD_BOUNCE, message)
    elif hard is Hardness.SOFT and is_own and _too_often(message):
        _suppress(message.address, Reason.HARD_BOUNCE, message)


def _complained(mail: Mail, made: Sorted, message: Message, by: str) -> bool:
    ours = _addresses_of(message)
    shown = [one for one in made.recipients if not _HIDDEN.search(one)]
    named = keys_of(shown)
    whom = named & ours.keys()
    if not whom and (not named or by in {VERP, PERSON}):
        whom = {message.address_key} & ours.keys()
    if not whom:
        return False
    proving.it_went(message, coming_back.COMPLAINED, mail.received_at)
    for key in whom:
        is_new = coming_back.tell(
            message,
            coming_back.COMPLAINED,
            "" if key == message.address_key else key[:60],
            mail.received_at,
            mail=mail.id,
            words=made.words,
        )
        if is_new:
            _suppress(ours[key], Reason.COMPLAINT, message)
    return True


def _replied(mail: Mail, made: Sorted, message: Message) -> None:
    other = mail.from_address
    is_other = not keys_of([other]) & _addresses_of(message).keys()
    asks = "Asks to be taken off; confirm it." if made.proposed else ""
    coming_back.tell(
        message,
        coming_back.REPLIED,
        mail.identity[:32],
        mail.received_at,
        mail=mail.id,
        by=other if is_other else "",
        words=asks or (f"From another address: {other}" if is_other else ""),
    )


def _auto_replied(mail: Mail, made: Sorted, message: Message) -> None:
    del made
    key = mail.identity[:32]
    coming_back.tell(
        message,
        coming_back.AUTO_REPLIED,
        key,
        mail.received_at,
        mail=mail.id,
        words=mail.subject,
    )


def _unsubscribed(mail: Mail, made: Sorted, message: Message) -> None:
    """Take somebody off by our own link; by words alone a person has to confirm."""
    if made.proposed:
        _replied(mail, made, message)
    elif not _was_here_before(mail, message):
        take_off(mail, message)


def take_off(mail: Mail, message: Message) -> None:
    """Write to the person of a message no more, from its recipient table."""
    coming_back.tell(
        message,
        coming_back.UNSUBSCRIBED,
        mail.identity[:32],
        mail.received_at,
        mail=mail.id,
        words="By mail",
    )
    campaign = message.campaign
    table_id = campaign.recipient_table_id if campaign else None
    _suppress(message.address, Reason.UNSUBSCRIBED, message, table_id)


def _was_here_before(mail: Mail, message: Message) -> bool:
    """Whether the same goodbye was done already: one sent again undoes no undo."""
    if not mail.message_id_header:
        return False
    again = (
        sa.select(Answer.id)
        .join(Mail, Mail.id == Answer.mail_id)
        .where(
            Answer.message_id == message.id,
            Answer.kind == MailKind.UNSUBSCRIBE.value,
            Mail.message_id_header == mail.message_id_header,
            Mail.id != mail.id,
        )
    )
    return db.session.scalar(again.limit(1)) is not None


def _noticed(mail: Mail, made: Sorted, message: Message) -> None:
    """Tell of a delay or a relay; it is no failure and counts as nothing."""
    coming_back.tell(
        message,
        proving.NOTICE,
        mail.identity[:32],
        mail.received_at,
        mail=mail.id,
        status=made.status,
        words=made.words,
    )


_ACTIONS = {
    MailKind.REPLY: _replied,
    MailKind.AUTO_REPLY: _auto_replied,
    MailKind.UNSUBSCRIBE: _unsubscribed,
    MailKind.NOTICE: _noticed,
}
#: What each of them proves of a message of which nobody knew whether it went.
_PROOFS = {
    MailKind.REPLY: coming_back.REPLIED,
    MailKind.AUTO_REPLY: coming_back.AUTO_REPLIED,
    MailKind.UNSUBSCRIBE: coming_back.UNSUBSCRIBED,
    MailKind.NOTICE: proving.NOTICE,
}


def _suppress(
    address: str, reason: Reason, message: Message, table_id: int | None = None
) -> None:
    source = coming_back.name_of(message.campaign)
    suppressions.suppress_within(Channel.EMAIL, address, table_id, reason, source)


def _addresses_of(message: Message) -> dict[str, str]:
    """Return key and address of everybody that a message was handed over for."""
    copies = db.session.scalars(
        sa.select(MessageAddress.address).where(MessageAddress.message_id == message.id)
    ).all()
    found = {}
    for address in (message.address, *copies):
        for key in keys_of([address]):
            found[key] = address
    return found


def keys_of(addresses: Iterable[str]) -> set[str]:
    """Return the keys of addresses; what is none is left out."""
    found = set()
    for address in addresses:
        try:
            found.add(address_key(address))
        except AddressError:
            continue
    return found


def _too_often(message: Message) -> bool:
    """Whether mails to this address failed for a while so often that it is dead."""
    limit: int = current_app.config["POSTROOM"].soft_bounces
    if not limit:
        return False
    found = db.session.execute(
        sa.select(Message.id, Event.detail)
        .join(Event, Event.message_id == Message.id)
        .where(
            addressed.to_any([message.address_key]),
            Event.kind == coming_back.BOUNCED,
            Event.at >= now() - SOFT_DAYS,
            Event.seen_at > _last_undone(message.address_key),
        )
        .limit(1000)
    ).all()
    soft = {one for one, detail in found if _is_soft(detail)}
    return len(soft) >= limit


def _last_undone(address_key: str) -> datetime:
    """Return when somebody said that an address is alive after all, if ever."""
    query = sa.select(sa.func.max(Suppression.undone_at)).where(
        Suppression.channel == Channel.EMAIL,
        Suppression.address_key == address_key,
        Suppression.reason == Reason.HARD_BOUNCE,
    )
    return db.session.scalar(query) or now() - SOFT_DAYS


def _is_soft(detail: object) -> bool:
    return isinstance(detail, dict) and detail.get("hardness") == Hardness.SOFT.value


def first_of(messages: Sequence[Message]) -> Message | None:
    """Return the message that was sent last, or None."""
    return max(messages, key=lambda one: one.sent_at or one.created_at, default=None)
