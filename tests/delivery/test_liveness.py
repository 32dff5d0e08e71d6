"""Who is thought dead, what becomes of his rows, and of nobody else's."""

import os
import subprocess
import sys
import time
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from tests.support.sending import Desk
from webapp.campaigns.models import Attempt, Event, Message
from webapp.campaigns.states import Status
from webapp.core.db import db
from webapp.core.ids import uuid7
from webapp.delivery import liveness
from webapp.delivery.liveness import Me
from webapp.delivery.models import Worker


def change(me: Me, **values: Any) -> None:
    db.session.execute(sa.update(Worker).where(Worker.id == me.id).values(**values))
    db.session.commit()


def silent_for(me: Me, seconds: float) -> None:
    change(me, beat_at=liveness.database_time() - timedelta(seconds=seconds))


def marked_by(desk: Desk, me: Me, **values: Any) -> int:
    """Make a message as this worker marked it; return its id."""
    number = desk.campaign(1).id
    mine = sa.select(Message.id).where(Message.campaign_id == number)
    message_id = db.session.scalars(mine).one()
    given = {
        "status": Status.SENDING,
        "worker_id": me.id,
        "worker_epoch": me.epoch,
        "attempt": uuid7(),
        **values,
    }
    row = sa.update(Message).where(Message.id == message_id)
    db.session.execute(row.values(**given))
    attempt = Attempt(id=given["attempt"], message_id=message_id, number=1)
    attempt.worker_id, attempt.started_at = me.id, liveness.database_time()
    db.session.add(attempt)
    db.session.commit()
    return message_id


def status(message_id: int) -> Status:
    db.session.rollback()
    found = db.session.get_one(Message, message_id).status
    db.session.rollback()
    return found


def epoch(me: Me) -> int:
    db.session.rollback()
    found = db.session.get_one(Worker, me.id).epoch
    db.session.rollback()
    return found


def gone() -> int:
    """Return the id of a process that is no more."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_what_a_silent_worker_had_is_unknown_in_words_and_his_alone(desk: Desk) -> None:
    dead, alive = liveness.register(), liveness.register()
    lost, his = marked_by(desk, dead), marked_by(desk, dead, status=Status.DEFERRED)
    other = marked_by(desk, alive)
    silent_for(dead, 60)
    assert liveness.reap() == 1
    assert [status(one) for one in (lost, his, other)] == [
        Status.UNKNOWN,
        Status.DEFERRED,
        Status.SENDING,
    ]
    assert (epoch(dead), epoch(alive)) == (dead.epoch + 1, alive.epoch)
    message = db.session.get_one(Message, lost)
    assert message.reason == liveness.WORDS_LOST
    (told,) = db.session.scalars(sa.select(Event))
    assert (told.message_id, told.kind) == (lost, "unknown")
    open_, closed = (
        db.session.scalars(sa.select(Attempt.outcome).where(Attempt.message_id == one))
        for one in (other, lost)
    )
    assert (open_.one(), closed.one()) == ("", "unknown")


def test_a_worker_that_was_silent_for_some_beats_only_keeps_its_rows(
    desk: Desk,
) -> None:
    me = liveness.register()
    message_id, before = marked_by(desk, me), me.epoch
    silent_for(me, -60)  # whatever this machine does meanwhile
    assert liveness.reap() == 0
    assert (status(message_id), epoch(me)) == (Status.SENDING, before)


def test_a_process_that_is_gone_from_this_machine_is_not_waited_for(desk: Desk) -> None:
    me, elsewhere = liveness.register(), liveness.register()
    number = gone()
    change(me, pid=number)
    change(elsewhere, pid=number, host="another machine")
    here, there = marked_by(desk, me), marked_by(desk, elsewhere)
    silent_for(elsewhere, -60)
    silent_for(me, -60)
    assert liveness.reap() == 1
    assert (status(here), status(there)) == (Status.UNKNOWN, Status.SENDING)


def test_who_says_that_it_ends_is_not_waited_for_either(desk: Desk) -> None:
    me, other = liveness.register(), liveness.register()
    message_id, its = marked_by(desk, me), marked_by(desk, other)
    liveness.retire(me)
    assert (status(message_id), status(its)) == (Status.UNKNOWN, Status.SENDING)


def test_a_beat_takes_back_that_it_was_thought_dead(desk: Desk) -> None:
    me, before = liveness.register(), liveness.database_time()
    marked_by(desk, me)
    liveness.retire(me)
    liveness.beat(me)
    found = db.session.get_one(Worker, me.id)
    assert found.stopped_at is None
    assert found.beat_at >= before
    assert me.epoch == found.epoch == 2
    assert not me.is_sure(1)
    assert me.is_sure(2)


def test_a_worker_whose_row_is_gone_enters_anew_under_a_new_epoch(desk: Desk) -> None:
    del desk
    me = liveness.register()
    db.session.execute(sa.delete(Worker))
    db.session.commit()
    liveness.beat(me)
    found = db.session.get_one(Worker, me.id)
    assert (found.epoch, found.pid, found.host) == (
        2,
        os.getpid(),
        liveness.own_host(),
    )
    assert me.epoch == 2


def test_who_could_not_beat_for_long_hands_nothing_over() -> None:
    at = time.monotonic()
    assert Me(uuid7(), 1, beaten_at=at).is_sure(1)
    assert not Me(uuid7(), 1, beaten_at=at - liveness.DOUBTFUL_SECONDS).is_sure(1)
    assert liveness.DOUBTFUL_SECONDS < liveness.SILENT_SECONDS
