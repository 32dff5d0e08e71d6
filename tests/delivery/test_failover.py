"""A second sender stands in while the first is unwell, and only then."""

import socket
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from tests.support.sending import Desk, person
from tests.support.smtp_servers import RecordingServer
from webapp.campaigns import messages, report
from webapp.campaigns.models import Attempt, Campaign, Message
from webapp.campaigns.states import State
from webapp.campaigns.timeline import timeline
from webapp.core.clock import now
from webapp.core.db import db
from webapp.delivery import liveness, plans, tickets
from webapp.delivery.engine import Engine
from webapp.senders.models import Fallback, Sender


def work(engine: Engine, campaign: Campaign) -> None:
    plan = plans.of_campaign(campaign.id, 1)
    if plan is not None:
        engine.work(plan)


def stand_in(first: Sender, *others: Sender) -> None:
    for place, other in enumerate(others):
        db.session.add(Fallback(sender_id=first.id, place=place, fallback_id=other.id))
    db.session.commit()


def breaker_is_over(sender: Sender) -> None:
    past = now() - timedelta(seconds=1)
    query = sa.update(Sender).where(Sender.id == sender.id)
    db.session.execute(query.values(breaker_until=past))
    db.session.commit()


def nobody_knows(host: str, *more: Any, **named: Any) -> Any:
    if host == "nowhere.invalid":
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    return usual(host, *more, **named)


usual = socket.getaddrinfo


def used() -> set[tuple[int | None, str]]:
    db.session.rollback()
    query = sa.select(Attempt.sender_id, Attempt.outcome)
    return {(one.sender_id, one.outcome) for one in db.session.execute(query)}


@pytest.mark.parametrize(
    ("values", "greeting"),
    [
        ({"port": 1}, ""),
        ({"host": "nowhere.invalid"}, ""),
        ({}, "421 4.3.2 Shutting down"),
    ],
    ids=["refused", "dns", "421"],
)
def test_the_second_sends_while_the_first_is_dead_and_no_try_is_used(
    desk: Desk,
    engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
    values: dict[str, object],
    greeting: str,
) -> None:
    if "host" in values:
        monkeypatch.setattr(socket, "getaddrinfo", nobody_knows)
    with RecordingServer() as dead:
        if greeting:
            dead.answer("greeting", greeting, always=True)
        first = desk.sender(**{"port": dead.port, "name": "First", **values})
        second = desk.sender(bounce_address="back@example.org")
        stand_in(first, second)
        campaign = desk.campaign(30, first)
        work(engine, campaign)
        assert set(desk.statuses()) <= {"pending", "deferred"}
        assert tickets.is_due(campaign.id)
        work(engine, campaign)
    assert desk.statuses() == {"sent": 30}
    assert db.session.scalar(sa.select(sa.func.max(Message.tries))) == 1
    went = used() - {(first.id, "not tried")}
    assert went == {(first.id, "unwell"), (second.id, "accepted")}
    desk.assert_ledger_agrees()


def test_from_stays_and_bounces_go_to_the_one_that_is_used(
    desk: Desk, engine: Engine
) -> None:
    first = desk.sender(
        name="First", breaker_failures=1, breaker_until=now() + timedelta(hours=1)
    )
    second = desk.sender(
        name="Second",
        from_address="other@second.example",
        bounce_address="back@second.example",
    )
    stand_in(first, second)
    campaign = desk.campaign(1, first)
    work(engine, campaign)
    mail = desk.server.mails[0]
    assert mail.mail_from.endswith("@second.example")
    assert b"From: The Desk <desk@example.org>" in mail.data
    assert b"second.example" not in mail.data
    message = db.session.scalars(sa.select(Message)).one()
    assert any("“Second”" in one.words for one in timeline(message))
    assert list(messages.sender_names(messages.attempts_of(message)).values()) == [
        "Second"
    ]
    lines = "".join(report.stream(campaign)).splitlines()
    cells = dict(zip(lines[0].split(","), lines[1].split(","), strict=True))
    assert (cells["recipient"], cells["sender"]) == (person(1), "Second")


def test_when_the_breaker_closes_the_first_is_used_again(
    desk: Desk, engine: Engine
) -> None:
    first = desk.sender(breaker_failures=2, breaker_until=now() + timedelta(hours=1))
    second = desk.sender()
    stand_in(first, second)
    campaign = desk.campaign(40, first)
    second.per_hour = 10
    db.session.commit()
    work(engine, campaign)
    assert desk.statuses() == {"sent": 10, "pending": 30}
    breaker_is_over(first)
    work(engine, campaign)
    assert desk.statuses() == {"sent": 40}
    by = sa.select(Attempt.sender_id, sa.func.count()).group_by(Attempt.sender_id)
    assert {a: b for a, b in db.session.execute(by)} == {first.id: 30, second.id: 10}  # noqa: C416 - a row is no pair


def test_a_stand_in_without_allowance_is_passed_over(
    desk: Desk, engine: Engine
) -> None:
    first = desk.sender(breaker_failures=1, breaker_until=now() + timedelta(hours=1))
    full, third = desk.sender(per_day=5), desk.sender()
    stand_in(first, full, third)
    campaign = desk.campaign(12, first)
    work(engine, campaign)
    work(engine, campaign)
    assert desk.statuses() == {"sent": 12}
    assert used() == {(full.id, "accepted"), (third.id, "accepted")}


def test_a_limit_alone_calls_nobody_in(desk: Desk, engine: Engine) -> None:
    first, second = desk.sender(per_day=5), desk.sender()
    stand_in(first, second)
    campaign = desk.campaign(12, first)
    work(engine, campaign)
    work(engine, campaign)
    assert desk.statuses() == {"sent": 5, "pending": 7}
    assert not tickets.is_due(campaign.id)


def test_with_both_dead_all_wait_and_nothing_is_lost(
    desk: Desk, engine: Engine
) -> None:
    first, second = desk.sender(port=1), desk.sender(port=1)
    stand_in(first, second)
    campaign = desk.campaign(20, first)
    work(engine, campaign)
    work(engine, campaign)
    assert set(desk.statuses()) <= {"pending", "deferred"}
    assert not tickets.is_due(campaign.id)
    assert db.session.scalar(sa.select(sa.func.max(Message.tries))) == 0
    db.session.rollback()
    query = sa.update(Sender).where(Sender.id == first.id)
    db.session.execute(query.values(port=desk.server.port))
    db.session.commit()
    breaker_is_over(first)
    assert tickets.is_due(campaign.id)
    work(engine, campaign)
    assert desk.statuses() == {"sent": 20}
    desk.assert_ledger_agrees()


def test_a_stand_in_that_refuses_us_does_not_pause_the_campaign(
    desk: Desk, engine: Engine
) -> None:
    first = desk.sender(breaker_failures=1, breaker_until=now() + timedelta(hours=1))
    with RecordingServer(credentials=("desk", "right")) as strict:
        second = desk.sender(port=strict.port, login="desk")
        stand_in(first, second)
        campaign = desk.campaign(5, first)
        work(engine, campaign)
    assert desk.state(campaign) is State.SENDING
    assert not tickets.is_due(campaign.id)


def test_a_single_message_goes_by_the_stand_in_too(desk: Desk, engine: Engine) -> None:
    first = desk.sender(breaker_failures=1, breaker_until=now() + timedelta(hours=1))
    second = desk.sender()
    stand_in(first, second)
    bodies = {"to": [person(1)], "subject": "Hello", "text": "One."}
    db.session.add(
        Message(
            sender_id=first.id, address=person(1), address_key=person(1), bodies=bodies
        )
    )
    db.session.commit()
    assert tickets.due_senders() == [first.id]
    plan = plans.of_sender(first.id)
    assert plan is not None
    engine.work(plan)
    assert desk.statuses() == {"sent": 1}
    assert used() == {(second.id, "accepted")}
    assert b"desk@example.org" in desk.server.mails[0].data


def test_a_campaign_keeps_its_pace_when_another_sender_takes_over(
    desk: Desk, engine: Engine
) -> None:
    first, second = desk.sender(), desk.sender()
    stand_in(first, second)
    campaign = desk.campaign(30, first, throttle=10)
    minute = liveness.database_time().minute
    work(engine, campaign)
    until = now() + timedelta(hours=1)
    query = sa.update(Sender).where(Sender.id == first.id)
    db.session.execute(query.values(breaker_failures=1, breaker_until=until))
    db.session.commit()
    work(engine, campaign)
    if liveness.database_time().minute == minute:  # none ended meanwhile
        assert desk.statuses() == {"sent": 10, "pending": 20}
        assert not tickets.is_due(campaign.id)
    assert desk.statuses()["sent"] in {10, 20}
