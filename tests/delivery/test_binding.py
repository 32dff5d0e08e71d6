"""The live page says which limit binds, and works out with it when all have gone."""

from datetime import timedelta

import pytest

from tests.conftest import ApiClient, PageClient
from tests.delivery.test_failover import stand_in
from tests.delivery.test_limits import domains, work
from tests.support.sending import HOUR, Desk, stay_in_one
from webapp.campaigns import live
from webapp.campaigns.models import Campaign
from webapp.core.clock import now
from webapp.core.db import db, reading
from webapp.delivery import leases, liveness
from webapp.delivery.engine import Engine
from webapp.delivery.leases import Asked


@pytest.fixture(autouse=True)
def _no_window_ends() -> None:
    """No hour and no day ends meanwhile, and nothing is allowed anew."""
    stay_in_one(HOUR)


def status(campaign: Campaign) -> dict[str, object]:
    db.session.rollback()
    with reading():
        found = live.status_of(db.session.get_one(Campaign, campaign.id))
        db.session.rollback()
    return found


def two_windows(span: int) -> float:
    """Return the rest of this window, and one more."""
    at = liveness.database_time().timestamp()
    return (at // span + 1) * span - at + span


@pytest.mark.parametrize(
    ("values", "words", "span"),
    [
        ({"per_day": 5}, "Held by the limit of 5 a day; goes on at 00:00", 86400),
        ({"per_hour": 5}, "Held by the limit of 5 an hour; goes on at ", 3600),
        (
            {"warmup_start": 5, "warmup_growth": 0, "warmup_ceiling": 9, "per_day": 50},
            "Held by the warm-up: 5 today; goes on at 00:00",
            86400,
        ),
        (
            {"per_domain": {"example.org": {"per_hour": 5}}},
            "example.org is at its limit of 5 an hour; 10 messages wait until ",
            3600,
        ),
        (
            {"per_domain": {"*": {"per_day": 5}}},
            "example.org is at its limit of 5 a day; 10 messages wait until 00:00",
            86400,
        ),
    ],
    ids=["day", "hour", "warm-up", "domain", "star"],
)
def test_what_holds_it_is_said_and_when_it_ends(
    desk: Desk, engine: Engine, values: dict[str, object], words: str, span: int
) -> None:
    campaign = desk.campaign(15, desk.sender(**values))
    work(engine, campaign)
    assert desk.statuses() == {"sent": 5, "pending": 10}
    most = two_windows(span)
    found = status(campaign)
    assert str(found["limited_by"]).startswith(words)
    eta = found["eta_seconds"]
    assert isinstance(eta, int)
    assert two_windows(span) - 1 <= eta <= most + 1


def test_several_domains_are_counted(desk: Desk, engine: Engine) -> None:
    campaign = desk.campaign(30, desk.sender(per_domain={"*": {"per_day": 2}}))
    domains(desk, campaign, "a.example", "b.example", "c.example")
    work(engine, campaign)
    words = str(status(campaign)["limited_by"])
    assert "and 2 other domains are at their limits; 24 messages wait" in words


def test_nothing_is_said_where_nothing_binds(desk: Desk, engine: Engine) -> None:
    sender = desk.sender(per_day=100, per_domain={"*": {"per_day": 100}})
    campaign = desk.campaign(15, sender)
    assert status(campaign)["limited_by"] is None
    work(engine, campaign)
    assert status(campaign)["limited_by"] is None


def test_connections_bind_when_workers_want_more(desk: Desk) -> None:
    sender = desk.sender(max_connections=2)
    campaign = desk.campaign(15, sender)
    worker = liveness.register()
    leases.renew(worker, Asked(sender.id, 2, 2, 2))
    assert status(campaign)["limited_by"] is None
    leases.renew(worker, Asked(sender.id, 2, 16, 2))
    words = "All 2 connections to the server are in use"
    assert status(campaign)["limited_by"] == words


def test_who_stands_in_is_said_with_the_limit_that_holds_it(
    desk: Desk, engine: Engine
) -> None:
    until = now() + timedelta(minutes=3)
    first = desk.sender(name="First", breaker_failures=2, breaker_until=until)
    second = desk.sender(name="Second", per_day=5)
    campaign = desk.campaign(15, first)
    assert "“First” is unwell; it is tried again at" in str(
        status(campaign)["limited_by"]
    )
    stand_in(first, second)
    said = "“First” is unwell; “Second” sends instead"
    assert status(campaign)["limited_by"] == said
    work(engine, campaign)
    assert f"{said}. Held by the limit of 5 a day" in str(
        status(campaign)["limited_by"]
    )


def test_page_and_api_say_it(
    desk: Desk, engine: Engine, client: PageClient, api: ApiClient
) -> None:
    campaign = desk.campaign(15, desk.sender(per_day=5))
    number = campaign.id
    work(engine, campaign)
    db.session.rollback()
    words = "Held by the limit of 5 a day; goes on at"
    assert words in client.get(f"/campaigns/{number}").get_data(as_text=True)
    answer = api.get(f"/campaigns/{number}/status").get_json()
    assert words in answer["limited_by"]
