"""The pages of a campaign, without JavaScript: list, steps, live page, timeline."""

import re

import pytest
import redis
from flask import Flask
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.campaigns.conftest import PEOPLE, Desk, MakeDesk
from tests.conftest import PageClient
from webapp.campaigns import checking, launching, service
from webapp.campaigns.models import Campaign, CampaignEvent
from webapp.campaigns.states import State, Status
from webapp.core.db import db
from webapp.suppressions.models import Suppression


def test_an_empty_list_offers_the_first_campaign(client: PageClient) -> None:
    page = client.get("/campaigns").text
    assert "You have not sent anything yet" in page
    assert "Try the example" in page


def test_the_list_filters_and_says_when_nothing_matches(
    client: PageClient, desk: Desk
) -> None:
    assert "November newsletter" in client.get("/campaigns?state=draft").text
    page = client.get("/campaigns?q=christmas").text
    assert "No campaigns match" in page
    assert "November newsletter" not in page


def test_the_five_steps(client: PageClient, desk: Desk) -> None:
    made = client.submit(
        "/campaigns/new", {"name": "Winter", "recipient_table_id": desk.table.id}
    )
    assert made.status_code == 303
    assert client.get(made.location).status_code == 200
    saved = client.submit(
        made.location,
        {"message_template_id": desk.template.id, "sender_id": desk.sender.id},
    )
    assert "Hello Ada" in client.get(saved.location).text
    place = saved.location.removesuffix("/preview")
    checked = client.submit(f"{place}/check")
    assert "rows checked" in client.get(checked.location).text
    checking.run(int(place.rpartition("/")[2]))
    assert "go on to send" in client.get(checked.location).text
    assert "Send 3 e-mails" in client.get(f"{place}/send").text
    sent = client.submit(
        f"{place}/send",
        {"expected_recipients": 3, "shown_recipients": 3, "hold_seconds": 15},
    )
    assert sent.location == place
    page = client.get(place).text
    assert "Sending begins in 1" in page
    assert "Stop</button>" in page


def test_the_first_step_again_with_what_is_wrong(
    client: PageClient, desk: Desk
) -> None:
    page = client.submit(
        "/campaigns/new", {"name": "", "recipient_table_id": desk.table.id}
    )
    assert page.status_code == 422
    assert "Give the campaign a name." in page.text
    assert f'value="{desk.table.id}" selected' in page.text


def test_saving_over_a_newer_version_is_refused(client: PageClient, desk: Desk) -> None:
    service.edit(desk.campaign.id, name="Newer")
    page = client.submit(
        f"/campaigns/{desk.campaign.id}/recipients", {"name": "Older", "version": 1}
    )
    assert page.status_code == 409
    assert "Somebody saved a newer version" in page.text
    assert 'value="Older"' in page.text


def test_problems_are_fixed_or_left_out_in_one_click(
    client: PageClient, make_desk: MakeDesk
) -> None:
    desk = make_desk([*PEOPLE, {"email": "no-name@example.org"}])
    campaign = desk.checked()
    row = campaign.check_result["problem_rows"][0]["recipient_id"]
    place = f"/campaigns/{desk.campaign.id}"
    page = client.get(f"{place}/check").text
    assert f"/recipient-tables/{desk.table.id}/recipients/{row}" in page
    assert "go on to send" not in page
    client.submit(f"{place}/leave-out", {"recipient_ids-0": row})
    page = client.get(f"{place}/check").text
    assert "go on to send" in page
    assert "The row is left out." in page


@pytest.mark.parametrize(
    ("people", "tick", "number"), [(5, 0, 0), (20, 1, 0), (120, 1, 1)]
)
def test_the_confirmation_ladder(
    client: PageClient, make_desk: MakeDesk, people: int, tick: int, number: int
) -> None:
    rows = [{"email": f"p{n}@example.org", "first_name": "P"} for n in range(people)]
    desk = make_desk(rows)
    desk.checked()
    page = client.get(f"/campaigns/{desk.campaign.id}/send").text
    assert page.count('name="checked_preview"') == tick
    assert page.count('id="expected_recipients"') == number
    assert f"Send {people} e-mails" in page


def test_without_the_tick_nothing_is_sent(
    client: PageClient, make_desk: MakeDesk
) -> None:
    rows = [{"email": f"p{n}@example.org", "first_name": "P"} for n in range(20)]
    desk = make_desk(rows)
    desk.checked()
    place = f"/campaigns/{desk.campaign.id}/send"
    confirmed = {"expected_recipients": "20", "shown_recipients": "20"}
    page = client.submit(place, confirmed)
    assert page.status_code == 422
    assert "Say that you have checked the preview." in page.text
    assert desk.fresh().state == State.READY
    assert (
        client.submit(place, {**confirmed, "checked_preview": "y"}).status_code == 303
    )


@pytest.mark.parametrize("typed", ["1 200", "1,200", "1.200", "1'200", "1200"])
def test_a_typed_number_may_have_its_separators(
    client: PageClient, desk: Desk, typed: str
) -> None:
    desk.checked()
    page = client.submit(
        f"/campaigns/{desk.campaign.id}/send", {"expected_recipients": typed}
    )
    assert page.status_code == 409
    assert "1\u202f200" in page.text


def test_stop_in_the_hold_time(client: PageClient, desk: Desk) -> None:
    desk.checked()
    launching.launch(desk.campaign.id, 3, 60)
    client.submit(f"/campaigns/{desk.campaign.id}/stop")
    assert desk.fresh().state == State.READY
    assert "Nothing has left" in client.get(f"/campaigns/{desk.campaign.id}/send").text


def test_the_live_page_shows_counts_messages_and_no_worker(
    client: PageClient, desk: Desk
) -> None:
    desk.launched()
    desk.set(0, Status.SENT)
    desk.set(1, Status.FAILED, reason_class="address", reason="Address does not exist")
    page = client.get(f"/campaigns/{desk.campaign.id}").text
    assert "66.6 %" in page
    assert "2 of 3 done" in page
    assert "Address does not exist" in page
    assert "No worker is running; the campaign continues when one is back." in page
    assert "Pause" in page


def test_a_dry_run_never_says_plain_sent(
    client: PageClient, make_desk: MakeDesk
) -> None:
    desk = make_desk(sender={"kind": "dry_run"})
    desk.launched()
    desk.set(0, Status.SENT)
    page = client.get(f"/campaigns/{desk.campaign.id}").text
    assert "Sent (dry run)" in page
    assert "</svg>Sent<" not in page


def test_messages_are_filtered_and_searched(client: PageClient, desk: Desk) -> None:
    desk.launched()
    desk.set(1, Status.FAILED, reason_class="busy")
    place = f"/campaigns/{desk.campaign.id}"
    page = client.get(f"{place}?status=failed").text
    assert "Zoë" in page
    assert ">Ada<" not in page
    assert "No sent messages" in client.get(f"{place}?status=sent").text
    assert ">Kofi<" in client.get(f"{place}?q=kofi@").text


def test_pause_resume_cancel(client: PageClient, desk: Desk) -> None:
    place = f"/campaigns/{desk.launched().id}"
    client.submit(f"{place}/pause")
    assert "Resume" in client.get(place).text
    client.submit(f"{place}/resume")
    assert "will not be sent" in client.get(f"{place}/cancel").text
    client.submit(f"{place}/cancel")
    assert desk.fresh().state == State.CANCELLED


def test_unknown_messages_ask_for_a_decision(client: PageClient, desk: Desk) -> None:
    place = f"/campaigns/{desk.launched().id}"
    message = desk.set(0, Status.UNKNOWN)
    page = client.get(place).text
    assert "1 message is unknown" in page
    client.submit(
        f"{place}/resolve-unknown", {"decision": "went", "message_ids-0": message.id}
    )
    assert desk.messages()[0].status == Status.SENT


def test_retry_is_offered_for_what_can_be_retried_only(
    client: PageClient, desk: Desk
) -> None:
    place = f"/campaigns/{desk.launched().id}"
    desk.set(0, Status.FAILED, reason_class="address")
    assert "Retry failed" not in client.get(place).text
    desk.set(1, Status.FAILED, reason_class="busy")
    assert "Retry failed (1)" in client.get(place).text
    client.submit(f"{place}/retry-failed")
    assert [row.status.value for row in desk.messages()] == [
        "failed",
        "pending",
        "pending",
    ]


def test_the_timeline_shows_the_message_in_a_frame_without_powers(
    client: PageClient, desk: Desk
) -> None:
    desk.launched()
    message = desk.messages()[1]
    place = f"/campaigns/{desk.campaign.id}/messages/{message.id}"
    page = client.get(place).text
    assert "What happened" in page
    assert re.search(r"sandbox\s+src=", page)
    frame = client.get(f"{place}/frame")
    assert "Dear Zoë" in frame.text
    assert "sandbox" in frame.headers["Content-Security-Policy"]
    assert "default-src 'none'" in frame.headers["Content-Security-Policy"]
    assert "Message-ID" in client.get(f"{place}?view=source").text


def test_a_message_of_another_campaign_is_not_found(
    client: PageClient, desk: Desk
) -> None:
    desk.launched()
    message = desk.messages()[0]
    assert client.get(f"/campaigns/99/messages/{message.id}").status_code == 404


def test_steps_of_a_launched_campaign_cannot_be_taken(
    client: PageClient, desk: Desk
) -> None:
    place = f"/campaigns/{desk.launched().id}"
    for step in ("recipients", "message", "preview", "check", "send", "delete"):
        answer = client.get(f"{place}/{step}")
        assert (answer.status_code, answer.location) == (303, place), step
    assert "its steps cannot be changed" in client.get(place).text
    assert client.submit(f"{place}/message", {"reply_to": "x@y.zz"}).status_code == 409


def test_delete_asks_first(client: PageClient, desk: Desk) -> None:
    place = f"/campaigns/{desk.campaign.id}"
    assert "Delete the draft" in client.get(f"{place}/delete").text
    assert client.submit(f"{place}/delete").status_code == 303
    db.session.expire_all()
    assert db.session.get(Campaign, desk.campaign.id) is None


def test_archive_and_put_back(client: PageClient, desk: Desk) -> None:
    place = f"/campaigns/{desk.campaign.id}/archive"
    client.submit(place)
    assert "November newsletter" not in client.get("/campaigns?state=draft").text
    client.submit(place, {"put_back": "1"})
    assert "November newsletter" in client.get("/campaigns?state=draft").text


def test_duplicate_makes_a_draft(client: PageClient, desk: Desk) -> None:
    desk.launched()
    made = client.submit(f"/campaigns/{desk.campaign.id}/duplicate")
    assert "Copy of November newsletter" in client.get(made.location).text


def test_the_example_is_made_once_and_checked(client: PageClient, desk: Desk) -> None:
    desk.table.is_example = desk.template.is_example = desk.sender.is_example = True
    db.session.commit()
    first = client.submit("/campaigns/example").location
    assert first == client.submit("/campaigns/example").location
    assert first.endswith("/check")


def test_without_the_kit_there_is_no_example(client: PageClient) -> None:
    assert client.submit("/campaigns/example").status_code == 404


def test_a_test_send_is_noted(client: PageClient, desk: Desk) -> None:
    client.submit(f"/campaigns/{desk.campaign.id}/test", {})
    kinds = db.session.scalars(db.select(CampaignEvent.kind)).all()
    assert "tested" in kinds
    assert service.was_tested(desk.fresh())


def test_hostile_names_are_text(client: PageClient, make_desk: MakeDesk) -> None:
    desk = make_desk([{"email": "a@example.org", "first_name": "<img src=x>\u202e"}])
    desk.launched()
    for path in ("", f"/messages/{desk.messages()[0].id}"):
        page = client.get(f"/campaigns/{desk.campaign.id}{path}").text
        assert "<img" not in page
        assert "[U+202E]" in page


def test_what_changed_last_comes_first_while_it_sends(
    client: PageClient, desk: Desk
) -> None:
    place = f"/campaigns/{desk.launched().id}"
    desk.set(1, Status.SENT)
    newest, rows = client.get(place).text, client.get(f"{place}?order=rows").text
    assert newest.index(">Zoë<") < newest.index(">Ada<")
    assert rows.index(">Ada<") < rows.index(">Zoë<")


def test_an_address_is_suppressed_from_its_timeline(
    client: PageClient, desk: Desk
) -> None:
    desk.launched()
    place = f"/campaigns/{desk.campaign.id}/messages/{desk.messages()[1].id}"
    assert "Previous row" in client.get(place).text
    client.submit(f"{place}/suppress")
    assert "We never write to zoe@example.org any more." in client.get(place).text
    keys = db.session.scalars(db.select(Suppression.address_key)).all()
    assert keys == ["zoe@example.org"]


def test_a_silent_queue_is_said_and_loses_nothing(
    app: Flask, client: PageClient, desk: Desk
) -> None:
    place = f"/campaigns/{desk.launched().id}"
    app.extensions["redis"] = redis.Redis.from_url(
        "unix:///nowhere/redis.sock", retry=Retry(NoBackoff(), 0)
    )
    assert "The queue does not answer" in client.get(place).text
    client.submit(f"{place}/pause")
    assert client.submit(f"{place}/resume").status_code == 303
    assert desk.fresh().state == State.SENDING


def test_a_check_waits_for_the_queue(
    app: Flask, client: PageClient, desk: Desk
) -> None:
    app.extensions["redis"] = redis.Redis.from_url(
        "unix:///nowhere/redis.sock", retry=Retry(NoBackoff(), 0)
    )
    place = f"/campaigns/{desk.campaign.id}/check"
    assert client.submit(place).status_code == 303
    assert "The queue does not answer" in client.get(place).text


def test_a_campaign_opens_at_the_step_that_comes_next(
    client: PageClient, desk: Desk
) -> None:
    place = f"/campaigns/{desk.campaign.id}"
    assert client.get(place).location.endswith("/check")
    service.edit(desk.campaign.id, sender_id=None)
    assert client.get(place).location.endswith("/message")
    service.edit(desk.campaign.id, recipient_table_id=None)
    assert client.get(place).location.endswith("/recipients")
