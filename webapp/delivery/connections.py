"""The connections of one worker to one sender: they hand over what was marked.

They never touch the database. What they are given was marked and confirmed; each item
comes back exactly once, with its outcome or, where it was never offered, without one.
A connection is kept for a while after its last message.

Each is a conversation; they take turns in one thread (`webapp.core.turns`).

While a message's body leaves, its connection takes the next one *ahead*, whose envelope
is sent behind it. Nothing of that can be accepted before its own turn; so until then it
can be taken back like what still waits, and an idle connection takes it over from one
whose server has been silent for a while.
"""

import contextlib
import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from flask import Flask

from webapp.core.secrets import CannotUnseal
from webapp.core.turns import Turns, woken
from webapp.delivery.liveness import Me
from webapp.delivery.preparing import Prepared
from webapp.senders.models import Sender
from webapp.senders.outcome import Kind, Outcome, Trouble
from webapp.senders.proofs import same_for_all
from webapp.senders.smtp_envelope import Parcel
from webapp.senders.transports import Transport, open_transport

log = logging.getLogger(__name__)

DEPTH = 4
MOST = 32
IDLE_SECONDS = 20.0
LOOK_UP_SECONDS = 1.0
LOST_IN_A_ROW = 3
TAKE_OVER_SECONDS = 2.0
CLOSE_SECONDS = 2.0
CLOSE_LOOK_SECONDS = 0.01

WORDS_SEALED = (
    "The saved password of this sender does not open any more. Save the password again."
)
WORDS_NOBODY = "Everybody else on it has it already."
WORDS_BROKEN = "Something broke here while sending. It may have been accepted."


@dataclass(frozen=True, slots=True)
class Handed:
    """One message that was marked, and may be handed over.

    `spent` names the windows whose allowance it used: sender, window, domain.
    """

    prepared: Prepared
    attempt: UUID
    epoch: int
    spent: tuple[tuple[int, str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Done:
    """What became of it; no outcome means that it was never offered."""

    handed: Handed
    outcome: Outcome | None


class Connections:
    """A few connections, and the window of marked messages.

    Attributes
    ----------
    size
        How many connections there may ever be.
    allowed
        How many of them there may be now: what was leased. One beyond it ends after its
        message, and within a second where it has none.
    marked
        How many are: handed in and not yet settled (recorded).
    size_limit
        The largest message that the server takes, as it said last.
    unwell
        Set by the first connection that finds the server unwell; what waits comes back
        without having been offered.
    """

    def __init__(self, app: Flask, sender: Sender, me: Me) -> None:
        self.sender = sender
        self.size = max(1, min(sender.max_connections, MOST))
        self.allowed = 0
        self.unwell = threading.Event()
        self.marked = 0
        self.size_limit = sender.server_size
        self._me = me
        self._lost = 0
        self._closing = threading.Event()
        self._turns = Turns("connections", app.app_context)
        self._todo: queue.SimpleQueue[Handed] = queue.SimpleQueue()
        # By line, since when; who pops an item has it, and nobody else.
        self._ahead: dict[object, tuple[float, Handed]] = {}
        # Those that may be open, and those of them that are to stay so.
        self._lines: set[object] = set()
        self._staying: set[object] = set()
        self._done: deque[Done] = deque()
        self._wanted = 1
        self._enough = threading.Event()

    @property
    def window(self) -> int:
        """How many messages of this worker may be *sending*, taken ahead or not.

        At most W = connections * depth; who shares the connections with other workers
        has more for each of its own, for a transaction costs much the same for few rows
        as for many.
        """
        return min(2 * self.allowed, self.size) * DEPTH

    @property
    def open(self) -> int:
        """How many connections may still be open."""
        return len(self._lines)

    def hand(self, items: Sequence[Handed]) -> None:
        """Let the connections hand over what was marked and confirmed."""
        if not items:
            return
        self.marked += len(items)
        for item in items:
            self._todo.put(item)
        for _ in range(min(self.allowed - len(self._lines), len(items))):
            line = object()
            self._lines.add(line)
            self._staying.add(line)
            self._turns.begin(self._talk(line))
        self._turns.wake(len(items))

    def collect(self, at_least: int, seconds: float) -> list[Done]:
        """Return what has become of messages, waiting a while for a few of them."""
        if len(self._done) < at_least and seconds > 0:
            self._wanted = at_least
            self._enough.clear()
            if len(self._done) < at_least:
                self._enough.wait(seconds)
        return [self._done.popleft() for _ in range(len(self._done))]

    def settled(self, count: int) -> None:
        """Note that so many outcomes are recorded."""
        self.marked -= count

    def take_back(self) -> None:
        """Bring back what no connection has begun with, or has only taken ahead."""
        while (ahead := self._taken_over(0.0)) is not None:
            self._come_back(ahead, None)
        with contextlib.suppress(queue.Empty):
            while True:
                self._come_back(self._todo.get_nowait(), None)

    def close(self) -> None:
        """Let go of the connections, without waiting for a server that is silent."""
        self._closing.set()
        self.take_back()
        self._turns.wake(self.size)
        until = time.monotonic() + CLOSE_SECONDS
        while self._lines and time.monotonic() < until:
            time.sleep(CLOSE_LOOK_SECONDS)

    def _come_back(self, item: Handed, outcome: Outcome | None) -> None:
        """Say what became of an item; who waits is woken when there are enough."""
        self._done.append(Done(item, outcome))
        if len(self._done) >= self._wanted:
            self._enough.set()

    async def _talk(self, line: object) -> None:
        """Hand over one message after another, by one connection."""
        try:
            try:
                transport = open_transport(self.sender)
            except CannotUnseal:
                self._refuse_all()
                return
            with transport:
                while (item := await self._next(line)) is not None:
                    self._come_back(item, await self._offer(line, transport, item))
        finally:
            self._staying.discard(line)
            self._lines.discard(line)

    def _is_to_leave(self, line: object) -> bool:
        """Whether this one ends: it is one too many, or we are thought dead."""
        if self._closing.is_set() or not self._me.is_sure(self._me.epoch):
            return True
        if self._is_surplus:
            self._staying.discard(line)
            return True
        return False

    @property
    def _is_surplus(self) -> bool:
        return len(self._staying) > self.allowed

    async def _next(self, line: object) -> Handed | None:
        """Wait for work; ``None`` means to end, by request or after a while without."""
        _, item = self._ahead.pop(line, (0.0, None))
        if item is not None:
            return item
        until = time.monotonic() + IDLE_SECONDS
        while time.monotonic() < until and not self._is_to_leave(line):
            with contextlib.suppress(queue.Empty):
                return self._todo.get_nowait()
            item = self._taken_over(TAKE_OVER_SECONDS)
            if item is not None:
                return item
            await woken(LOOK_UP_SECONDS)
        return None

    def _taken_over(self, seconds: float) -> Handed | None:
        """Return what some connection took ahead so long ago and has not begun with."""
        before = time.monotonic() - seconds
        for line, (since, _) in list(self._ahead.items()):
            if since <= before:
                _, item = self._ahead.pop(line, (0.0, None))
                if item is not None:
                    return item
        return None

    def _take_ahead(self, line: object) -> Parcel | None:
        """Take the next message while the body of another leaves."""
        if self.unwell.is_set() or self._closing.is_set() or self._is_surplus:
            return None
        try:
            item = self._todo.get_nowait()
        except queue.Empty:
            return None
        self._ahead[line] = (time.monotonic(), item)
        if not item.prepared.targets or not self._me.is_sure(item.epoch):
            return None
        return _parcel(item)

    async def _offer(
        self, line: object, transport: Transport, item: Handed
    ) -> Outcome | None:
        if self.unwell.is_set() or not self._me.is_sure(item.epoch):
            return None
        if not item.prepared.targets:
            return Outcome(Kind.ACCEPTED, None, None, WORDS_NOBODY, ())
        try:
            outcome = await transport.offer(
                _parcel(item), lambda: self._take_ahead(line)
            )
        except Exception as error:  # noqa: BLE001 - whatever broke, the message's fate is open
            log.error("handing over broke: %s", type(error).__name__)  # noqa: TRY400 - a traceback may hold addresses
            return same_for_all(Kind.UNKNOWN, item.prepared.targets, words=WORDS_BROKEN)
        if transport.size_limit is not None:
            self.size_limit = transport.size_limit
        self._watch(outcome)
        return outcome

    def _watch(self, outcome: Outcome) -> None:
        """Stop them all when the server is unwell, or keeps hanging up."""
        lost = outcome.kind is Kind.DEFERRED and outcome.code is None
        self._lost = self._lost + 1 if lost else 0
        if outcome.kind is Kind.UNWELL or self._lost >= LOST_IN_A_ROW:
            self.unwell.set()

    def _refuse_all(self) -> None:
        """Answer the first with what is wrong, and bring the others back."""
        refusal = Outcome(Kind.UNWELL, None, None, WORDS_SEALED, (), Trouble.AUTH)
        with contextlib.suppress(queue.Empty):
            item = self._todo.get_nowait()
            is_first = not self.unwell.is_set()
            self.unwell.set()
            self._come_back(item, refusal if is_first else None)
        self.take_back()


def _parcel(item: Handed) -> Parcel:
    letter = item.prepared.composed
    targets = item.prepared.targets
    return Parcel(letter.mail_from, targets, letter.octets, letter.smtputf8)
