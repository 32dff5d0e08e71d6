"""What a person decides: send failed messages again, say what became of unknown ones.

However many there are, they are changed some thousand at a time, in the order of their
ids, each part in a transaction of its own, so that memory and the wait of others stay
small. Each part first makes sure that the campaign is sending (again), so that none is
left pending in a campaign that has finished meanwhile.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from webapp.campaigns import moves, tallies
from webapp.campaigns.models import Campaign, Event, Message, MessageAddress
from webapp.campaigns.reasons import RETRYABLE, words_of
from webapp.campaigns.states import State, Status
from webapp.campaigns.workers import workers
from webapp.core import queue
from webapp.core.clock import now
from webapp.core.db import UtcDateTime, db, db_now
from webapp.core.errors import NotFound, Refused
from webapp.core.ids import uuid7
from webapp.core.words import _
from webapp.operators import audit

PART = 2000
SAFE_AGE = timedelta(minutes=15)
FROZEN = "content"  # what cannot be rendered now cannot be rendered later


class Decision(StrEnum):
    """What an operator says about an unknown message."""

    WENT = "went"
    SEND_AGAIN = "send_again"


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of messages, from which status, and the line of the timeline."""

    was: Status
    becomes: Status
    kind: str

    @property
    def values(self) -> dict[str, Any]:
        """Return what is written into each row."""
        if self.becomes is Status.SENT:
            return {"status": self.becomes, "sent_at": now(), "reason": ""}
        again = {"status": self.becomes, "due_at": db_now()}
        tries = {"tries": 0} if self.was is Status.FAILED else {}
        return {**again, **tries, "reason": "", "reason_class": ""}


RETRY = Change(Status.FAILED, Status.PENDING, "retried")
CHANGES = {
    Decision.WENT: Change(Status.UNKNOWN, Status.SENT, "said_sent"),
    Decision.SEND_AGAIN: Change(Status.UNKNOWN, Status.PENDING, "send_again"),
}


@dataclass(frozen=True, slots=True)
class Effect:
    """What a decision would do, in numbers.

    Attributes
    ----------
    groups
        Words and number of those that it changes, by class of reasons.
    stay
        The same of those that stay as they are.
    """

    count: int
    groups: Sequence[tuple[str, int]]
    stay: Sequence[tuple[str, int]]


def effect_of_retry(campaign_id: int, reason_class: str = "") -> Effect:
    """Return what a retry of all, or of one class of reasons, would do."""
    classes = _classes(reason_class)
    failures = tallies.failures(campaign_id)
    groups = [(words_of(one), n) for one, n in failures if one in classes]
    stay = [(words_of(one), n) for one, n in failures if one not in classes]
    return Effect(sum(n for _words, n in groups), groups, stay)


def effect_of_decision(campaign_id: int, decision: Decision) -> Effect:
    """Return what a decision about all unknown messages would do now."""
    unknown = tallies.counts(campaign_id)[Status.UNKNOWN]
    count = unknown
    if decision is Decision.SEND_AGAIN:
        count = _count(_unknown(campaign_id, decision))
    rest = [(_("wait: their worker may still be at it"), unknown - count)]
    return Effect(count, [], rest if count < unknown else [])


def retry_failed(campaign_id: int, reason_class: str = "") -> int:
    """Send failed messages again: all that may be, or those of one class of reasons.

    Returns
    -------
    int
        How many are pending again.

    Raises
    ------
    Refused
        If none can be retried, or the campaign does not allow it.
    """
    conditions = (
        Message.campaign_id == campaign_id,
        Message.status == Status.FAILED,
        Message.reason_class.in_(_classes(reason_class)),
    )
    count = _count(conditions)
    if not count:
        db.session.rollback()
        raise Refused(_("None of the failed messages can be sent again as it is."))
    said: dict[str, Any] = {"messages": count, "reason_class": reason_class}
    audit.record("campaign.failed_retried", "campaign", campaign_id, **said)
    return _again(campaign_id, conditions, RETRY)


def resolve_unknown(
    campaign_id: int, decision: Decision, message_ids: Collection[int] | None = None
) -> int:
    """Decide for one or all unknown messages: they went, or they are sent again.

    *Send again* is for those only whose worker process is known to be dead, or whose
    attempt is 15 minutes old: a worker that is merely slow may still be sending.

    Returns
    -------
    int
        How many are decided.

    Raises
    ------
    Refused
        If nothing can be decided like that now.
    """
    conditions = _unknown(campaign_id, decision)
    if message_ids is not None:
        conditions = (*conditions, Message.id.in_(message_ids))
    count = _count(conditions)
    if not count:
        _refuse_unknown(tallies.counts(campaign_id)[Status.UNKNOWN], decision)
    said: dict[str, Any] = {"decision": decision.value, "messages": count}
    audit.record("campaign.unknown_resolved", "campaign", campaign_id, **said)
    if decision is Decision.WENT:
        return _in_parts(conditions, CHANGES[decision])
    return _again(campaign_id, conditions, CHANGES[decision])


def retry_message(message_id: int) -> None:
    """Send one failed message again, whatever the reason was.

    Raises
    ------
    Refused
        If it has not failed, could not be rendered, or its campaign is cancelled.
    """
    message = _one(message_id)
    if message.status is not Status.FAILED or message.reason_class == FROZEN:
        db.session.rollback()
        raise Refused(_("This message cannot be sent again as it is."))
    conditions = (Message.id == message_id, Message.status == Status.FAILED)
    audit.record("message.retried", "message", message_id, message.address)
    _one_again(message, conditions, RETRY)


def resolve_message(message_id: int, decision: Decision) -> None:
    """Decide for one unknown message, of a campaign or a single one.

    Raises
    ------
    Refused
        If it is not unknown, or may still be on its way.
    """
    message = _one(message_id)
    conditions = (Message.id == message_id, *_undecided(decision))
    if not _count(conditions):
        _refuse_unknown(int(message.status is Status.UNKNOWN), decision)
    said: dict[str, Any] = {"decision": decision.value}
    audit.record("message.resolved", "message", message_id, message.address, **said)
    if decision is Decision.WENT:
        _in_parts(conditions, CHANGES[decision])
    else:
        _one_again(message, conditions, CHANGES[decision])


def _one(message_id: int) -> Message:
    message = db.session.get(Message, message_id)
    if message is None:
        raise NotFound(_("There is no such message."))
    return message


def _one_again(message: Message, conditions: tuple[Any, ...], change: Change) -> None:
    message_id, campaign_id = message.id, message.campaign_id
    if campaign_id is not None:
        _again(campaign_id, conditions, change)
        return
    _in_parts(conditions, change)
    queue.wake("delivery.message", message_id, lane=queue.Lane.TRANSACTIONAL)


def _classes(reason_class: str) -> frozenset[str]:
    return RETRYABLE & {reason_class} if reason_class else RETRYABLE


def _unknown(campaign_id: int, decision: Decision) -> tuple[Any, ...]:
    return (Message.campaign_id == campaign_id, *_undecided(decision))


def _undecided(decision: Decision) -> tuple[Any, ...]:
    unknown = Message.status == Status.UNKNOWN
    if decision is Decision.WENT:
        return (unknown,)
    dead = sa.select(workers.c.id).where(workers.c.stopped_at.is_not(None))
    at = db.session.scalar(sa.select(db_now()))
    assert at is not None
    old = sa.bindparam(None, at - SAFE_AGE, UtcDateTime())
    safe = sa.or_(Message.worker_id.in_(dead), Message.marked_at <= old)
    return (unknown, safe)


def _count(conditions: Sequence[Any]) -> int:
    count = sa.select(sa.func.count()).select_from(Message).where(*conditions)
    return db.session.scalar(count) or 0


def _refuse_unknown(left: int, decision: Decision) -> None:
    db.session.rollback()
    if left and decision is Decision.SEND_AGAIN:
        raise Refused(
            _(
                "The worker that sent them may still be at it. Wait until it is known "
                "to have ended, or until the attempt is 15 minutes old."
            )
        )
    raise Refused(_("No unknown message is left to decide."))


def _again(campaign_id: int, conditions: tuple[Any, ...], change: Change) -> int:
    """Change messages, let their campaign send, and wake workers for it."""
    done = _in_parts(conditions, change, campaign_id)
    if moves.has_left(campaign_id):
        _go_on(campaign_id, change.kind)
        db.session.commit()
    moves.wake_tickets(campaign_id, done)
    return done


def _in_parts(
    conditions: tuple[Any, ...], change: Change, campaign_id: int | None = None
) -> int:
    """Change messages, a part at a time; return how many. Owns its commits."""
    total = last = 0
    while True:
        if campaign_id is not None:
            _go_on(campaign_id, change.kind)
        ids = _part(conditions, change.values, last)
        if not ids:
            break
        _tell(ids, change)
        db.session.commit()
        total += len(ids)
        last = max(ids)
    db.session.rollback()
    return total


def _part(
    conditions: tuple[Any, ...], values: Mapping[str, Any], last: int
) -> list[int]:
    some = (
        sa.select(Message.id)
        .where(*conditions, Message.id > last)
        .order_by(Message.id)
        .limit(PART)
    )
    changed = db.session.scalars(
        sa.update(Message)
        .where(Message.id.in_(some), *conditions)
        .values(updated_at=now(), **values)
        .returning(Message.id)
        .execution_options(synchronize_session=False)
    )
    return list(changed)


def _go_on(campaign_id: int, kind: str) -> None:
    """Let a campaign send again that has finished, in the caller's transaction."""
    state = db.session.scalar(
        sa.select(Campaign.state).where(Campaign.id == campaign_id).with_for_update()
    )
    moved = state in {State.SENDING, State.PAUSED} or moves.move(
        campaign_id,
        State.SENDING,
        Campaign.state == State.FINISHED,
        kind=kind,
        finished_at=None,
        archived_at=None,
        again_since=now(),
    )
    if not moved:
        moves.refuse(campaign_id)


def _tell(message_ids: Collection[int], change: Change) -> None:
    """Change the rows of the addresses too, and add a line to each timeline."""
    db.session.execute(
        sa.update(MessageAddress)
        .where(
            MessageAddress.message_id.in_(message_ids),
            MessageAddress.status == change.was,
        )
        .values(status=change.becomes)
        .execution_options(synchronize_session=False)
    )
    once, who = uuid7().hex, moves.actor_name()
    rows = [
        {
            "message_id": message_id,
            "kind": change.kind,
            "dedupe_key": f"{change.kind}:{message_id}:{once}",
            "detail": {"actor": who},
        }
        for message_id in message_ids
    ]
    db.session.execute(sa.insert(Event), rows)
