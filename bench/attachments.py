"""What an attachment costs: the same campaign with a file of 200 KB and without.

The file is read, encoded and looked at once by each worker, and not copied into the
messages; so what remains is to write it to the connection. Counted is the user time of
the worker and its children: what the kernel does for 270 KB more a message is not ours.
"""

import random
import subprocess
from collections.abc import Iterator, Sequence
from typing import Any

import psutil

from bench.campaign import BACKLOG, CONNECTIONS
from bench.desk import Desk, desk
from bench.harness import Bench, Line, Size, interleaved
from tests.support.smtp_servers import smtp_sink
from webapp.core import blobs
from webapp.core.db import db

OCTETS = 200 * 1024
# Each takes 270 KB on the wire: more of them measure the network of this machine.
_MOST = 2000
_TIMES = 1.5


def _file() -> list[dict[str, Any]]:
    """Store a file that does not compress, and return how a campaign lists it."""
    content = random.Random(1).randbytes(OCTETS)  # noqa: S311 - the same each time
    sha256 = blobs.put(content)
    db.session.commit()
    listed = {"filename": "plan.pdf", "content_type": "application/pdf", "size": OCTETS}
    return [{**listed, "sha256": sha256, "content_id": ""}]


def _user_seconds(workers: Sequence["subprocess.Popen[bytes]"]) -> float:
    """Return the user time of workers, their children and those that ended."""
    total = 0.0
    for worker in workers:
        parent = psutil.Process(worker.pid)
        total += parent.cpu_times().children_user
        for process in (parent, *parent.children(recursive=True)):
            total += process.cpu_times().user
    return total


def _rate(at_work: Desk, port: int, files: Sequence[dict[str, Any]]) -> float:
    """Send a campaign; return its messages by each second of user time."""
    before = _user_seconds(at_work.workers)
    at_work.send(port, CONNECTIONS, files)
    count = at_work.people_count
    return count / (_user_seconds(at_work.workers) - before)


def run(size: Size) -> Iterator[Line]:
    """Measure one worker process on SQLite, with the file and without."""
    count = min(size.messages, _MOST)
    with smtp_sink(backlog=BACKLOG) as port, desk(count, 1) as at_work:
        files = _file()
        ours, theirs = interleaved(
            size.runs,
            lambda: _rate(at_work, port, files),
            lambda: _rate(at_work, port, ()),
        )
    yield Line(
        what=f"{count} messages with a file of 200 KB",
        unit="messages/s of user time",
        ours=ours,
        yardstick=theirs,
        against="without the file",
        at_least=1 / _TIMES,
    )


BENCH = Bench("attachments", run)
