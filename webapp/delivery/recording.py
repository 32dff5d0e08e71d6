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
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from webapp.campaigns import moves, proving
from webapp.campaigns.models import (
    Attempt,
    Campaign,
    Event,
    Message,
    has_status,
)
from webapp.campaigns.states import State, Status
from webapp.core import blobs
from webapp.core.batch import Batch
from webapp.core.db import db
from webapp.delivery import copies, dead_addresses
from webapp.delivery.connections import Handed
from webapp.delivery.models import Worker
from webapp.delivery.outcomes import PROVABLE, UNPROVEN, Verdict

MESSAGE = cast(sa.Table, Message.__table__)
ATTEMPT = cast(sa.Table, Attempt.__table__)
EVENT = cast(sa.Table, Event.__table__)
WORKER = cast(sa.Table, Worker.__table__)

IDS = Batch("ids", id=MESSAGE.c.id.type)


@dataclass(frozen=True, slots=True)
class Settled:
    """A message that came back, and what is to be written about it."""

    handed: Handed
    verdict: Verdict


def record(settled: Sequence[Settled], at: datetime, worker_id: Any) -> None:
    """Write verdicts within the caller's transaction.

    Whatever mix they are, each statement writes those of the whole batch. Of one
    attempt on one message there is one verdict: proof, where one of several is proof.

    Parameters
    ----------
    at
        The database's time.
    """
    if not settled:
        return
    connection = db.session.connection()
    settled = _once(settled)
    proven = [one for one in settled if one.verdict.status is not Status.UNKNOWN]
    silent = [one for one in settled if one.verdict.status is Status.UNKNOWN]
    for group, statuses in ((proven, PROVABLE), (silent, UNPROVEN)):
        if group:
            given = {"given": GIVEN.rows(_row(one, at) for one in group), "at": at}
            connection.execute(_UPDATE_MESSAGE[statuses], given)
            connection.execute(_UPDATE_ATTEMPT, given)
    copies.record([(one.handed, one.verdict) for one in settled])
    told = [event_of(one) for one in settled if one.verdict.outcome != "not tried"]
    tell(told, at)
    if silent:
        proving.catch_up([one.handed.prepared.id for one in silent])
    dead_addresses.note(
        {
            one.handed.prepared.id: (one.handed.attempt, one.verdict.dead)
            for one in settled
            if one.verdict.dead
        },
        at,
    )
    deferred = [one for one in settled if one.verdict.status is Status.DEFERRED]
    if deferred:
        ids = IDS.rows({"id": one.handed.prepared.id} for one in deferred)
        gone = connection.execute(_CANCEL_DEFERRED, {"ids": ids}).scalars().all()
        moves.unsent_addresses(gone, Status.CANCELLED)
    sent = sum(one.verdict.status is Status.SENT for one in settled)
    if sent:
        connection.execute(_COUNT_SENT, {"of_worker": worker_id, "more": sent})


def _once(settled: Sequence[Settled]) -> list[Settled]:
    """Return one of each attempt and message: the first that is proof, or the first.

    They come in the order of their rows, so that no two writers wait for each other.
    """
    found: dict[tuple[int, UUID], Settled] = {}
    for one in settled:
        key = (one.handed.prepared.id, one.handed.attempt)
        known = found.get(key)
        if known is None or (
            known.verdict.status is Status.UNKNOWN
            and one.verdict.status is not Status.UNKNOWN
        ):
            found[key] = one
    return [found[key] for key in sorted(found)]


def tell(lines: Sequence[dict[str, Any]], at: datetime) -> None:
    """Add lines to timelines; one that is there already stays as it is."""
    if not lines:
        return
    connection = db.session.connection()
    given = {"lines": _LINES.rows(lines), "at": at}
    connection.execute(_TELL[connection.dialect.name], given)


_LINES = Batch(
    "lines",
    message_id=EVENT.c.message_id.type,
    kind=EVENT.c.kind.type,
    dedupe_key=EVENT.c.dedupe_key.type,
    detail=EVENT.c.detail.type,
)


def telling(
    message_id: Any, kind: Any, dedupe_key: Any, detail: Any
) -> "dict[str, postgresql.Insert | sqlite.Insert]":
    """Return by dialect the statement that adds these lines, which are columns.

    Its parameter `at` is when they took place.
    """
    at = sa.bindparam("at", type_=EVENT.c.at.type)
    lines = sa.select(message_id, kind, at, at, dedupe_key, detail).where(sa.true())
    into = ["message_id", "kind", "at", "seen_at", "dedupe_key", "detail"]
    return {
        "sqlite": sqlite.insert(EVENT)
        .from_select(into, lines)
        .on_conflict_do_nothing(),
        "postgresql": postgresql.insert(EVENT)
        .from_select(into, lines)
        .on_conflict_do_nothing(),
    }


_TELL = telling(
    _LINES["message_id"], _LINES["kind"], _LINES["dedupe_key"], _LINES["detail"]
)


def event_of(one: Settled) -> dict[str, Any]:
    """Return the timeline's line of one outcome."""
    verdict, attempt = one.verdict, one.handed.attempt
    message_id = one.handed.prepared.id
    return line(
        message_id,
        verdict.status.value,
        f"{attempt.hex}:{message_id}",
        code=verdict.code,
        reply=verdict.reply,
        words=verdict.reason,
    )


def line(message_id: int, kind: str, dedupe_key: str, **detail: Any) -> dict[str, Any]:
    """Return one row of a timeline."""
    return {
        "message_id": message_id,
        "kind": kind,
        "dedupe_key": f"{kind}:{dedupe_key}",
        "detail": {key: value for key, value in detail.items() if value},
    }


# Outcomes as statements see them; the whole batch is one parameter.
GIVEN = Batch(
    "given",
    id=MESSAGE.c.id.type,
    attempt=MESSAGE.c.attempt.type,
    status=MESSAGE.c.status.type,
    reason_class=MESSAGE.c.reason_class.type,
    reason=MESSAGE.c.reason.type,
    reply_code=MESSAGE.c.reply_code.type,
    reply=MESSAGE.c.reply.type,
    tries=MESSAGE.c.tries.type,
    due_at=MESSAGE.c.due_at.type,
    mime_sha256=MESSAGE.c.mime_sha256.type,
    is_dry_run=MESSAGE.c.is_dry_run.type,
    outcome=ATTEMPT.c.outcome.type,
)
_AT = sa.bindparam("at", type_=MESSAGE.c.updated_at.type)


def _update_message(statuses: Sequence[Status]) -> "sa.Update":
    """Return the statement that writes outcomes into rows of these statuses."""
    names = (
        "status", "reason_class", "reason", "reply_code", "reply", "tries",
        "mime_sha256", "is_dry_run",
    )  # fmt: skip
    return (
        sa.update(MESSAGE)
        .where(
            GIVEN.is_at(MESSAGE.c.id),
            MESSAGE.c.attempt == GIVEN["attempt"],
            has_status(MESSAGE.c.status, *statuses),
        )
        .values(
            **{name: GIVEN[name] for name in names},
            due_at=sa.func.coalesce(GIVEN["due_at"], MESSAGE.c.due_at),
            sent_at=sa.case((has_status(GIVEN["status"], Status.SENT), _AT)),
            updated_at=_AT,
        )
    )


_UPDATE_MESSAGE = {of: _update_message(of) for of in (PROVABLE, UNPROVEN)}
_UPDATE_ATTEMPT = (
    sa.update(ATTEMPT)
    .where(GIVEN.is_at(ATTEMPT.c.message_id), ATTEMPT.c.id == GIVEN["attempt"])
    .values(
        ended_at=_AT,
        outcome=GIVEN["outcome"],
        reply_code=GIVEN["reply_code"],
        reply=GIVEN["reply"],
    )
)


def _row(one: Settled, at: datetime) -> dict[str, Any]:
    """Return one row of `GIVEN`."""
    verdict, prepared = one.verdict, one.handed.prepared
    status = verdict.status
    due_at = None
    if status is Status.DEFERRED:
        due_at = at + timedelta(seconds=verdict.delay)
    keep = status is Status.SENT and prepared.is_dry_run
    return {
        "id": prepared.id,
        "attempt": one.handed.attempt.hex,
        "status": status.value,
        "reason_class": verdict.reason_class,
        "reason": verdict.reason,
        "reply_code": verdict.code,
        "reply": verdict.reply,
        "tries": verdict.tries,
        "due_at": due_at,
        "mime_sha256": blobs.put(prepared.composed.data) if keep else "",
        "is_dry_run": prepared.is_dry_run,
        "outcome": verdict.outcome,
    }


# Nothing is deferred in a cancelled campaign.
_CANCEL_DEFERRED = (
    sa.update(MESSAGE)
    .where(
        IDS.is_at(MESSAGE.c.id),
        has_status(MESSAGE.c.status, Status.DEFERRED),
        MESSAGE.c.campaign_id.in_(
            sa.select(Campaign.id).where(Campaign.state == State.CANCELLED)
        ),
    )
    .values(**moves.unsent(Status.CANCELLED))
    .returning(MESSAGE.c.id)
)
_COUNT_SENT = (
    sa.update(WORKER)
    .where(WORKER.c.id == sa.bindparam("of_worker"))
    .values(sent=WORKER.c.sent + sa.bindparam("more"))
)
