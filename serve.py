"""All of Postroom on one machine with one command: ``python serve.py`` (``make run``).

Starts the embedded Redis, the practice servers, the web server and the send workers,
starts again whatever dies, and prints one line with the address to open. One Ctrl-C
(or SIGTERM) stops everything in order, the workers first, so that they finish what they
hold; a second one ends all at once. Real servers take the place of the embedded ones
when ``REDIS_URL`` or ``PRACTICE=off`` is set.

How a child is kept alive and stopped is in `webapp.core.processes`.
"""

import asyncio
import errno
import fcntl
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import redis
import sqlalchemy.exc

import config
from webapp import create_app
from webapp.core import embedded_redis, practice, schema
from webapp.core.errors import DomainError
from webapp.core.processes import Child, first_of, say, stop_in_order
from webapp.operators import setup

WEB_THREADS = 8
POLL_SECONDS = 0.1
READY_SECONDS = 60.0


class CannotStart(Exception):
    """Something has to be mended first; the text says what."""


@dataclass(frozen=True)
class Parts:
    """What runs; stopped from left to right."""

    workers: list[Child]
    watchers: list[Child]
    web: list[Child]
    practice: list[Child]
    redis: list[Child]

    def in_order(self) -> list[list[Child]]:
        """Return the groups in the order in which they stop."""
        return [self.workers, self.watchers, self.web, self.practice, self.redis]

    def everything(self) -> list[Child]:
        """Return all children, those first that the others need."""
        return [child for group in reversed(self.in_order()) for child in group]


def main() -> int:
    """Run everything until told to stop; return the exit status."""
    try:
        settings = config.read()
        with alone(settings.data_dir), listening(settings) as web:
            environ = environment(settings, web)
            opening = prepare(config.read(environ))
            asyncio.run(run(settings, parts(settings, web), environ, opening))
    except (CannotStart, config.SettingsError, DomainError) as error:
        say(str(error))
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


async def run(
    settings: config.Settings, parts: Parts, environ: Mapping[str, str], opening: str
) -> None:
    """Start all parts, say where to open them, and stop them in order at the end."""
    stop, hurry = asyncio.Event(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(
            number, lambda: hurry.set() if stop.is_set() else stop.set()
        )
    everything = parts.everything()
    tasks = [asyncio.create_task(child.keep(environ)) for child in everything]
    try:
        await first_of(stop.wait(), ready(settings, int(environ["PORT"])))
        if not stop.is_set():
            sys.stdout.write(opening + "\n")
            sys.stdout.flush()
        await stop.wait()
        say("Stopping. A second Ctrl-C ends everything at once.")
    finally:
        await first_of(hurry.wait(), stop_in_order(parts.in_order()))
        for child in everything:
            child.kill()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def ready(settings: config.Settings, port: int) -> None:
    """Wait until the web server answers and the practice servers listen.

    Raises
    ------
    CannotStart
        If that takes more than a minute.
    """
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        access = practice.load(settings.data_dir) if settings.practice else None
        ports = [access.smtp_port, access.imap_port] if access else []
        if (access or not settings.practice) and await all_answer(
            settings, port, ports
        ):
            return
        await asyncio.sleep(POLL_SECONDS)
    raise CannotStart(
        "Postroom did not get ready within a minute. The lines above say why."
    )


async def all_answer(
    settings: config.Settings, port: int, practice_ports: Sequence[int]
) -> bool:
    """Say whether the web server sends an answer, and the others take a connection."""
    try:
        for number in practice_ports:
            _reader, writer = await asyncio.open_connection(practice.HOST, number)
            writer.close()
        reader, writer = await asyncio.open_connection(reachable(settings.host), port)
        writer.write(b"GET /healthz HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
        answer = await asyncio.wait_for(reader.read(5), READY_SECONDS)
        writer.close()
    except OSError:
        return False
    return answer == b"HTTP/"


def prepare(settings: config.Settings) -> str:
    """Bring the database up to date, try Redis, and return the line to open with.

    Raises
    ------
    CannotStart
        If the database or Redis does not answer.
    """
    try:
        schema.upgrade(settings.database_url)
    except sqlalchemy.exc.DBAPIError as error:
        words = str(error.orig).strip().partition("\n")[0]
        raise CannotStart(f"DATABASE_URL: the database refuses: {words}") from error
    if settings.redis_url and not embedded(settings.redis_url, settings.data_dir):
        try:
            with redis.Redis.from_url(
                settings.redis_url, socket_timeout=10, socket_connect_timeout=10
            ) as connection:
                connection.ping()
        except redis.RedisError as error:
            raise CannotStart(f"REDIS_URL: no Redis answers there: {error}") from error
    with create_app(settings).app_context():
        token = setup.issue_token()
    if token is None:
        return f"Open {settings.base_url}"
    where = f"http://{bracketed(reachable(settings.host))}:{settings.port}"
    return f"Open {where}/setup?token={token} (valid 30 min, once)"


def parts(settings: config.Settings, web: socket.socket) -> Parts:
    """Return what has to run under these settings."""
    python = sys.executable
    return Parts(
        workers=[
            Child(f"worker {number}", [python, "worker.py"], patience=60.0)
            for number in range(1, settings.send_workers + 1)
        ],
        watchers=[
            Child(
                "watcher",
                [python, "-m", "flask", "--app", "webapp", "mailbox", "watch"],
                patience=10.0,
            )
        ],
        web=[
            Child(
                "web",
                [
                    *(python, "-m", "gunicorn", "--bind", f"fd://{web.fileno()}"),
                    *("--workers", str(settings.web_workers)),
                    *("--worker-class", "gthread", "--threads", str(WEB_THREADS)),
                    *("--graceful-timeout", "10", "--log-level", "warning"),
                    *("--preload", "--no-control-socket", "webapp:create_app()"),
                ],
                patience=15.0,
                pass_fds=(web.fileno(),),
            )
        ],
        practice=[
            Child(
                "practice",
                [
                    *(python, "-m", "webapp.practice.server"),
                    *("--data-dir", str(settings.data_dir)),
                ],
                patience=10.0,
            )
        ][: settings.practice],
        redis=[
            Child(
                "redis",
                embedded_redis.command(settings.data_dir),
                patience=10.0,
                needed=lambda: (
                    not embedded_redis.answers(
                        embedded_redis.socket_path(settings.data_dir)
                    )
                ),
            )
        ][: settings.redis_url is None],
    )


def environment(settings: config.Settings, web: socket.socket) -> dict[str, str]:
    """Return the environment of the children: the same settings, made exact."""
    return {
        **os.environ,
        "DATA_DIR": str(settings.data_dir),
        "PORT": str(web.getsockname()[1]),
        "REDIS_URL": settings.redis_url or embedded_redis.url(settings.data_dir),
        "PYTHONUNBUFFERED": "1",
    }


@contextmanager
def alone(data_dir: Path) -> Iterator[None]:
    """Refuse to run twice in one data directory."""
    with (data_dir / "serve.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise CannotStart(
                f"Postroom runs already in {data_dir} (process {lock.read().strip()})."
                " Stop it first, or set DATA_DIR to another directory."
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


@contextmanager
def listening(settings: config.Settings) -> Iterator[socket.socket]:
    """Open the web server's socket; it stays open while the web server restarts."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        web = socket.create_server((settings.host, settings.port), family=family)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise CannotStart(
                f"PORT: {settings.port} is taken by another program on "
                f"{settings.host}. Stop that program, or set PORT to a free one."
            ) from error
        raise CannotStart(
            f"HOST, PORT: cannot listen on {settings.host}, port {settings.port} "
            f"({error.strerror})."
        ) from error
    with web:
        yield web


def reachable(host: str) -> str:
    """Return an address of this machine that reaches what listens on `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound


def bracketed(host: str) -> str:
    """Return a host as it stands in a URL."""
    return f"[{host}]" if ":" in host else host


def embedded(redis_url: str, data_dir: Path) -> bool:
    """Say whether this is the Redis that we run ourselves."""
    return redis_url == embedded_redis.url(data_dir)


if __name__ == "__main__":
    sys.exit(main())
