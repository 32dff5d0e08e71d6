"""A receiving server with moods: all that real ones do, at random by a seed.

What it answers depends on the seed, the recipient and how often that one was tried,
and not on the clock; so a run can be repeated. It keeps the ledger, counts its
silences, and can do something to the worker that is just speaking, at a named step.
"""

import random
import threading
import time
from collections import Counter, deque
from collections.abc import Callable

import psutil

from tests.chaos.oracle import Ledger
from tests.support.ports import free_port
from tests.support.smtp_servers import DROP, RECORD_THEN_DROP, RecordingServer

HUSH_SECONDS = 1.5
# At the final dot, of a thousand: the answer, and whether nobody hears of it.
DOT = (
    (15, "451 4.3.0 Later"),
    (5, "421 4.3.2 Shutting down"),
    (4, DROP),
    (4, RECORD_THEN_DROP),
    (3, "HUSH"),
)
RCPT = ((25, "451 4.2.0 Greylisted"),)
REFUSED = "550 5.1.1 No such user"
# Without a recipient in the step: any of these may be hit.
OTHERS = {
    "greeting": ((40, "421 4.3.2 Too many connections"), (20, DROP)),
    "mail": ((3, "421 4.3.2 Too busy"), (3, DROP)),
    "data": ((4, "451 4.3.0 No room"), (3, DROP)),
    "body": ((4, DROP),),
}

Blow = Callable[[int], None]


class MoodyServer(RecordingServer):
    """The recording server of the tests, with moods.

    Parameters
    ----------
    seed
        Of all moods; none has the server always say yes.
    """

    def __init__(self, seed: int | None = None, pause: float = 0.01) -> None:
        super().__init__(port=free_port())  # ours also while it is closed
        self.seed = seed
        self.pause = pause
        self.silences: Counter[str] = Counter()
        self.blows: dict[str, deque[Blow]] = {}
        self._tries: Counter[str] = Counter()
        self._random = random.Random(seed)  # noqa: S311 - a seed is the point
        self._here = threading.local()
        self._in_doubt: dict[int, str] = {}
        self._is_closing = False

    def ledger(self) -> Ledger:
        """Return what was taken, and where it was silent."""
        return Ledger(self.copies(), self.silences)

    def strike(self, step: str, *blows: Blow) -> None:
        """Do something to the process that gets to ``data``, ``body`` or ``dot`` next.

        A blow is called with its id.
        """
        self.blows.setdefault(step, deque()).extend(blows)

    def opened(self, connection: object) -> None:
        """Note who speaks."""
        super().opened(connection)  # type: ignore[arg-type]  # a socket
        self._here.port = connection.getpeername()[1]  # type: ignore[attr-defined]  # as above

    def closed(self, connection: object) -> None:
        """Forget who spoke."""
        self._in_doubt.pop(threading.get_ident(), None)
        super().closed(connection)  # type: ignore[arg-type]  # a socket

    def next_answer(self, *steps: str) -> str | None:
        """Answer by mood; what was scripted goes first."""
        if not steps:  # a reply that was decided before
            return None
        step = steps[-1].partition(":")[0]
        self._follow(step, steps[0])
        if step in {"data", "body", "dot"}:
            self._strike(step)
        if step == "dot":
            time.sleep(self.pause * random.random())  # noqa: S311 - no secret
        scripted = super().next_answer(*steps)
        if scripted is not None or self.seed is None:
            return scripted
        return self._mood(step, steps)

    def _follow(self, step: str, first: str) -> None:
        """Know whose message may have been given to us whole, and not answered."""
        me = threading.get_ident()
        if step == "rcpt":
            self._here.addr = first.partition(":")[2]
        if step not in {"data", "body", "dot"}:
            self._in_doubt.pop(me, None)
            return
        self._in_doubt[me] = self._here.addr
        if self._is_closing:
            self._keep_silent(self._here.addr)

    def _keep_silent(self, addr: str) -> None:
        with self.lock:
            self.silences[addr] += 1

    def _strike(self, step: str) -> None:
        with self.lock:
            waiting = self.blows.get(step)
            blow = waiting.popleft() if waiting else None
        if blow is None:
            return
        pid = speaker(self._here.port)
        if pid:
            blow(pid)
        else:  # it is gone already: the next one
            self.strike(step, blow)

    def _mood(self, step: str, steps: tuple[str, ...]) -> str | None:
        if step in OTHERS:
            with self.lock:
                answer = picked(OTHERS[step], self._random.random())
            if step == "body" and answer:
                self._keep_silent(self._here.addr)
            return answer
        addr = steps[0].partition(":")[2]
        if step == "rcpt":
            return self._at_rcpt(addr)
        return self._at_dot(addr) if step == "dot" else None

    def _at_rcpt(self, addr: str) -> str | None:
        with self.lock:
            self._tries[addr] += 1
        if number_of(addr) % 40 == 7:
            return REFUSED
        return picked(RCPT, self._chance("rcpt", addr))

    def _at_dot(self, addr: str) -> str | None:
        answer = picked(DOT, self._chance("dot", addr))
        if answer in {DROP, RECORD_THEN_DROP, "HUSH"}:
            self._keep_silent(addr)
        if answer == "HUSH":
            time.sleep(HUSH_SECONDS)
            return RECORD_THEN_DROP
        return answer

    def _chance(self, step: str, addr: str) -> float:
        name = f"{self.seed}:{step}:{addr}:{self._tries[addr]}"
        return random.Random(name).random()  # noqa: S311 - a seed is the point

    def refuse(self, seconds: float) -> None:
        """Close the port for a while, and every connection with it."""
        self._is_closing = True
        for addr in list(self._in_doubt.values()):
            self._keep_silent(addr)
        self.close_port()
        self._is_closing = False
        threading.Timer(seconds, self.open_port).start()


def picked(table: tuple[tuple[int, str], ...], chance: float) -> str | None:
    """Return the answer in a table of thousandths that a chance hits.

    Examples
    --------
    >>> picked(((15, "451 Later"), (5, "421 Bye")), 0.017), picked(((15, "x"),), 0.5)
    ('421 Bye', None)
    """
    left = chance * 1000
    for share, answer in table:
        if left < share:
            return answer
        left -= share
    return None


def number_of(addr: str) -> int:
    """Return the number in an address.

    Examples
    --------
    >>> number_of("person47@c3.example.org")
    47
    """
    return int("".join(one for one in addr.partition("@")[0] if one.isdigit()) or 0)


def speaker(port: int) -> int:
    """Return the id of the process that holds the other end of a connection."""
    for found in psutil.net_connections("tcp4"):
        if found.laddr and found.laddr.port == port and found.pid:
            return found.pid
    return 0
