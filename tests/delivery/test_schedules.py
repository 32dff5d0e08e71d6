"""Scheduled campaigns through real workers that were away when their time came."""

from datetime import timedelta

import sqlalchemy as sa

from tests.support.sending import Desk, person
from webapp.campaigns.models import Campaign, CampaignEvent
from webapp.campaigns.states import State
from webapp.core import queue
from webapp.core.clock import now
from webapp.core.db import db


def scheduled(desk: Desk, count: int, **ago: float) -> Campaign:
    """A campaign whose time came so long ago, while no process ran."""
    wall = f"{now() - timedelta(**ago):%Y-%m-%dT%H:%M}"
    return desk.campaign(
        count, state=State.SCHEDULED, scheduled_at=wall, hold_seconds=0
    )


def test_processes_that_come_back_late_fire_one_and_ask_about_the_other(
    desk: Desk,
) -> None:
    soon, missed = scheduled(desk, 20, minutes=30), scheduled(desk, 5, hours=2)
    queue.connection().flushall()
    desk.start()
    desk.start()
    desk.wait_finished(soon)
    assert desk.statuses(soon) == {"sent": 20}
    assert desk.statuses(missed) == {"pending": 5}
    assert desk.state(missed) is State.SCHEDULED
    assert desk.server.copies() == {person(n): 1 for n in range(1, 21)}
    kinds = db.session.scalars(
        sa.select(CampaignEvent.kind).where(CampaignEvent.campaign_id == missed.id)
    ).all()
    fired = db.session.scalars(
        sa.select(CampaignEvent.kind).where(
            CampaignEvent.campaign_id == soon.id, CampaignEvent.kind == "due"
        )
    ).all()
    db.session.rollback()
    assert (list(kinds), list(fired)) == (["missed"], ["due"])
