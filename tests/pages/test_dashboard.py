"""The dashboard: what is wrong, what is running, what is next."""

import datetime
import re
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from flask import Flask
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.conftest import PageClient
from webapp.campaigns.models import Campaign, Message
from webapp.campaigns.states import State, Status
from webapp.core.clock import now
from webapp.core.db import db
from webapp.delivery.models import Worker
from webapp.mailboxes.models import Folder, Mailbox, MailboxState
from webapp.operators.models import Operator
from webapp.pages import attention, checklist, overview
from webapp.recipients.models import RecipientTable
from webapp.senders.models import Sender, TransportKind


def add(*rows: Any) -> None:
    db.session.add_all(rows)
    db.session.commit()


def campaign(state: State, **values: Any) -> Campaign:
    row = Campaign(name="November", state=state, **values)
    add(row)
    return row


def messages(row: Campaign, **counts: int) -> None:
    for status, number in counts.items():
        sent_at = now() if status == "sent" else None
        for _ in range(number):
            db.session.add(
                Message(campaign_id=row.id, status=Status(status), sent_at=sent_at)
            )
    db.session.commit()


@pytest.fixture(autouse=True)
def inside_a_request(app: Flask) -> Iterator[None]:
    """Addresses are built within a request only."""
    with app.test_request_context():
        yield


@pytest.fixture
def keys() -> Any:
    """The keys of what needs attention, beside the worker that no test runs."""
    return lambda: [one.key for one in attention.everything() if one.key != "workers"]


def test_at_first_the_first_steps_are_the_page(client: PageClient) -> None:
    page = client.get("/").text
    assert "First steps" in page
    assert "Send the example" in page
    add(Mailbox(name="Practice", is_practice=True))
    for shown in (page, client.get("/").text):
        assert "Last 30 days" not in shown
        assert "Running now" not in shown


@pytest.mark.usefixtures("app")
def test_all_is_well(keys: Any) -> None:
    add(Worker())
    assert attention.everything() == []


@pytest.mark.usefixtures("app")
def test_no_worker_is_said() -> None:
    add(Worker(beat_at=now() - datetime.timedelta(seconds=30)))
    assert [one.key for one in attention.everything()] == ["workers"]


def test_a_campaign_that_paused_itself_says_why_and_what_is_safe(
    client: PageClient, keys: Any
) -> None:
    row = campaign(State.PAUSED, pause_reason="The server refused the sign-in (535).")
    messages(row, sent=3, pending=2)
    page = client.get("/").text
    assert "“November” paused itself" in page
    assert "refused the sign-in (535). 3 were sent; 2 are waiting" in page
    assert keys() == [f"campaign-{row.id}"]


@pytest.mark.usefixtures("app")
def test_a_campaign_that_a_person_paused_is_no_alarm(keys: Any) -> None:
    campaign(State.PAUSED)
    assert keys() == []
    assert [one.campaign.state for one in overview.running()] == [State.PAUSED]


@pytest.mark.usefixtures("app")
def test_unknown_messages_ask_for_a_decision(keys: Any) -> None:
    row = campaign(State.FINISHED)
    messages(row, unknown=2, sent=1)
    assert keys() == [f"unknown-{row.id}"]


@pytest.mark.usefixtures("app")
def test_a_sender_is_unwell_until_it_works_again(keys: Any) -> None:
    row = Sender(name="s", from_address="a@b.c", last_error_at=now(), last_error="No.")
    add(row)
    assert keys() == [f"sender-{row.id}"]
    row.last_ok_at = now()
    db.session.commit()
    assert keys() == []


@pytest.mark.usefixtures("app")
def test_a_mailbox_is_mentioned_when_it_needs_somebody(keys: Any) -> None:
    refused = Mailbox(name="a", state=MailboxState.NEEDS_ATTENTION)
    brief = Mailbox(name="b", state=MailboxState.RETRYING, last_ok_at=now())
    long = now() - datetime.timedelta(minutes=16)
    silent = Mailbox(name="c", state=MailboxState.RETRYING, last_ok_at=long)
    add(refused, brief, silent)
    assert keys() == [f"mailbox-{refused.id}", f"mailbox-{silent.id}"]


def test_a_silent_queue_is_said_and_the_page_still_reads(
    app: Flask, client: PageClient
) -> None:
    app.extensions["redis"] = redis.Redis(
        unix_socket_path="/nowhere.sock", retry=Retry(NoBackoff(), 0)
    )
    answer = client.get("/")
    assert answer.status_code == 200
    assert "The queue does not answer" in answer.text


def test_running_campaigns_show_how_far_they_are(client: PageClient) -> None:
    row = campaign(State.SENDING, total=8)
    messages(row, sent=3, failed=1, pending=4)
    page = client.get("/").text
    assert 'aria-valuenow="50.0"' in page
    assert "4 of 8" in page
    assert 'class="count">1<' in page


def test_the_last_days_in_the_operators_zone(
    client: PageClient, operator: Operator
) -> None:
    operator.time_zone = "Pacific/Auckland"
    row = campaign(State.FINISHED)
    messages(row, sent=5, failed=2)
    page = client.get("/").text
    assert "<b>5</b> sent" in page
    assert "<b>2</b> failed" in page
    assert page.count('class="c-sent" x=') == 1


def test_what_is_older_than_the_chart_is_not_in_it(client: PageClient) -> None:
    row = campaign(State.FINISHED)
    long_ago = now() - datetime.timedelta(days=40)
    add(Message(campaign_id=row.id, status=Status.SENT, sent_at=long_ago))
    assert client.get("/").status_code == 200
    assert overview.last_days().sent == 0


def test_reasons_of_failures_come_with_their_words(client: PageClient) -> None:
    row = campaign(State.FINISHED)
    add(Message(campaign_id=row.id, status=Status.FAILED, reason_class="address"))
    add(Message(campaign_id=row.id, status=Status.FAILED))
    page = client.get("/").text
    assert "Address does not exist" in page


def test_unread_mail_by_mailbox_and_beside_the_navigation(client: PageClient) -> None:
    box = Mailbox(name="Hello", address="hello@example.org")
    gone = Mailbox(name="Gone", deleted_at=now())
    add(box, gone, Mailbox(name="Fresh"))
    for name, role, unseen in (("INBOX", "inbox", 14), ("Junk", "junk", 99)):
        add(
            Folder(
                mailbox_id=box.id, raw_name=name, name=name, role=role, unseen=unseen
            )
        )
    page = client.get("/").text
    assert "14 unread" in page
    assert "Not looked into yet" in page
    assert "Gone" not in page
    assert 'class="count">14<' in page


def done() -> list[str]:
    return [step.key for step in checklist.steps() if step.done]


@pytest.mark.usefixtures("app")
def test_steps_are_ticked_by_what_really_happened() -> None:
    assert done() == []
    messages(campaign(State.SENDING, is_example=True), sent=8)
    assert done() == ["send"]
    box = Mailbox(name="Practice", is_practice=True)
    add(box)
    add(Folder(mailbox_id=box.id, raw_name="INBOX", name="INBOX", total=8))
    assert done() == ["send", "arrive"]
    add(RecipientTable(name="Mine", recipients_count=3))
    assert done() == ["send", "arrive", "import"]
    add(
        Sender(
            name="s",
            from_address="a@b.c",
            kind=TransportKind.SMTP,
            last_ok_at=now(),
        )
    )
    assert done() == ["send", "arrive", "import", "connect"]


@pytest.mark.usefixtures("app")
def test_the_example_itself_ticks_nothing() -> None:
    add(RecipientTable(name="Example", recipients_count=10, is_example=True))
    add(Sender(name="s", from_address="a@b.c", kind=TransportKind.PRACTICE))
    add(Mailbox(name="Practice", is_practice=True))
    assert done() == []


def test_first_steps_can_be_hidden_and_brought_back(client: PageClient) -> None:
    client.submit("/first-steps/hide")
    page = client.get("/").text
    assert 'action="/first-steps/show"' in page
    assert "Hide this list" not in page
    client.submit("/first-steps/show")
    assert "Hide this list" in client.get("/").text


def test_the_live_pieces_are_those_of_the_page(client: PageClient) -> None:
    messages(campaign(State.SENDING, total=2), sent=1, pending=1)
    fragment, page = client.get("/?fragment=now").text, client.get("/").text
    assert "<html" not in fragment
    pieces = re.findall(r'id="([a-z-]+)"[^>]* data-live>', fragment)
    assert pieces == ["attention", "running", "mailboxes"]
    assert pieces == re.findall(r'id="([a-z-]+)"[^>]* data-live>', page)
    assert 'aria-valuenow="50.0"' in fragment
