"""A whole Postroom that may be hit: workers, web server, Redis, and their keeper.

The keeper does what a service manager does and no more: what died is started again.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import redis
import sqlalchemy as sa
from flask import Flask

import config
import webapp
from tests.chaos.moody import MoodyServer
from tests.chaos.oracle import Row, violations
from tests.support.ports import free_port
from tests.support.smtp_servers import PATIENCE
from webapp.campaigns import checking, launching, service
from webapp.campaigns.models import Campaign, Message
from webapp.campaigns.states import FINAL, OVER, State, Status
from webapp.core import embedded_redis
from webapp.core.clock import now
from webapp.core.db import db, reading
from webapp.delivery import connections
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

ROOT = Path(__file__).resolve().parents[2]
CONNECTIONS = 4
W = CONNECTIONS * connections.DEPTH


@dataclass
class Part:
    """A process of the house, in a group of its own."""

    name: str
    process: subprocess.Popen[bytes]
    is_frozen: bool = False

    @property
    def pid(self) -> int:
        """Return its process id."""
        return self.process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended, be it frozen."""
        return self.process.poll() is None

    def send(self, number: signal.Signals) -> None:
        """Signal all its processes."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def kill(self) -> None:
        """Kill it as the kernel does."""
        self.send(signal.SIGKILL)
        self.process.wait(PATIENCE)

    def freeze(self) -> None:
        """Stop it where it stands."""
        self.is_frozen = True
        self.send(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self.is_frozen = False
        self.send(signal.SIGCONT)


@dataclass
class House:
    """All of it.

    Parameters
    ----------
    app
        On the same database; its context is entered.
    database_url
        Where the workers find the database: maybe through a proxy.
    has_own_redis
        Whether a Redis runs beside; else the workers bring the embedded one.
    """

    directory: Path
    settings: config.Settings
    app: Flask
    server: MoodyServer
    database_url: str
    has_own_redis: bool = False
    parts: dict[str, Part] = field(default_factory=dict)
    killed: set[uuid.UUID] = field(default_factory=set)
    hits: int = 0
    starts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.notes = self.directory / "notes"
        self.notes.mkdir()
        self._log = (self.directory / "log").open("ab")
        self.web_port = free_port()
        self.sender_id = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for part in self.parts.values():
            part.kill()
        embedded = self.redis_pid()
        if embedded and not self.has_own_redis:
            self.signal_redis(signal.SIGCONT)
            embedded_redis.stop(self.settings.data_dir)
        self._log.close()

    def log(self) -> str:
        """Return what all processes said."""
        return (self.directory / "log").read_text(errors="replace")

    # ------------------------------------------------------------------ processes

    def start(self, name: str, *words: str, **environ: str) -> Part:
        """Start a process of the house."""
        settings = self.settings
        own = {"REDIS_URL": settings.redis_url} if settings.redis_url else {}
        process = subprocess.Popen(  # noqa: S603 - our own programs
            words,
            cwd=ROOT,
            env={
                "PATH": os.environ["PATH"],
                "DATA_DIR": str(settings.data_dir),
                "DATABASE_URL": self.database_url,
                "SECRET_KEY": settings.secret_key.decode(),
                "ALLOWED_PRIVATE_HOSTS": "127.0.0.1",
                "BASE_URL": settings.base_url,
                **own,
                **environ,
            },
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.starts[name.partition(" ")[0]] += 1
        self.parts[name] = Part(name, process)
        return self.parts[name]

    def worker(
        self, number: int | str, *points: str, fate: str = "kill", nth: int = 1
    ) -> Part:
        """Start a worker, which comes to grief at the points that are named."""
        armed = {}
        if points:
            armed = {
                "CHAOS_POINTS": "|".join(points),
                "CHAOS_FATE": fate,
                "CHAOS_NTH": str(nth),
                "CHAOS_NOTES": str(self.notes),
            }
        program = (sys.executable, "-m", "tests.chaos.victim")
        return self.start(f"worker {number}", *program, **armed)

    def reconciler(self, number: int) -> Part:
        """Start a process that reconciles all the time, besides the workers."""
        program = (sys.executable, "-m", "tests.chaos.reconciler")
        return self.start(f"reconciler {number}", *program)

    def web(self) -> Part:
        """Start the web server."""
        return self.start(
            "web",
            *(sys.executable, "-m", "gunicorn", "--bind"),
            *(f"127.0.0.1:{self.web_port}", "--workers", "1", "--threads", "4"),
            *("--worker-class", "gthread", "--log-level", "warning"),
            *("--no-control-socket", "webapp:create_app()"),
        )

    def redis(self) -> Part:
        """Start a Redis beside the house."""
        socket_path = str(self.settings.redis_url).removeprefix("unix://")
        return self.start(
            "redis",
            *("redis-server", "--port", "0", "--unixsocket", socket_path),
            *("--dir", str(self.directory), "--save", "", "--daemonize", "no"),
        )

    def tend(self, names: Sequence[str]) -> None:
        """Start again what died: the service manager's work."""
        for name in names:
            part = self.parts.get(name)
            if part is not None and part.is_alive:
                continue
            if part is not None and name.startswith("worker"):
                self.note_death(part)
            kind, _, number = name.partition(" ")
            make = getattr(self, kind)
            make(int(number)) if number else make()

    def redis_pid(self) -> int:
        """Return the process id of Redis; 0 where none runs."""
        if self.has_own_redis:
            return self.parts["redis"].pid if "redis" in self.parts else 0
        file = self.settings.data_dir / "redis" / "redis.pid"
        with contextlib.suppress(OSError, ValueError):
            pid = int(file.read_text())
            if b"redis" in Path(f"/proc/{pid}/cmdline").read_bytes():
                return pid
        return 0

    def signal_redis(self, number: signal.Signals) -> None:
        """Signal the Redis that runs just now."""
        pid = self.redis_pid()
        if pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def flush_redis(self) -> None:
        """Empty the queue, if it answers."""
        path = str(embedded_redis.socket_path(self.settings.data_dir))
        if self.has_own_redis:
            path = str(self.settings.redis_url).removeprefix("unix://")
        with (
            contextlib.suppress(redis.RedisError),
            redis.Redis(unix_socket_path=path, socket_timeout=1) as client,
        ):
            client.flushall()

    def held(self, pid: int) -> int:
        """Return how many rows are *sending* in a worker process."""
        query = (
            sa.select(sa.func.count())
            .select_from(Message)
            .join(Worker, Worker.id == Message.worker_id)
            .where(Worker.pid == pid, Message.status == Status.SENDING)
        )
        return self.read(query) or 0

    def note_death(self, part: Part) -> None:
        """Write down which workers this process was: they may leave rows in doubt."""
        with reading():
            found = db.session.scalars(
                sa.select(Worker.id).where(Worker.pid == part.pid)
            )
            self.killed.update(found)
            db.session.rollback()

    def kill_worker(self, part: Part) -> int:
        """Kill a worker; return how many rows it held as *sending* in that moment."""
        part.send(signal.SIGSTOP)
        self.note_death(part)
        held = self.held(part.pid)
        part.kill()
        self.hits += held > 0
        return held

    # ----------------------------------------------------------------------- rows

    def read(self, query: Any) -> Any:
        """Return one value, and let go of the database at once."""
        with reading():
            value = db.session.scalar(query)
            db.session.rollback()
        return value

    def sender(self) -> int:
        """Make the sender that leads to the server with moods; return its id."""
        if not self.sender_id:
            sender = Sender(
                name="Moody",
                kind=TransportKind.SMTP,
                from_name="The Desk",
                from_address="desk@example.org",
                host="127.0.0.1",
                port=self.server.port,
                security=Security.NONE,
                max_connections=CONNECTIONS,
                retry_minutes=[0.02, 0.03, 0.05],
            )
            db.session.add(sender)
            db.session.commit()
            self.sender_id = sender.id
        return self.sender_id

    def campaign(self, count: int) -> int:
        """Make, check and launch a campaign; the workers write its messages."""
        tag = uuid.uuid4().hex[:8]
        version = MessageTemplateVersion(
            number=1,
            format=Format.TEXT,
            subject="Hello {{ name }}",
            text="Dear {{ name }}, you are number {{ number }}.",
        )
        written = MessageTemplate(name=f"Hello {tag}", versions=[version])
        table = RecipientTable(name=f"People {tag}", address_column="email")
        table.columns = [
            RecipientColumn(name="email", kind=ColumnKind.EMAIL, position=0),
            RecipientColumn(name="name", kind=ColumnKind.TEXT, position=1),
            RecipientColumn(name="number", kind=ColumnKind.NUMBER, position=2),
        ]
        table.recipients_count = count
        sender_id = self.sender()
        db.session.add_all([written, table])
        db.session.flush()
        db.session.execute(
            sa.insert(Recipient),
            [_recipient(table.id, number, tag) for number in range(1, count + 1)],
        )
        campaign = Campaign(
            name=f"Spring {tag}",
            recipient_table_id=table.id,
            message_template_id=written.id,
            sender_id=sender_id,
        )
        db.session.add(campaign)
        db.session.commit()
        campaign_id = campaign.id
        service.check(campaign_id)
        checking.run(campaign_id)
        launching.launch(campaign_id, count, 0)
        db.session.rollback()
        return campaign_id

    def statuses(self) -> Counter[str]:
        """Count all messages by status."""
        query = sa.select(Message.status, sa.func.count()).group_by(Message.status)
        with reading():
            found = {status.value: n for status, n in db.session.execute(query)}
            db.session.rollback()
        return Counter(found)

    def is_quiet(self) -> bool:
        """Whether all campaigns are over and all messages final."""
        with reading():
            states = set(db.session.scalars(sa.select(Campaign.state).distinct()))
            left = db.session.scalar(
                sa.select(Message.id).where(Message.status.not_in(FINAL)).limit(1)
            )
            db.session.rollback()
        return states <= OVER and left is None

    def wait_quiet(
        self,
        names: Sequence[str] = (),
        seconds: float = PATIENCE,
        expected: Mapping[str, int] | None = None,
    ) -> None:
        """Wait until everything came to its end by itself.

        Parameters
        ----------
        names
            What is started again when it dies.
        expected
            What the rows come to. On a busy machine a living worker may be thought dead
            for a moment; its late record then mends what became *unknown*.
        """
        until = time.monotonic() + seconds
        while not self.is_quiet() or expected not in (None, self.statuses()):
            assert time.monotonic() < until, (
                f"not at its end: {dict(self.statuses())} {self.states()}\n"
                f"{self.waiting()}\n"
                f"{self.log()[-3000:]}"
            )
            self.tend(names)
            time.sleep(0.1)

    def wait_for_note(self, part: Part) -> None:
        """Wait until a process got to its point."""
        until = time.monotonic() + PATIENCE
        while not (self.notes / str(part.pid)).exists():
            assert time.monotonic() < until, f"never there\n{self.log()[-3000:]}"
            time.sleep(0.05)

    def settle(self, names: Sequence[str], seconds: float) -> None:
        """Wait until no promise is broken, or for so long: late records mend rows."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and self.violations():
            self.tend(names)
            time.sleep(0.5)

    def waiting(self) -> list[Any]:
        """Return what some messages wait for."""
        query = (
            sa.select(
                Message.status,
                Message.due_at,
                Message.tries,
                Message.reason,
                Message.reply,
                Sender.breaker_until,
                Sender.breaker_failures,
                Sender.breaker_words,
            )
            .join(Sender, Sender.id == Message.sender_id)
            .where(Message.status.not_in(FINAL))
        )
        with reading():
            found = list(db.session.execute(query.limit(5)))
            db.session.rollback()
        return [now(), *found]

    def states(self) -> list[State]:
        """Return the states of all campaigns."""
        with reading():
            found = list(db.session.scalars(sa.select(Campaign.state)))
            db.session.rollback()
        return found

    def violations(self) -> list[str]:
        """Ask the oracle."""
        words = Message.reason + " " + Message.reply
        columns = (Message.address, Message.status, Message.worker_id, words)
        with reading():
            rows = [Row(*one) for one in db.session.execute(sa.select(*columns))]
            campaigns = db.session.execute(_COUNTED).all()
            db.session.rollback()
        broken = violations(rows, self.server.ledger(), self.killed, W)
        broken += [
            f"campaign {one.id} is {one.state}: {one.people} people, {one.total} in"
            f" total, {one.rows} messages"
            for one in campaigns
            if not one.people == one.total == one.rows
        ]
        return broken


_COUNTED = sa.select(
    Campaign.id,
    Campaign.state,
    Campaign.total,
    sa.select(sa.func.count(Message.id))
    .where(Message.campaign_id == Campaign.id)
    .scalar_subquery()
    .label("rows"),
    sa.select(sa.func.count(Recipient.id))
    .where(Recipient.recipient_table_id == Campaign.recipient_table_id)
    .scalar_subquery()
    .label("people"),
)


def _recipient(table_id: int, number: int, tag: str) -> dict[str, Any]:
    address = f"person{number}@c{tag}.example.org"
    return {
        "recipient_table_id": table_id,
        "row_values": {
            "email": address,
            "name": f"Person {number}",
            "number": number,
        },
        "address": address,
        "address_key": address,
    }


def new_house(
    directory: Path,
    server: MoodyServer,
    app_url: str,
    *,
    through: str = "",
    has_own_redis: bool = False,
) -> House:
    """Return a house in an empty directory, on a database that has its tables."""
    data_dir = directory / "data"
    data_dir.mkdir(mode=0o700, exist_ok=True)
    url = f"unix://{directory / 'redis.sock'}"
    environ = {
        "DATA_DIR": str(data_dir),
        "DATABASE_URL": app_url,
        "SECRET_KEY": "test " * 8,
        "ALLOWED_PRIVATE_HOSTS": "127.0.0.1",
        "BASE_URL": "https://post.example.org",
        **({"REDIS_URL": url} if has_own_redis else {}),
    }
    settings = config.read(environ)
    app = webapp.create_app(settings)
    return House(directory, settings, app, server, through or app_url, has_own_redis)
