"""Limits hold over workers, tickets and restarts."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from flask import Flask

from tests.support.sending import Desk
from webapp.campaigns.models import Campaign
from webapp.core.db import db
from webapp.delivery import limits, liveness, plans, reconcile, tickets
from webapp.delivery.engine import Engine
from webapp.delivery.models import LimitUse


def work(engine: Engine, campaign: Campaign) -> None:
    plan = plans.of_campaign(campaign.id, 1)
    assert plan is not None
    engine.work(plan)


@pytest.mark.parametrize("window", ["per_hour", "per_day"])
def test_a_cap_is_exact_over_workers_and_campaigns(
    app: Flask, desk: Desk, engine: Engine, window: str
) -> None:
    sender = desk.sender(**{window: 25})
    first, second = desk.campaign(20, sender), desk.campaign(20, sender)
    work(engine, first)
    other = Engine(app, liveness.register())
    work(other, second)
    work(engine, second)
    other.drain()
    assert desk.statuses() == {"sent": 25, "pending": 15}
    assert len(desk.server.mails) == 25


def test_nobody_is_woken_before_the_window_is_over(desk: Desk, engine: Engine) -> None:
    campaign = desk.campaign(20, desk.sender(per_hour=5))
    work(engine, campaign)
    assert tickets.due_campaigns() == []
    past = liveness.database_time() - timedelta(seconds=1)
    db.session.execute(sa.update(LimitUse).values(until=past))
    db.session.commit()
    assert tickets.due_campaigns() == [campaign.id]


def test_a_campaign_has_its_own_pace(desk: Desk, engine: Engine) -> None:
    sender = desk.sender()
    slow, quick = desk.campaign(30, sender, throttle=10), desk.campaign(30, sender)
    work(engine, slow)
    work(engine, quick)
    counts = desk.statuses(slow)
    assert counts["sent"] in {10, 20}  # 20 where a minute ended meanwhile
    assert desk.statuses(quick) == {"sent": 30}
    assert slow.id not in tickets.due_campaigns()


def test_so_many_a_second_and_a_ticket_that_waits_for_the_next(
    desk: Desk, engine: Engine
) -> None:
    campaign = desk.campaign(12, desk.sender(per_second=5))
    work(engine, campaign)
    assert desk.statuses() == {"sent": 12}
    used = db.session.scalars(sa.select(LimitUse.used)).all()
    assert sum(used) == 12
    assert max(used) <= 5


def test_old_windows_are_forgotten(desk: Desk) -> None:
    sender = desk.sender()
    at = liveness.database_time()
    for days in (0, 2):
        until = at - timedelta(days=days)
        db.session.add(
            LimitUse(sender_id=sender.id, window=f"day:{days}", used=1, until=until)
        )
    db.session.commit()
    limits.forget_old()
    reconcile.tick()
    assert db.session.scalars(sa.select(LimitUse.window)).all() == ["day:0"]
