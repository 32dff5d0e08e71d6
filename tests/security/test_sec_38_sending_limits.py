"""SECURITY 38: what a sender may send holds over all workers, and fails closed."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.exc import OperationalError

import config
from tests.support.sending import HOUR, Desk, engine_here, never_give_up, stay_in_one
from tests.support.smtp_servers import RecordingServer
from webapp.campaigns.models import Campaign
from webapp.core.db import db
from webapp.delivery import limits, liveness, plans, tickets
from webapp.delivery.engine import Engine
from webapp.senders.models import LimitUse, Sender


@pytest.fixture
def desk(
    app: Flask, settings: config.Settings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Desk]:
    """Rows and workers around one sender to a server that keeps every copy."""
    never_give_up(monkeypatch)
    stay_in_one(HOUR)
    with RecordingServer() as server, Desk(app, settings, server) as desk:
        yield desk


@pytest.fixture
def engine(app: Flask) -> Iterator[Engine]:
    """What a worker process sends with, inside this process."""
    engine = engine_here(app)
    yield engine
    engine.drain()


def work(engine: Engine, campaign: Campaign) -> None:
    plan = plans.of_campaign(campaign.id, 1)
    if plan is not None:
        engine.work(plan)


@pytest.mark.parametrize(
    "allowed",
    [
        {"per_day": 7},
        {"per_hour": 7},
        {"per_domain": {"example.org": {"per_day": 7}}},
        {"per_domain": {"*": {"per_hour": 7}}},
        {"warmup_start": 7, "warmup_growth": 0, "warmup_ceiling": 7},
    ],
)
def test_no_restart_campaign_or_worker_gets_round_it(
    app: Flask,
    desk: Desk,
    allowed: dict[str, Any],
) -> None:
    sender = desk.sender(**allowed)
    campaigns = [desk.campaign(9, sender) for _ in range(3)]
    for campaign in campaigns:
        process = engine_here(app)
        work(process, campaign)
        process.drain()
    assert len(desk.server.mails) == 7
    assert desk.statuses() == {"sent": 7, "pending": 20}
    assert tickets.due_campaigns() == []


def test_where_a_limit_cannot_be_asked_nothing_leaves(
    desk: Desk,
    engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def gone(*_args: object) -> None:
        raise OperationalError("SELECT", {}, Exception("gone"))

    campaign = desk.campaign(5, desk.sender(per_day=100))
    monkeypatch.setattr(limits, "_lock", gone)
    work(engine, campaign)
    assert desk.server.mails == []
    assert desk.statuses() == {"pending": 5}


def test_what_was_marked_by_a_worker_that_died_stays_spent(
    app: Flask,
    desk: Desk,
    engine: Engine,
) -> None:
    sender = desk.sender(per_day=7)
    day = liveness.database_time().replace(hour=0, minute=0, second=0, microsecond=0)
    number = int(day.timestamp()) // 86400
    until = day + timedelta(days=1)
    db.session.add(
        LimitUse(sender_id=sender.id, window=f"day:{number}", used=5, until=until)
    )
    db.session.commit()
    work(engine, desk.campaign(9, sender))
    assert len(desk.server.mails) == 2
    del app


def test_a_lower_limit_holds_at_once(
    desk: Desk,
    engine: Engine,
) -> None:
    sender = desk.sender(per_day=7)
    campaign = desk.campaign(20, sender)
    work(engine, campaign)
    db.session.execute(sa.update(Sender).values(per_day=3))
    db.session.commit()
    work(engine, campaign)
    assert len(desk.server.mails) == 7
    db.session.execute(sa.update(Sender).values(per_day=9))
    db.session.commit()
    work(engine, campaign)
    assert len(desk.server.mails) == 9
