"""Steering: each move once, whoever is at it, and nothing is sent twice."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa
from flask import Flask

from tests.campaigns.conftest import Desk, MakeDesk
from webapp.campaigns import launching, moves, steering, tallies
from webapp.campaigns.models import CampaignEvent, Event, MessageAddress
from webapp.campaigns.states import CAMPAIGN_MOVES, State, Status
from webapp.campaigns.steering import Decision
from webapp.core import queue
from webapp.core.clock import now
from webapp.core.db import db
from webapp.core.errors import DomainError, Refused
from webapp.core.ids import uuid7
from webapp.delivery.models import Worker
from webapp.operators.models import AuditEntry


def test_every_state_has_its_moves() -> None:
    assert set(CAMPAIGN_MOVES) == set(State)


@pytest.mark.parametrize("state", list(State))
def test_only_the_table_of_moves_decides(desk: Desk, state: State) -> None:
    campaign = desk.launched()
    campaign.state = state
    db.session.commit()
    allowed = State.PAUSED in CAMPAIGN_MOVES[state]
    assert moves.move(campaign.id, State.PAUSED, kind="paused") is allowed
    db.session.rollback()


def test_cancel_takes_what_waits_and_leaves_what_is_on_its_way(desk: Desk) -> None:
    campaign = desk.launched()
    desk.set(0, Status.SENDING)
    desk.set(1, Status.DEFERRED)
    assert steering.cancel(campaign.id) == 2
    assert [row.status.value for row in desk.messages()] == [
        "sending",
        "cancelled",
        "cancelled",
    ]


def test_a_large_campaign_is_cancelled_at_once_and_its_rows_in_pieces(
    make_desk: MakeDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steering, "ROWS_AT_ONCE", 2)
    desk = make_desk(
        [{"email": f"p{n}@example.org", "first_name": "P"} for n in range(7)]
    )
    campaign = desk.launched()
    desk.set(0, Status.SENDING)
    assert steering.cancel(campaign.id) == 6
    assert desk.fresh().state == State.CANCELLED
    counts = tallies.counts(campaign.id)
    db.session.rollback()
    assert (counts[Status.CANCELLED], counts[Status.PENDING]) == (2, 4)
    assert [steering.cancel_rows(campaign.id) for _turn in range(3)] == [2, 2, 0]
    assert desk.messages()[0].status == Status.SENDING
    assert tallies.differences() == []


def test_only_rows_of_a_cancelled_campaign_are_cancelled(desk: Desk) -> None:
    campaign = desk.launched()
    assert steering.cancel_rows(campaign.id) == 0
    assert {row.status for row in desk.messages()} == {Status.PENDING}


def test_cancel_never_touches_what_was_sent(desk: Desk) -> None:
    campaign = desk.launched()
    desk.set(0, Status.SENT)
    steering.cancel(campaign.id)
    assert desk.messages()[0].status == Status.SENT


def test_retry_is_for_failed_messages_of_retryable_classes(desk: Desk) -> None:
    campaign = desk.launched()
    desk.set(0, Status.FAILED, reason_class="address")
    desk.set(1, Status.FAILED, reason_class="policy", tries=3)
    desk.set(2, Status.SENT)
    moves.finish_if_done(campaign.id)
    assert desk.fresh().state == State.FINISHED
    assert steering.retry_failed(campaign.id) == 1
    rows = desk.messages()
    assert [row.status.value for row in rows] == ["failed", "pending", "sent"]
    assert rows[1].tries == 0
    assert desk.fresh().state == State.SENDING


def test_retry_of_one_class(desk: Desk) -> None:
    campaign = desk.launched()
    desk.set(0, Status.FAILED, reason_class="busy")
    desk.set(1, Status.FAILED, reason_class="policy")
    assert steering.retry_failed(campaign.id, "busy") == 1
    assert desk.messages()[1].status == Status.FAILED


def test_retry_brings_back_only_the_refused_addresses(make_desk: MakeDesk) -> None:
    desk = make_desk(campaign={"cc": ["desk@example.org"]})
    campaign = desk.launched()
    message = desk.set(0, Status.FAILED, reason_class="busy")
    for kind, address, status in (
        ("to", message.address, Status.FAILED),
        ("cc", "desk@example.org", Status.SENT),
    ):
        db.session.add(
            MessageAddress(
                message_id=message.id, kind=kind, address=address, status=status
            )
        )
    db.session.commit()
    steering.retry_failed(campaign.id)
    rows = db.session.scalars(
        sa.select(MessageAddress).where(MessageAddress.message_id == message.id)
    )
    assert {row.kind: row.status.value for row in rows} == {
        "to": "pending",
        "cc": "sent",
    }


def test_it_went_makes_it_sent_and_says_who_said_so(desk: Desk) -> None:
    campaign = desk.launched()
    message = desk.set(0, Status.UNKNOWN)
    assert steering.resolve_unknown(campaign.id, Decision.WENT, [message.id]) == 1
    assert desk.messages()[0].sent_at is not None
    kinds = db.session.scalars(sa.select(Event.kind)).all()
    assert kinds == ["said_sent"]


def test_send_again_waits_for_the_worker(desk: Desk) -> None:
    campaign = desk.launched()
    worker = Worker(id=uuid7(), beat_at=now() - timedelta(minutes=5))
    db.session.add(worker)
    db.session.commit()
    desk.set(0, Status.UNKNOWN, worker_id=worker.id, marked_at=now())
    with pytest.raises(Refused, match="may still be at it"):
        steering.resolve_unknown(campaign.id, Decision.SEND_AGAIN)
    assert desk.messages()[0].status == Status.UNKNOWN
    db.session.get_one(Worker, worker.id).stopped_at = now()
    db.session.commit()
    assert steering.resolve_unknown(campaign.id, Decision.SEND_AGAIN) == 1
    assert desk.messages()[0].status == Status.PENDING


def test_send_again_after_a_quarter_of_an_hour(desk: Desk) -> None:
    campaign = desk.launched()
    attempt, old = uuid7(), now() - timedelta(minutes=16)
    desk.set(0, Status.UNKNOWN, worker_id=uuid7(), marked_at=old, attempt=attempt)
    assert steering.resolve_unknown(campaign.id, Decision.SEND_AGAIN) == 1
    # Late truth about the old attempt may still mend the row.
    assert desk.messages()[0].attempt == attempt


def test_send_again_lets_a_finished_campaign_send(desk: Desk) -> None:
    campaign = desk.launched()
    for row in range(3):
        desk.set(row, Status.SENT)
    desk.set(0, Status.UNKNOWN, marked_at=now() - timedelta(minutes=16))
    assert moves.finish_if_done(campaign.id)
    queue.connection().flushdb()
    steering.resolve_unknown(campaign.id, Decision.SEND_AGAIN)
    assert desk.fresh().state == State.SENDING
    assert len(queue.queue(queue.Lane.CAMPAIGNS).job_ids) == 1


def test_a_cancelled_campaign_sends_nothing_again(desk: Desk) -> None:
    campaign = desk.launched()
    desk.set(0, Status.FAILED, reason_class="busy")
    desk.set(1, Status.UNKNOWN, marked_at=now() - timedelta(minutes=16))
    steering.cancel(campaign.id)
    with pytest.raises(Refused):
        steering.retry_failed(campaign.id)
    with pytest.raises(Refused):
        steering.resolve_unknown(campaign.id, Decision.SEND_AGAIN)
    assert [row.status.value for row in desk.messages()] == [
        "failed",
        "unknown",
        "cancelled",
    ]


def test_a_campaign_with_waiting_messages_does_not_finish(desk: Desk) -> None:
    campaign = desk.launched()
    desk.set(0, Status.SENT)
    assert not moves.finish_if_done(campaign.id)


def test_the_breaker_pauses_with_its_words(desk: Desk) -> None:
    campaign = desk.launched()
    assert moves.pause_for(campaign.id, "535 refused")
    assert desk.fresh().pause_reason == "535 refused"
    steering.resume(campaign.id)
    assert desk.fresh().pause_reason == ""


def test_each_move_is_in_the_history_and_in_the_audit_log(desk: Desk) -> None:
    campaign = desk.launched()
    steering.pause(campaign.id)
    steering.resume(campaign.id)
    steering.cancel(campaign.id)
    kinds = db.session.scalars(sa.select(CampaignEvent.kind).order_by(CampaignEvent.id))
    assert list(kinds) == [
        "checking",
        "checked",
        "launched",
        "preparing",
        "sending",
        "paused",
        "resumed",
        "cancelled",
    ]
    actions = set(db.session.scalars(sa.select(AuditEntry.action)))
    wanted = {"created", "checked", "launched", "paused", "resumed", "cancelled"}
    assert {f"campaign.{action}" for action in wanted} <= actions


def at_once(app: Flask, *calls: Callable[[], object]) -> list[object]:
    """Run each call in its own thread and connection, at the same moment."""
    start, results = threading.Barrier(len(calls)), []

    def run(call: Callable[[], object]) -> None:
        with app.app_context():
            start.wait()
            try:
                results.append(call())
            except DomainError as error:
                results.append(error)
            finally:
                db.session.remove()

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_two_operators_launch_at_once_and_one_wins(app: Flask, desk: Desk) -> None:
    campaign_id = desk.checked().id
    db.session.remove()
    results = at_once(app, *[lambda: launching.launch(campaign_id, 3, 60)] * 2)
    assert sum(isinstance(result, Refused) for result in results) == 1
    assert desk.fresh().state == State.HOLDING


def test_pause_and_cancel_at_once_end_cancelled(app: Flask, desk: Desk) -> None:
    campaign_id = desk.launched().id
    db.session.remove()
    at_once(
        app,
        lambda: steering.cancel(campaign_id),
        lambda: steering.pause(campaign_id),
        lambda: steering.cancel(campaign_id),
    )
    assert desk.fresh().state == State.CANCELLED
    assert {row.status for row in desk.messages()} == {Status.CANCELLED}


def test_two_launchers_at_once_write_each_row_once(
    app: Flask, make_desk: MakeDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webapp.campaigns.audience.BATCH", 10)
    people = [{"email": f"p{n}@example.org", "first_name": "P"} for n in range(45)]
    desk = make_desk(people)
    campaign_id = desk.checked().id
    launching.launch(campaign_id, 45, 0)
    db.session.remove()
    at_once(app, *[lambda: launching.run(campaign_id)] * 3)
    assert [row.row_number for row in desk.messages()] == list(range(1, 46))
    assert desk.fresh().state == State.SENDING


def test_two_decisions_at_once_decide_once(app: Flask, desk: Desk) -> None:
    campaign_id = desk.launched().id
    desk.set(0, Status.UNKNOWN, marked_at=now() - timedelta(minutes=16))
    db.session.remove()
    results = at_once(
        app,
        lambda: steering.resolve_unknown(campaign_id, Decision.WENT),
        lambda: steering.resolve_unknown(campaign_id, Decision.SEND_AGAIN),
    )
    assert sum(isinstance(result, Refused) for result in results) == 1
