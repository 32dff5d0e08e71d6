"""Tickets: harmless in any number, and never without words where nothing goes."""

from collections.abc import Iterator

import pytest
from flask import Flask

from tests.support.sending import Desk, person
from webapp.campaigns.models import Campaign, Message
from webapp.campaigns.states import State
from webapp.core import queue
from webapp.core.db import db
from webapp.core.queue import Lane
from webapp.delivery import jobs
from webapp.delivery.engine import Engine


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


def test_a_ticket_that_leaves_rows_due_wakes_the_next(desk: Desk) -> None:
    campaign = desk.campaign(510)
    jobs.ticket(campaign.id, 1)
    assert desk.statuses() == {"sent": 500, "pending": 10}
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


def test_a_malformed_copy_address_pauses_the_campaign_in_words(desk: Desk) -> None:
    campaign = desk.campaign(3, cc=["no address"])
    jobs.ticket(campaign.id, 1)
    assert desk.state(campaign) is State.PAUSED
    assert db.session.get_one(Campaign, campaign.id).pause_reason
    assert desk.statuses() == {"pending": 3}
