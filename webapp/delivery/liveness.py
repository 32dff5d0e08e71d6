"""Who lives: beats in the database, and what happens to workers that fall silent.

A worker that was silent for 20 s loses its epoch. What it had marked becomes *unknown*
and never *pending*, for it may only be slow and still be sending: its late record then
mends the row. It cannot mark anything under the old epoch any more; when it wakes up it
finds the new one at its next beat and goes on with that. A process that is gone for
sure (it said so, or its machine has no such process) is not waited for.

All times here are the database's.
"""

import os
import socket
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, cast

import sqlalchemy as sa

from webapp.campaigns import proving
from webapp.campaigns.models import (
    Attempt,
    Event,
    Message,
    MessageAddress,
    has_status,
)
from webapp.campaigns.states import Status
from webapp.core.clock import now
from webapp.core.db import db, db_now, reading
from webapp.core.ids import uuid7
from webapp.delivery.models import Worker

ATTEMPT = cast(sa.Table, Attempt.__table__)
EVENT = cast(sa.Table, Event.__table__)

BEAT_SECONDS = 5.0
SILENT_SECONDS = 20.0
# So far ahead no beat is; a clock that is set back by less is waited for.
SET_BACK = timedelta(minutes=10)
# A worker that could not beat for so long hands nothing over: it may be thought dead.
DOUBTFUL_SECONDS = 15.0
# A process that freezes inside a transaction loses it after this time (PostgreSQL).
HOLD_SECONDS = 10.0

WORDS_LOST = "The worker stopped while sending; we do not know if it arrived."


@dataclass
class Me:
    """A worker process, as the database knows it: this one.

    `beaten_at` is on this machine's monotonic clock, which goes on while the process is
    stopped: so a process that was frozen knows it before it hands anything over.
    `ends_at`, on the same clock, is when this process stops waiting for anything.
    """

    id: uuid.UUID
    epoch: int
    beaten_at: float = field(default_factory=time.monotonic)
    ends_at: float = float("inf")

    def is_sure(self, epoch: int) -> bool:
        """Whether what was marked under this epoch may still be handed over."""
        fresh = time.monotonic() - self.beaten_at < DOUBTFUL_SECONDS
        return fresh and epoch == self.epoch

    def may_wait(self) -> bool:
        """Whether there is time left to wait for a database or a server."""
        return time.monotonic() < self.ends_at


def register() -> Me:
    """Enter this process among the workers."""
    me = Me(uuid7(), 0)
    _enter(me)
    return me


@cache
def own_host() -> str:
    """Return the name of this machine, this start of it and this set of process ids.

    Only there does a missing process id prove that a process is gone: two machines may
    have one name, and two containers one kernel.
    """
    boot = Path("/proc/sys/kernel/random/boot_id")
    processes = Path("/proc/self/ns/pid")
    if not boot.exists() or not processes.exists():
        return socket.gethostname()[:200]
    started = boot.read_text(encoding="ascii")[:13]
    return f"{socket.gethostname()[:200]} {started} {processes.readlink()}"


_NOW = sa.select(db_now())


def database_time() -> datetime:
    """Return the database's clock."""
    at: datetime | None = db.session.connection().scalar(_NOW)
    assert at is not None
    return at


def guard(engine: sa.Engine) -> None:
    """Have PostgreSQL end every transaction in which this process falls silent.

    For worker processes: a frozen one would keep its locks until it wakes. Who is
    silent for so long is thought dead anyway, and no transaction waits on purpose.
    """
    if engine.dialect.name == "sqlite":
        return

    @sa.event.listens_for(engine, "connect")
    def _connect(connection: Any, record: Any) -> None:
        del record
        milliseconds = int(SILENT_SECONDS * 1000)
        connection.execute(f"SET idle_in_transaction_session_timeout = {milliseconds}")
        connection.commit()


def hold_briefly() -> None:
    """Give the transaction that begins here back if we freeze in it, or wait for long.

    A mark locks its campaign and its worker. One that is frozen in that moment would
    hold up pausing, and the reaper, until it wakes: so PostgreSQL ends the transaction.
    SQLite cannot; there whoever is frozen while writing holds up every writer.
    """
    if db.session.get_bind().dialect.name != "sqlite":
        milliseconds = str(int(HOLD_SECONDS * 1000))
        set_here = sa.func.set_config
        db.session.execute(
            sa.select(
                set_here("idle_in_transaction_session_timeout", milliseconds, True),
                set_here("lock_timeout", milliseconds, True),
            )
        )


def beat(me: Me) -> None:
    """Say that this process lives, and learn its epoch."""
    begun = time.monotonic()
    epoch = db.session.scalar(
        sa.update(Worker)
        .where(Worker.id == me.id)
        .values(beat_at=db_now(), stopped_at=None)
        .returning(Worker.epoch)
        .execution_options(synchronize_session=False)
    )
    db.session.commit()
    if epoch is None:
        _enter(me)
    else:
        me.epoch = epoch
    me.beaten_at = begun


def retire(me: Me) -> None:
    """Say that this process ends; what it still has marked is *unknown* from now on."""
    db.session.execute(
        sa.update(Worker)
        .where(Worker.id == me.id)
        .values(stopped_at=db_now())
        .execution_options(synchronize_session=False)
    )
    db.session.commit()
    reap()


def reap() -> int:
    """Take the epoch of workers that are silent or gone for sure.

    Returns
    -------
    int
        How many messages became *unknown*.
    """
    _bury()
    with reading():
        silent = sa.or_(is_silent(database_time()), Worker.stopped_at.is_not(None))
        holds = (
            sa.select(Message.id)
            .where(
                Message.worker_id == Worker.id,
                has_status(Message.status, Status.SENDING),
            )
            .exists()
        )
        found = db.session.scalars(sa.select(Worker.id).where(silent, holds)).all()
        db.session.rollback()
    return sum(_reap_one(worker_id, silent) for worker_id in found)


def is_silent(at: datetime) -> "sa.ColumnElement[bool]":
    """Return the condition that a worker has not beaten for too long.

    A beat from far ahead is one from before the database's clock was set back.
    """
    span = timedelta(seconds=SILENT_SECONDS)
    return sa.not_(Worker.beat_at.between(at - span, at + SET_BACK))


def _bury() -> None:
    """Write down which processes of this machine are gone, so that nobody waits."""
    with reading():
        query = sa.select(Worker.id, Worker.pid).where(
            Worker.stopped_at.is_(None), Worker.host == own_host()
        )
        there = db.session.execute(query).all()
        db.session.rollback()
    gone = [one.id for one in there if not Path(f"/proc/{one.pid}").exists()]
    if gone:
        db.session.execute(
            sa.update(Worker)
            .where(Worker.id.in_(gone))
            .values(stopped_at=db_now())
            .execution_options(synchronize_session=False)
        )
        db.session.commit()


def _reap_one(worker_id: uuid.UUID, silent: "sa.ColumnElement[bool]") -> int:
    hold_briefly()
    epoch = db.session.scalar(
        sa.update(Worker)
        .where(Worker.id == worker_id, silent)
        .values(epoch=Worker.epoch + 1)
        .returning(Worker.epoch)
        .execution_options(synchronize_session=False)
    )
    if epoch is None:
        db.session.rollback()
        return 0
    lost = db.session.execute(
        sa.update(Message)
        .where(
            Message.worker_id == worker_id,
            Message.worker_epoch < epoch,
            has_status(Message.status, Status.SENDING),
        )
        .values(status=Status.UNKNOWN, reason=WORDS_LOST, updated_at=db_now())
        .returning(Message.id, Message.attempt)
        .execution_options(synchronize_session=False)
    ).all()
    if lost:
        _tell([(row.id, row.attempt) for row in lost])
        db.session.execute(
            sa.update(MessageAddress)
            .where(
                MessageAddress.message_id.in_([row.id for row in lost]),
                MessageAddress.status == Status.SENDING,
            )
            .values(status=Status.UNKNOWN)
            .execution_options(synchronize_session=False)
        )
        proving.catch_up([row.id for row in lost])
    db.session.commit()
    return len(lost)


def _tell(lost: Sequence[tuple[int, uuid.UUID | None]]) -> None:
    connection = db.session.connection()
    at = now()
    connection.execute(
        sa.insert(EVENT),
        [
            {
                "message_id": message_id,
                "kind": Status.UNKNOWN.value,
                "at": at,
                "seen_at": at,
                "dedupe_key": f"lost:{attempt}:{message_id}",
                "detail": {"words": WORDS_LOST},
            }
            for message_id, attempt in lost
        ],
    )
    connection.execute(
        sa.update(ATTEMPT)
        .where(
            ATTEMPT.c.id == sa.bindparam("b_attempt"),
            ATTEMPT.c.message_id == sa.bindparam("b_message"),
            ATTEMPT.c.outcome == "",
        )
        .values(outcome="unknown", reply=WORDS_LOST),
        [{"b_attempt": attempt, "b_message": message} for message, attempt in lost],
    )


def _enter(me: Me) -> None:
    """Enter this process, also after its row was deleted (an emptied database)."""
    at = database_time()
    me.epoch += 1
    db.session.add(
        Worker(
            id=me.id,
            epoch=me.epoch,
            host=own_host(),
            pid=os.getpid(),
            started_at=at,
            beat_at=at,
        )
    )
    db.session.commit()
