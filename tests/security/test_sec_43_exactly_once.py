"""Exactly once: what the database has not confirmed is not handed over.

Each test takes the protocol at one of its seams: two workers with the same row, a row
that was tried in between, a commit whose answer is lost, a worker that was thought
dead, a record that comes late.
"""

import uuid
from collections.abc import Iterator
from datetime import timedelta

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

import config
from tests.support.sending import Desk, engine_here, never_give_up, person
from tests.support.smtp_servers import PATIENCE, RecordingServer
from webapp.campaigns.models import Campaign, Message
from webapp.campaigns.states import State, Status
from webapp.core.clock import now
from webapp.core.db import db
from webapp.delivery import liveness, marking, plans, reconcile
from webapp.delivery.connections import Done, Handed
from webapp.delivery.engine import Engine
from webapp.delivery.liveness import Me
from webapp.delivery.marking import exchange
from webapp.delivery.models import Worker
from webapp.delivery.plans import Plan
from webapp.delivery.preparing import Prepared, Ready, prepare
from webapp.delivery.ways import settled_of
from webapp.message_templates.rendering import RenderPool
from webapp.senders.outcome import Kind, Outcome


@pytest.fixture
def desk(
    app: Flask, settings: config.Settings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Desk]:
    never_give_up(monkeypatch)
    with RecordingServer() as server, Desk(app, settings, server) as desk:
        yield desk


@pytest.fixture
def pool() -> Iterator[RenderPool]:
    with RenderPool() as pool:
        yield pool


def planned(campaign: Campaign) -> Plan:
    plan = plans.of_campaign(campaign.id, 1)
    assert plan is not None
    return plan


def ready(plan: Plan, pool: RenderPool) -> list[Ready]:
    return [one for chunk in prepare(plan, pool) for one in chunk]


def outcome(kind: Kind, code: int | None = 250) -> Outcome:
    return Outcome(kind, code, None, "Words", ())


def come_back(handed: Handed, kind: Kind, code: int | None = 250) -> None:
    """Record an outcome, as an engine does."""
    me = Me(uuid.uuid4(), 1)
    done = settled_of(Done(handed, outcome(kind, code)))
    assert exchange(None, me, [done], []).is_stored


def status() -> Status:
    db.session.rollback()
    return db.session.scalars(sa.select(Message.status)).one()


def test_two_workers_never_get_the_same_row(desk: Desk, pool: RenderPool) -> None:
    plan = planned(desk.campaign(30))
    first, second = liveness.register(), liveness.register()
    mine, theirs = ready(plan, pool), ready(plan, pool)
    marked = exchange(plan, first, [], mine[:20]).marked
    others = exchange(plan, second, [], theirs).marked
    assert len(marked) == 20
    assert len(others) == 10
    assert not {one.prepared.id for one in marked} & {one.prepared.id for one in others}


def test_a_row_that_was_tried_since_it_was_read_is_not_marked(
    desk: Desk, pool: RenderPool
) -> None:
    plan = planned(desk.campaign(1))
    stale = ready(plan, pool)
    [handed] = exchange(plan, liveness.register(), [], ready(plan, pool)).marked
    come_back(handed, Kind.DEFERRED, 451)
    db.session.execute(sa.update(Message).values(due_at=now() - timedelta(seconds=1)))
    db.session.commit()
    assert exchange(plan, liveness.register(), [], stale).marked == ()
    assert len(exchange(plan, liveness.register(), [], ready(plan, pool)).marked) == 1


def test_the_message_id_is_fixed_before_anything_is_handed_over(
    desk: Desk, pool: RenderPool
) -> None:
    plan = planned(desk.campaign(1))
    [handed] = exchange(plan, liveness.register(), [], ready(plan, pool)).marked
    db.session.rollback()
    message = db.session.scalars(sa.select(Message)).one()
    assert message.message_id_header == handed.prepared.message_id_header
    assert message.message_id_header.encode() in handed.prepared.composed.data
    assert message.dated_at is not None
    assert not desk.server.commands


def fail_to_commit(monkeypatch: pytest.MonkeyPatch, *, after: bool) -> None:
    """Lose the answer to the next commit, which takes place or not."""
    commit = Session.commit
    lost: list[bool] = []

    def broken(session: Session) -> None:
        if lost:
            commit(session)
            return
        lost.append(True)
        if after:
            commit(session)
        else:
            session.rollback()
        raise OperationalError("COMMIT", {}, Exception("the connection was lost"))

    monkeypatch.setattr(Session, "commit", broken)


@pytest.mark.parametrize("after", [True, False])
def test_a_lost_answer_to_a_commit_is_read_back(
    desk: Desk, pool: RenderPool, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    plan = planned(desk.campaign(5))
    me, rows = liveness.register(), ready(plan, pool)
    fail_to_commit(monkeypatch, after=after)
    marked = exchange(plan, me, [], rows).marked
    assert len(marked) == (5 if after else 0)
    assert desk.statuses() == ({"sending": 5} if after else {"pending": 5})


def test_a_mark_without_a_commit_hands_nothing_over(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = desk.campaign(5)
    plan, engine = planned(campaign), engine_here(desk.app)
    commit = Session.commit

    def forgotten(session: Session) -> None:
        session.rollback()
        raise OperationalError("COMMIT", {}, Exception("the disk is full"))

    monkeypatch.setattr(Session, "commit", forgotten)
    engine.work(plan)
    monkeypatch.setattr(Session, "commit", commit)
    engine.drain()
    assert desk.statuses() == {"pending": 5}
    assert not desk.server.commands


def test_the_guard_catches_a_protocol_that_does_not_commit(
    desk: Desk, pool: RenderPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Break it on purpose: two workers get the same rows, and this suite sees it."""
    plan = planned(desk.campaign(5))
    monkeypatch.setattr(Session, "commit", Session.rollback)
    first, second = Me(uuid.uuid4(), 1), Me(uuid.uuid4(), 1)
    monkeypatch.setattr(marking, "_mark", lambda *given: {r.id for r in given[2]})
    marked = exchange(plan, first, [], ready(plan, pool)).marked
    again = exchange(plan, second, [], ready(plan, pool)).marked
    assert {m.prepared.id for m in marked} & {m.prepared.id for m in again}


def test_a_silent_worker_loses_its_rows_to_unknown_and_never_to_pending(
    desk: Desk, pool: RenderPool
) -> None:
    plan, me = planned(desk.campaign(3)), liveness.register()
    exchange(plan, me, [], ready(plan, pool))
    fall_silent(me)
    assert liveness.reap() == 3
    assert liveness.reap() == 0
    assert desk.statuses() == {"unknown": 3}


def fall_silent(me: Me) -> None:
    db.session.execute(
        sa.update(Worker)
        .where(Worker.id == me.id)
        .values(beat_at=now() - timedelta(seconds=21))
    )
    db.session.commit()


def test_a_worker_without_its_epoch_marks_nothing_until_it_has_a_new_one(
    desk: Desk, pool: RenderPool
) -> None:
    plan, me = planned(desk.campaign(6)), liveness.register()
    rows = ready(plan, pool)
    exchange(plan, me, [], rows[:1])
    fall_silent(me)
    liveness.reap()
    assert exchange(plan, me, [], rows[1:]).marked == ()
    liveness.beat(me)
    assert len(exchange(plan, me, [], rows[1:]).marked) == 5


def test_a_frozen_worker_hands_over_nothing_of_its_old_epoch(
    desk: Desk, pool: RenderPool
) -> None:
    plan, me = planned(desk.campaign(4)), liveness.register()
    marked = exchange(plan, me, [], ready(plan, pool)).marked
    engine = Engine(desk.app, me)
    way = engine._way(plan)
    way.connections.allowed = way.connections.size
    fall_silent(me)
    liveness.reap()
    liveness.beat(me)
    way.connections.hand(marked)
    done = way.connections.collect(4, PATIENCE)
    assert [one.outcome for one in done] == [None] * 4
    assert not desk.server.mails
    assert exchange(None, me, [settled_of(one) for one in done], []).is_stored
    way.connections.settled(4)
    assert desk.statuses() == {"deferred": 4}
    engine.drain()


LATE = (
    (Status.UNKNOWN, Kind.ACCEPTED, 250, Status.SENT),
    (Status.UNKNOWN, Kind.DEFERRED, 451, Status.DEFERRED),
    (Status.UNKNOWN, Kind.REFUSED, 550, Status.FAILED),
    (Status.UNKNOWN, Kind.UNKNOWN, None, Status.UNKNOWN),
    (Status.PENDING, Kind.ACCEPTED, 250, Status.SENT),
    (Status.PENDING, Kind.UNKNOWN, None, Status.PENDING),
    (Status.SENT, Kind.DEFERRED, 451, Status.SENT),
    (Status.CANCELLED, Kind.DEFERRED, 451, Status.CANCELLED),
    (Status.FAILED, Kind.UNKNOWN, None, Status.FAILED),
)


@pytest.mark.parametrize(("meanwhile", "kind", "code", "after"), LATE)
def test_late_truth_beats_unknown_and_nothing_else(
    desk: Desk,
    pool: RenderPool,
    meanwhile: Status,
    kind: Kind,
    code: int | None,
    after: Status,
) -> None:
    plan = planned(desk.campaign(1))
    [handed] = exchange(plan, liveness.register(), [], ready(plan, pool)).marked
    db.session.execute(sa.update(Message).values(status=meanwhile))
    db.session.commit()
    come_back(handed, kind, code)
    assert status() is after


def test_a_late_record_never_touches_a_newer_try(desk: Desk, pool: RenderPool) -> None:
    plan = planned(desk.campaign(1))
    [old] = exchange(plan, liveness.register(), [], ready(plan, pool)).marked
    db.session.execute(sa.update(Message).values(status=Status.PENDING))
    db.session.commit()
    [newer] = exchange(plan, liveness.register(), [], ready(plan, pool)).marked
    assert newer.attempt != old.attempt
    come_back(old, Kind.REFUSED, 550)
    assert status() is Status.SENDING
    come_back(newer, Kind.ACCEPTED)
    assert status() is Status.SENT


def test_recording_twice_changes_nothing(desk: Desk, pool: RenderPool) -> None:
    plan = planned(desk.campaign(1))
    [handed] = exchange(plan, liveness.register(), [], ready(plan, pool)).marked
    come_back(handed, Kind.DEFERRED, 451)
    come_back(handed, Kind.DEFERRED, 451)
    db.session.rollback()
    message = db.session.scalars(sa.select(Message)).one()
    assert (message.status, message.tries) == (Status.DEFERRED, 1)


def test_late_truth_sends_on_with_a_finished_campaign(
    desk: Desk, pool: RenderPool
) -> None:
    campaign = desk.campaign(1)
    plan, me = planned(campaign), liveness.register()
    engine = Engine(desk.app, me)
    way = engine._way(plan)
    [handed] = exchange(plan, me, [], ready(plan, pool)).marked
    db.session.execute(sa.update(Message).values(status=Status.UNKNOWN))
    db.session.execute(sa.update(Campaign).values(state=State.FINISHED))
    db.session.commit()
    way.connections.marked += 1
    way.connections._done.append(Done(handed, outcome(Kind.DEFERRED, 451)))
    engine.settle()
    reconcile.go_on()
    assert desk.state(campaign) is State.SENDING
    assert status() is Status.DEFERRED
    engine.drain()


def test_only_prepared_rows_can_be_marked_and_only_marked_ones_handed_over(
    desk: Desk, pool: RenderPool
) -> None:
    plan, me = planned(desk.campaign(2)), liveness.register()
    rows = ready(plan, pool)
    assert all(isinstance(one, Prepared) for one in rows)
    got = exchange(plan, me, [], rows)
    assert {one.prepared.id for one in got.marked} == {one.id for one in rows}
    assert desk.server.copies()[person(1)] == 0
