"""Scheduled campaigns: fired at their time, once; asked about when it was missed.

The database's clock decides, and each move is conditional on the time that was read: of
several workers one fires, and a time that was changed meanwhile does not fire at all.
A campaign whose time was missed by more than its `late_minutes`, because nothing ran,
does not start at an hour that nobody chose: it waits, and asks.
"""

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from webapp.campaigns import moves, timing
from webapp.campaigns.models import Campaign
from webapp.campaigns.states import State
from webapp.core.db import db, reading
from webapp.core.words import _
from webapp.operators import audit

#: What is read of each scheduled campaign every few seconds; a whole one is large.
SEEN = (
    Campaign.id,
    Campaign.scheduled_at,
    Campaign.time_zone,
    Campaign.late_minutes,
    Campaign.hold_seconds,
)


def fire_due() -> None:
    """Fire what is due, and ask about what was missed; safe to run twice at once."""
    with reading():
        waiting = db.session.execute(
            sa.select(*SEEN).where(
                Campaign.state == State.SCHEDULED, Campaign.asks_since.is_(None)
            )
        ).all()
        at = timing.database_time() if waiting else None
        found = [(one, timing.moment_of(one)) for one in waiting]
        due = [
            (_as_seen(one), one.id, one.hold_seconds, timing.is_missed(one, at))
            for one, moment in found
            if moment is not None and at is not None and moment.instant <= at
        ]
        db.session.rollback()
    for seen, campaign_id, hold_seconds, missed in due:
        if missed:
            _ask(campaign_id, seen)
        else:
            _fire(campaign_id, seen, "due", hold_seconds)
        db.session.commit()


def _as_seen(campaign: Any) -> tuple[Any, ...]:
    """Return the conditions that a campaign still waits for the time that was read."""
    return (
        Campaign.state == State.SCHEDULED,
        Campaign.scheduled_at == campaign.scheduled_at,
        Campaign.time_zone == campaign.time_zone,
        Campaign.asks_since.is_(None),
    )


def _fire(campaign_id: int, guards: tuple[Any, ...], kind: str, hold: int) -> bool:
    return moves.move(
        campaign_id,
        State.HOLDING,
        *guards,
        kind=kind,
        hold_until=timing.database_time() + timedelta(seconds=hold),
        asks_since=None,
        stop_reason="",
    )


def _ask(campaign_id: int, guards: tuple[Any, ...]) -> None:
    asked = db.session.execute(
        sa.update(Campaign)
        .where(Campaign.id == campaign_id, *guards)
        .values(asks_since=timing.database_time(), stop_reason="")
        .execution_options(synchronize_session=False)
    )
    if asked.rowcount:  # type: ignore[attr-defined]  # an UPDATE has one
        moves.note(campaign_id, "missed")


def send_now(campaign_id: int) -> None:
    """Send a scheduled campaign now, after its hold time.

    Raises
    ------
    Refused
        If it is not scheduled (any more).
    """
    hold = db.session.scalar(
        sa.select(Campaign.hold_seconds).where(Campaign.id == campaign_id)
    )
    guards = (Campaign.state == State.SCHEDULED,)
    if not _fire(campaign_id, guards, "sent_now", hold or 0):
        moves.refuse(campaign_id)
    audit.record("campaign.sent_now", "campaign", campaign_id)
    db.session.commit()


def reschedule(campaign_id: int, scheduled_at: str, time_zone: str) -> Campaign:
    """Give a scheduled campaign another time; its send windows move to that zone too.

    Raises
    ------
    Refused
        If it is not scheduled (any more).
    Invalid
        If the time is over or too far ahead.
    """
    campaign = db.session.get(Campaign, campaign_id)
    if campaign is None or campaign.state != State.SCHEDULED:
        moves.refuse(campaign_id)
    given = {"scheduled_at": scheduled_at, "time_zone": time_zone}
    timing.chosen(campaign, given, timing.database_time())
    words = timing.moment(scheduled_at, time_zone).words
    changed = db.session.execute(
        sa.update(Campaign)
        .where(Campaign.id == campaign_id, Campaign.state == State.SCHEDULED)
        .values(**given, asks_since=None, stop_reason="")
        .execution_options(synchronize_session=False)
    )
    if not changed.rowcount:  # type: ignore[attr-defined]  # an UPDATE has one
        moves.refuse(campaign_id)
    moves.note(campaign_id, "rescheduled", words)
    audit.record("campaign.rescheduled", "campaign", campaign_id, at=words)
    db.session.commit()
    db.session.expire_all()
    return db.session.get_one(Campaign, campaign_id)


def asks(campaign: Campaign, at: datetime) -> bool:
    """Whether a scheduled campaign waits for somebody to decide, and not for its time.

    That holds from the moment its time is missed, also where nothing ran to notice.
    """
    waits = campaign.state == State.SCHEDULED
    return waits and (campaign.asks_since is not None or timing.is_missed(campaign, at))


def asking(at: datetime) -> list[Campaign]:
    """Return the campaigns that wait for somebody to decide."""
    query = sa.select(Campaign).where(
        Campaign.state == State.SCHEDULED, Campaign.archived_at.is_(None)
    )
    found = db.session.scalars(query.order_by(Campaign.id))
    return [one for one in found if asks(one, at)]


def words_of(campaign: Campaign) -> str:
    """Say why a campaign asks instead of starting."""
    moment = timing.moment_of(campaign)
    if campaign.stop_reason or moment is None:
        return campaign.stop_reason
    return _("It was to start on %(when)s, and nothing ran then.", when=moment.words)
