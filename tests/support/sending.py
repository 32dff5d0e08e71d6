"""A sending desk: campaigns in rows, as a launch leaves them, and real workers.

The ledger of the recording server against the rows is what the tests of delivery ask.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest
import sqlalchemy as sa
from flask import Flask

import config
from tests.support.smtp_servers import PATIENCE, RecordingServer
from webapp.campaigns.letters import snapshot_of
from webapp.campaigns.models import Campaign, Message
from webapp.campaigns.states import State, Status
from webapp.core.clock import now
from webapp.core.db import db, reading
from webapp.delivery import breaker, engine, liveness
from webapp.delivery.engine import Engine
from webapp.delivery.models import Worker
from webapp.message_templates.models import (
    Format,
    MessageTemplate,
    MessageTemplateVersion,
)
from webapp.recipients.models import RecipientTable
from webapp.senders.models import Sender, TransportKind
from webapp.senders.server import Security

ROOT = Path(__file__).resolve().parents[2]
W = 16
HOUR, DAY = 3600, 24 * 3600


class Desk:
    """Rows, workers and the ledger.

    Parameters
    ----------
    app
        Its context is entered.
    """

    def __init__(
        self, app: Flask, settings: config.Settings, server: RecordingServer
    ) -> None:
        self.app = app
        self.settings = settings
        self.server = server
        self.workers: list[subprocess.Popen[bytes]] = []
        self._log = (settings.data_dir / "workers.log").open("ab")

    def log(self) -> str:
        """Return what the workers said."""
        return (self.settings.data_dir / "workers.log").read_text()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for worker in self.workers:
            if worker.poll() is None:
                worker.send_signal(signal.SIGCONT)
                worker.kill()
            worker.wait(PATIENCE)
        self._log.close()

    def sender(self, **values: Any) -> Sender:
        """Make a sender that leads to the recording server."""
        given: dict[str, Any] = {
            "name": f"Recorder {time.monotonic_ns()}",
            "kind": TransportKind.SMTP,
            "from_name": "The Desk",
            "from_address": "desk@example.org",
            "host": "127.0.0.1",
            "port": self.server.port,
            "security": Security.NONE,
            "max_connections": 4,
        }
        sender = Sender(**{**given, **values})
        db.session.add(sender)
        db.session.commit()
        return sender

    def campaign(
        self, count: int, sender: Sender | None = None, **values: Any
    ) -> Campaign:
        """Make a campaign that is *sending*, with rows as the launch writes them."""
        sender = sender or self.sender()
        version = MessageTemplateVersion(
            number=1,
            format=Format.TEXT,
            subject=values.pop("subject", "Hello {{ name }}"),
            text=values.pop("text", "Dear {{ name }}, you are number {{ number }}."),
        )
        written = MessageTemplate(name=f"Hello {now()}", versions=[version])
        table = RecipientTable(name=f"People {now()}", address_column="email")
        db.session.add_all([written, table])
        db.session.flush()
        campaign = Campaign(
            name="Spring",
            state=values.pop("state", State.SENDING),
            recipient_table_id=table.id,
            message_template_id=written.id,
            message_template_version_id=version.id,
            sender_id=sender.id,
            sender_snapshot=snapshot_of(sender),
            total=count,
            launched_at=now(),
            prepared_at=now(),
            **values,
        )
        db.session.add(campaign)
        db.session.flush()
        rows = [
            {
                "campaign_id": campaign.id,
                "sender_id": sender.id,
                "recipient_id": number,
                "row_number": number,
                "name": f"Person {number}",
                "address": person(number),
                "address_key": person(number),
                "row_values": {"name": f"Person {number}", "number": number},
            }
            for number in range(1, count + 1)
        ]
        db.session.execute(sa.insert(Message), rows)
        db.session.commit()
        return campaign

    def start(self, **environ: str) -> subprocess.Popen[bytes]:
        """Start a worker process."""
        settings = self.settings
        worker = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, str(ROOT / "worker.py")],
            cwd=ROOT,
            env={
                "PATH": os.environ["PATH"],
                "DATA_DIR": str(settings.data_dir),
                "DATABASE_URL": settings.database_url,
                "REDIS_URL": settings.redis_url or "",
                "SECRET_KEY": settings.secret_key.decode(),
                "ALLOWED_PRIVATE_HOSTS": "127.0.0.1",
                "BASE_URL": settings.base_url,
                **environ,
            },
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        self.workers.append(worker)
        return worker

    def hold_back(self, after: int = 0) -> threading.Event:
        """Let the server take a second for each message after so many.

        Until the event that is returned is set. So a campaign is under way for certain
        as long as a test needs that, and no longer.
        """
        let_go = threading.Event()
        usual = self.server.next_answer

        def answer(*steps: str) -> str | None:
            if "dot" in steps and len(self.server.mails) >= after:
                let_go.wait(1)
            return usual(*steps)

        self.server.next_answer = answer  # type: ignore[method-assign]  # only slower
        return let_go

    def wait_for_workers(self, count: int) -> None:
        """Wait until so many workers are at work."""
        query = sa.select(sa.func.count(Worker.id))

        def are_there() -> bool:
            with reading():
                found = db.session.scalar(query) or 0
                db.session.rollback()
            return found >= count

        self.wait_until(are_there, "a worker did not start")

    def wait_for_silence(self) -> None:
        """Wait until the server has heard the end of every connection."""
        self.wait_until(lambda: not self.server.now_open, "a connection stays")

    def statuses(self, campaign: Campaign | None = None) -> Counter[str]:
        """Count the rows by status."""
        query = sa.select(Message.status, sa.func.count()).group_by(Message.status)
        if campaign is not None:
            query = query.where(Message.campaign_id == campaign.id)
        with reading():
            found = {status.value: n for status, n in db.session.execute(query)}
            db.session.rollback()
        return Counter(found)

    def state(self, campaign: Campaign) -> State:
        """Return the state that a campaign is in now."""
        with reading():
            query = sa.select(Campaign.state).where(Campaign.id == campaign.id)
            state = db.session.scalar(query)
            db.session.rollback()
        assert state is not None
        return state

    def wait_until(
        self, condition: Callable[[], bool], what: str, seconds: float = PATIENCE
    ) -> None:
        """Wait until something is so."""
        until = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < until, f"{what}: {dict(self.statuses())}"
            time.sleep(0.05)

    def wait_finished(self, campaign: Campaign, seconds: float = PATIENCE) -> None:
        """Wait until a campaign has finished by itself."""
        self.wait_until(
            lambda: self.state(campaign) is State.FINISHED, "not finished", seconds
        )

    def assert_ledger_agrees(self) -> None:
        """Check each row against the copies that the server counted."""
        copies = self.server.copies()
        rows = db.session.execute(sa.select(Message.address, Message.status)).all()
        db.session.rollback()
        wrong = [
            (row.address, row.status.value, copies[row.address])
            for row in rows
            if copies[row.address] not in ALLOWED_COPIES[row.status]
        ]
        assert not wrong


ALLOWED_COPIES: dict[Status, frozenset[int]] = {
    Status.SENT: frozenset({1}),
    Status.UNKNOWN: frozenset({0, 1}),
    **dict.fromkeys(
        (
            Status.PENDING,
            Status.DEFERRED,
            Status.FAILED,
            Status.SKIPPED,
            Status.CANCELLED,
        ),
        frozenset({0}),
    ),
    Status.SENDING: frozenset({0, 1}),
}


def never_give_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no engine in this process give up because the machine is busy.

    As it is, a ticket ends when nothing has happened for three seconds, and a sender
    that is unwell is tried again after five.
    """
    monkeypatch.setattr(engine, "LINGER_SECONDS", PATIENCE)
    monkeypatch.setattr(engine, "TICKET_SECONDS", PATIENCE)
    monkeypatch.setattr(engine, "DRAIN_SECONDS", PATIENCE)
    monkeypatch.setattr(
        breaker, "database_time", lambda: liveness.database_time() + timedelta(hours=1)
    )


def engine_here(app: Flask) -> Engine:
    """Return what a worker process sends with, inside this process.

    A worker says every five seconds that it lives; this one is never in doubt.
    """
    me = liveness.register()
    me.beaten_at = float("inf")
    return Engine(app, me)


def stay_in_one(span: int, seconds: float = 90) -> None:
    """Make sure that no such span of the clock ends within the next seconds.

    A limit of so many an hour lets as many go again when the next one begins.
    """
    left = span - time.time() % span
    if left < seconds:
        time.sleep(left + 1)


def person(number: int) -> str:
    """Return the address of a recipient."""
    return f"person{number}@example.org"
