"""How long somebody waits for a mail server: a page for seconds, a job for longer.

Whoever waits says so around the work; below it every command, sign-in and wait for a
free connection takes no longer than what is left. A list is small and has so long in
all (`within`); a mail may be large and the line thin, so who opens one waits while the
server goes on talking (`while_heard`). Both belong to one thread.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

#: So long a page waits for its list; then it shows what was seen last.
PAGE_SECONDS = 4.0
#: So long a mail server may be silent while a mail is opened.
SILENCE_SECONDS = 4.0
#: A server that is asked at all gets this long.
LEAST = 0.05

_UNTIL: ContextVar[float | None] = ContextVar("until", default=None)
_SILENCE: ContextVar[float | None] = ContextVar("silence", default=None)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Wait for mail servers for so long in all."""
    token = _UNTIL.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _UNTIL.reset(token)


@contextmanager
def while_heard(seconds: float) -> Iterator[None]:
    """Wait for mail servers until one says nothing for so long."""
    token = _SILENCE.set(seconds)
    try:
        yield
    finally:
        _SILENCE.reset(token)


def seconds_left(usual: float) -> float:
    """Return how long to wait for what is small: a greeting, a free connection.

    >>> seconds_left(20.0)
    20.0
    >>> with within(3.0):
    ...     seconds_left(20.0) <= 3.0
    True
    """
    return min(seconds_in_all(usual), seconds_of_silence(usual))


def seconds_in_all(usual: float) -> float:
    """Return how long an answer may take, from the command to its end.

    >>> with while_heard(3.0):
    ...     seconds_in_all(20.0), seconds_of_silence(20.0), seconds_left(20.0)
    (20.0, 3.0, 3.0)
    """
    until = _UNTIL.get()
    if until is None:
        return usual
    return max(LEAST, min(usual, until - time.monotonic()))


def seconds_of_silence(usual: float) -> float:
    """Return how long a server may say nothing at all."""
    silence = _SILENCE.get()
    return usual if silence is None else min(usual, silence)
