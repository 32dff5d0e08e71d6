"""Due rows become letters: read, rendered and composed before anything is marked.

Nothing here writes to the database. Preparing takes long compared with marking, and a
row that is only prepared is in no danger; so several workers may prepare the same row,
and the mark decides whose it is. `seen` is the attempt that the row had when it was
read: a row that somebody else tried in between is not marked with what was composed
before that.

A large campaign is written by a process beside the worker, a chunk ahead of what is
being sent, so that both processors of a machine have work.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Self

import sqlalchemy as sa

from webapp.campaigns import letters
from webapp.campaigns.letters import Stationery
from webapp.campaigns.models import Message, MessageAddress
from webapp.campaigns.states import WAITING, Status
from webapp.composing.addresses import AddressError, parse_mailbox
from webapp.core.clock import now
from webapp.core.db import db, db_now, reading
from webapp.delivery.plans import Plan, allowed
from webapp.delivery.writing import (
    Draft,
    Due,
    Known,
    Paper,
    Ready,
    composing_row,
    draft_of,
    written,
)
from webapp.delivery.writing_apart import Writer, WriterLost
from webapp.message_templates.rendering import RenderPool

CHUNK = 125
TICKET_ROWS = 500
# A large campaign is begun at so many places, so that workers seldom meet.
PLACES = 16
# Chunks that are written ahead by the process beside the worker.
AHEAD = 2

_COLUMNS = (
    Message.id,
    Message.public_id,
    Message.status,
    Message.name,
    Message.address,
    Message.row_values,
    Message.bodies,
    Message.attachments,
    Message.tries,
    Message.attempt,
    Message.message_id_header,
    Message.dated_at,
)


def prepare(plan: Plan, pool: RenderPool, writer: Writer | None = None) -> "Chunks":
    """Return the rows of one ticket, a chunk at a time.

    Parameters
    ----------
    writer
        The process beside the worker; without it all is written here.
    """
    return Chunks(plan, pool, writer)


@dataclass(frozen=True, slots=True)
class _Read:
    """A chunk that was read, and the number under which it is being written apart."""

    rows: Sequence[Due]
    known: Known
    at: datetime
    number: int | None = None


class Chunks(Iterator[list[Ready]]):
    """The rows of one ticket, prepared a chunk at a time."""

    def __init__(self, plan: Plan, pool: RenderPool, writer: Writer | None) -> None:
        self._plan = plan
        self._pool = pool
        self._writer = writer
        self._paper = paper_of(plan)
        self._unread = _read(plan)
        self._ahead: deque[_Read] = deque()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> list[Ready]:
        """Return the next chunk, as soon as it is written."""
        self._read_ahead()
        if not self._ahead:
            raise StopIteration
        chunk = self._ahead.popleft()
        self._read_ahead()
        if chunk.number is not None and self._writer is not None:
            try:
                return self._writer.answer(chunk.number)
            except WriterLost:
                self._writer = None
        return self._written_here(chunk)

    def is_there(self) -> bool:
        """Whether the next chunk can be had without waiting for the writer."""
        if self._writer is None or not self._ahead:
            return True
        number = self._ahead[0].number
        return number is None or self._writer.has(number)

    def _read_ahead(self) -> None:
        while len(self._ahead) < (AHEAD if self._writer else 1):
            rows = next(self._unread, None)
            if rows is None:
                return
            known = _known([row.id for row in rows], self._plan)
            chunk = _Read(rows, known, now())
            self._ahead.append(self._asked(chunk))

    def _asked(self, chunk: _Read) -> _Read:
        """Ask the process beside us to write a chunk, if it is one for it."""
        stationery = self._paper.stationery
        is_large = len(chunk.rows) > CHUNK // 2
        is_shared = stationery is not None and stationery.source is not None
        if self._writer is None or not (is_shared and is_large):
            return chunk
        if any(row.attachments for row in chunk.rows) or not self._writer.is_warm():
            return chunk
        try:
            number = self._writer.ask(self._paper, chunk.rows, chunk.known, chunk.at)
        except WriterLost:
            self._writer = None
            return chunk
        return replace(chunk, number=number)

    def _written_here(self, chunk: _Read) -> list[Ready]:
        drafts = [_draft(self._plan, row, chunk.at) for row in chunk.rows]
        return written(self._paper, drafts, chunk.known, self._pool)


def paper_of(plan: Plan) -> Paper:
    """Return what writing needs of a plan."""
    return Paper(
        plan.campaign_id,
        plan.stationery,
        plan.is_dry_run,
        plan.lifetime,
        plan.retry_after,
    )


def _read(plan: Plan) -> Iterator[Sequence[Due]]:
    """Yield the due rows of one ticket, a chunk at a time."""
    left = TICKET_ROWS
    start = _start(plan)
    for low, high in ((start, None), (0, start)):
        last = low - 1
        while left > 0:
            rows = _due(plan, last, high, min(CHUNK, left))
            if not rows:
                break
            last = rows[-1].id
            left -= len(rows)
            yield rows


def of_plan(plan: Plan) -> "tuple[sa.ColumnElement[bool], ...]":
    """Return the condition that a message belongs to a plan."""
    if plan.campaign_id is None:
        return (Message.campaign_id.is_(None), Message.sender_id == plan.own_id)
    return (Message.campaign_id == plan.campaign_id,)


def _start(plan: Plan) -> int:
    """Return the row id where this ticket begins; few rows are begun at the first."""
    with reading():
        # Two statements: asked for both at once, SQLite reads every pending row.
        waiting = (*of_plan(plan), Message.status == Status.PENDING)
        low, high = (
            db.session.scalar(sa.select(end(Message.id)).where(*waiting)) or 0
            for end in (sa.func.min, sa.func.max)
        )
        db.session.rollback()
    if high - low < TICKET_ROWS:
        return 0
    place = plan.generation % PLACES
    return int(low + (high - low) * place // PLACES)


def _due(plan: Plan, last: int, high: int | None, count: int) -> Sequence[Due]:
    """Return due rows after an id, in order.

    One statement for each status: only so does an index give them in this order.
    """
    query = (
        sa.select(*_COLUMNS)
        .where(*of_plan(plan), Message.due_at <= db_now(), Message.id > last)
        .order_by(Message.id)
        .limit(count)
    )
    if high is not None:
        query = query.where(Message.id < high)
    with reading():
        rows = [
            Due(*row)
            for status in WAITING
            for row in db.session.execute(query.where(Message.status == status))
        ]
        db.session.rollback()
    return sorted(rows, key=lambda row: row.id)[:count]


def _draft(plan: Plan, row: Due, at: datetime) -> Draft:
    stationery = plan.stationery
    if stationery is not None:
        made = draft_of(stationery, row, at)
        own = letters.with_own(made.composing, row.attachments or ())
        return replace(made, composing=own)
    bodies, stationery = _own_stationery(plan, row)
    composing = composing_row(row, stationery, bodies, at)
    composing = letters.with_own(composing, row.attachments or ())
    return Draft(row, stationery, composing, at, _left_out(row.bodies, bodies))


def _left_out(given: Mapping[str, Any] | None, left: Mapping[str, Any] | None) -> Any:
    """Return who is in the one and not in the other, by the header that named them."""
    if given is None or left is None or given is left:
        return {}
    return {
        parse_mailbox(one).addr: kind
        for kind in ("bcc", "cc", "to")
        for one in given.get(kind) or ()
        if one not in left[kind]
    }


def _own_stationery(plan: Plan, row: Due) -> tuple[Any, Stationery | None]:
    """Return what a single message says of itself, without who is suppressed.

    Where nobody would be left, all stay: the mark then skips the message. Nothing is
    returned where it is malformed.
    """
    try:
        bodies = _without_suppressed(row.bodies or {})
        single = Message(bodies=bodies, sender_id=plan.own_id)
        return bodies, plan.by_sender(letters.stationery_of_single(single))
    except AddressError:
        return row.bodies, None
    finally:
        db.session.rollback()


def _without_suppressed(bodies: Mapping[str, Any]) -> Mapping[str, Any]:
    left = {
        kind: [
            one
            for one in bodies[kind]
            if allowed((parse_mailbox(one),), None, transactional=True)
        ]
        for kind in ("to", "cc", "bcc")
        if bodies.get(kind)
    }
    is_left = bodies.get("to") is None or any(left.values())
    return {**bodies, **left} if is_left else bodies


def _known(ids: Sequence[int], plan: Plan) -> dict[int, dict[str, Status]]:
    """Return what became of single recipients in earlier tries."""
    stationery = plan.stationery
    if stationery is not None and not (stationery.cc or stationery.bcc):
        return {}
    found: dict[int, dict[str, Status]] = {}
    columns = (MessageAddress.message_id, MessageAddress.address, MessageAddress.status)
    with reading():
        query = sa.select(*columns).where(MessageAddress.message_id.in_(ids))
        for message_id, address, status in db.session.execute(query):
            found.setdefault(message_id, {})[address] = status
        db.session.rollback()
    return found
