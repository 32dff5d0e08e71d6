"""Coroutines that take turns: many conversations with servers in one thread.

A conversation is an ordinary coroutine. Where it cannot go on it awaits one of

    await readable(fd, seconds)     the other side has spoken, or hung up
    await writable(fd, seconds)     the network takes octets again
    await aside(work)               what blocks: a look-up, a handshake
    await woken(seconds)            somebody has work for it

and `alone` runs one of them to its end in the caller's thread, `Turns` many beside each
other in a thread of their own. Times are in seconds.

Why not a thread for each: sixteen of them spend more time on taking the interpreter's
lock from each other than on the octets (bench/README.md). Why not asyncio: the same
coroutines have to run without a loop as well, where a person tries a sender out, and on
sockets that the one door for connections has opened, with TLS or without.
"""

import logging
import select
import socket
import threading
import time
from collections.abc import Callable, Coroutine, Generator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import coroutine
from typing import Any, TypeVar

log = logging.getLogger(__name__)

Result = TypeVar("Result")

_MILLISECONDS = 1000
_NEVER = float("inf")
_BEGIN = object()


@dataclass(slots=True)
class _Ready:
    """Wait until a socket can be read or written, but not for ever."""

    fd: int
    mask: int
    seconds: float


@dataclass(slots=True)
class _Aside:
    """Have something done that blocks."""

    work: Callable[[], Any]


@dataclass(slots=True)
class _Woken:
    """Wait until there is work, or until the time is over."""

    seconds: float


_Wish = _Ready | _Aside | _Woken
Conversation = Coroutine[_Wish, Any, Result]


@coroutine
def readable(fd: int, seconds: float) -> Generator[_Wish, None, None]:
    """Wait until there is something to read, the end included.

    Raises
    ------
    TimeoutError
        If there is nothing for so long.
    """
    yield _Ready(fd, select.POLLIN, seconds)


@coroutine
def writable(fd: int, seconds: float) -> Generator[_Wish, None, None]:
    """Wait until octets can be given to the network.

    Raises
    ------
    TimeoutError
        If it takes none for so long.
    """
    yield _Ready(fd, select.POLLOUT, seconds)


@coroutine
def aside(work: Callable[[], Result]) -> Generator[_Wish, Any, Result]:
    """Return what a function returns that blocks; raise what it raises."""
    result: Result = yield _Aside(work)
    return result


@coroutine
def woken(seconds: float) -> Generator[_Wish, None, None]:
    """Wait until `Turns.wake` is called, or until the time is over; never raises."""
    yield _Woken(seconds)


def alone(conversation: "Conversation[Result]") -> Result:
    """Run one conversation to its end, waiting in the caller's thread."""
    answer: Any = None
    failure: BaseException | None = None
    while True:
        try:
            wish = _sent(conversation, answer, failure)
        except StopIteration as end:
            result: Result = end.value
            return result
        answer = failure = None
        try:
            answer = _granted(wish)
        except BaseException as error:  # noqa: BLE001 - it is raised where it was awaited
            failure = error


def _sent(
    conversation: "Conversation[Any]", answer: Any, failure: BaseException | None
) -> _Wish:
    """Let a conversation go on; return what it waits for next."""
    if failure is not None:
        return conversation.throw(failure)
    return conversation.send(answer)


def _granted(wish: _Wish) -> Any:
    """Wait for what is wished; return what came of it."""
    if isinstance(wish, _Aside):
        return wish.work()
    if isinstance(wish, _Woken):
        time.sleep(wish.seconds)
        return None
    waiting = select.poll()
    waiting.register(wish.fd, wish.mask)
    if not waiting.poll(wish.seconds * _MILLISECONDS):
        raise TimeoutError
    return None


@dataclass(slots=True, eq=False)
class _Turn:
    """A conversation that waits, and until when."""

    conversation: "Conversation[None]"
    fd: int = -1
    until: float = _NEVER


_News = tuple[_Turn, Any, BaseException | None]


class Turns:
    """A thread in which conversations take turns; it ends with the last of them.

    A conversation that raises is over, and logged; the others go on.

    Parameters
    ----------
    name
        Of the thread.
    within
        Makes the context in which the thread runs.
    """

    def __init__(
        self, name: str, within: Callable[[], AbstractContextManager[Any]]
    ) -> None:
        self._name = name
        self._within = within
        # Under the lock: what other threads hand in, and the bell that tells of it.
        self._lock = threading.Lock()
        self._news: list[_News] = []
        self._calls = 0
        self._bell: socket.socket | None = None
        self._is_rung = False
        # Touched by the thread itself alone, and new for the next one.
        self._count = 0
        self._poll = select.poll()
        self._waiting: dict[int, _Turn] = {}
        self._idle: dict[_Turn, None] = {}
        self._soonest = _NEVER

    def begin(self, conversation: "Conversation[None]") -> None:
        """Let a conversation take its turns with the others; from any thread."""
        with self._lock:
            self._news.append((_Turn(conversation), _BEGIN, None))
            if self._bell is None:
                ear, self._bell = socket.socketpair()
                self._is_rung = False
                threading.Thread(
                    target=self._run, args=(ear,), name=self._name, daemon=True
                ).start()
            self._ring()

    def wake(self, count: int) -> None:
        """Wake so many of those who wait for it, if there are; from any thread."""
        with self._lock:
            self._calls += count
            self._ring()

    def _ring(self) -> None:
        if self._bell is not None and not self._is_rung:
            self._is_rung = True
            self._bell.send(b"!")

    def _run(self, ear: socket.socket) -> None:
        self._poll = select.poll()
        self._poll.register(ear.fileno(), select.POLLIN)
        with self._within():
            self._hear(ear)
            while not self._is_over():
                for fd, _ in self._poll.poll(self._patience()):
                    turn = self._waiting.pop(fd, None)
                    if turn is not None:
                        self._poll.unregister(fd)
                        self._go_on(turn)
                if time.monotonic() >= self._soonest:
                    self._expire()
                self._hear(ear)
        ear.close()

    def _is_over(self) -> bool:
        """Whether nobody is left; who begins after that begins another thread."""
        with self._lock:
            if self._count or self._news or self._bell is None:
                return False
            self._bell.close()
            self._bell = None
            return True

    def _hear(self, ear: socket.socket) -> None:
        """Take in what others handed in."""
        with self._lock:
            if self._is_rung:
                ear.recv(1)
                self._is_rung = False
            news, self._news = self._news, []
            calls, self._calls = self._calls, 0
        for turn, answer, failure in news:
            if answer is _BEGIN:
                self._count += 1
                answer = None  # noqa: PLW2901 - a coroutine begins with None
            self._go_on(turn, answer, failure)
        while calls and self._idle:
            calls -= 1
            turn, _ = self._idle.popitem()
            self._go_on(turn)

    def _patience(self) -> float | None:
        """Return how many milliseconds nothing has to be done without a reason."""
        if self._soonest == _NEVER:
            return None
        return max(0.0, self._soonest - time.monotonic()) * _MILLISECONDS + 1

    def _expire(self) -> None:
        """Go on with those whose time is over."""
        at = time.monotonic()
        late = [turn for turn in self._waiting.values() if turn.until <= at]
        for turn in late:
            del self._waiting[turn.fd]
            self._poll.unregister(turn.fd)
            self._go_on(turn, None, TimeoutError())
        for turn in [turn for turn in self._idle if turn.until <= at]:
            del self._idle[turn]
            self._go_on(turn)
        turns = (*self._waiting.values(), *self._idle)
        self._soonest = min((turn.until for turn in turns), default=_NEVER)

    def _go_on(
        self, turn: _Turn, answer: Any = None, failure: BaseException | None = None
    ) -> None:
        """Let a conversation go on until it has to wait again."""
        try:
            wish = _sent(turn.conversation, answer, failure)
        except StopIteration:
            self._count -= 1
            return
        except Exception as error:  # noqa: BLE001 - one that breaks must not end the others
            self._count -= 1
            log.error("a conversation broke: %s", type(error).__name__)  # noqa: TRY400 - a traceback may hold addresses
            return
        if isinstance(wish, _Aside):
            threading.Thread(
                target=self._do_aside, args=(turn, wish.work), daemon=True
            ).start()
            return
        turn.until = time.monotonic() + wish.seconds
        self._soonest = min(self._soonest, turn.until)
        if isinstance(wish, _Woken):
            self._idle[turn] = None
            return
        turn.fd = wish.fd
        self._waiting[wish.fd] = turn
        self._poll.register(wish.fd, wish.mask)

    def _do_aside(self, turn: _Turn, work: Callable[[], Any]) -> None:
        news: _News
        try:
            news = (turn, work(), None)
        except BaseException as error:  # noqa: BLE001 - it is raised where it was awaited
            news = (turn, None, error)
        with self._lock:
            self._news.append(news)
            self._ring()
