"""The embedded Redis: one private server a data directory, however often asked for."""

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from webapp.core import embedded_redis
from webapp.core.errors import Unavailable


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take no server for dead because the machine is busy."""
    for name in ("ASK_SECONDS", "START_SECONDS", "STOP_SECONDS"):
        monkeypatch.setattr(embedded_redis, name, 120.0)


@pytest.fixture
def data_dir(tmp_path: Path) -> Iterator[Path]:
    """A data directory whose Redis is gone after the test."""
    yield tmp_path
    embedded_redis.stop(tmp_path)


def test_it_starts_and_answers(data_dir: Path) -> None:
    address = embedded_redis.ensure_running(data_dir)
    with redis.Redis.from_url(address) as connection:
        assert connection.ping()


def test_asking_again_gives_the_same_server(data_dir: Path) -> None:
    with redis.Redis.from_url(embedded_redis.ensure_running(data_dir)) as connection:
        connection.set("mark", "here")
    with redis.Redis.from_url(embedded_redis.ensure_running(data_dir)) as connection:
        assert connection.get("mark") == b"here"


def test_one_that_is_frozen_is_replaced(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedded_redis.ensure_running(data_dir)
    pid = int((data_dir / "redis" / "redis.pid").read_text())
    os.kill(pid, signal.SIGSTOP)
    monkeypatch.setattr(embedded_redis, "ASK_SECONDS", 2.0)
    address = embedded_redis.ensure_running(data_dir)
    with redis.Redis.from_url(address) as connection:
        assert connection.info("server")["process_id"] != pid
    status = Path(f"/proc/{pid}/status")
    assert not status.exists() or "zombie" in status.read_text()


def test_it_opens_no_port_and_lets_nobody_else_in(data_dir: Path) -> None:
    address = embedded_redis.ensure_running(data_dir)
    socket = embedded_redis.socket_path(data_dir)
    with redis.Redis.from_url(address) as connection:
        assert connection.config_get("port") == {"port": "0"}
    assert stat.S_IMODE(socket.stat().st_mode) & 0o077 == 0
    assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700


def test_processes_that_start_at_once_share_one_server(data_dir: Path) -> None:
    code = (
        "import pathlib, sys, redis\n"
        "from webapp.core import embedded_redis as e\n"
        "e.ASK_SECONDS = e.START_SECONDS = 120.0\n"
        "u = e.ensure_running(pathlib.Path(sys.argv[1]))\n"
        "print(redis.Redis.from_url(u).info('server')['process_id'])\n"
    )
    starters = [
        subprocess.Popen(  # noqa: S603 - this very Python
            [sys.executable, "-c", code, str(data_dir)], stdout=subprocess.PIPE
        )
        for _ in range(3)
    ]
    answers = {starter.communicate()[0].strip() for starter in starters}
    assert len(answers) == 1
    assert all(starter.returncode == 0 for starter in starters)


def test_what_was_stored_survives_a_stop(data_dir: Path) -> None:
    with redis.Redis.from_url(embedded_redis.ensure_running(data_dir)) as connection:
        connection.set("mark", "kept")
    assert embedded_redis.stop(data_dir)
    with redis.Redis.from_url(embedded_redis.ensure_running(data_dir)) as connection:
        assert connection.get("mark") == b"kept"


def test_a_killed_server_is_started_again(data_dir: Path) -> None:
    with redis.Redis.from_url(embedded_redis.ensure_running(data_dir)) as connection:
        first = connection.info("server")["process_id"]
    os.kill(first, signal.SIGKILL)
    with redis.Redis.from_url(embedded_redis.ensure_running(data_dir)) as connection:
        assert connection.info("server")["process_id"] != first


def test_stop_says_whether_anything_ran(data_dir: Path) -> None:
    assert not embedded_redis.stop(data_dir)
    embedded_redis.ensure_running(data_dir)
    assert embedded_redis.stop(data_dir)
    assert not embedded_redis.answers(embedded_redis.socket_path(data_dir))


def test_a_deep_directory_borrows_a_private_short_one(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    address = embedded_redis.ensure_running(deep)
    try:
        socket = embedded_redis.socket_path(deep)
        assert socket == embedded_redis.socket_path(deep)
        assert len(os.fsencode(socket)) <= 107
        assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
        assert address == f"unix://{socket}"
    finally:
        embedded_redis.stop(deep)


def test_a_borrowed_directory_that_others_may_enter_is_not_used(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    borrowed = embedded_redis.socket_path(deep).parent
    borrowed.chmod(0o777)
    assert embedded_redis.socket_path(deep).parent != borrowed


def test_a_server_that_cannot_start_is_said_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_redis, "START_SECONDS", 0.3)
    monkeypatch.setattr(embedded_redis, "_program", lambda: Path("/bin/false"))
    with pytest.raises(Unavailable, match=r"does not answer.*REDIS_URL"):
        embedded_redis.ensure_running(tmp_path)
