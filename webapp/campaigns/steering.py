"""A campaign on its way: pause, resume, cancel, retry what failed, decide the unknown.

Each function is one transaction of conditional updates: whoever comes second finds that
nothing matches any more and is told so.
"""

from collections.abc import Collection
from datetime import timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from webapp.campaigns import launching, moves, tallies
from webapp.campaigns.models import Campaign, Event, Message, MessageAddress
from webapp.campaigns.reasons import RETRYABLE
from webapp.campaigns.states import State, Status
from webapp.campaigns.workers import workers
from webapp.core.clock import now
from webapp.core.db import UtcDateTime, db, db_now
from webapp.core.errors import Refused
from webapp.core.ids import uuid7
from webapp.core.words import _
from webapp.operators import audit

SAFE_AGE = timedelta(minutes=15)


class Decision(StrEnum):
    """What an operator says about an unknown message."""

    WENT = "went"
    SEND_AGAIN = "send_again"


def pause(campaign_id: int) -> None:
    """Stop handing messages over; what is being handed over right now ends.

    Raises
    ------
    Refused
        If it is not sending.
    """
    if not moves.move(campaign_id, State.PAUSED, kind="paused", pause_reason=""):
        moves.refuse(campaign_id)
    audit.record("campaign.paused", "campaign", campaign_id)
    db.session.commit()


def resume(campaign_id: int) -> None:
    """Go on with a paused campaign, in its launch or in its sending.

    Raises
    ------
    Refused
        If it is not paused.
    """
    ready = db.session.scalar(
        sa.select(Campaign.prepared_at).where(Campaign.id == campaign_id)
    )
    moved = moves.move(
        campaign_id,
        State.SENDING if ready else State.LAUNCHING,
        Campaign.state == State.PAUSED,
        kind="resumed",
        pause_reason="",
    )
    if not moved:
        moves.refuse(campaign_id)
    audit.record("campaign.resumed", "campaign", campaign_id)
    db.session.commit()
    if not ready:
        launching.wake(campaign_id)
    elif not moves.finish_if_done(campaign_id):
        moves.wake_tickets(campaign_id, _waiting(campaign_id))


def cancel(campaign_id: int) -> int:
    """Cancel what has not left; what is being handed over right now ends by itself.

    Returns
    -------
    int
        How many messages will not be sent.

    Raises
    ------
    Refused
        If it is over already.
    """
    if not moves.move(
        campaign_id, State.CANCELLED, kind="cancelled", finished_at=now()
    ):
        moves.refuse(campaign_id)
    waiting = Message.status.in_((Status.PENDING, Status.DEFERRED))
    gone = _update(campaign_id, [waiting], status=Status.CANCELLED)
    audit.record("campaign.cancelled", "campaign", campaign_id, messages=len(gone))
    db.session.commit()
    return len(gone)


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
    classes = RETRYABLE & {reason_class} if reason_class else RETRYABLE
    failed = (Message.status == Status.FAILED, Message.reason_class.in_(classes))
    back = _update(
        campaign_id,
        failed,
        status=Status.PENDING,
        tries=0,
        due_at=db_now(),
        reason="",
        reason_class="",
    )
    if not back:
        db.session.rollback()
        raise Refused(_("None of the failed messages can be sent again as it is."))
    _go_on(campaign_id, "retried", back, Status.FAILED)
    audit.record("campaign.failed_retried", "campaign", campaign_id, messages=len(back))
    db.session.commit()
    moves.wake_tickets(campaign_id, len(back))
    return len(back)


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
    chosen = [Message.status == Status.UNKNOWN]
    if message_ids is not None:
        chosen.append(Message.id.in_(message_ids))
    if decision is Decision.WENT:
        decided = _update(
            campaign_id, chosen, status=Status.SENT, sent_at=now(), reason=""
        )
        _tell(decided, "said_sent")
    else:
        decided = _update(
            campaign_id,
            [*chosen, _is_safe_again()],
            status=Status.PENDING,
            due_at=db_now(),
            reason="",
            reason_class="",
        )
    if not decided:
        db.session.rollback()
        _refuse_unknown(campaign_id, decision)
    if decision is Decision.SEND_AGAIN:
        _go_on(campaign_id, "send_again", decided, Status.UNKNOWN)
    audit.record(
        "campaign.unknown_resolved",
        "campaign",
        campaign_id,
        decision=decision.value,
        messages=len(decided),
    )
    db.session.commit()
    if decision is Decision.SEND_AGAIN:
        moves.wake_tickets(campaign_id, len(decided))
    return len(decided)


def _is_safe_again() -> Any:
    dead = sa.select(workers.c.id).where(workers.c.stopped_at.is_not(None))
    old = now() - SAFE_AGE
    return sa.or_(
        Message.worker_id.in_(dead),
        Message.marked_at <= sa.bindparam(None, old, UtcDateTime()),
    )


def _refuse_unknown(campaign_id: int, decision: Decision) -> None:
    left = tallies.counts(campaign_id)[Status.UNKNOWN]
    if left and decision is Decision.SEND_AGAIN:
        raise Refused(
            _(
                "The worker that sent them may still be at it. Wait until it is known "
                "to have ended, or until the attempt is 15 minutes old."
            )
        )
    raise Refused(_("No unknown message is left to decide."))


def _update(campaign_id: int, conditions: Collection[Any], **values: Any) -> list[int]:
    changed = db.session.scalars(
        sa.update(Message)
        .where(Message.campaign_id == campaign_id, *conditions)
        .values(updated_at=now(), **values)
        .returning(Message.id)
        .execution_options(synchronize_session=False)
    )
    return list(changed)


def _go_on(campaign_id: int, kind: str, message_ids: list[int], was: Status) -> None:
    """Let a campaign send again, and tell it on each message's timeline."""
    running = db.session.scalar(
        sa.select(Campaign.state).where(Campaign.id == campaign_id)
    )
    moved = running in {State.SENDING, State.PAUSED} or moves.move(
        campaign_id,
        State.SENDING,
        Campaign.state == State.FINISHED,
        kind=kind,
        finished_at=None,
    )
    if not moved:
        moves.refuse(campaign_id)
    for start in range(0, len(message_ids), 1000):
        db.session.execute(
            sa.update(MessageAddress)
            .where(
                MessageAddress.message_id.in_(message_ids[start : start + 1000]),
                MessageAddress.status == was,
            )
            .values(status=Status.PENDING)
            .execution_options(synchronize_session=False)
        )
    _tell(message_ids, kind)


def _tell(message_ids: Collection[int], kind: str) -> None:
    once, who = uuid7().hex, moves.actor_name()
    rows = [
        {
            "message_id": message_id,
            "kind": kind,
            "dedupe_key": f"{kind}:{message_id}:{once}",
            "detail": {"actor": who},
        }
        for message_id in message_ids
    ]
    if rows:
        db.session.execute(sa.insert(Event), rows)


def _waiting(campaign_id: int) -> int:
    counts = tallies.counts(campaign_id)
    return counts[Status.PENDING] + counts[Status.DEFERRED]
