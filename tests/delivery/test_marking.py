"""A transaction that the database refuses hands nothing over and forgets nothing."""

import pytest
import sqlalchemy as sa

from tests.support.sending import Desk
from webapp.campaigns.models import Attempt, Message
from webapp.campaigns.states import Status
from webapp.core.db import db
from webapp.delivery import liveness, marking, plans
from webapp.delivery.connections import Done
from webapp.delivery.preparing import Ready, prepare
from webapp.delivery.ways import settled_of
from webapp.message_templates.rendering import RenderPool
from webapp.senders.models import LimitUse
from webapp.senders.outcome import Kind, Outcome

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
    assert marking.exchange(None, me, settled, []).is_stored
    assert (desk.statuses(), of_attempts()) == ({"sent": 1}, ["accepted"])


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
