"""The connections of one worker to one sender: threads that hand over what was marked.

They never touch the database. What they are given was marked and confirmed; each item
comes back exactly once, with its outcome or, where it was never offered, without one.
A connection is kept for a while after its last message.

While a message's body leaves, its thread takes the next one *ahead*, whose envelope is
sent behind it. Nothing of that can be accepted before its own turn; so until then it
can be taken back like what still waits, and an idle thread takes it over from one whose
server has been silent for a while.
"""

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from flask import Flask

from webapp.core.secrets import CannotUnseal
from webapp.delivery.liveness import Me
from webapp.delivery.preparing import Prepared
from webapp.senders.models import Sender
from webapp.senders.outcome import Kind, Outcome, Trouble
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
    """A few threads, each with a kept connection, and the window of marked messages.

    Attributes
    ----------
    size
        How many connections there may ever be.
    allowed
        How many of them there may be now: what was leased. A thread beyond it ends
        after its message, and within a second where it has none.
    marked
        How many are: handed in and not yet settled (recorded).
    size_limit
        The largest message that the server takes, as it said last.
    unwell
        Set by the first thread that finds the server unwell; what waits comes back
        without having been offered.
    """

    def __init__(self, app: Flask, sender: Sender, me: Me) -> None:
        self.sender = sender
        self.size = max(1, min(sender.max_connections, MOST))
        self.allowed = 0
        self.unwell = threading.Event()
        self.marked = 0
        self.size_limit = sender.server_size
        self._app = app
        self._me = me
        self._lost = 0
        self._closing = threading.Event()
        self._todo: queue.SimpleQueue[Handed | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[Done] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        # By thread, since when; who pops an item has it, and nobody else.
        self._ahead: dict[int, tuple[float, Handed]] = {}
        self._staying: set[threading.Thread] = set()
        self._leaving = threading.Lock()

    @property
    def window(self) -> int:
        """W = connections * depth: how many messages of this worker may be *sending*.

        Those that were taken ahead are among them.
        """
        return self.allowed * DEPTH

    @property
    def open(self) -> int:
        """How many connections may still be open."""
        return sum(thread.is_alive() for thread in self._threads)

    def hand(self, items: Sequence[Handed]) -> None:
        """Let the threads hand over what was marked and confirmed."""
        self.marked += len(items)
        for item in items:
            self._todo.put(item)
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        for _ in range(min(self.allowed - len(self._threads), len(items))):
            thread = threading.Thread(target=self._run, name="connection", daemon=True)
            self._threads.append(thread)
            self._staying.add(thread)
            thread.start()

    def collect(self, at_least: int, seconds: float) -> list[Done]:
        """Return what has become of messages, waiting a while for a few of them."""
        found: list[Done] = []
        until = time.monotonic() + seconds
        while True:
            wait = until - time.monotonic() if len(found) < at_least else 0
            try:
                found.append(self._done.get(wait > 0, max(wait, 0)))
            except queue.Empty:
                return found

    def settled(self, count: int) -> None:
        """Note that so many outcomes are recorded."""
        self.marked -= count

    def take_back(self) -> None:
        """Bring back what no thread has begun with, or has only taken ahead."""
        while (ahead := self._taken_over(0.0)) is not None:
            self._done.put(Done(ahead, None))
        with contextlib.suppress(queue.Empty):
            while True:
                item = self._todo.get_nowait()
                if item is not None:
                    self._done.put(Done(item, None))

    def close(self) -> None:
        """Let go of the connections, without waiting for a server that is silent."""
        self._closing.set()
        self.take_back()
        for _ in self._threads:
            self._todo.put(None)
        until = time.monotonic() + CLOSE_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _run(self) -> None:
        with self._app.app_context():
            try:
                transport = open_transport(self.sender)
            except CannotUnseal:
                self._refuse_all()
                self._leave()
                return
            with transport:
                for item in self._items():
                    self._done.put(Done(item, self._offer(transport, item)))

    def _items(self) -> Iterable[Handed]:
        me = threading.get_ident()
        while True:
            _, item = self._ahead.pop(me, (0.0, None))
            item = item or self._next()
            if item is None:
                break
            yield item
        self._leave()

    def _is_to_leave(self) -> bool:
        """Whether this thread ends: it is one too many, or we are thought dead."""
        if self._closing.is_set() or not self._me.is_sure(self._me.epoch):
            return True
        with self._leaving:
            if not self._is_surplus:
                return False
            self._staying.discard(threading.current_thread())
            return True

    @property
    def _is_surplus(self) -> bool:
        return len(self._staying) > self.allowed

    def _leave(self) -> None:
        with self._leaving:
            self._staying.discard(threading.current_thread())

    def _next(self) -> Handed | None:
        """Wait for work; ``None`` means to end, by request or after a while without."""
        until = time.monotonic() + IDLE_SECONDS
        while time.monotonic() < until and not self._is_to_leave():
            try:
                return self._todo.get(timeout=min(LOOK_UP_SECONDS, TAKE_OVER_SECONDS))
            except queue.Empty:
                item = self._taken_over(TAKE_OVER_SECONDS)
                if item is not None:
                    return item
        return None

    def _taken_over(self, seconds: float) -> Handed | None:
        """Return what some thread took ahead so long ago and has not begun with."""
        before = time.monotonic() - seconds
        for thread, (since, _) in list(self._ahead.items()):
            if since <= before:
                _, item = self._ahead.pop(thread, (0.0, None))
                if item is not None:
                    return item
        return None

    def _take_ahead(self) -> Parcel | None:
        """Take the next message while the body of another leaves."""
        if self.unwell.is_set() or self._closing.is_set() or self._is_surplus:
            return None
        try:
            item = self._todo.get_nowait()
        except queue.Empty:
            return None
        if item is None:
            self._todo.put(None)
            return None
        self._ahead[threading.get_ident()] = (time.monotonic(), item)
        targets, letter = item.prepared.targets, item.prepared.composed
        if not targets or not self._me.is_sure(item.epoch):
            return None
        return Parcel(letter.mail_from, targets, letter.data, letter.smtputf8)

    def _offer(self, transport: Transport, item: Handed) -> Outcome | None:
        if self.unwell.is_set() or not self._me.is_sure(item.epoch):
            return None
        letter = item.prepared.composed
        if not item.prepared.targets:
            return Outcome(Kind.ACCEPTED, None, None, WORDS_NOBODY, ())
        try:
            outcome = transport.hand_over(
                letter.mail_from,
                item.prepared.targets,
                letter.data,
                letter.smtputf8,
                self._take_ahead,
            )
        except Exception as error:  # noqa: BLE001 - whatever broke, the message's fate is open
            log.error("handing over broke: %s", type(error).__name__)  # noqa: TRY400 - a traceback may hold addresses
            return Outcome(Kind.UNKNOWN, None, None, WORDS_BROKEN, ())
        if transport.size_limit is not None:
            self.size_limit = transport.size_limit
        self._watch(outcome)
        return outcome

    def _watch(self, outcome: Outcome) -> None:
        """Stop all threads when the server is unwell, or keeps hanging up."""
        lost = outcome.kind is Kind.DEFERRED and outcome.code is None
        self._lost = self._lost + 1 if lost else 0
        if outcome.kind is Kind.UNWELL or self._lost >= LOST_IN_A_ROW:
            self.unwell.set()

    def _refuse_all(self) -> None:
        """Answer the first with what is wrong, and bring the others back."""
        refusal = Outcome(Kind.UNWELL, None, None, WORDS_SEALED, (), Trouble.AUTH)
        for item in self._items():
            first = not self.unwell.is_set()
            self.unwell.set()
            self._done.put(Done(item, refusal if first else None))
            if first:
                self.take_back()
                return
