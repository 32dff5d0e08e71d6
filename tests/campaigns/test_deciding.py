"""Retry and resolve: all, a group, one; asked first with numbers; for many at once."""

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from tests.campaigns.conftest import Desk, MakeDesk, body, sender_of
from tests.conftest import ApiClient, PageClient
from webapp.campaigns import deciding, live, moves
from webapp.campaigns.deciding import Decision
from webapp.campaigns.models import Campaign, Event, Message, MessageAddress
from webapp.campaigns.states import State, Status
from webapp.core import queue
from webapp.core.clock import now
from webapp.core.db import db
from webapp.core.errors import Refused
from webapp.core.ids import uuid7
from webapp.operators.models import AuditEntry

OLD = timedelta(minutes=16)


@pytest.fixture
def finished(make_desk: MakeDesk) -> Desk:
    """Two busy, one policy, one address that failed; one unknown; the campaign over."""
    desk = make_desk(
        [{"email": f"p{n}@example.org", "first_name": "P"} for n in range(6)]
    )
    desk.launched()
    for row, reason in enumerate(("busy", "busy", "policy", "address")):
        desk.set(row, Status.FAILED, reason_class=reason, tries=3)
    desk.set(4, Status.UNKNOWN, marked_at=now() - OLD, worker_id=uuid7())
    desk.set(5, Status.SENT)
    moves.finish_if_done(desk.campaign.id)
    assert desk.fresh().state == State.FINISHED
    return desk


def statuses(desk: Desk) -> list[str]:
    return [one.status.value for one in desk.messages()]


def test_the_page_asks_with_the_numbers_and_changes_nothing(
    client: PageClient, finished: Desk
) -> None:
    before = statuses(finished)
    path = f"/campaigns/{finished.campaign.id}/retry-failed"
    page = client.get(path).text
    assert "<b>2</b><span>are sent again: Inbox not accepting" in page
    assert "<b>1</b><span>stay failed: Address does not exist" in page
    assert "Send 3 again" in page
    page = client.get(path, query_string={"reason_class": "busy"}).text
    assert "Send 2 again" in page
    assert "<b>1</b><span>stay failed: Rejected by the receiving system" in page
    assert statuses(finished) == before


def test_one_group_of_reasons_is_sent_again(client: PageClient, finished: Desk) -> None:
    path = f"/campaigns/{finished.campaign.id}/retry-failed"
    answer = client.submit(path, {"reason_class": "busy"})
    assert answer.status_code == 303
    assert statuses(finished)[:4] == ["pending", "pending", "failed", "failed"]
    campaign = finished.fresh()
    assert (campaign.state, campaign.finished_at) == (State.SENDING, None)
    assert "Sending again" in client.get(f"/campaigns/{campaign.id}").text
    assert live.live(finished.fresh()).elapsed < 60
    entry = db.session.scalars(
        sa.select(AuditEntry).where(AuditEntry.action == "campaign.failed_retried")
    ).one()
    assert entry.detail == {"messages": 2, "reason_class": "busy"}


def test_it_finishes_once_more(finished: Desk) -> None:
    deciding.retry_failed(finished.campaign.id, "policy")
    assert not moves.finish_if_done(finished.campaign.id)
    finished.set(2, Status.SENT)
    assert moves.finish_if_done(finished.campaign.id)
    assert finished.fresh().finished_at is not None


def test_one_message_is_sent_again_whatever_the_server_said(
    client: PageClient, api: ApiClient, finished: Desk
) -> None:
    rows = finished.messages()
    campaign_id, first, last = finished.campaign.id, rows[0].id, rows[3].id
    page = client.get(f"/campaigns/{campaign_id}/messages/{last}").text
    assert f"/messages/{last}/retry" in page
    client.submit(f"/messages/{last}/retry")
    assert body(api.post(f"/messages/{first}/retry"))["status"] == "pending"
    assert statuses(finished)[:4] == ["pending", "failed", "failed", "pending"]
    assert finished.fresh().state == State.SENDING
    assert api.post(f"/messages/{first}/retry").status_code == 409


def test_a_row_that_could_not_be_rendered_stays(finished: Desk) -> None:
    message = finished.set(0, Status.FAILED, reason_class="content")
    with pytest.raises(Refused):
        deciding.retry_message(message.id)
    assert finished.fresh().state == State.FINISHED


def test_a_single_message_without_a_campaign_is_sent_again(
    api: ApiClient, client: PageClient
) -> None:
    sender_of()
    call = {"to": ["ada@example.org"], "subject": "Hi", "text": "Dear"}
    made = body(api.post("/messages", call))["id"]
    db.session.get_one(Message, made).status = Status.FAILED
    db.session.commit()
    queue.connection().flushdb()
    assert f"/messages/{made}/retry" in client.get(f"/messages/{made}").text
    assert body(api.post(f"/messages/{made}/retry"))["status"] == "pending"
    assert len(queue.queue(queue.Lane.TRANSACTIONAL).job_ids) == 1
    db.session.get_one(Message, made).status = Status.UNKNOWN
    db.session.commit()
    went = {"decision": "went"}
    assert body(api.post(f"/messages/{made}/resolve", went))["status"] == "sent"


def test_what_cannot_be_sent_again_yet_is_counted_apart(
    client: PageClient, finished: Desk
) -> None:
    finished.set(3, Status.UNKNOWN, marked_at=now(), worker_id=uuid7())
    path = f"/campaigns/{finished.campaign.id}/resolve-unknown"
    page = client.get(path, query_string={"decision": "send_again"}).text
    assert "<b>1</b><span>are sent again." in page
    assert "<b>1</b><span>wait: their worker may still be at it" in page
    page = client.get(path, query_string={"decision": "went"}).text
    assert "<b>2</b><span>become" in page
    client.submit(path, {"decision": "send_again"})
    assert statuses(finished)[3:5] == ["unknown", "pending"]


def test_one_unknown_message_of_two_is_decided(api: ApiClient, finished: Desk) -> None:
    other = finished.set(3, Status.UNKNOWN, marked_at=now(), worker_id=uuid7())
    again, went = {"decision": "send_again"}, {"decision": "went"}
    assert api.post(f"/messages/{other.id}/resolve", again).status_code == 409
    shown = body(api.post(f"/messages/{other.id}/resolve", went))
    assert (shown["status"], finished.fresh().state) == ("sent", State.FINISHED)
    assert statuses(finished)[4] == "unknown"
    wrong = {"decision": "perhaps"}
    assert api.post(f"/messages/{other.id}/resolve", wrong).status_code == 422


def test_it_went_holds_for_each_of_its_addresses(make_desk: MakeDesk) -> None:
    desk = make_desk(campaign={"cc": ["desk@example.org"]})
    desk.launched()
    message = desk.set(0, Status.UNKNOWN)
    for kind, address in (("to", message.address), ("cc", "desk@example.org")):
        db.session.add(
            MessageAddress(
                message_id=message.id,
                kind=kind,
                address=address,
                status=Status.UNKNOWN,
            )
        )
    db.session.commit()
    deciding.resolve_unknown(desk.campaign.id, Decision.WENT)
    found = db.session.scalars(sa.select(MessageAddress.status)).all()
    assert found == [Status.SENT, Status.SENT]


def test_a_thousand_failed_of_many_are_sent_again_in_parts(
    app: Flask, make_desk: MakeDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    del app
    desk = make_desk()
    campaign_id = desk.launched().id
    rows: list[dict[str, Any]] = [
        {
            "campaign_id": campaign_id,
            "recipient_id": 1000 + n,
            "address": f"p{n}@example.org",
            "status": Status.FAILED if n % 20 == 0 else Status.SENT,
            "reason_class": "busy" if n % 20 == 0 else "",
        }
        for n in range(20_000)
    ]
    db.session.execute(sa.insert(Message), rows)
    db.session.commit()
    monkeypatch.setattr(deciding, "PART", 300)
    parts: list[int] = []
    usual = deciding._part

    def part(*given: Any) -> list[int]:
        found = usual(*given)
        parts.append(len(found))
        return found

    monkeypatch.setattr(deciding, "_part", part)
    assert deciding.retry_failed(campaign_id) == 1000
    assert parts == [300, 300, 300, 100, 0]
    count = sa.select(sa.func.count())
    pending = count.select_from(Message).where(Message.status == Status.PENDING)
    told = count.select_from(Event).where(Event.kind == "retried")
    assert (db.session.scalar(pending), db.session.scalar(told)) == (1003, 1000)
    assert db.session.get_one(Campaign, campaign_id).state == State.SENDING
