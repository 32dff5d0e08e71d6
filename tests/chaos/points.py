"""The named points at which a worker can come to grief, exactly there.

A point is a function of the product and a side of it. `arm` puts a wrapper around that
function wherever a module holds it; the product knows nothing of this. What the server
sees (in DATA, in mid-body, after the dot) is done from its side: see `moody`.
"""

import functools
import os
import signal
import sqlite3
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from webapp.campaigns import launching, message_rows, moves
from webapp.core.db import db
from webapp.delivery import liveness, marking, recording, tickets

Counts = Callable[[tuple[Any, ...], Any], bool]


def always(given: tuple[Any, ...], result: Any) -> bool:
    """Count every call."""
    del given, result
    return True


@dataclass(frozen=True)
class Point:
    """Where: before or after a function, in the calls that count."""

    module: ModuleType
    function: str
    is_before: bool
    counts: Counts = always


POINTS: dict[str, Point] = {
    "before the mark": Point(
        marking, "exchange", True, lambda given, _: bool(given[3])
    ),
    "in the mark": Point(marking, "_begin", False, lambda given, _: bool(given[2])),
    "after the mark": Point(
        marking, "exchange", False, lambda _, got: bool(got.marked)
    ),
    "before the record": Point(
        recording, "record", True, lambda given, _: bool(given[0])
    ),
    "in the record": Point(recording, "record", False, lambda given, _: bool(given[0])),
    "in reconcile": Point(liveness, "_tell", True),
    "between commit and ticket": Point(moves, "wake_tickets", True),
    "in launch": Point(message_rows, "_insert", False),
    "between launch batches": Point(message_rows, "write_batch", False),
    "launched, nobody told": Point(launching, "_complete", False),
    "in finish": Point(moves, "finish_if_done", True),
    "looking for tickets": Point(tickets, "due_campaigns", False),
}
# The answer to COMMIT does not come: it took place, or it did not.
LOST = "lost COMMIT answer"
LOST_BEFORE = "COMMIT that never took place"


def arm(name: str, fate: Callable[[], None], nth: int = 1) -> None:
    """Let a fate come at the nth time that this process gets to a point."""
    once = _Countdown(nth, fate)
    if name in {LOST, LOST_BEFORE}:
        _lose_commits(once, takes_place=name == LOST)
        return
    point = POINTS[name]
    usual = getattr(point.module, point.function)

    @functools.wraps(usual)
    def wrapper(*given: Any, **named: Any) -> Any:
        if point.is_before and point.counts(given, None):
            once()
        result = usual(*given, **named)
        if not point.is_before and point.counts(given, result):
            once()
        return result

    replace(usual, wrapper)


def replace(usual: Any, new: Any) -> None:
    """Put another function wherever a module of the product holds this one."""
    for name, module in list(sys.modules.items()):
        if name == "__main__" or name.partition(".")[0] in {"webapp", "worker"}:
            for attribute, value in list(vars(module).items()):
                if value is usual:
                    setattr(module, attribute, new)


class _Countdown:
    """Comes true at the nth call, once."""

    def __init__(self, nth: int, fate: Callable[[], None]) -> None:
        self._left = nth
        self._fate = fate
        self._lock = threading.Lock()

    def __call__(self) -> None:
        with self._lock:
            self._left -= 1
            is_now = self._left == 0
        if is_now:
            self._fate()


class LostAnswer(Exception):
    """The fate of a commit: nobody hears of it."""


def _lose_commits(once: _Countdown, *, takes_place: bool) -> None:
    """Lose the answer to the commit of a mark, as the driver would report it."""
    usual = marking.exchange
    here = threading.local()

    @functools.wraps(usual)
    def exchange(*given: Any) -> Any:
        if not hasattr(here, "patched"):
            _patch_commit(once, here, takes_place)
        here.is_marking = bool(given[3])
        try:
            return usual(*given)
        finally:
            here.is_marking = False

    replace(usual, exchange)


def _patch_commit(once: _Countdown, here: threading.local, takes_place: bool) -> None:
    """Wrap the driver's commit; jobs run in one thread, so once per thread is once."""
    here.patched = True
    dialect = db.engine.dialect
    usual = dialect.do_commit

    def do_commit(connection: Any) -> None:
        try:
            if getattr(here, "is_marking", False):
                once()
        except LostAnswer:
            if takes_place:
                usual(connection)
            else:
                connection.rollback()
            raise sqlite3.OperationalError("disk I/O error") from None
        usual(connection)

    dialect.do_commit = do_commit  # type: ignore[method-assign,assignment]  # only this process


def fate_of(word: str, notes: Path) -> Callable[[], None]:
    """Return what happens at a point: this process leaves a note, and then …"""

    def note() -> None:
        with (notes / str(os.getpid())).open("a") as file:
            file.write(word + "\n")

    def kill() -> None:
        note()
        os.kill(os.getpid(), signal.SIGKILL)

    def freeze() -> None:
        note()
        os.kill(os.getpid(), signal.SIGSTOP)

    def lose() -> None:
        note()
        raise LostAnswer

    return {"kill": kill, "freeze": freeze, "lose": lose}[word]
