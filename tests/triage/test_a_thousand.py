"""A thousand people through the practice servers: who answers, and how, is counted."""

import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

import config
from tests.campaigns.conftest import Desk, desk_of
from tests.conftest import ApiClient, PageClient
from tests.support.practice_servers import Servers
from tests.support.sending import Desk as Workers
from tests.support.smtp_servers import RecordingServer
from webapp.campaigns import message_tokens
from webapp.campaigns.letters import UNSUBSCRIBE, token_key
from webapp.campaigns.models import Campaign, Message
from webapp.core.db import db
from webapp.mailboxes.models import Mail, Mailbox, MailboxSecurity

PATIENCE = 300
WHO = {"bounce": 50, "dsn": 20, "reply": 30, "away": 20, "stop": 10, "click": 10}
ANSWERS = {
    "replied": 30,
    "bounced": 70,
    "auto_replied": 20,
    "unsubscribed": 20,
    "complained": 0,
}


def people() -> list[dict[str, str]]:
    found = [f"{who}+{n}@example.com" for who, many in WHO.items() for n in range(many)]
    found += [f"r{n}@example.com" for n in range(1000 - len(found))]
    return [{"email": one, "first_name": f"P{at}"} for at, one in enumerate(found)]


@pytest.fixture(autouse=True)
def _no_open_transaction(app: Flask) -> None:
    """End what the test itself has read, before each request: SQLite has one writer."""
    app.before_request_funcs.setdefault(None, []).insert(0, db.session.rollback)


@pytest.fixture
def practice(settings: config.Settings, app: Flask) -> Iterator[None]:
    """The practice servers, their mailbox, and a worker."""
    servers = Servers(settings.data_dir)
    servers.start()
    db.session.add(
        Mailbox(name="Practice", is_practice=True, security=MailboxSecurity.NONE)
    )
    db.session.commit()
    try:
        with RecordingServer() as nobody, Workers(app, settings, nobody) as workers:
            workers.start()
            yield
    finally:
        servers.stop()


def waited(ask: Any, holds: Any) -> Any:
    until = time.monotonic() + PATIENCE
    while True:
        db.session.rollback()
        found = ask()
        if holds(found):
            return found
        assert time.monotonic() < until, found
        time.sleep(0.2)


def sent(api: ApiClient, path: str) -> Any:
    """Check, launch, and wait until the campaign has finished."""
    api.post(f"{path}/check")
    checked = waited(
        lambda: api.get(f"{path}/check").get_json(), lambda one: one["state"] == "ready"
    )
    wanted = checked["recipients"]
    api.post(f"{path}/launch", {"expected_recipients": wanted, "hold_seconds": 0})
    return waited(
        lambda: api.get(f"{path}/status").get_json(),
        lambda one: one["state"] == "finished",
    )


def click(client: PageClient, desk: Desk) -> None:
    """Unsubscribe by the link, as mail clients do in one click."""
    for message in desk.messages():
        if message.address.startswith("click"):
            token = message_tokens.sign(token_key(), message.public_id, UNSUBSCRIBE)
            db.session.rollback()
            data = {"List-Unsubscribe": "One-Click"}
            assert client.post(f"/u/{token}", data=data).status_code == 200


@pytest.mark.usefixtures("practice")
def test_a_thousand(api: ApiClient, client: PageClient, anonymous: PageClient) -> None:
    desk = desk_of(
        people(),
        sender={"bounce_address": "bounces@example.com"},
        html='<p>{{ first_name }}</p><p><a href="{{ unsubscribe_url }}">No</a></p>',
    )
    path = f"/campaigns/{desk.campaign.id}"
    end = sent(api, path)
    assert (end["counts"]["sent"], end["counts"]["failed"]) == (950, 50)
    click(anonymous, desk)
    end = waited(
        lambda: api.get(f"{path}/status").get_json(),
        lambda one: sum(one["answers"].values()) >= sum(ANSWERS.values()),
    )
    assert end["answers"] == ANSWERS
    page_shows_the_same(client, path)
    each_answer_is_linked_to_its_mail(api, path)
    the_next_campaign_skips_the_right_people(api, desk)


def page_shows_the_same(client: PageClient, path: str) -> None:
    page = client.get(path).get_data(as_text=True)
    for kind, number in ANSWERS.items():
        assert f'answer={kind}#msgs"' in page
        shown = page.partition(f"answer={kind}#msgs")[2].partition("</li>")[0]
        assert f'<span class="n">{number}</span>' in shown


def each_answer_is_linked_to_its_mail(api: ApiClient, path: str) -> None:
    linked: Counter[str] = Counter()
    for kind in ("replied", "auto_replied", "bounced", "unsubscribed"):
        query = f"{path}/messages?answer={kind}&limit=500"
        for item in api.get(query).get_json()["items"]:
            who = item["address"].partition("+")[0]
            whole = api.get(f"/messages/{item['id']}").get_json()
            fitting = {kind, "failed"}
            [event] = [one for one in whole["events"] if one["kind"] in fitting]
            if "mail" in event["detail"]:
                mail = db.session.get_one(Mail, event["detail"]["mail"])
                assert whole["address"] in (mail.from_address, *told_of(api, mail.id))
            linked[f"{who} {kind}"] += "mail" in event["detail"]
            db.session.rollback()
    assert linked == {
        "reply replied": 30,
        "away auto_replied": 20,
        "dsn bounced": 20,
        "bounce bounced": 0,  # refused while it was handed over: there is no mail
        "stop unsubscribed": 10,
        "click unsubscribed": 0,
    }


def told_of(api: ApiClient, mail_id: int) -> list[str]:
    [tie] = api.get(f"/triage/mails/{mail_id}").get_json()["answers"]
    found: list[str] = tie["detail"].get("recipients", [])
    return found


def the_next_campaign_skips_the_right_people(api: ApiClient, desk: Desk) -> None:
    again = api.post(
        "/campaigns",
        {
            "name": "Next",
            "recipient_table_id": desk.table.id,
            "message_template_id": desk.template.id,
            "sender_id": desk.sender.id,
        },
    ).get_json()["id"]
    end = sent(api, f"/campaigns/{again}")
    assert end["counts"]["skipped"] == 90
    query = sa.select(Message.address, Message.reason).where(
        Message.campaign_id == again, Message.status == "skipped"
    )
    db.session.rollback()
    skipped = Counter(
        (address.partition("+")[0], reason)
        for address, reason in db.session.execute(query)
    )
    db.session.rollback()
    assert db.session.get_one(Campaign, again).state == "finished"
    assert skipped == {
        ("bounce", "Suppressed: hard bounce"): 50,
        ("dsn", "Suppressed: hard bounce"): 20,
        ("stop", "Suppressed: unsubscribed"): 10,
        ("click", "Suppressed: unsubscribed"): 10,
    }
