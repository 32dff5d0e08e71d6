"""Leases: all workers together never have more connections open than a sender may.

Each worker that sends by a sender has a row that says how many connections it may have.
It is asked for under a lock on the sender, about once a second while a ticket is worked
on. Where several workers want some, each gets its share: who has more lets go of a
connection after its message, and only when that is closed the row says so.

What a worker held that is gone, or has been silent for 20 s, is free again. It loses
its epoch with that: should it wake up, nothing that it had marked is handed over any
more, and it asks anew before it marks. A worker that cannot reach the database stops
using its connections before the others think it dead.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from webapp.core.db import db
from webapp.delivery.liveness import Me, database_time, is_silent
from webapp.delivery.models import Worker
from webapp.senders.models import ConnectionLease, Sender

LEASE = cast(sa.Table, ConnectionLease.__table__)

# A worker that asked so long ago does not want any more now.
FRESH_SECONDS = 6.0


@dataclass(frozen=True, slots=True)
class Asked:
    """What one worker has and wants.

    Attributes
    ----------
    most
        Connections that all workers together may have.
    wanted
        What this one could use, which may be more; 0 when it has nothing to send.
    open
        How many it has.
    """

    sender_id: int
    most: int
    wanted: int
    open: int


@dataclass(frozen=True, slots=True)
class Grant:
    """How many connections a worker may have, and whether another one lacks some."""

    count: int
    others_lack: bool


def renew(me: Me, asked: Asked) -> Grant:
    """Say what this worker has and wants, and learn what it may have; owns its commit.

    Raises
    ------
    SQLAlchemyError
        If the database does not answer; what was granted before holds.
    """
    epoch = me.epoch
    _lock(asked.sender_id)
    at = database_time()
    others = [one for one in _living(asked.sender_id, at) if one.worker_id != me.id]
    grant = share(asked, me.id, [_Other.of(one, at) for one in others])
    held = max(grant.count, asked.open)
    _write(me.id, epoch, asked, held, at)
    db.session.commit()
    return grant


@dataclass(frozen=True, slots=True, order=True)
class _Other:
    worker_id: UUID
    held: int
    wanted: int

    @classmethod
    def of(cls, row: Any, at: datetime) -> "_Other":
        is_fresh = row.asked_at >= at - timedelta(seconds=FRESH_SECONDS)
        return cls(row.worker_id, row.held, row.wanted if is_fresh else 0)


def share(asked: Asked, me: UUID, others: Sequence[_Other]) -> Grant:
    """Return what one worker may have beside the others.

    Examples
    --------
    >>> one, two = UUID(int=1), UUID(int=2)
    >>> share(Asked(7, 4, 4, 0), one, []).count
    4
    >>> share(Asked(7, 4, 4, 0), one, [_Other(two, 4, 4)])
    Grant(count=0, others_lack=False)
    >>> share(Asked(7, 4, 4, 4), one, [_Other(two, 0, 4)])
    Grant(count=2, others_lack=True)
    """
    wanting = [one.worker_id for one in others if one.wanted]
    wanting = sorted([*wanting, me] if asked.wanted else wanting)
    shares = {
        worker: asked.most // len(wanting) + (place < asked.most % len(wanting))
        for place, worker in enumerate(wanting)
    }
    others_lack = any(
        one.held < min(one.wanted, shares[one.worker_id])
        for one in others
        if one.wanted
    )
    wanted = asked.wanted or (0 if others_lack else asked.open)
    if others_lack:
        wanted = min(wanted, shares.get(me, 0))
    room = asked.most - sum(one.held for one in others)
    return Grant(max(0, min(wanted, room)), others_lack)


def _lock(sender_id: int) -> None:
    """Let one worker at a time ask about a sender; SQLite has one writer anyway."""
    query = sa.select(Sender.id).where(Sender.id == sender_id)
    db.session.execute(query.with_for_update(key_share=True))


def _living(sender_id: int, at: datetime) -> Sequence[Any]:
    """Return the leases of workers that live; forget those of the others."""
    rows = db.session.execute(
        sa.select(
            LEASE,
            Worker.epoch.label("now"),
            Worker.stopped_at,
            is_silent(at).label("is_silent"),
        )
        .select_from(LEASE.outerjoin(Worker, Worker.id == LEASE.c.worker_id))
        .where(LEASE.c.sender_id == sender_id)
    ).all()
    living: list[Any] = []
    dead: list[Any] = []
    for one in rows:
        lives = one.epoch == one.now and one.stopped_at is None and not one.is_silent
        (living if lives else dead).append(one)
    if dead:
        ids = [one.worker_id for one in dead]
        db.session.execute(
            sa.delete(LEASE).where(
                LEASE.c.sender_id == sender_id, LEASE.c.worker_id.in_(ids)
            )
        )
        db.session.execute(
            sa.update(Worker)
            .where(Worker.id.in_(ids), is_silent(at))
            .values(epoch=Worker.epoch + 1)
            .execution_options(synchronize_session=False)
        )
    return living


def _write(worker_id: UUID, epoch: int, asked: Asked, held: int, at: datetime) -> None:
    if not held and not asked.wanted:
        db.session.execute(
            sa.delete(LEASE).where(
                LEASE.c.sender_id == asked.sender_id, LEASE.c.worker_id == worker_id
            )
        )
        return
    connection = db.session.connection()
    is_sqlite = connection.dialect.name == "sqlite"
    insert = sqlite.insert(LEASE) if is_sqlite else postgresql.insert(LEASE)
    values = {"epoch": epoch, "held": held, "wanted": asked.wanted, "asked_at": at}
    key = {"sender_id": asked.sender_id, "worker_id": worker_id}
    connection.execute(
        insert.values(**key, **values).on_conflict_do_update(
            index_elements=list(key), set_=values
        )
    )
