"""A quiet machine for the one test that measures a promise by the clock.

The processes of a test run share two lock files: whoever runs a test holds `main`
shared; who needs quiet waits until nobody else does. The `gate` keeps new tests from
beginning meanwhile (first come, first served).
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from tests.support.rubbish import place

RUN = "PYTEST_XDIST_TESTRUNUID"


@cache
def _lock(name: str) -> int:
    path = Path(place()) / f"postroom-quiet-{os.environ[RUN]}-{name}"
    return os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)


@contextmanager
def running_a_test() -> Iterator[None]:
    """Say that a test of this process runs; wait first while another needs quiet."""
    if RUN not in os.environ:
        yield
        return
    fcntl.flock(_lock("gate"), fcntl.LOCK_EX)
    fcntl.flock(_lock("main"), fcntl.LOCK_SH)
    fcntl.flock(_lock("gate"), fcntl.LOCK_UN)
    yield
    fcntl.flock(_lock("main"), fcntl.LOCK_UN)


@contextmanager
def alone() -> Iterator[None]:
    """Let no other process run a test in this block; for use inside a test."""
    if RUN not in os.environ:
        yield
        return
    fcntl.flock(_lock("gate"), fcntl.LOCK_EX)
    fcntl.flock(_lock("main"), fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(_lock("main"), fcntl.LOCK_SH)
        fcntl.flock(_lock("gate"), fcntl.LOCK_UN)


def forget() -> None:
    """Remove the lock files of this run."""
    if RUN in os.environ:
        for path in Path(place()).glob(f"postroom-quiet-{os.environ[RUN]}-*"):
            path.unlink(missing_ok=True)
