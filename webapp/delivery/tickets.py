"""Tickets: somebody is woken to send up to 2000 due rows. Any number is harmless.

The generation in a ticket's id makes it new: the queue refuses an id of which a job
still lies there, running, failed or left behind by a worker that was killed.
"""

from typing import Any

import sqlalchemy as sa

from webapp.campaigns import moves
from webapp.campaigns.models import Campaign, Message
from webapp.campaigns.states import WAITING, State
from webapp.campaigns.timing import may_send
from webapp.core import queue
from webapp.core.clock import now
from webapp.core.db import db, db_now, reading
from webapp.core.queue import Lane
from webapp.delivery import troubles
from webapp.senders.allowance import full, throttle_window, uses_of
from webapp.senders.choosing import choose

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
        found = [one.id for one in db.session.execute(_due()) if _may_go(one)]
        db.session.rollback()
    if due_senders():
        found.append(TRANSACTIONAL)
    return found


def is_due(campaign_id: int) -> bool:
    """Whether rows of a campaign are due and may go."""
    with reading():
        found = db.session.execute(_due().where(Campaign.id == campaign_id)).first()
        is_so = found is not None and _may_go(found)
        db.session.rollback()
    return is_so


def _due() -> "sa.Select[Any]":
    is_due = (
        sa.select(Message.id)
        .where(
            Message.campaign_id == Campaign.id,
            Message.status.in_(WAITING),
            Message.due_at <= db_now(),
        )
        .exists()
    )
    return sa.select(
        Campaign.id,
        Campaign.sender_id,
        Campaign.throttle,
        Campaign.windows,
        Campaign.time_zone,
    ).where(Campaign.state == State.SENDING, is_due)


def _may_go(campaign: Any) -> bool:
    """Whether somebody sends for a campaign now, in its windows and at its pace."""
    choice = choose(campaign.sender_id)
    if choice is None or choice.used is None or campaign.id in troubles.held():
        return False
    if not may_send(campaign.windows, campaign.time_zone, choice.at):
        return False
    if not campaign.throttle:
        return True
    pace = throttle_window(campaign.id, campaign.throttle, choice.at)
    return not full([pace], uses_of([choice.own.id], choice.at)[choice.own.id])


def due_senders() -> list[int]:
    """Return the senders of which transactional messages are due and may go."""
    query = (
        sa.select(Message.sender_id)
        .where(
            Message.campaign_id.is_(None),
            Message.status.in_(WAITING),
            Message.due_at <= db_now(),
        )
        .distinct()
    )
    with reading():
        found = [one for one in db.session.scalars(query).all() if one is not None]
        held = troubles.held()
        choices = [(one, choose(one)) for one in found if -one not in held]
        may_go = [one for one, choice in choices if choice and choice.used]
        db.session.rollback()
    return may_go


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
