"""Tickets: harmless in any number, and never without words where nothing goes."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
import sqlalchemy as sa
from flask import Flask

from tests.conftest import PageClient
from tests.support.sending import Desk, person
from webapp.campaigns.models import Campaign, Message
from webapp.campaigns.states import State
from webapp.core import queue
from webapp.core.clock import now
from webapp.core.db import db
from webapp.core.queue import Lane
from webapp.delivery import jobs, plans, preparing, tickets
from webapp.delivery.engine import Engine
from webapp.delivery.models import TicketTrouble
from webapp.operators.models import AuditEntry


@pytest.fixture(autouse=True)
def _worker(app: Flask, engine: Engine) -> Iterator[None]:
    """Let jobs of this process find an engine, as they do in a worker."""
    app.extensions[jobs.EXTENSION] = engine
    yield
    del app.extensions[jobs.EXTENSION]


def test_any_number_of_tickets_sends_each_message_once(desk: Desk) -> None:
    campaign = desk.campaign(30)
    for generation in range(5):
        jobs.ticket(campaign.id, generation)
    assert desk.server.copies() == {person(n): 1 for n in range(1, 31)}
    assert desk.state(campaign) is State.FINISHED


def test_a_ticket_that_leaves_rows_due_wakes_the_next(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparing, "TICKET_ROWS", 40)
    campaign = desk.campaign(50)
    jobs.ticket(campaign.id, 1)
    assert desk.statuses() == {"sent": 40, "pending": 10}
    assert len(queue.queue(Lane.CAMPAIGNS).get_job_ids()) == 1


def test_a_ticket_for_nothing_does_nothing(desk: Desk) -> None:
    jobs.ticket(4711, 1)
    jobs.ticket(0, 1)
    assert not desk.server.commands


def test_a_single_message_is_sent_by_its_own_job(desk: Desk) -> None:
    sender = desk.sender()
    bodies = {"subject": "Your receipt", "text": "Thank you."}
    message = Message(
        sender_id=sender.id, address=person(1), address_key=person(1), bodies=bodies
    )
    db.session.add(message)
    db.session.commit()
    jobs.message(message.id)
    assert desk.server.copies() == {person(1): 1}


def suppressions_in_the_audit() -> list[tuple[str, list[str]]]:
    db.session.rollback()
    entries = sa.select(AuditEntry).where(AuditEntry.action == "suppression.added")
    return [
        (one.object_name, one.detail["addresses"])
        for one in db.session.scalars(entries)
    ]


def test_dead_addresses_are_one_line_of_the_audit(desk: Desk) -> None:
    campaign = desk.campaign(5)
    for number in (2, 4):
        desk.server.answer(f"rcpt:{person(number)}", "550 5.1.1 No such user")
    jobs.ticket(campaign.id, 1)
    both = [person(2), person(4)]
    assert [(name, sorted(keys)) for name, keys in suppressions_in_the_audit()] == [
        ("2 addresses", both)
    ]
    jobs.ticket(campaign.id, 2)
    assert len(suppressions_in_the_audit()) == 1


def test_a_refusal_that_is_none_of_an_address_is_not_in_the_audit(desk: Desk) -> None:
    campaign = desk.campaign(1)
    desk.server.answer(f"rcpt:{person(1)}", "550 5.7.1 Not from you")
    jobs.ticket(campaign.id, 1)
    assert suppressions_in_the_audit() == []


def test_a_malformed_copy_address_pauses_the_campaign_in_words(desk: Desk) -> None:
    campaign = desk.campaign(3, cc=["no address"])
    jobs.ticket(campaign.id, 1)
    assert desk.state(campaign) is State.PAUSED
    assert db.session.get_one(Campaign, campaign.id).pause_reason
    assert desk.statuses() == {"pending": 3}


def break_preparing(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_args: object) -> None:
        raise ZeroDivisionError("person1@example.org")

    monkeypatch.setattr("webapp.delivery.engine.prepare", broken)


def over() -> None:
    """Let the time be over for which it is held back."""
    past = now() - timedelta(seconds=1)
    db.session.execute(sa.update(TicketTrouble).values(until=past))
    db.session.commit()


def test_what_breaks_is_held_back_longer_each_time_and_then_paused(
    desk: Desk,
    client: PageClient,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    campaign = desk.campaign(3)
    number = campaign.id
    break_preparing(monkeypatch)
    waits, reference = [], ""
    for generation in range(4):
        assert tickets.is_due(number)
        jobs.ticket(number, generation)
        assert not tickets.is_due(number)
        assert number not in tickets.due_campaigns()
        trouble = db.session.scalars(sa.select(TicketTrouble)).one()
        waits.append(round((trouble.until - trouble.at).total_seconds()))
        reference = trouble.reference
        over()
    assert waits == [5, 15, 60, 300]
    assert reference in caplog.text
    assert "example.org" not in caplog.text
    db.session.rollback()
    for page in ("/", f"/campaigns/{number}"):
        assert reference in client.get(page).get_data(as_text=True), page
    jobs.ticket(number, 9)
    assert desk.state(campaign) is State.PAUSED
    words = db.session.get_one(Campaign, number).pause_reason
    assert "broke here 5 times" in words
    assert db.session.scalar(sa.select(TicketTrouble.campaign_id)) is None
    assert desk.statuses() == {"pending": 3}


def test_a_ticket_that_goes_well_ends_the_trouble(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = desk.campaign(3)
    with monkeypatch.context() as broken:
        break_preparing(broken)
        jobs.ticket(campaign.id, 1)
    over()
    jobs.ticket(campaign.id, 2)
    assert desk.statuses() == {"sent": 3}
    assert db.session.scalar(sa.select(TicketTrouble.campaign_id)) is None


def test_what_breaks_for_one_sender_holds_up_no_other(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = desk.sender(), desk.sender()
    bodies = {"subject": "Your receipt", "text": "Thank you."}
    for number, sender in enumerate((bad, good), 1):
        addr = person(number)
        db.session.add(
            Message(sender_id=sender.id, address=addr, address_key=addr, bodies=bodies)
        )
    db.session.commit()
    bad_id = bad.id
    usual = plans.of_sender

    def of_sender(sender_id: int) -> plans.Plan | None:
        return 1 / 0 if sender_id == bad_id else usual(sender_id)  # type: ignore[return-value]  # it breaks

    monkeypatch.setattr(plans, "of_sender", of_sender)
    jobs.ticket(0, 1)
    assert desk.server.copies() == {person(2): 1}
    assert tickets.due_senders() == []
    assert db.session.scalars(sa.select(TicketTrouble.campaign_id)).all() == [-bad_id]
