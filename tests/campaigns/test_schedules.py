"""Scheduled campaigns: frozen when scheduled, fired once, asked about when missed."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from tests.campaigns.conftest import Desk, body, desk_of, recipient_of
from tests.campaigns.test_steering import at_once
from tests.conftest import ApiClient
from webapp.campaigns import launching, live, schedules, steering, timing
from webapp.campaigns.models import Campaign, CampaignEvent
from webapp.campaigns.states import State
from webapp.core import queue
from webapp.core.clock import now
from webapp.core.db import db
from webapp.core.errors import Refused
from webapp.operators.models import AuditEntry


def wall(**ahead: float) -> str:
    """The wall time in UTC that far ahead."""
    return f"{now() + timedelta(**ahead):%Y-%m-%dT%H:%M}"


def scheduled(desk: Desk, api: ApiClient, **more: Any) -> Campaign:
    """Check the campaign and launch it for tomorrow."""
    campaign = desk.checked()
    call = {"expected_recipients": 3, "scheduled_at": wall(days=1), "time_zone": "UTC"}
    answer = api.post(f"/campaigns/{campaign.id}/launch", {**call, **more})
    assert answer.status_code == 202, answer.json
    launching.run(campaign.id)
    return desk.fresh()


def late(desk: Desk, **ago: float) -> None:
    """Let the time be so long ago, and up to a minute, without anything having run."""
    desk.fresh().scheduled_at = f"{now() - timedelta(**ago):%Y-%m-%dT%H:%M}"
    db.session.commit()


def history() -> list[str]:
    kinds = db.session.scalars(sa.select(CampaignEvent.kind).order_by(CampaignEvent.id))
    return list(kinds)[2:]


def test_it_waits_with_its_rows_written_and_nothing_leaves(
    desk: Desk, api: ApiClient
) -> None:
    campaign = scheduled(desk, api)
    schedules.fire_due()
    launching.launch_due()
    assert desk.fresh().state == State.SCHEDULED
    assert [one.status.value for one in desk.messages()] == ["pending"] * 3
    status = live.status_of(desk.fresh())
    assert (status["total"], status["counts"]["pending"]) == (3, 3)
    assert status["started_at"] is None
    assert not queue.queue(queue.Lane.CAMPAIGNS).job_ids
    assert campaign.launched_at is not None


def test_who_is_added_after_it_was_scheduled_gets_nothing(
    desk: Desk, api: ApiClient
) -> None:
    scheduled(desk, api)
    later = recipient_of(desk.table, {"email": "late@example.org", "first_name": "Lat"})
    db.session.add(later)
    db.session.commit()
    desk.table.rows_version += 1
    late(desk, minutes=1)
    fire_through(desk)
    assert desk.fresh().state == State.SENDING
    assert [one.address.split("@")[0] for one in desk.messages()] == [
        "ada",
        "zoe",
        "kofi",
    ]


def fire_through(desk: Desk) -> None:
    """Let the time come, and the hold time pass, as ticks do."""
    schedules.fire_due()
    assert desk.fresh().state == State.HOLDING
    desk.fresh().hold_until = now() - timedelta(seconds=1)
    db.session.commit()
    launching.launch_due()
    launching.run(desk.campaign.id)


@pytest.fixture(params=["app", "on_postgres"])
def database(request: pytest.FixtureRequest) -> Flask:
    """SQLite, then PostgreSQL."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Flask)
    return found


def test_several_workers_fire_it_once(database: Flask) -> None:
    desk = desk_of()
    campaign = desk.checked()
    given = {"scheduled_at": wall(days=1), "time_zone": "UTC"}
    launching.launch(campaign.id, 3, 15, given)
    launching.run(campaign.id)
    late(desk, minutes=1)
    desk.fresh()
    db.session.remove()
    at_once(database, *[schedules.fire_due] * 4)
    assert desk.fresh().state == State.HOLDING
    assert history() == ["scheduled", "due"]
    schedules.fire_due()
    assert history() == ["scheduled", "due"]


def test_it_fires_with_the_queue_lost(desk: Desk, api: ApiClient) -> None:
    scheduled(desk, api, hold_seconds=0)
    late(desk, minutes=58)
    queue.connection().flushall()
    fire_through(desk)
    assert desk.fresh().state == State.SENDING


@pytest.mark.parametrize(("minutes", "asks"), [(58, False), (62, True)])
def test_missed_by_more_than_an_hour_asks(
    desk: Desk, api: ApiClient, minutes: int, asks: bool
) -> None:
    scheduled(desk, api)
    late(desk, minutes=minutes)
    assert schedules.asks(desk.fresh(), now()) is asks  # before anything runs again
    schedules.fire_due()
    schedules.fire_due()
    state, found = (State.SCHEDULED, "missed") if asks else (State.HOLDING, "due")
    assert desk.fresh().state == state
    assert history() == ["scheduled", found]
    assert bool(schedules.asking(now())) is asks


def test_how_late_is_a_setting(desk: Desk, api: ApiClient) -> None:
    scheduled(desk, api, late_minutes=5)
    late(desk, minutes=7)
    schedules.fire_due()
    assert desk.fresh().asks_since is not None


def test_what_asks_waits_for_send_now_another_time_or_cancel(
    desk: Desk, api: ApiClient
) -> None:
    campaign_id = scheduled(desk, api).id
    late(desk, hours=2)
    schedules.fire_due()
    call = {"scheduled_at": wall(hours=3), "time_zone": "Asia/Kolkata"}
    assert api.post(f"/campaigns/{campaign_id}/schedule", call).status_code == 422
    call["time_zone"] = "UTC"
    made = body(api.post(f"/campaigns/{campaign_id}/schedule", call))
    assert (made["state"], made["asks"]) == ("scheduled", "")
    late(desk, hours=2)
    schedules.fire_due()
    assert body(api.get(f"/campaigns/{campaign_id}"))["asks"]
    made = body(api.post(f"/campaigns/{campaign_id}/send-now"))
    assert made["state"] == "holding"
    assert api.post(f"/campaigns/{campaign_id}/send-now").status_code == 409
    wanted = {"scheduled", "rescheduled", "sent_now"}
    actions = set(db.session.scalars(sa.select(AuditEntry.action)))
    assert {f"campaign.{one}" for one in wanted} <= actions


def test_stopped_in_its_hold_time_it_asks(desk: Desk, api: ApiClient) -> None:
    campaign_id = scheduled(desk, api).id
    schedules.send_now(campaign_id)
    launching.stop(campaign_id)
    schedules.fire_due()
    campaign = desk.fresh()
    assert (campaign.state, campaign.asks_since is None) == (State.SCHEDULED, False)
    assert schedules.words_of(campaign) == "It was stopped in its hold time."
    assert len(desk.messages()) == 3


def test_a_hold_time_that_ended_while_nothing_ran_starts_nothing(
    desk: Desk, api: ApiClient
) -> None:
    campaign_id = scheduled(desk, api).id
    schedules.send_now(campaign_id)
    desk.fresh().hold_until = now() - timedelta(hours=2)
    db.session.commit()
    launching.launch_due()
    assert desk.fresh().state == State.SCHEDULED
    assert "nothing ran then" in schedules.words_of(desk.fresh())


def test_neither_does_that_of_a_launch_of_now(desk: Desk) -> None:
    launching.launch(desk.checked().id, 3, 15)
    desk.fresh().hold_until = now() - timedelta(minutes=59)
    db.session.commit()
    launching.launch_due()
    assert desk.fresh().state == State.LAUNCHING
    campaign = desk.fresh()
    campaign.state = State.HOLDING
    campaign.hold_until = now() - timedelta(minutes=61)
    db.session.commit()
    launching.launch_due()
    assert (desk.fresh().state, desk.messages()) == (State.READY, [])


def test_a_draft_may_have_a_time_and_windows_already(
    desk: Desk, api: ApiClient
) -> None:
    window = {"days": ["sat"], "from": "09:00", "to": "12:30"}
    given = {"scheduled_at": wall(days=2), "time_zone": "UTC", "windows": [window]}
    made = body(api.post("/campaigns", {"name": "Later", **given}))
    assert {name: made[name] for name in given} == given
    path = f"/campaigns/{made['id']}"
    made = body(api.patch(path, {"windows": [], "time_zone": "Asia/Tokyo"}))
    assert (made["windows"], made["time_zone"]) == ([], "Asia/Tokyo")
    assert made["scheduled_at"] == given["scheduled_at"]
    api.patch(f"/campaigns/{desk.campaign.id}", given)
    campaign = desk.checked()
    call = {"expected_recipients": 3}
    made = body(api.post(f"/campaigns/{campaign.id}/launch", call))
    assert made["state"] == "scheduled"


def test_a_cancelled_one_never_fires(desk: Desk, api: ApiClient) -> None:
    campaign_id = scheduled(desk, api).id
    assert steering.cancel(campaign_id) == 3
    late(desk, minutes=1)
    schedules.fire_due()
    assert desk.fresh().state == State.CANCELLED
    with pytest.raises(Refused):
        schedules.send_now(campaign_id)


def test_a_time_that_was_changed_meanwhile_does_not_fire(
    desk: Desk, api: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign_id = scheduled(desk, api).id
    late(desk, minutes=1)
    usual = timing.is_missed

    def slow(campaign: Campaign, at: datetime) -> bool:
        found = usual(campaign, at)
        db.session.rollback()
        monkeypatch.undo()
        schedules.reschedule(campaign_id, wall(days=2), "UTC")
        return found

    monkeypatch.setattr(timing, "is_missed", slow)
    schedules.fire_due()
    assert desk.fresh().state == State.SCHEDULED


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"scheduled_at": wall(minutes=-2)}, "scheduled_at"),
        ({"scheduled_at": wall(days=31)}, "scheduled_at"),
        ({"scheduled_at": "tomorrow"}, "scheduled_at"),
        ({"scheduled_at": "2026-11-23T08:00:00Z"}, "scheduled_at"),
        ({"time_zone": "Europe/Nowhere"}, "time_zone"),
        ({"windows": [{"days": [], "from": "08:00", "to": "09:00"}]}, "windows.0.days"),
        (
            {"windows": [{"days": ["mon"], "from": "08:00", "to": "08:00"}]},
            "windows.0.to",
        ),
        (
            {"windows": [{"days": ["mon"], "from": "8", "to": "09:00"}]},
            "windows.0.from",
        ),
        (
            {"windows": [{"days": ["lundi"], "from": "08:00", "to": "09:00"}]},
            "windows.0",
        ),
        ({"late_minutes": 0}, "late_minutes"),
    ],
)
def test_what_is_no_time_is_refused_by_name(
    desk: Desk, api: ApiClient, given: dict[str, Any], field: str
) -> None:
    campaign = desk.checked()
    call = {"expected_recipients": 3, "time_zone": "UTC", **given}
    answer = api.post(f"/campaigns/{campaign.id}/launch", call)
    assert answer.status_code == 422
    assert any(name.startswith(field) for name in body(answer)["fields"])
    assert desk.fresh().state == State.READY


def test_the_check_still_decides(desk: Desk, api: ApiClient) -> None:
    campaign = desk.checked()
    call = {"expected_recipients": 2, "scheduled_at": wall(days=1), "time_zone": "UTC"}
    assert api.post(f"/campaigns/{campaign.id}/launch", call).status_code == 409
    assert desk.fresh().state == State.READY


def test_windows_and_throttle_come_with_the_launch(desk: Desk, api: ApiClient) -> None:
    window = {"days": ["tue", "mon"], "from": "22:00", "to": "06:00"}
    campaign = scheduled(desk, api, windows=[window], throttle=30, late_minutes=90)
    kept = {"days": ["mon", "tue"], "from": "22:00", "to": "06:00"}
    assert (campaign.windows, campaign.throttle) == ([kept], 30)
    assert campaign.late_minutes == 90
    shown = body(api.get(f"/campaigns/{campaign.id}"))
    assert shown["windows"] == [kept]
    assert shown["starts_at"] == f"{campaign.scheduled_at}:00Z"


def test_a_skipped_hour_is_said_in_words() -> None:
    found = timing.moment("2027-03-28T02:30", "Europe/Berlin")
    assert found.instant == datetime(2027, 3, 28, 1, 30, tzinfo=UTC)
    assert found.remark == "The clocks skip 02:30 that day; it is taken as 03:30."
    assert "comes" not in timing.moment("2027-03-28T04:30", "Europe/Berlin").remark
    twice = timing.moment("2026-10-25T02:30", "Europe/Berlin")
    assert "twice that day; the first one counts (UTC+02:00)" in twice.remark
