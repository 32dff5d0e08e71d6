"""The send page: now or at a time, what it comes to, and the page of a schedule."""

from datetime import datetime, timedelta

import pytest

from tests.campaigns.conftest import Desk, MakeDesk
from tests.conftest import PageClient
from webapp.campaigns import launching, schedules
from webapp.campaigns.states import State
from webapp.core.clock import now
from webapp.core.db import db

TOMORROW = f"{now() + timedelta(days=1):%Y-%m-%dT%H:%M}"
WHEN = {"when": "at", "scheduled_at": TOMORROW, "time_zone": "UTC"}
CONFIRM = {"expected_recipients": "3", "shown_recipients": "3", "hold_seconds": "15"}


def page_of(client: PageClient, desk: Desk, tail: str = "/send", **query: str) -> str:
    answer = client.get(f"/campaigns/{desk.campaign.id}{tail}", query_string=query)
    assert answer.status_code == 200
    return answer.text


def test_the_zone_of_the_operator_is_the_default(
    client: PageClient, desk: Desk, operator: object
) -> None:
    operator.time_zone = "Asia/Kathmandu"  # type: ignore[attr-defined]  # an Operator
    db.session.commit()
    desk.checked()
    assert '<option value="Asia/Kathmandu" selected>' in page_of(client, desk)


def test_what_a_throttle_comes_to_is_worked_out(
    client: PageClient, make_desk: MakeDesk
) -> None:
    desk = make_desk([{"email": f"p{n}@example.org"} for n in range(30)], html="Hello")
    desk.template.versions[0].subject = "Hello"
    db.session.commit()
    desk.checked()
    query = {"when": "at", "scheduled_at": TOMORROW, "time_zone": "UTC"}
    text = page_of(client, desk, throttle="1", fragment="estimate", **query)
    ends = datetime.fromisoformat(TOMORROW) + timedelta(minutes=30)
    assert "At most 1 a minute" in text
    assert f"{ends:%H:%M} (UTC), after 30 min 0 s of sending" in text
    assert "<html" not in text
    desk.fresh()
    assert desk.campaign.state == State.READY


def test_working_it_out_names_what_is_wrong(client: PageClient, desk: Desk) -> None:
    desk.checked()
    text = page_of(client, desk, when="at", scheduled_at="", fragment="estimate")
    assert "Choose a date and a time." in text
    text = page_of(client, desk, when="at", scheduled_at="2020-01-01T08:00")
    assert "This must" not in text
    assert "Give date and time" in text or "This time is over." in text


def test_a_schedule_is_made_changed_and_sent_now(
    client: PageClient, desk: Desk
) -> None:
    campaign_id = desk.checked().id
    form = {
        **WHEN,
        **CONFIRM,
        "windows-0-days": ["mon", "fri"],
        "windows-0-from": "18:00",
        "windows-0-to": "00:00",
        "windows-1-from": "",
        "windows-1-to": "",
    }
    answer = client.submit(f"/campaigns/{campaign_id}/send", form)
    assert answer.status_code == 303
    campaign = desk.fresh()
    assert (campaign.state, campaign.scheduled_at) == (State.SCHEDULED, TOMORROW)
    window = {"days": ["mon", "fri"], "from": "18:00", "to": "24:00"}
    assert campaign.windows == [window]
    page = page_of(client, desk, "")
    assert "Starts in 23 h" in page
    assert "Mon, Fri 18:00-24:00 (UTC)" in page
    assert "Send now" in page
    assert "Choose another time" in page
    later = f"{now() + timedelta(days=2):%Y-%m-%dT%H:%M}"
    assert TOMORROW in page_of(client, desk, "/schedule")
    new = {"scheduled_at": later, "time_zone": "UTC"}
    client.submit(f"/campaigns/{campaign_id}/schedule", new)
    assert desk.fresh().scheduled_at == later
    client.submit(f"/campaigns/{campaign_id}/send-now")
    assert desk.fresh().state == State.HOLDING
    assert client.get(f"/campaigns/{campaign_id}/schedule").status_code == 409


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"when": "at", "scheduled_at": ""}, "Choose a date and a time."),
        ({"windows-0-from": "08:00", "windows-0-to": "08:00"}, "this window is empty"),
        ({"windows-0-days": "mon"}, "Give a time such as 18:00."),
        ({"time_zone": "Mars/Olympus"}, "There is no such time zone"),
    ],
)
def test_what_is_wrong_stands_beside_its_field(
    client: PageClient, desk: Desk, given: dict[str, str], words: str
) -> None:
    campaign_id = desk.checked().id
    answer = client.submit(f"/campaigns/{campaign_id}/send", {**CONFIRM, **given})
    assert answer.status_code == 422
    assert words in answer.text
    assert desk.fresh().state == State.READY


def test_now_ignores_a_time_that_was_typed(client: PageClient, desk: Desk) -> None:
    campaign_id = desk.checked().id
    form = {**CONFIRM, "when": "now", "scheduled_at": TOMORROW, "time_zone": "UTC"}
    client.submit(f"/campaigns/{campaign_id}/send", form)
    campaign = desk.fresh()
    assert (campaign.state, campaign.scheduled_at) == (State.HOLDING, "")


def test_what_was_missed_is_asked_on_its_page_and_on_the_dashboard(
    client: PageClient, desk: Desk
) -> None:
    campaign_id = desk.checked().id
    client.submit(f"/campaigns/{campaign_id}/send", {**WHEN, **CONFIRM})
    launching.run(campaign_id)
    name = "did not start by itself"
    assert name not in client.get("/").text
    desk.fresh().scheduled_at = f"{now() - timedelta(hours=2):%Y-%m-%dT%H:%M}"
    db.session.commit()
    schedules.fire_due()
    for page in (page_of(client, desk, ""), client.get("/").text):
        assert "and nothing ran then" in page
    assert name in client.get("/").text
    assert "Starts at" not in client.get("/").text
