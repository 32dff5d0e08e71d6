"""Write down what became of messages: late truth beats *unknown*, never a newer try.

Each statement is conditional on the attempt, so recording twice changes nothing, and a
record that comes after the row was given to another attempt changes only the line of
its own attempt. Proof (a reply, or that nothing was offered) may mend *unknown*, and
*pending* after "send again"; silence proves nothing and only ends *sending*.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from webapp.campaigns import proving
from webapp.campaigns.models import (
    Attempt,
    Campaign,
    Event,
    Message,
    MessageAddress,
)
from webapp.campaigns.states import State, Status
from webapp.core import blobs
from webapp.core.db import db
from webapp.delivery import dead_addresses
from webapp.delivery.connections import Handed
from webapp.delivery.models import Worker
from webapp.delivery.outcomes import Verdict
from webapp.senders.replies import FailureClass

MESSAGE = cast(sa.Table, Message.__table__)
ATTEMPT = cast(sa.Table, Attempt.__table__)
ADDRESS = cast(sa.Table, MessageAddress.__table__)
EVENT = cast(sa.Table, Event.__table__)
WORKER = cast(sa.Table, Worker.__table__)

PROVABLE = (Status.SENDING, Status.UNKNOWN, Status.PENDING)
UNPROVEN = (Status.SENDING,)


@dataclass(frozen=True, slots=True)
class Settled:
    """A message that came back, and what is to be written about it."""

    handed: Handed
    verdict: Verdict


def record(settled: Sequence[Settled], at: datetime, worker_id: Any) -> None:
    """Write verdicts within the caller's transaction.

    Parameters
    ----------
    at
        The database's time.
    """
    if not settled:
        return
    connection = db.session.connection()
    proven = [one for one in settled if one.verdict.status is not Status.UNKNOWN]
    silent = [one for one in settled if one.verdict.status is Status.UNKNOWN]
    for group, statuses in ((proven, PROVABLE), (silent, UNPROVEN)):
        if group:
            rows = [_message_row(one, at) for one in group]
            connection.execute(_UPDATE_MESSAGE[statuses], rows)
    connection.execute(_UPDATE_ATTEMPT, [_attempt_row(one, at) for one in settled])
    addresses = [row for one in settled for row in _address_rows(one)]
    if addresses:
        connection.execute(_UPDATE_ADDRESS, addresses)
    tell([event_of(one, at) for one in settled if one.verdict.outcome != "not tried"])
    if silent:
        proving.catch_up([one.handed.prepared.id for one in silent])
    dead_addresses.note(
        {
            one.handed.prepared.id: one.handed.attempt
            for one in settled
            if one.verdict.reason_class == FailureClass.ADDRESS
        },
        at,
    )
    if any(one.verdict.status is Status.DEFERRED for one in settled):
        connection.execute(
            _cancel_deferred([one.handed.prepared.id for one in settled])
        )
    sent = sum(one.verdict.status is Status.SENT for one in settled)
    if sent:
        connection.execute(
            sa.update(WORKER)
            .where(WORKER.c.id == worker_id)
            .values(sent=WORKER.c.sent + sent)
        )


def tell(events: Sequence[dict[str, Any]]) -> None:
    """Add lines to timelines; one that is there already stays as it is."""
    if not events:
        return
    connection = db.session.connection()
    connection.execute(_TELL[connection.dialect.name], events)


_TELL = {
    "sqlite": sqlite.insert(EVENT).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(EVENT).on_conflict_do_nothing(),
}


def event_of(one: Settled, at: datetime) -> dict[str, Any]:
    """Return the timeline's line of one outcome."""
    verdict, attempt = one.verdict, one.handed.attempt
    message_id = one.handed.prepared.id
    return line(
        message_id,
        verdict.status.value,
        at,
        f"{attempt.hex}:{message_id}",
        code=verdict.code,
        reply=verdict.reply,
        words=verdict.reason,
    )


def line(
    message_id: int, kind: str, at: datetime, dedupe_key: str, **detail: Any
) -> dict[str, Any]:
    """Return one row of a timeline."""
    return {
        "message_id": message_id,
        "kind": kind,
        "at": at,
        "seen_at": at,
        "dedupe_key": f"{kind}:{dedupe_key}",
        "detail": {key: value for key, value in detail.items() if value},
    }


def reopen(campaign_id: int) -> None:
    """Send on with a finished campaign of which late truth says that some are left."""
    left = sa.select(MESSAGE.c.id).where(
        MESSAGE.c.campaign_id == campaign_id, MESSAGE.c.status == Status.DEFERRED
    )
    db.session.execute(
        sa.update(Campaign)
        .where(
            Campaign.id == campaign_id,
            Campaign.state == State.FINISHED,
            left.exists(),
        )
        .values(state=State.SENDING, finished_at=None)
        .execution_options(synchronize_session=False)
    )
    db.session.commit()


def _update_message(statuses: Sequence[Status]) -> "sa.Update":
    names = ("status", "reason_class", "reason", "reply_code", "reply", "tries")
    values: dict[str, Any] = {name: sa.bindparam(f"new_{name}") for name in names}
    return (
        sa.update(MESSAGE)
        .where(
            MESSAGE.c.id == sa.bindparam("of_id"),
            MESSAGE.c.attempt == sa.bindparam("of_attempt"),
            sa.or_(*(MESSAGE.c.status == status for status in statuses)),
        )
        .values(
            **values,
            due_at=sa.func.coalesce(
                sa.bindparam("new_due_at", type_=MESSAGE.c.due_at.type),
                MESSAGE.c.due_at,
            ),
            sent_at=sa.bindparam("new_sent_at"),
            updated_at=sa.bindparam("new_updated_at"),
            mime_sha256=sa.bindparam("new_mime"),
            is_dry_run=sa.bindparam("new_dry"),
        )
    )


_UPDATE_MESSAGE = {of: _update_message(of) for of in (PROVABLE, UNPROVEN)}


def _message_row(one: Settled, at: datetime) -> dict[str, Any]:
    verdict = one.verdict
    is_deferred = verdict.status is Status.DEFERRED
    is_sent = verdict.status is Status.SENT
    prepared = one.handed.prepared
    keep = is_sent and prepared.is_dry_run
    return {
        "of_id": prepared.id,
        "of_attempt": one.handed.attempt,
        "new_status": verdict.status,
        "new_reason_class": verdict.reason_class,
        "new_reason": verdict.reason,
        "new_reply_code": verdict.code,
        "new_reply": verdict.reply,
        "new_tries": verdict.tries,
        "new_due_at": at + timedelta(seconds=verdict.delay) if is_deferred else None,
        "new_sent_at": at if is_sent else None,
        "new_updated_at": at,
        "new_mime": blobs.put(prepared.composed.data) if keep else "",
        "new_dry": prepared.is_dry_run,
    }


_UPDATE_ATTEMPT = (
    sa.update(ATTEMPT)
    .where(
        ATTEMPT.c.id == sa.bindparam("of_attempt"),
        ATTEMPT.c.message_id == sa.bindparam("of_id"),
    )
    .values(
        ended_at=sa.bindparam("new_ended_at"),
        outcome=sa.bindparam("new_outcome"),
        reply_code=sa.bindparam("new_reply_code"),
        reply=sa.bindparam("new_reply"),
    )
)


def _attempt_row(one: Settled, at: datetime) -> dict[str, Any]:
    return {
        "of_attempt": one.handed.attempt,
        "of_id": one.handed.prepared.id,
        "new_ended_at": at,
        "new_outcome": one.verdict.outcome,
        "new_reply_code": one.verdict.code,
        "new_reply": one.verdict.reply,
    }


_UPDATE_ADDRESS = (
    sa.update(ADDRESS)
    .where(
        ADDRESS.c.message_id == sa.bindparam("of_id"),
        ADDRESS.c.address == sa.bindparam("of_address"),
        ADDRESS.c.status != Status.SENT,
    )
    .values(
        status=sa.bindparam("new_status"),
        reply_code=sa.bindparam("new_reply_code"),
        reply=sa.bindparam("new_reply"),
    )
)


def _address_rows(one: Settled) -> list[dict[str, Any]]:
    if not one.handed.prepared.kinds:
        return []
    return [
        {
            "of_id": one.handed.prepared.id,
            "of_address": addr,
            "new_status": status,
            "new_reply_code": code,
            "new_reply": reply,
        }
        for addr, status, code, reply in one.verdict.addresses
    ]


def _cancel_deferred(ids: Sequence[int]) -> "sa.Update":
    """Return the statement by which nothing is deferred in a cancelled campaign."""
    cancelled = sa.select(Campaign.id).where(Campaign.state == State.CANCELLED)
    return (
        sa.update(MESSAGE)
        .where(
            MESSAGE.c.id.in_(ids),
            MESSAGE.c.status == Status.DEFERRED,
            MESSAGE.c.campaign_id.in_(cancelled),
        )
        .values(status=Status.CANCELLED)
    )
