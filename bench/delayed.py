"""A campaign over a wire with 20 ms round trip, against `smtplib` in 32 threads.

The threads send the same octets: what our own composer made of the same campaign.
"""

import queue
import smtplib
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime

from bench.desk import HTML, SUBJECT, TEXT, desk
from bench.harness import Bench, Line, Size, interleaved
from tests.support.slow_wire import slow_wire
from tests.support.smtp_servers import smtp_sink
from webapp.composing.letter import Address, Letter
from webapp.composing.mime import compose

ROUND_TRIP = 0.02
CONNECTIONS = 32
_MOST = 4000
_FROM, _TO = "desk@library.example", "reader@example.org"


def by_smtplib(port: int, count: int) -> float:
    """Return how many messages a second 32 threads with `smtplib` send."""
    data = compose(
        Letter(
            from_=Address("The Harbour Library", _FROM),
            to=(Address("", _TO),),
            subject=SUBJECT,
            text=TEXT,
            html=HTML,
            message_id="1@library.example",
            date=datetime(2026, 11, 22, tzinfo=UTC),
        )
    ).data
    todo: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in range(count):
        todo.put(number)

    def work() -> None:
        with smtplib.SMTP("127.0.0.1", port) as server:
            while True:
                try:
                    todo.get_nowait()
                except queue.Empty:
                    return
                server.sendmail(_FROM, [_TO], data)

    threads = [threading.Thread(target=work) for _ in range(CONNECTIONS)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return count / (time.perf_counter() - began)


def run(size: Size) -> Iterator[Line]:
    """Measure one worker process with 32 connections."""
    count = min(size.messages, _MOST)
    with (
        smtp_sink(backlog=1000) as far,
        slow_wire(far, ROUND_TRIP) as port,
        desk(count, 1) as at_work,
    ):
        ours, theirs = interleaved(
            size.runs,
            lambda: at_work.send(port, CONNECTIONS),
            lambda: by_smtplib(port, count),
        )
    yield Line(
        what=f"campaign of {count} messages, 20 ms round trip, 32 connections",
        unit="messages/s",
        ours=ours,
        yardstick=theirs,
        against="smtplib in 32 threads",
        at_least=2.5,
    )


BENCH = Bench("delayed", run)
