"""What the database says is to be done gets going again, whoever forgot it."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from tests.support.sending import Desk
from webapp.campaigns.models import Campaign, CampaignEvent, Message
from webapp.campaigns.states import State, Status
from webapp.core import queue
from webapp.core.clock import now
from webapp.core.db import db
from webapp.core.queue import Lane
from webapp.delivery import reconcile, tickets
from webapp.senders.models import Sender


def waiting() -> list[str]:
    return queue.queue(Lane.CAMPAIGNS).get_job_ids()


def test_due_rows_get_one_ticket_however_often_it_ticks(desk: Desk) -> None:
    campaign = desk.campaign(3)
    for _ in range(3):
        reconcile.tick()
    assert waiting() == [f"ticket-{campaign.id}-1"]


def test_an_emptied_queue_gets_a_new_ticket(desk: Desk) -> None:
    campaign = desk.campaign(3)
    reconcile.tick()
    queue.connection().flushall()
    reconcile.tick()
    assert waiting() == [f"ticket-{campaign.id}-2"]


@pytest.mark.parametrize(
    "state", [State.PAUSED, State.CANCELLED, State.FINISHED, State.LAUNCHING]
)
def test_only_a_campaign_that_is_sending_gets_tickets(desk: Desk, state: State) -> None:
    desk.campaign(3, state=state)
    reconcile.issue_tickets()
    assert waiting() == []


def test_rows_that_are_not_due_yet_wake_nobody(desk: Desk) -> None:
    desk.campaign(3)
    later = now() + timedelta(minutes=1)
    db.session.execute(sa.update(Message).values(due_at=later, status=Status.DEFERRED))
    db.session.commit()
    reconcile.tick()
    assert waiting() == []


def test_nobody_is_woken_while_the_sender_is_left_alone(desk: Desk) -> None:
    desk.campaign(3)
    until = now() + timedelta(minutes=1)
    db.session.execute(sa.update(Sender).values(breaker_until=until))
    db.session.commit()
    reconcile.tick()
    assert waiting() == []


def test_single_messages_have_a_lane_of_their_own(desk: Desk) -> None:
    sender = desk.sender()
    db.session.add(Message(sender_id=sender.id, address="a@example.org", bodies={}))
    db.session.commit()
    reconcile.tick()
    reconcile.tick()
    assert len(queue.queue(Lane.TRANSACTIONAL).get_job_ids()) == 1
    assert tickets.due_senders() == [sender.id]


def test_a_campaign_with_nothing_left_is_finished_once(desk: Desk) -> None:
    campaign = desk.campaign(2)
    db.session.execute(sa.update(Message).values(status=Status.UNKNOWN))
    db.session.commit()
    reconcile.tick()
    reconcile.tick()
    assert desk.state(campaign) is State.FINISHED
    kinds = db.session.scalars(sa.select(CampaignEvent.kind)).all()
    assert kinds == ["finished"]
    assert db.session.get_one(Campaign, campaign.id).finished_at is not None


@pytest.mark.parametrize("status", [Status.PENDING, Status.SENDING, Status.DEFERRED])
def test_a_campaign_with_something_left_goes_on(desk: Desk, status: Status) -> None:
    campaign = desk.campaign(2)
    one = sa.select(sa.func.min(Message.id)).scalar_subquery()
    db.session.execute(sa.update(Message).values(status=Status.SENT))
    db.session.execute(
        sa.update(Message).where(Message.id == one).values(status=status)
    )
    db.session.commit()
    reconcile.finish()
    assert desk.state(campaign) is State.SENDING


def test_late_truth_after_the_end_sends_a_campaign_on(desk: Desk) -> None:
    late, over = (desk.campaign(1, state=State.FINISHED) for _ in range(2))
    of_it = sa.update(Message).where(Message.campaign_id == late.id)
    db.session.execute(sa.update(Message).values(status=Status.SENT))
    db.session.execute(of_it.values(status=Status.DEFERRED))
    db.session.commit()
    reconcile.go_on()
    reconcile.go_on()
    assert desk.state(late) is State.SENDING
    assert desk.state(over) is State.FINISHED
    kinds = db.session.scalars(sa.select(CampaignEvent.kind)).all()
    assert kinds == ["resumed"]


def test_what_a_race_left_waiting_in_a_cancelled_campaign_is_cancelled(
    desk: Desk,
) -> None:
    desk.campaign(2, state=State.CANCELLED)
    desk.campaign(2)
    reconcile.cancel_the_rest()
    assert desk.statuses() == {"cancelled": 2, "pending": 2}


def test_a_silent_queue_keeps_no_step_from_being_taken(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.campaign(2)
    done = desk.campaign(2)
    db.session.execute(
        sa.update(Message)
        .where(Message.campaign_id == done.id)
        .values(status=Status.SENT)
    )
    db.session.commit()
    with monkeypatch.context() as patch:
        patch.setitem(desk.app.extensions, "redis_address", lambda: "unix:///nowhere")
        patch.delitem(desk.app.extensions, "redis", raising=False)
        reconcile.tick()
    assert desk.state(done) is State.FINISHED
