"""The loop of a ticket: prepare, mark, hand over, record, until nothing is left to do.

    due rows ─▶ prepared ─▶ [one transaction: record · mark] ─▶ connections ─┐
                                   ▲                                        │
                                   └───────── outcomes ◀────────────────────┘

One engine per worker process. It keeps the connections between tickets, and at most
W = connections * depth messages of a sender marked at a time. A ticket does not wait
for a server that has gone silent: what nobody has begun with is taken back, what is in
flight is settled later by `settle`, which the reconciler calls.
"""

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace

from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from webapp.core.db import db
from webapp.core.errors import Unavailable
from webapp.delivery import leases, tickets
from webapp.delivery.connections import MOST, Connections
from webapp.delivery.due import PLACES
from webapp.delivery.liveness import Me
from webapp.delivery.marking import Exchanged, exchange
from webapp.delivery.plans import Plan
from webapp.delivery.preparing import Ready, prepare
from webapp.delivery.ways import Way, address_of, settled_of, tell_breakers
from webapp.message_templates.rendering import RenderPool
from webapp.senders.models import TransportKind

log = logging.getLogger(__name__)

WAIT_SECONDS = 0.05
LINGER_SECONDS = 3.0
# A ticket lets others have their turn, single messages first among them.
TICKET_SECONDS = 10.0
# A limit that lets more go within this time is waited for.
PATIENCE_SECONDS = 1.5
DRAIN_SECONDS = 20.0
# A ticket of a campaign asks so often whether single messages wait.
GIVE_WAY_SECONDS = 0.5
# How often a ticket asks for connections, and how long it waits for the first one.
LEASE_SECONDS = 1.0
LEASE_PATIENCE = 2.5
LEASE_PAUSE = 0.2

Pick = Callable[[int], list[Ready]]


def nothing(room: int) -> list[Ready]:
    """Pick nothing: there are only outcomes to record."""
    del room
    return []


class Engine:
    """What a worker process sends with."""

    def __init__(self, app: Flask, me: Me) -> None:
        self.me = me
        self.stopping = threading.Event()
        self._app = app
        self._ways: dict[tuple[object, ...], Way] = {}
        self._pool = RenderPool()
        self._turn = threading.Lock()

    def work(self, plan: Plan) -> bool:
        """Do what one ticket says; return when its rows are done, or stopped.

        Returns
        -------
        bool
            False where nothing was done: others have all connections to the server.
        """
        with self._turn:
            if self.stopping.is_set():
                return False
            way = self._way(plan)
            until = time.monotonic() + LEASE_PATIENCE
            while not self.lease(way, way.connections.size):
                if time.monotonic() > until or self.stopping.wait(LEASE_PAUSE):
                    return False
            _Ticket(self, way, plan).run()
            if way.others_lack:
                self.lease(way, 0)
            return True

    def prepare(self, plan: Plan) -> Iterator[list[Ready]]:
        """Prepare the due rows of a plan, a chunk at a time."""
        return prepare(plan, self._pool)

    def lease(self, way: Way, wanted: int) -> int:
        """Ask how many connections this worker may have now, and keep to it.

        What was granted before holds when the database does not answer; not when this
        process was thought dead meanwhile.
        """
        connections = way.connections
        sender = connections.sender
        if sender.kind is TransportKind.DRY_RUN:
            connections.allowed = connections.size
            return connections.allowed
        elsewhere = sum(
            other.connections.open
            for other in self._ways.values()
            if other is not way and other.connections.sender.id == sender.id
        )
        epoch = self.me.epoch
        has_open = connections.open + elsewhere
        asked = leases.Asked(sender.id, sender.max_connections, wanted, has_open)
        try:
            grant = leases.renew(self.me, asked)
        except SQLAlchemyError as error:
            db.session.rollback()
            log.warning("no lease of connections: %s", type(error).__name__)
            if way.leased_under != self.me.epoch:
                connections.allowed = 0
            return connections.allowed
        connections.allowed = max(0, min(grant.count - elsewhere, connections.size))
        way.leased_at, way.leased_under = time.monotonic(), epoch
        way.others_lack = grant.others_lack
        return connections.allowed

    def settle(self) -> None:
        """Record what came back after its ticket had ended; does nothing meanwhile."""
        if not self._turn.acquire(blocking=False):
            return
        try:
            for way in self._ways.values():
                self.trade(way, None, nothing, 0.0)
                if way.connections.allowed and not self.stopping.is_set():
                    self.lease(way, 0)
        finally:
            self._turn.release()

    def drain(self) -> None:
        """Record what is in flight, for a bounded time, and close the connections."""
        self.stop()
        with self._turn:
            ways = list(self._ways.values())
            for way in ways:
                way.connections.take_back()
            while self.me.may_wait() and any(way.is_busy for way in ways):
                for way in ways:
                    self.trade(way, None, nothing, WAIT_SECONDS)
            for way in ways:
                way.connections.close()
                self.lease(way, 0)
            self._pool.close()

    def stop(self) -> None:
        """Mark nothing any more; what is in flight gets a bounded time."""
        if not self.stopping.is_set():
            self.me.ends_at = time.monotonic() + DRAIN_SECONDS
            self.stopping.set()

    def trade(
        self, way: Way, plan: Plan | None, pick: Pick, seconds: float
    ) -> Exchanged:
        """Record what came back, mark what is picked, and hand over what was marked.

        Parameters
        ----------
        pick
            Returns at most so many rows that are to be marked.
        """
        connections = way.connections
        at_least = min(connections.marked, connections.window // 3)
        done = connections.collect(at_least, seconds)
        fresh = [settled_of(one) for one in done]
        way.unsaved.extend(fresh)
        wanted = pick(connections.window - connections.marked + len(way.unsaved))
        if not way.unsaved and not wanted:
            return Exchanged()
        got = exchange(plan, self.me, way.unsaved, wanted)
        if got.is_stored:
            connections.settled(len(way.unsaved))
            way.unsaved.clear()
        connections.hand(got.marked)
        if fresh:
            tell_breakers(way, done, fresh)
        return got

    def _way(self, plan: Plan) -> Way:
        """Return the connections of a plan's sender, new where it was changed."""
        key = address_of(plan.sender)
        for other, way in list(self._ways.items()):
            if other[0] == key[0] and other != key and not way.is_busy:
                way.connections.close()
                del self._ways[other]
        if key not in self._ways:
            self._ways[key] = Way(Connections(self._app, plan.sender, self.me))
        way = self._ways[key]
        way.connections.unwell.clear()
        way.so_far.final.clear()
        return way


class _Ticket:
    """One run of the loop."""

    def __init__(self, engine: Engine, way: Way, plan: Plan) -> None:
        self._engine = engine
        self._way = way
        self._plan = plan
        self._chunks = engine.prepare(plan)
        self._ready: deque[Ready] = deque()
        self._is_open = True
        self._until = time.monotonic() + TICKET_SECONDS
        self._probe = 0 if plan.probing else None
        self._asked_at = time.monotonic()

    def run(self) -> None:
        """Go on until nothing is left to do, or nothing happens any more."""
        connections = self._way.connections
        last = time.monotonic()
        while True:
            self._renew()
            self._fill()
            before = connections.marked
            got = self._engine.trade(
                self._way, self._plan, self._pick, self._seconds(before)
            )
            self._is_open = self._is_open and got.is_open and got.is_stored
            self._hold_back(got)
            if got.lost > len(got.marked):
                self._go_elsewhere()
            if got.marked or connections.marked != before:
                last = time.monotonic()
            if self._is_over(time.monotonic() - last):
                break
        connections.take_back()
        self._engine.trade(self._way, None, nothing, 0.0)

    def _renew(self) -> None:
        """Ask for connections now and then, and at once if we were thought dead."""
        way = self._way
        connections = way.connections
        is_ours = way.leased_under == self._engine.me.epoch
        is_settled = connections.open <= connections.allowed
        pause = LEASE_SECONDS if is_settled else LEASE_PAUSE
        if is_ours and time.monotonic() - way.leased_at < pause:
            return
        is_full = connections.marked >= connections.window
        self._engine.lease(way, MOST if is_full else connections.size)

    def _hold_back(self, got: Exchanged) -> None:
        """Wait for a limit that lets more go soon; for another one mark no more."""
        self._ready.extendleft(reversed(got.left))
        if got.wait > PATIENCE_SECONDS:
            self._until = 0.0
        elif got.left:
            self._engine.stopping.wait(min(got.wait, WAIT_SECONDS))

    def _go_elsewhere(self) -> None:
        """Leave these rows to the other worker that is at them; there are more."""
        self._ready.clear()
        place = random.randrange(PLACES)  # noqa: S311 - spreads, no secret
        elsewhere = replace(self._plan, generation=place)
        self._chunks = self._engine.prepare(elsewhere)
        self._fill()

    def _seconds(self, marked: int) -> float:
        """Return how long to wait for outcomes: not at all while there is room."""
        has_room = marked < self._way.connections.window // 2
        return 0.0 if self._ready and has_room else WAIT_SECONDS

    def _goes_on(self) -> bool:
        return (
            self._is_open
            and time.monotonic() < self._until
            and not self._engine.stopping.is_set()
            and not self._way.connections.unwell.is_set()
            and not self._gives_way()
        )

    def _gives_way(self) -> bool:
        """Whether single messages wait: they go first, and this campaign after them."""
        at = time.monotonic()
        if self._plan.campaign_id is None or at - self._asked_at < GIVE_WAY_SECONDS:
            return False
        self._asked_at = at
        if not tickets.due_senders():
            return False
        self._until = 0.0
        return True

    def _fill(self) -> None:
        """Prepare more when less is ready than the window holds."""
        while self._goes_on() and len(self._ready) < self._way.connections.window:
            try:
                chunk = next(self._chunks, None)
            except Unavailable:
                chunk = None
            if chunk is None:
                return
            self._ready.extend(chunk)

    def _pick(self, room: int) -> list[Ready]:
        """Return what is to be marked now, of a sender that was unwell one at first."""
        if not self._goes_on():
            self._ready.clear()
            return []
        if self._probe is not None:
            if self._probe and self._way.connections.marked == len(self._way.unsaved):
                self._probe = None
            else:
                room = 1 - self._probe
                self._probe = 1
        return [self._ready.popleft() for _ in range(min(room, len(self._ready)))]

    def _is_over(self, silent: float) -> bool:
        connections = self._way.connections
        if not self._ready and not connections.marked:
            return True
        if self._engine.stopping.is_set():
            connections.take_back()
            return not self._engine.me.may_wait()
        if connections.unwell.is_set() or not self._is_open:
            connections.take_back()
        return silent > LINGER_SECONDS
