"""Mark: one conditional statement, and the rows that it returns are the only ones ours.

    gate ─▶ limits ─▶ mark ─▶ skip what was suppressed ─▶ attempts, timeline ─▶ COMMIT

Only after the confirmed commit may exactly those rows be handed over. `exchange` puts
the outcomes of earlier rows into the same transaction, so that one commit serves both.

If the answer to COMMIT is lost, nobody knows whether it took place. Then `_read_back`
asks until it knows, and nothing is handed over before. Asking locks the rows: a commit
that is still under way in a server that lost us ends before the question is answered.

On PostgreSQL the gate locks the campaign and the worker against change (FOR SHARE), so
that "paused" is answered only when no mark is under way any more. SQLite has one writer
at a time.
"""

import logging
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from webapp.campaigns.models import Campaign, Message
from webapp.campaigns.states import State, Status
from webapp.campaigns.timing import may_send
from webapp.core.db import db
from webapp.core.ids import uuid7
from webapp.delivery import copies, limits
from webapp.delivery.connections import Handed
from webapp.delivery.excluding import (
    AS_SEEN,
    SEEN,
    refuse,
    seen,
    skip_suppressed,
    without_suppressed,
)
from webapp.delivery.limits import Allowance
from webapp.delivery.liveness import Me, database_time, hold_briefly
from webapp.delivery.plans import Plan, allowed
from webapp.delivery.preparing import Prepared, Ready, Refusal
from webapp.delivery.recording import (
    ATTEMPT,
    EVENT,
    IDS,
    MESSAGE,
    WORKER,
    Settled,
    record,
    telling,
)
from webapp.suppressions.conditions import not_suppressed

log = logging.getLogger(__name__)

READ_BACK_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Exchanged:
    """What one transaction brought.

    Attributes
    ----------
    marked
        To be handed over now.
    is_open
        Whether more may be marked: the campaign is sending, inside its windows.
    is_stored
        Whether the outcomes are in the database; if not, they have to come again.
    left, wait
        What a limit held back, and for how many seconds.
    lost
        How many rows others had moved on meanwhile, most likely other workers.
    """

    marked: tuple[Handed, ...] = ()
    is_open: bool = True
    is_stored: bool = True
    left: tuple[Prepared, ...] = ()
    wait: float = 0.0
    lost: int = 0


def exchange(
    plan: Plan | None, me: Me, settled: Sequence[Settled], wanted: Sequence[Ready]
) -> Exchanged:
    """Record outcomes and mark rows in one transaction; owns its commit.

    Parameters
    ----------
    plan
        Of the rows wanted; ``None`` where there are only outcomes to record.
    """
    attempt, epoch = uuid7(), me.epoch
    prepared = [one for one in wanted if isinstance(one, Prepared)]
    refused = [one for one in wanted if isinstance(one, Refusal)]
    try:
        campaign, at = _gate(plan, me)
        is_open = _is_open(plan, campaign, at)
        unspent = limits.never_offered(settled)
        record(settled, at, me.id)
        won: set[int] = set()
        allowance = Allowance(tuple(prepared))
        if plan is not None and is_open:
            refuse(refused, at)
            allowance = limits.ask(plan, prepared, at)
            won = _mark(plan, _Try(attempt, me.id, epoch, at), allowance.granted)
            limits.take(plan, allowance, won)
            limits.put_off(plan, allowance, at)
        limits.give_back(unspent)
    except SQLAlchemyError as error:
        db.session.rollback()
        log.warning("the database refused a mark: %s", type(error).__name__)
        return Exchanged(is_stored=False)
    is_stored = True
    try:
        db.session.commit()
    except SQLAlchemyError as error:
        log.warning("the answer to a commit was lost: %s", type(error).__name__)
        won, is_stored = _read_back(attempt, prepared, me)
    marked = tuple(
        Handed(one, attempt, epoch, limits.spent(plan, allowance, one))
        for one in allowance.granted
        if one.id in won
    )
    lost = len(allowance.granted) - len(marked)
    return Exchanged(marked, is_open, is_stored, allowance.left, allowance.wait, lost)


@dataclass(frozen=True, slots=True)
class _Try:
    """Who marks, and under which attempt."""

    attempt: uuid.UUID
    worker_id: uuid.UUID
    epoch: int
    at: datetime


def _gate(plan: Plan | None, me: Me) -> tuple[Any, datetime]:
    """Hold off whoever wants to pause the campaign or take our epoch meanwhile.

    Returns
    -------
    tuple
        The campaign's state and windows, if there is one, and the time of the mark.
    """
    hold_briefly()
    connection = db.session.connection()
    campaign = None
    if plan is not None and plan.campaign_id is not None:
        campaign = connection.execute(_STATE, {"of_id": plan.campaign_id}).one_or_none()
    if connection.dialect.name != "sqlite":
        connection.execute(_HOLD_WORKER, {"of_id": me.id})
    return campaign, database_time()


def _is_open(plan: Plan | None, campaign: Any, at: datetime) -> bool:
    """Whether the campaign is sending, inside its send windows, at the mark's time.

    And to whom its plan says: one of whose copies somebody was suppressed since the
    ticket began is prepared again, by the next ticket.
    """
    if plan is None or plan.campaign_id is None:
        return True
    if campaign is None or campaign.state is not State.SENDING:
        return False
    if not may_send(campaign.windows, campaign.time_zone, at):
        return False
    given = plan.stationery
    boxes = (*given.cc, *given.bcc) if given is not None else ()
    return allowed(boxes, plan.table_id) == boxes


def _mark(plan: Plan, this: _Try, rows: Sequence[Prepared]) -> set[int]:
    """Move these rows to *sending*, unless somebody else did or may; return which."""
    is_single = plan.campaign_id is None
    if is_single:
        rows = without_suppressed(rows, this.at)
    if not rows:
        return set()
    won = db.session.connection().execute(
        _mark_statement(is_single, plan.table_id),
        {
            **seen(rows),
            "by_worker": this.worker_id,
            "by_epoch": this.epoch,
            "new_attempt": this.attempt,
            "new_time": this.at,
        },
    )
    ids = set(won.scalars())
    if len(ids) < len(rows) and not is_single:
        skip_suppressed(plan, [row for row in rows if row.id not in ids], this.at)
    _begin(plan, this, [row for row in rows if row.id in ids])
    return ids


@lru_cache(maxsize=64)
def _mark_statement(is_single: bool, table_id: int | None) -> Any:
    """Return the statement that marks; single messages are asked about before."""
    is_current = (
        sa.select(WORKER.c.id)
        .where(
            WORKER.c.id == sa.bindparam("by_worker"),
            WORKER.c.epoch == sa.bindparam("by_epoch"),
            WORKER.c.stopped_at.is_(None),
        )
        .exists()
    )
    mark = sa.update(MESSAGE).where(AS_SEEN, is_current)
    if not is_single:
        mark = mark.where(not_suppressed(MESSAGE.c.address_key, table_id))
    at = sa.bindparam("new_time", type_=MESSAGE.c.marked_at.type)
    return mark.values(
        status=Status.SENDING,
        attempt=sa.bindparam("new_attempt", type_=MESSAGE.c.attempt.type),
        worker_id=sa.bindparam("by_worker"),
        worker_epoch=sa.bindparam("by_epoch"),
        marked_at=at,
        updated_at=at,
        # Fixed by the first try, with which they were composed.
        dated_at=sa.func.coalesce(MESSAGE.c.dated_at, SEEN["dated_at"]),
        message_id_header=sa.func.coalesce(
            sa.func.nullif(MESSAGE.c.message_id_header, ""),
            SEEN["message_id_header"],
            "",
        ),
    ).returning(MESSAGE.c.id)


def _begin(plan: Plan, this: _Try, rows: Sequence[Prepared]) -> None:
    """Write what has to be there before the first octet leaves."""
    if not rows:
        return
    connection = db.session.connection()
    ids = IDS.rows({"id": row.id} for row in rows)
    connection.execute(
        _ADD_ATTEMPTS,
        {
            "ids": ids,
            "of_attempt": this.attempt,
            "of_sender": plan.sender.id,
            "of_worker": this.worker_id,
            "at": this.at,
        },
    )
    first = [{"id": row.id} for row in rows if row.is_first]
    if first:
        of_first = ids if len(first) == len(rows) else IDS.rows(first)
        given = {"ids": of_first, "at": this.at}
        connection.execute(_TELL_RENDERED[connection.dialect.name], given)
    copies.begin(rows)


# Statements are made once: making one costs more than running it.
_CAMPAIGN = cast(sa.Table, Campaign.__table__)
_STATE = (
    sa.select(_CAMPAIGN.c.state, _CAMPAIGN.c.windows, _CAMPAIGN.c.time_zone)
    .where(_CAMPAIGN.c.id == sa.bindparam("of_id"))
    .with_for_update(read=True)
)
_HOLD_WORKER = (
    sa.select(WORKER.c.id)
    .where(WORKER.c.id == sa.bindparam("of_id"))
    .with_for_update(read=True)
)
_TELL_RENDERED = telling(
    IDS["id"],
    sa.literal("rendered"),
    sa.literal("rendered:").concat(sa.cast(IDS["id"], sa.String)),
    sa.literal({}, EVENT.c.detail.type),
)
_NUMBER = (
    sa.select(sa.func.count() + 1)
    .select_from(ATTEMPT)
    .where(ATTEMPT.c.message_id == IDS["id"])
    .scalar_subquery()
)
_ADD_ATTEMPTS = sa.insert(ATTEMPT).from_select(
    ["id", "message_id", "number", "sender_id", "worker_id", "started_at", "outcome",
     "reply"],
    sa.select(
        sa.bindparam("of_attempt", type_=ATTEMPT.c.id.type),
        IDS["id"],
        _NUMBER,
        sa.bindparam("of_sender", type_=ATTEMPT.c.sender_id.type),
        sa.bindparam("of_worker", type_=ATTEMPT.c.worker_id.type),
        sa.bindparam("at", type_=ATTEMPT.c.started_at.type),
        sa.literal(""),
        sa.literal(""),
    ),
)  # fmt: skip


def _read_back(
    attempt: uuid.UUID, rows: Sequence[Prepared], me: Me
) -> tuple[set[int], bool]:
    """Ask until it is known whether a commit took place; return its rows, and whether.

    Where nothing was to be marked it stays open: then outcomes are written once more,
    which changes nothing the second time.
    """
    query = (
        sa.select(Message.id, Message.attempt)
        .where(Message.id.in_([row.id for row in rows]))
        .with_for_update()
    )
    while me.may_wait():
        try:
            db.session.rollback()
            found = db.session.execute(query).all()
            db.session.rollback()
        except SQLAlchemyError:
            time.sleep(READ_BACK_SECONDS)
        else:
            won = {row.id for row in found if row.attempt == attempt}
            return won, bool(won)
    return set(), False
