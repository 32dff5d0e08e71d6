"""Every few seconds: whatever the database says is to be done gets going again.

Each step is safe to run twice at once and in several processes: all are conditional
updates, or wake somebody who looks for himself. None of them believes Redis: with the
queue emptied in mid-campaign the next tick issues new tickets.
"""

import logging
import time
from collections.abc import Callable

import redis
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from webapp.campaigns import launching, moves, schedules, steering, tallies
from webapp.campaigns.models import Campaign, Message
from webapp.campaigns.states import WAITING, State, Status
from webapp.core.db import db, reading
from webapp.core.errors import Unavailable
from webapp.delivery import limits, liveness, tickets
from webapp.recipients import service as recipients

log = logging.getLogger(__name__)

TICK_SECONDS = 2.0
CANCEL_SECONDS = 1.0
PAUSE = 0.02  # seconds after a commit, so that others get to write


def tick() -> None:
    """Take every step; one that fails does not keep the others from being taken."""
    for step in STEPS:
        try:
            step()
        except (DBAPIError, redis.RedisError, Unavailable) as error:
            log.debug("reconcile: %s: %s", step.__name__, type(error).__name__)
        finally:
            db.session.rollback()


def issue_tickets() -> None:
    """Wake somebody for every campaign with due rows, unless a ticket lies there."""
    for campaign_id in tickets.due_campaigns():
        if not tickets.is_waiting(campaign_id):
            tickets.issue(campaign_id)


def finish() -> None:
    """Finish campaigns of which nothing is left to be sent."""
    with reading():
        query = sa.select(Campaign.id).where(Campaign.state == State.SENDING)
        running = list(db.session.scalars(query))
        db.session.rollback()
    for campaign_id in running:
        if not has_rows_left(campaign_id):
            moves.finish_if_done(campaign_id)


def go_on() -> None:
    """Send on with finished campaigns of which late truth says that some are left.

    A worker may write down that a message waits again in the moment in which another
    one finishes its campaign, or be killed right after it: so it is looked for here.
    """
    waits = (
        sa.select(Message.id)
        .where(Message.campaign_id == Campaign.id, Message.status == Status.DEFERRED)
        .exists()
    )
    finished = sa.select(Campaign.id).where(Campaign.state == State.FINISHED, waits)
    with reading():
        found = list(db.session.scalars(finished))
        db.session.rollback()
    for campaign_id in found:
        moves.move(
            campaign_id,
            State.SENDING,
            Campaign.state == State.FINISHED,
            waits,
            kind="resumed",
            finished_at=None,
            archived_at=None,
        )
        db.session.commit()


def has_rows_left(campaign_id: int) -> bool:
    """Whether a campaign has messages that still have to get somewhere."""
    left = (
        sa.select(Message.id)
        .where(
            Message.campaign_id == campaign_id,
            Message.status.in_(moves.UNFINISHED),
        )
        .limit(1)
    )
    with reading():
        found = db.session.scalar(left)
        db.session.rollback()
    return found is not None


def cancel_the_rest() -> None:
    """Go on cancelling what waits in cancelled campaigns, for a second at most.

    What a race has left waiting is among it. The next tick does what is left, so that
    a million rows keep no other step from being taken.
    """
    until = time.monotonic() + CANCEL_SECONDS
    for campaign_id in _half_cancelled():
        while steering.cancel_rows(campaign_id):
            if time.monotonic() > until:
                return
            time.sleep(PAUSE)


def _half_cancelled() -> list[int]:
    waits = (
        sa.select(Message.id)
        .where(Message.campaign_id == Campaign.id, Message.status.in_(WAITING))
        .exists()
    )
    query = sa.select(Campaign.id).where(Campaign.state == State.CANCELLED, waits)
    with reading():
        found = list(db.session.scalars(query))
        db.session.rollback()
    return found


def launch_due() -> None:
    """Start campaigns whose hold time is over, and go on with interrupted launches."""
    launching.launch_due()


def reap() -> None:
    """Turn what silent workers had marked into *unknown*."""
    lost = liveness.reap()
    if lost:
        log.warning("a worker fell silent; %d messages are unknown", lost)


STEPS: tuple[Callable[[], object], ...] = (
    reap,
    schedules.fire_due,
    launch_due,
    go_on,
    issue_tickets,
    cancel_the_rest,
    finish,
    limits.forget_old,
    tallies.fold,
    recipients.resume_stale_imports,
)
