"""A launch to a million recipients, pages while it sends, then its cancelling.

Addresses come in no order, as those of real people do: an index over them that grows at
its end alone would flatter the launch. The check is not counted, so the campaign begins
as *ready*. Times are those of whole requests to the real web server, one after the
other over one kept connection, with a token; a worker sends to smtp-sink meanwhile.
"""

import contextlib
import hashlib
import http.client
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import sqlalchemy as sa

from bench.desk import ROOT, TOWNS, Desk, desk
from bench.harness import FULL, Bench, Line, Size
from tests.support.ports import free_port
from tests.support.smtp_servers import smtp_sink
from webapp.campaigns import launching, steering, tallies
from webapp.campaigns.models import Campaign, Message
from webapp.campaigns.states import WAITING, Status
from webapp.core.clock import now
from webapp.core.db import db, reading
from webapp.core.ids import uuid7
from webapp.operators import tokens
from webapp.operators.models import Operator
from webapp.recipients.models import Recipient, RecipientTable

MANY = 1_000_000
REQUESTS = 200
CONNECTIONS = 16
LAUNCH_SECONDS, STATUS_MS, PAGE_MS, RESIDENT_MB = 60.0, 20.0, 50.0, 200.0
CANCEL_MS = 1000.0
PATIENCE = 900.0
_BATCH = 5000
_RECIPIENT = cast(sa.Table, Recipient.__table__)


def run(size: Size) -> Iterator[Line]:
    """Measure a launch, the pages while it sends, the processes, and a cancelling."""
    count = MANY if size.messages >= FULL.messages else size.messages * 10
    with smtp_sink(backlog=1000) as port, desk(1, 1) as at_work:
        people(count)
        campaign_id = at_work.campaign(port, CONNECTIONS)
        took = launch(campaign_id, count)
        yield Line(
            what=f"launch of a campaign to {count} recipients",
            unit="s",
            ours=[took],
            at_most=LAUNCH_SECONDS,
        )
        with web(at_work) as (process, place):
            ask = asker(place)
            yield from _requests(campaign_id, ask)
            size_of = {"worker": at_work.workers[0].pid, "web": process.pid}
            for what, pid in size_of.items():
                yield Line(
                    what=f"the {what}'s processes, resident",
                    unit="MB",
                    ours=[resident(pid)],
                    at_most=RESIDENT_MB,
                )
            yield from _cancelling(campaign_id, ask)
        wrong = tallies.differences() if size.messages < FULL.messages else []
        db.session.rollback()
        assert not wrong, wrong


def people(count: int) -> None:
    """Fill the recipient table up to so many rows."""
    table = db.session.scalars(sa.select(RecipientTable)).one()
    table_id, table.recipients_count = table.id, count
    db.session.commit()
    for start in range(1, count, _BATCH):
        numbers = range(start, min(start + _BATCH, count))
        rows = [_person(table_id, number) for number in numbers]
        db.session.connection().execute(sa.insert(_RECIPIENT), rows)
        db.session.commit()


def _person(table_id: int, number: int) -> dict[str, object]:
    name = hashlib.blake2s(str(number).encode(), digest_size=6).hexdigest()
    address = f"{name}@example{number % 997}.org"
    values = {
        "email": address,
        "first_name": f"Zoë{number % 97}",
        "last_name": f"O'Hara {number % 89}",
        "town": TOWNS[number % len(TOWNS)],
        "card": f"c{number:06d}",
    }
    return {
        "public_id": uuid7(),
        "recipient_table_id": table_id,
        "row_values": values,
        "address": address,
        "address_key": address,
        "problems": {},
        "has_problems": False,
        "search": "\n".join(values.values()).casefold(),
        "version": 1,
        "created_at": now(),
        "updated_at": now(),
    }


def launch(campaign_id: int, count: int) -> float:
    """Launch a campaign; return the seconds until all of its rows are there."""
    began = time.perf_counter()
    launching.launch(campaign_id, count, hold_seconds=0)
    prepared = sa.select(Campaign.prepared_at).where(Campaign.id == campaign_id)
    while _read(prepared) is None:
        assert time.perf_counter() - began < PATIENCE, "the launch does not end"
        time.sleep(0.1)
    return time.perf_counter() - began


def _read(query: "sa.Select[Any]") -> object:
    with reading():
        found = db.session.scalar(query)
        db.session.rollback()
    return found


@contextlib.contextmanager
def web(at_work: Desk) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Run the web server as `serve.py` does, in one process; yield it and its port."""
    port, settings = free_port(), at_work.settings
    process = subprocess.Popen(  # noqa: S603 - our own program
        [
            *(sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}"),
            *("--workers", "1", "--worker-class", "gthread", "--threads", "8"),
            *("--log-level", "warning", "--preload", "--no-control-socket"),
            "webapp:create_app()",
        ],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "DATA_DIR": str(settings.data_dir),
            "DATABASE_URL": settings.database_url,
            "REDIS_URL": settings.redis_url or "",
            "BASE_URL": settings.base_url,
            "SECRET_KEY": settings.secret_key.decode(),
            "PRACTICE": "off",
        },
    )
    try:
        until = time.monotonic() + 60
        while not _answers(port):
            assert process.poll() is None, "the web server has ended"
            assert time.monotonic() < until, "the web server does not answer"
            time.sleep(0.1)
        yield process, port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        connection.getresponse().read()
    except OSError:
        return False
    finally:
        connection.close()
    return True


def _requests(campaign_id: int, ask: Callable[[str], float]) -> Iterator[Line]:
    """Time requests while the campaign sends; each place has its promise."""
    place = f"/api/v1/campaigns/{campaign_id}"
    middle = sa.select(Message.address).where(Message.campaign_id == campaign_id)
    address = str(_read(middle.order_by(Message.id.desc()).limit(1)))
    sent = sa.select(sa.func.sum(tallies.CampaignTally.sent))
    asked = (
        ("status", f"{place}/status", STATUS_MS),
        ("a page of messages", f"{place}/messages", PAGE_MS),
        ("a page of sent messages", f"{place}/messages?status=sent", PAGE_MS),
        ("a search for an address", f"{place}/messages?q={address}", PAGE_MS),
    )
    for what, path, promise in asked:
        before = cast(int, _read(sent))
        taken = [ask(path) for _ in range(REQUESTS)]
        assert cast(int, _read(sent)) > before, "nothing was sent meanwhile"
        yield Line(
            what=f"{what}, while it sends", unit="ms", ours=taken, at_most=promise
        )
        worst = statistics.quantiles(taken, n=20)[-1]
        yield Line(what=f"{what}, 95 of 100 within", unit="ms", ours=[worst])
    waiting = sa.select(Message.id).where(
        Message.campaign_id == campaign_id, Message.status == Status.PENDING
    )
    assert _read(waiting.limit(1)) is not None, "it ended before it was measured"


def _cancelling(campaign_id: int, ask: Callable[[str], float]) -> Iterator[Line]:
    """Time the answer, the pages meanwhile, and how long it takes to the last row."""
    began = time.perf_counter()
    count = steering.cancel(campaign_id)
    answered = (time.perf_counter() - began) * 1000
    waiting = sa.select(Message.id).where(
        Message.campaign_id == campaign_id, Message.status.in_(WAITING)
    )
    path, taken = f"/api/v1/campaigns/{campaign_id}/messages?status=cancelled", []
    while _read(waiting.limit(1)) is not None:
        assert time.perf_counter() - began < PATIENCE, "the cancelling does not end"
        taken.append(ask(path))
        time.sleep(0.05)
    took = time.perf_counter() - began
    yield Line(
        what=f"cancelling {count} messages: the answer",
        unit="ms",
        ours=[answered],
        at_most=CANCEL_MS,
    )
    yield Line(what="… the last row", unit="s", ours=[took])
    if taken:
        yield Line(
            what="… a page of messages meanwhile",
            unit="ms",
            ours=taken,
            at_most=PAGE_MS,
        )


def asker(port: int) -> Callable[[str], float]:
    """Return what gets a path over one connection and says how many ms it took."""
    operator = Operator(
        name="Bench", email="b@library.example", email_key="b@library.example"
    )
    operator.password_hash = ""
    db.session.add(operator)
    db.session.flush()
    _row, token = tokens.create(operator, "bench", ["read"])
    db.session.commit()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def ask(path: str) -> float:
        began = time.perf_counter()
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == 200, body  # noqa: PLR2004 - an HTTP status
        return (time.perf_counter() - began) * 1000

    for _ in range(5):
        ask("/api/v1/campaigns?limit=1")
    return ask


def resident(pid: int) -> float:
    """Return the megabytes of a process and its children; shared pages count once."""
    return sum(_share(one) for one in _tree(pid)) / 1024


def _share(pid: int) -> int:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    line = next(line for line in text.splitlines() if line.startswith("Pss:"))
    return int(line.split()[1])


def _tree(pid: int) -> Sequence[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(one for child in children for one in _tree(int(child)))]


BENCH = Bench("million", run)
