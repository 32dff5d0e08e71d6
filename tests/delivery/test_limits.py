"""Limits hold over workers, tickets and restarts."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from flask import Flask

from tests.support.sending import HOUR, Desk, engine_here, stay_in_one
from webapp.campaigns.models import Campaign, Message
from webapp.core.db import db
from webapp.delivery import limits, liveness, plans, reconcile, tickets
from webapp.delivery.connections import Done
from webapp.delivery.engine import Engine
from webapp.delivery.marking import exchange
from webapp.delivery.preparing import prepare
from webapp.delivery.ways import settled_of
from webapp.message_templates.rendering import RenderPool
from webapp.senders.models import LimitUse, Sender


@pytest.fixture(autouse=True)
def _no_window_ends() -> None:
    """No hour and no day ends meanwhile, and nothing is allowed anew."""
    stay_in_one(HOUR)


def work(engine: Engine, campaign: Campaign) -> None:
    plan = plans.of_campaign(campaign.id, 1)
    if plan is not None:
        engine.work(plan)


@pytest.mark.parametrize("window", ["per_hour", "per_day"])
def test_a_cap_is_exact_over_workers_and_campaigns(
    app: Flask, desk: Desk, engine: Engine, window: str
) -> None:
    sender = desk.sender(**{window: 25})
    first, second = desk.campaign(20, sender), desk.campaign(20, sender)
    work(engine, first)
    engine.drain()
    other = engine_here(app)
    work(other, second)
    work(other, first)
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
    minute = liveness.database_time().minute
    work(engine, slow)
    work(engine, quick)
    counts, due = desk.statuses(slow), tickets.due_campaigns()
    assert counts["sent"] in {10, 20}  # 20 where a minute ended meanwhile
    assert desk.statuses(quick) == {"sent": 30}
    if liveness.database_time().minute == minute:
        assert slow.id not in due


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


def domains(desk: Desk, campaign: Campaign, *names: str) -> None:
    """Let the recipients live at these domains, in turn."""
    rows = sa.select(Message).where(Message.campaign_id == campaign.id)
    for message in db.session.scalars(rows.order_by(Message.id)):
        where = names[message.row_number % len(names)]
        message.address = message.address_key = f"p{message.row_number}@{where}"
    db.session.commit()


def to_domain(desk: Desk, domain: str) -> int:
    copies = desk.server.copies()
    return sum(n for addr, n in copies.items() if addr.endswith("@" + domain))


def test_a_domain_at_its_limit_holds_up_nobody_else(desk: Desk, engine: Engine) -> None:
    sender = desk.sender(per_domain={"slow.example": {"per_hour": 7}})
    campaign = desk.campaign(120, sender)
    domains(desk, campaign, "slow.example", "slow.example", "quick.example")
    work(engine, campaign)
    assert (to_domain(desk, "slow.example"), to_domain(desk, "quick.example")) == (
        7,
        40,
    )
    assert tickets.due_campaigns() == []
    hour = liveness.database_time() + timedelta(hours=1)
    waits = db.session.scalars(
        sa.select(Message.due_at).where(Message.status == "pending").distinct()
    ).all()
    assert waits == [hour.replace(minute=0, second=0, microsecond=0)]


def test_nobody_starves_behind_a_thousand_rows_of_a_full_domain(
    desk: Desk, engine: Engine
) -> None:
    sender = desk.sender(per_domain={"slow.example": {"per_day": 1}})
    campaign = desk.campaign(1300, sender)
    rows = sa.update(Message).where(Message.row_number <= 1290)
    key = "p" + sa.cast(Message.id, sa.String) + "@slow.example"
    db.session.execute(rows.values(address=key, address_key=key))
    db.session.commit()
    for _ticket in range(3):
        work(engine, campaign)
    assert desk.statuses() == {"sent": 11, "pending": 1289}
    assert not tickets.is_due(campaign.id)


def test_each_other_domain_has_the_allowance_of_the_star(
    desk: Desk, engine: Engine
) -> None:
    limits_of = {"*": {"per_day": 3}, "big.example": {"per_day": 8}}
    campaign = desk.campaign(60, desk.sender(per_domain=limits_of))
    domains(desk, campaign, "a.example", "b.example", "big.example")
    work(engine, campaign)
    sent = [to_domain(desk, name) for name in ("a.example", "b.example", "big.example")]
    assert sent == [3, 3, 8]


def test_a_copy_counts_for_the_domain_that_it_goes_to(
    desk: Desk, engine: Engine
) -> None:
    sender = desk.sender(per_domain={"boss.example": {"per_day": 4}})
    campaign = desk.campaign(20, sender, cc=["ceo@boss.example"])
    work(engine, campaign)
    assert to_domain(desk, "boss.example") == 4
    assert desk.statuses() == {"sent": 4, "pending": 16}


def test_a_domain_s_cap_is_exact_over_workers(app: Flask, desk: Desk) -> None:
    sender = desk.sender(per_domain={"*": {"per_day": 10}})
    campaigns = [desk.campaign(30, sender) for _ in range(2)]
    for campaign in campaigns * 2:
        engine = engine_here(app)
        work(engine, campaign)
        engine.drain()
    assert desk.statuses() == {"sent": 10, "pending": 50}


def test_the_ramp_caps_the_day_exactly(desk: Desk, engine: Engine) -> None:
    today = liveness.database_time().date()
    sender = desk.sender(
        per_day=1000,
        warmup_start=10,
        warmup_growth=50,
        warmup_ceiling=500,
        warmup_from=today - timedelta(days=2),
    )
    campaign = desk.campaign(40, sender)
    work(engine, campaign)
    work(engine, campaign)
    assert desk.statuses() == {"sent": 22, "pending": 18}


def test_a_server_that_is_down_uses_up_no_allowance(desk: Desk, engine: Engine) -> None:
    sender = desk.sender(
        port=1, per_day=25, per_domain={"example.org": {"per_day": 20}}
    )
    campaign = desk.campaign(40, sender)
    work(engine, campaign)
    db.session.rollback()
    assert set(db.session.scalars(sa.select(LimitUse.used))) == {0}
    query = sa.update(Sender).where(Sender.id == sender.id)
    db.session.execute(query.values(port=desk.server.port, breaker_until=None))
    db.session.commit()
    work(engine, campaign)
    assert len(desk.server.mails) == 20


def test_an_outcome_that_is_recorded_twice_gives_back_once(
    desk: Desk, engine: Engine
) -> None:
    campaign = desk.campaign(5, desk.sender(per_day=25))
    plan = plans.of_campaign(campaign.id, 1)
    assert plan is not None
    with RenderPool() as pool:
        rows = [one for chunk in prepare(plan, pool) for one in chunk]
    got = exchange(plan, engine.me, [], rows)
    back = [settled_of(Done(one, None)) for one in got.marked[:3]]
    for _time in range(2):
        assert exchange(None, engine.me, back, []).is_stored
    assert db.session.scalars(sa.select(LimitUse.used)).all() == [2]
