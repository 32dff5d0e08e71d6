"""A campaign on its way: pause, resume, cancel; what failed is for `deciding`.

Each function is one transaction of conditional updates: whoever comes second finds that
nothing matches any more and is told so.
"""

import sqlalchemy as sa

from webapp.campaigns import launching, moves, tallies
from webapp.campaigns.deciding import Decision, resolve_unknown, retry_failed
from webapp.campaigns.models import Campaign, Message
from webapp.campaigns.states import WAITING, State, Status
from webapp.core.clock import now
from webapp.core.db import db, db_now, reading
from webapp.operators import audit

__all__ = [
    "Decision",
    "cancel",
    "cancel_rows",
    "pause",
    "resolve_unknown",
    "resume",
    "retry_failed",
]

ROWS_AT_ONCE = 3000  # so long does a cancelled campaign hold up other writers


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

    The state alone keeps messages from being marked, so it comes first and at once. Of
    the rows the first ones follow here, and the others by and by (`cancel_rows`): with
    all of a million in one transaction, nobody else could write for many seconds.

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
    waiting = _waiting(campaign_id)
    audit.record("campaign.cancelled", "campaign", campaign_id, messages=waiting)
    db.session.commit()
    gone = cancel_rows(campaign_id)
    with reading():
        left = _waiting(campaign_id) if gone == ROWS_AT_ONCE else 0
        db.session.rollback()
    return gone + left


def cancel_rows(campaign_id: int) -> int:
    """Cancel some thousand waiting rows of a cancelled campaign; owns its commit.

    Returns
    -------
    int
        How many they were; 0 when none is left.
    """
    mine = (Message.campaign_id == campaign_id, Message.status.in_(WAITING))
    some = sa.select(Message.id).where(*mine).limit(ROWS_AT_ONCE)
    is_cancelled = (
        sa.select(Campaign.id)
        .where(Campaign.id == campaign_id, Campaign.state == State.CANCELLED)
        .exists()
    )
    gone = db.session.scalars(
        sa.update(Message)
        .where(Message.id.in_(some), *mine, is_cancelled)
        .values(**moves.unsent(Status.CANCELLED), updated_at=db_now())
        .returning(Message.id)
        .execution_options(synchronize_session=False)
    ).all()
    moves.unsent_addresses(gone, Status.CANCELLED)
    db.session.commit()
    return len(gone)


def _waiting(campaign_id: int) -> int:
    counts = tallies.counts(campaign_id)
    return counts[Status.PENDING] + counts[Status.DEFERRED]
