"""A campaign of personalised text and HTML messages, from launch to the last row sent.

The yardstick is Postfix's own load generator `smtp-source`, written in C: it sends as
many octets in as many messages over 16 sessions to the same smtp-sink, as it comes (a
session for each message), and keeps no record of them.
"""

import shutil
import subprocess
import time
from collections.abc import Iterator

from bench import plain_loop
from bench.desk import desk
from bench.harness import Bench, Line, Size, interleaved
from tests.support.postgres import running_postgres
from tests.support.smtp_servers import smtp_sink

OCTETS = 6000
CONNECTIONS = 16
BACKLOG = 1000
SOURCE = "smtp-source, 16 sessions"
UNIT = "messages/s"
_PLAIN = 300


def smtp_source(port: int, messages: int) -> float:
    """Return how many messages a second smtp-source sends."""
    binary = shutil.which("smtp-source", path="/usr/sbin:/usr/local/sbin:/usr/bin")
    assert binary, "smtp-source is missing: install Debian's postfix (see `make test`)"
    words = ["-s", str(CONNECTIONS), "-m", str(messages), "-l", str(OCTETS)]
    words += ["-f", "desk@library.example", "-t", "reader@example.org"]
    began = time.perf_counter()
    subprocess.run(  # noqa: S603 - our own command
        [binary, *words, f"inet:127.0.0.1:{port}"], check=True, timeout=600
    )
    return messages / (time.perf_counter() - began)


def _campaign(size: Size, workers: int, words: str, url: str = "") -> Iterator[Line]:
    at_least = 0.25 if workers == 1 and not url else None
    with (
        smtp_sink(backlog=BACKLOG) as port,
        desk(size.messages, workers, url) as at_work,
    ):
        ours, theirs = interleaved(
            size.runs,
            lambda: at_work.send(port, CONNECTIONS),
            lambda: smtp_source(port, size.messages),
        )
    yield Line(
        what=f"campaign of {size.messages} messages, {words}",
        unit=UNIT,
        ours=ours,
        yardstick=theirs,
        against=SOURCE,
        at_least=at_least,
    )


def one_worker(size: Size) -> Iterator[Line]:
    """Measure one worker process on SQLite."""
    return _campaign(size, 1, "SQLite, one worker")


def two_workers(size: Size) -> Iterator[Line]:
    """Measure two worker processes on SQLite."""
    return _campaign(size, 2, "SQLite, two workers")


def postgres(size: Size) -> Iterator[Line]:
    """Measure one worker process, and two, on PostgreSQL."""
    with running_postgres() as cluster:
        for workers, words in ((1, "one worker"), (2, "two workers")):
            url = cluster.new_database()
            yield from _campaign(size, workers, f"PostgreSQL, {words}", url)


def against_plain_loop(size: Size) -> Iterator[Line]:
    """Measure one worker process against the plain loop."""
    few = min(size.messages, _PLAIN)
    with (
        smtp_sink(backlog=BACKLOG) as port,
        desk(size.messages, 1) as at_work,
    ):
        ours, theirs = interleaved(
            size.runs,
            lambda: at_work.send(port, CONNECTIONS),
            lambda: plain_loop.send(port, few),
        )
    yield Line(
        what=f"campaign of {size.messages} messages, SQLite, one worker",
        unit=UNIT,
        ours=ours,
        yardstick=theirs,
        against="the plain loop",
        at_least=5.0,
    )


ONE_WORKER = Bench("one-worker", one_worker)
TWO_WORKERS = Bench("two-workers", two_workers)
POSTGRES = Bench("postgres", postgres)
PLAIN_LOOP = Bench("plain-loop", against_plain_loop)
