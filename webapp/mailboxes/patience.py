"""How long somebody waits for a mail server: a page for seconds, a job for longer.

Whoever waits says so around the work; below it every command, sign-in and wait for a
free connection takes no longer than what is left. It belongs to one thread.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

#: So long a page waits for its list; then it shows what was seen last.
PAGE_SECONDS = 4.0
#: A server that is asked at all gets this long.
LEAST = 0.05

_UNTIL: ContextVar[float | None] = ContextVar("until", default=None)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Wait for mail servers for so long in all."""
    token = _UNTIL.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _UNTIL.reset(token)


def seconds_left(usual: float) -> float:
    """Return how long to wait for the next answer.

    >>> seconds_left(20.0)
    20.0
    >>> with within(3.0):
    ...     seconds_left(20.0) <= 3.0
    True
    """
    until = _UNTIL.get()
    if until is None:
        return usual
    return max(LEAST, min(usual, until - time.monotonic()))
