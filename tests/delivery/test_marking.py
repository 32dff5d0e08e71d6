"""A transaction that the database refuses hands nothing over and forgets nothing."""

import pytest
import sqlalchemy as sa

from tests.support.sending import Desk
from webapp.campaigns.models import Attempt, Campaign, Message
from webapp.campaigns.states import State, Status
from webapp.core.clock import now
from webapp.core.db import db
from webapp.delivery import liveness, marking, plans, reconcile
from webapp.delivery.connections import Done
from webapp.delivery.preparing import Ready, prepare
from webapp.delivery.ways import settled_of
from webapp.message_templates.rendering import RenderPool
from webapp.senders.models import LimitUse
from webapp.senders.outcome import Kind, Outcome
from webapp.suppressions.models import Reason, Suppression

YES = Outcome(Kind.ACCEPTED, 250, None, "Ok", ())


def refuse(what: str) -> None:
    """Let the database refuse a change, as one does that is full or broken."""
    words = f"CREATE TRIGGER broken BEFORE {what} BEGIN SELECT RAISE(ABORT, 'no'); END"
    db.session.execute(sa.text(words))
    db.session.commit()


def mend() -> None:
    db.session.execute(sa.text("DROP TRIGGER broken"))
    db.session.commit()


def read(plan: plans.Plan) -> list[Ready]:
    with RenderPool() as pool:
        return [one for chunk in prepare(plan, pool) for one in chunk]


def of_attempts() -> list[str]:
    return list(db.session.scalars(sa.select(Attempt.outcome).order_by(Attempt.number)))


@pytest.mark.parametrize("what", ["UPDATE ON message", "INSERT ON attempt"])
def test_what_could_not_be_marked_is_not_handed_over(desk: Desk, what: str) -> None:
    campaign = desk.campaign(3, desk.sender(per_day=25))
    plan = plans.of_campaign(campaign.id, 1)
    assert plan is not None
    rows, me = read(plan), liveness.register()
    refuse(what)
    got = marking.exchange(plan, me, [], rows)
    assert (got.marked, got.is_stored) == ((), False)
    mend()
    assert desk.statuses() == {"pending": 3}
    assert not db.session.scalars(sa.select(LimitUse.used)).all()
    db.session.rollback()
    assert len(marking.exchange(plan, me, [], rows).marked) == 3


def test_an_outcome_that_could_not_be_recorded_is_recorded_later(desk: Desk) -> None:
    campaign = desk.campaign(1)
    plan = plans.of_campaign(campaign.id, 1)
    assert plan is not None
    me = liveness.register()
    (handed,) = marking.exchange(plan, me, [], read(plan)).marked
    settled = [settled_of(Done(handed, YES))]
    refuse("INSERT ON event")
    assert not marking.exchange(None, me, settled, []).is_stored
    mend()
    assert (desk.statuses(), of_attempts()) == ({"sending": 1}, [""])
    db.session.rollback()
    before = liveness.database_time()
    assert marking.exchange(None, me, settled, []).is_stored
    assert (desk.statuses(), of_attempts()) == ({"sent": 1}, ["accepted"])
    times = sa.select(Attempt.ended_at, Message.updated_at, Message.sent_at)
    for at in db.session.execute(times.join_from(Attempt, Message)).one():
        assert at >= before


def test_a_row_that_another_worker_took_is_lost_and_told_as_that(desk: Desk) -> None:
    campaign = desk.campaign(4)
    plan = plans.of_campaign(campaign.id, 1)
    assert plan is not None
    rows = read(plan)
    one, other = liveness.register(), liveness.register()
    assert len(marking.exchange(plan, one, [], rows[:3]).marked) == 3
    got = marking.exchange(plan, other, [], rows)
    assert ([row.prepared.id for row in got.marked], got.lost) == ([rows[3].id], 3)
    mine = sa.select(Message.worker_id).where(Message.status == Status.SENDING)
    ids = db.session.scalars(mine.order_by(Message.id)).all()
    assert ids == [*[one.id] * 3, other.id]


def single(sender_id: int, *, cc: tuple[str, ...] = ()) -> None:
    """Queue a message without a campaign."""
    bodies = {"to": ["ada@example.org"], "cc": [*cc], "subject": "Yours", "text": "Hi"}
    ada = "ada@example.org"
    row = Message(sender_id=sender_id, address=ada, address_key=ada, bodies=bodies)
    db.session.add(row)
    db.session.commit()


@pytest.mark.parametrize(
    ("address", "reason", "status"),
    [
        ("ada@example.org", Reason.COMPLAINT, "skipped"),
        ("ada@example.org", Reason.UNSUBSCRIBED, "sending"),
        ("eve@example.org", Reason.COMPLAINT, "sending"),
    ],
)
def test_who_is_suppressed_after_a_single_message_was_composed(
    desk: Desk, address: str, reason: Reason, status: str
) -> None:
    sender_id = desk.sender().id
    single(sender_id)
    plan = plans.of_sender(sender_id)
    assert plan is not None
    rows = read(plan)
    db.session.add(Suppression(address_key=address, reason=reason))
    db.session.commit()
    got = marking.exchange(plan, liveness.register(), [], rows)
    assert len(got.marked) == (status == "sending")
    assert desk.statuses() == {status: 1}


def test_a_copy_that_is_suppressed_meanwhile_has_it_composed_anew(desk: Desk) -> None:
    sender_id = desk.sender().id
    single(sender_id, cc=("boss@example.org",))
    plan = plans.of_sender(sender_id)
    assert plan is not None
    rows, me = read(plan), liveness.register()
    db.session.add(
        Suppression(address_key="boss@example.org", reason=Reason.HARD_BOUNCE)
    )
    db.session.commit()
    assert marking.exchange(plan, me, [], rows).marked == ()
    assert desk.statuses() == {"pending": 1}
    (handed,) = marking.exchange(plan, me, [], read(plan)).marked
    assert [*handed.prepared.targets] == ["ada@example.org"]


@pytest.mark.parametrize("state", [State.FINISHED, State.PAUSED, State.CANCELLED])
def test_only_a_finished_campaign_goes_on_for_a_late_4xx(
    desk: Desk, state: State
) -> None:
    campaign, other = desk.campaign(1), desk.campaign(1, state=State.FINISHED)
    numbers = (campaign.id, other.id)
    mine = sa.update(Message).where(Message.campaign_id == numbers[0])
    db.session.execute(mine.values(status=Status.DEFERRED))
    campaign.state, campaign.finished_at = state, now()
    db.session.commit()
    reconcile.go_on()
    is_over = state is State.FINISHED
    db.session.rollback()
    ended = db.session.get_one(Campaign, numbers[0]).finished_at
    assert (ended is None) == is_over
    assert desk.state(campaign) is (State.SENDING if is_over else state)
    assert desk.state(other) is State.FINISHED
