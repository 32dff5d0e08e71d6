"""An installation to be measured: a fresh database, a Redis, people, real workers.

Everything is what an operator has: the tables come from the migration, the rows are
written by the launch, and the messages are sent by `worker.py` in processes of its own.
"""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

import config
import webapp
from tests.support.redis_server import running_redis
from webapp.campaigns import launching
from webapp.campaigns.models import Campaign, Message
from webapp.campaigns.moves import UNFINISHED
from webapp.campaigns.states import State, Status
from webapp.core import schema
from webapp.core.clock import now
from webapp.core.db import db, reading
from webapp.delivery.models import Worker
from webapp.message_templates.models import (
    Format,
    MessageTemplate,
    MessageTemplateVersion,
)
from webapp.recipients.kinds import ColumnKind
from webapp.recipients.models import Recipient, RecipientColumn, RecipientTable
from webapp.senders.models import Sender, TransportKind
from webapp.senders.server import Security

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 60.0
SEND_SECONDS = 900.0
POLL_SECONDS = 0.02
TOWNS = ("Malmö", "København", "Łódź", "Leith", "Göteborg", "Tromsø", "Porto")
_ROWS = 1000

SUBJECT = "{{ first_name }}, your evenings at the library in {{ town }}"
TEXT = (
    "Dear {{ first_name }} {{ last_name }},\n\n"
    + "Three evenings are still free in the winter programme of the library.\n" * 16
    + "\nYour card: {{ card }}\nYour plan: https://library.example/plan?c={{ card }}\n"
    "\nStop: {{ unsubscribe_url }}\n"
)
HTML = (
    "<!doctype html>\n<html><head><style>p { color: #222 }</style></head>\n<body>\n"
    "<h1>Dear {{ first_name }} {{ last_name }}</h1>\n"
    + "<p>Three evenings are still free in the winter programme.</p>\n"
    * 38
    + "<p>Card <b>{{ card }}</b> of {{ town }}: "
    '<a href="/plan?c={{ card }}">your plan</a></p>\n'
    '<p><a href="{{ unsubscribe_url }}">Stop</a></p>\n</body></html>\n'
)


class Desk:
    """One installation, inside its application's context."""

    def __init__(self, settings: config.Settings) -> None:
        self.settings = settings
        self.workers: list[subprocess.Popen[bytes]] = []
        self._table_id = 0
        self._version: tuple[int, int] = (0, 0)

    def people(self, count: int) -> None:
        """Write a recipient table and a message template."""
        table = RecipientTable(name="People", address_column="email")
        kinds = {"email": ColumnKind.EMAIL}
        names = ("email", "first_name", "last_name", "town", "card")
        table.columns = [
            RecipientColumn(
                name=name, kind=kinds.get(name, ColumnKind.TEXT), position=place
            )
            for place, name in enumerate(names)
        ]
        table.recipients_count = count
        version = MessageTemplateVersion(
            number=1, format=Format.HTML, subject=SUBJECT, text=TEXT, html=HTML
        )
        written = MessageTemplate(name="Winter", versions=[version])
        db.session.add_all([table, written])
        db.session.flush()
        self._table_id, self._version = table.id, (written.id, version.id)
        for start in range(0, count, _ROWS):
            rows = [
                _person(table.id, number)
                for number in range(start, min(start + _ROWS, count))
            ]
            db.session.execute(sa.insert(Recipient), rows)
        db.session.commit()

    @property
    def people_count(self) -> int:
        """How many people there are."""
        count = db.session.get_one(RecipientTable, self._table_id).recipients_count
        db.session.rollback()
        return count

    def campaign(
        self, port: int, connections: int, files: Sequence[dict[str, Any]] = ()
    ) -> int:
        """Make a campaign that is *ready*, by a sender of its own; return its id."""
        count = self.people_count
        name = f"{time.monotonic_ns()}"
        sender = Sender(
            name=name,
            kind=TransportKind.SMTP,
            from_name="The Harbour Library",
            from_address="desk@library.example",
            host="127.0.0.1",
            port=port,
            security=Security.NONE,
            max_connections=connections,
        )
        db.session.add(sender)
        db.session.flush()
        campaign = Campaign(
            name=name,
            state=State.READY,
            recipient_table_id=self._table_id,
            message_template_id=self._version[0],
            message_template_version_id=self._version[1],
            sender_id=sender.id,
            base_url="https://library.example",
            attachments=list(files),
            check_result={"rows": count, "recipients": count},
        )
        db.session.add(campaign)
        db.session.commit()
        return campaign.id

    def send(
        self, port: int, connections: int, files: Sequence[dict[str, Any]] = ()
    ) -> float:
        """Launch a campaign and wait for its last row; return messages a second."""
        campaign_id = self.campaign(port, connections, files)
        count = db.session.get_one(Campaign, campaign_id).check_result["recipients"]
        db.session.rollback()
        began = time.perf_counter()
        launching.launch(campaign_id, count, hold_seconds=0)
        while not self._is_done(campaign_id):
            assert time.perf_counter() - began < SEND_SECONDS, self.statuses()
            time.sleep(POLL_SECONDS)
        took = time.perf_counter() - began
        found = self.statuses(campaign_id)
        assert found == {Status.SENT: count}, found
        return float(count / took)

    def _is_done(self, campaign_id: int) -> bool:
        left = (
            sa.select(Message.id)
            .where(Message.campaign_id == campaign_id, Message.status.in_(UNFINISHED))
            .exists()
        )
        done = sa.select(Campaign.id).where(
            Campaign.id == campaign_id, Campaign.prepared_at.is_not(None), ~left
        )
        with reading():
            found = db.session.scalar(done)
            db.session.rollback()
        return found is not None

    def statuses(self, campaign_id: int | None = None) -> dict[Status, int]:
        """Count the rows by status."""
        query = sa.select(Message.status, sa.func.count()).group_by(Message.status)
        if campaign_id is not None:
            query = query.where(Message.campaign_id == campaign_id)
        with reading():
            rows = db.session.execute(query).all()
            db.session.rollback()
        return {status: count for status, count in rows}  # noqa: C416 - rows are no pairs to mypy

    def start_workers(self, count: int) -> None:
        """Start worker processes and wait until they have entered themselves."""
        settings = self.settings
        environ = {
            "PATH": os.environ["PATH"],
            "DATA_DIR": str(settings.data_dir),
            "DATABASE_URL": settings.database_url,
            "REDIS_URL": settings.redis_url or "",
            "BASE_URL": settings.base_url,
            "SECRET_KEY": settings.secret_key.decode(),
            "ALLOWED_PRIVATE_HOSTS": "127.0.0.1",
            "POSTROOM_PROFILE": os.environ.get("POSTROOM_PROFILE", ""),
        }
        for _ in range(count):
            worker = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, *_program()], cwd=ROOT, env=environ
            )
            self.workers.append(worker)
        until = time.monotonic() + START_SECONDS
        while self._entered() < count:
            assert time.monotonic() < until, "the workers do not start"
            assert all(worker.poll() is None for worker in self.workers)
            time.sleep(POLL_SECONDS)

    @staticmethod
    def _entered() -> int:
        with reading():
            found = db.session.scalar(sa.select(sa.func.count()).select_from(Worker))
            db.session.rollback()
        return found or 0

    def end(self) -> None:
        """Stop the workers."""
        for worker in self.workers:
            worker.send_signal(signal.SIGTERM)
        for worker in self.workers:
            try:
                worker.wait(30)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait(10)


def _program() -> list[str]:
    """Return how a worker is run: by itself, or under the profiler of this package."""
    if os.environ.get("POSTROOM_PROFILE"):
        return ["-m", "bench.profiled"]
    return [str(ROOT / "worker.py")]


@contextlib.contextmanager
def desk(people: int, workers: int, database_url: str = "") -> Iterator[Desk]:
    """Give an installation with people and running workers; it leaves nothing."""
    with contextlib.ExitStack() as stack:
        made = tempfile.TemporaryDirectory(prefix="postroom-bench-")
        directory = Path(stack.enter_context(made))
        data = directory / "data"
        data.mkdir(mode=0o700)
        settings = config.read(
            {
                "DATA_DIR": str(data),
                **({"DATABASE_URL": database_url} if database_url else {}),
                "REDIS_URL": stack.enter_context(running_redis(directory)),
                "BASE_URL": "https://post.library.example",
                "SECRET_KEY": "bench " * 8,
                "ALLOWED_PRIVATE_HOSTS": "127.0.0.1",
                "PRACTICE": "off",
            }
        )
        schema.upgrade(settings.database_url)
        stack.enter_context(webapp.create_app(settings).app_context())
        made_desk = Desk(settings)
        stack.callback(db.engine.dispose)
        stack.callback(db.session.remove)
        stack.callback(made_desk.end)
        made_desk.people(people)
        made_desk.start_workers(workers)
        yield made_desk


def _person(table_id: int, number: int) -> dict[str, object]:
    address = f"reader{number}@example.org"
    return {
        "recipient_table_id": table_id,
        "row_values": {
            "email": address,
            "first_name": f"Zoë{number % 97}",
            "last_name": f"O'Hara {number % 89}",
            "town": TOWNS[number % len(TOWNS)],
            "card": f"c{number:06d}",
        },
        "address": address,
        "address_key": address,
        "created_at": now(),
        "updated_at": now(),
    }
