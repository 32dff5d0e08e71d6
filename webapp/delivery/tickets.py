"""Tickets: somebody is woken to send up to 500 due rows. Any number is harmless.

The generation in a ticket's id makes it new: the queue refuses an id of which a job
still lies there, running, failed or left behind by a worker that was killed.
"""

import sqlalchemy as sa

from webapp.campaigns import moves
from webapp.campaigns.models import Campaign, Message
from webapp.campaigns.states import WAITING, State
from webapp.core import queue
from webapp.core.clock import now
from webapp.core.db import db, db_now, reading
from webapp.core.queue import Lane
from webapp.delivery.limits import has_allowance
from webapp.delivery.plans import closed_breaker
from webapp.senders.models import Sender

TRANSACTIONAL = 0
ID = "ticket-{campaign_id}-{generation}"


def issue(campaign_id: int, rows: int = 1) -> None:
    """Wake workers for a campaign, or for transactional messages (0)."""
    if campaign_id != TRANSACTIONAL:
        moves.wake_tickets(campaign_id, rows)
        return
    generation = int(now().timestamp() * 1000)
    queue.wake(
        "delivery.ticket",
        TRANSACTIONAL,
        generation,
        lane=Lane.TRANSACTIONAL,
        unique=ID.format(campaign_id=TRANSACTIONAL, generation=generation),
    )


def due_campaigns() -> list[int]:
    """Return the campaigns of which rows are due and may go; 0 for single messages."""
    with reading():
        found = [*db.session.scalars(_due())]
        db.session.rollback()
    if due_senders():
        found.append(TRANSACTIONAL)
    return found


def is_due(campaign_id: int) -> bool:
    """Whether rows of a campaign are due and may go."""
    with reading():
        found = db.session.scalar(_due().where(Campaign.id == campaign_id))
        db.session.rollback()
    return found is not None


def _due() -> "sa.Select[int]":
    is_due = (
        sa.select(Message.id)
        .where(
            Message.campaign_id == Campaign.id,
            Message.status.in_(WAITING),
            Message.due_at <= db_now(),
        )
        .exists()
    )
    return (
        sa.select(Campaign.id)
        .join(Sender, Sender.id == Campaign.sender_id)
        .where(
            Campaign.state == State.SENDING,
            closed_breaker(),
            has_allowance(of_campaign=True),
            is_due,
        )
    )


def due_senders() -> list[int]:
    """Return the senders of which transactional messages are due and may go."""
    query = (
        sa.select(Sender.id)
        .join(Message, Message.sender_id == Sender.id)
        .where(
            Message.campaign_id.is_(None),
            Message.status.in_(WAITING),
            Message.due_at <= db_now(),
            closed_breaker(),
            has_allowance(of_campaign=False),
        )
        .distinct()
    )
    with reading():
        found = list(db.session.scalars(query))
        db.session.rollback()
    return found


def is_waiting(campaign_id: int) -> bool:
    """Whether a ticket lies in the queue already, waiting for a worker.

    Raises
    ------
    redis.RedisError
        If the queue does not answer.
    """
    lane = Lane.CAMPAIGNS if campaign_id else Lane.TRANSACTIONAL
    start = ID.format(campaign_id=campaign_id, generation="")
    return any(name.startswith(start) for name in queue.queue(lane).get_job_ids())
