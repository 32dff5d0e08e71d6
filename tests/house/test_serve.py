"""One command runs everything; one Ctrl-C stops it; what is wrong is said in words."""

import signal
import socket
import sqlite3
import stat
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from tests.support.desk import PATIENCE, Desk
from webapp.core import embedded_redis

Start = Callable[..., Desk]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start desks; at the end none is left."""
    desks: list[Desk] = []

    def start(data_dir: Path = tmp_path / "data", **environ: str) -> Desk:
        desks.append(Desk(data_dir, **environ))
        return desks[-1]

    yield start
    for desk in desks:
        desk.end()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A desk for all tests that leave it running."""
    desk = Desk(tmp_path_factory.mktemp("running") / "data", SEND_WORKERS="1")
    desk.address()
    yield desk
    desk.stop()
    desk.end()


def test_it_starts_from_an_empty_directory_and_stops_with_one_ctrl_c(
    start: Start,
) -> None:
    desk = start()
    address = desk.address()
    family = desk.family()
    with urllib.request.urlopen(address, timeout=PATIENCE) as answer:  # noqa: S310 - http
        assert answer.status == 200
    assert set(desk.children()) == {
        "redis-server",
        "practice.server",
        "gunicorn",
        "worker.py",
        "mailbox watch",
    }
    assert desk.stop(signal.SIGINT) == 0
    _gone, left = psutil.wait_procs(family, timeout=PATIENCE)
    assert left == []
    assert len(desk.lines) == 1
    assert "Traceback" not in desk.told()


def test_what_it_leaves_behind_is_private(running: Desk) -> None:
    desk = running
    for name, mode in (("", 0o700), ("secret.key", 0o600), ("practice.json", 0o600)):
        path = desk.data_dir / name
        assert stat.S_IMODE(path.stat().st_mode) == mode, path
    assert embedded_redis.answers(embedded_redis.socket_path(desk.data_dir))


@pytest.mark.parametrize(
    ("part", "name"),
    [
        ("redis-server", "redis"),
        ("practice.server", "practice"),
        ("gunicorn", "web"),
        ("worker.py", "worker 1"),
        ("mailbox watch", "watcher"),
    ],
)
def test_a_part_that_is_killed_is_started_again_and_said(
    running: Desk, part: str, name: str
) -> None:
    desk = running
    first = desk.children()[part]
    first.kill()
    desk.wait_until(
        lambda: desk.children().get(part, first) != first, f"{part} stays away"
    )
    words = f"{name} was ended by SIGKILL; it starts again"
    desk.wait_until(lambda: words in desk.told(), "it was not said")
    assert len(desk.lines) == 1


def test_a_killed_supervisor_leaves_no_orphan(start: Start) -> None:
    desk = start()
    desk.address()
    family = desk.family()
    desk.stop(signal.SIGKILL)
    _gone, left = psutil.wait_procs(family, timeout=PATIENCE)
    assert left == []


def test_a_second_ctrl_c_ends_everything_at_once(start: Start) -> None:
    desk = start(SEND_WORKERS="0")
    desk.address()
    family = desk.family()
    web = desk.children()["gunicorn"]
    web.suspend()
    desk.process.send_signal(signal.SIGINT)
    desk.wait_until(lambda: "Stopping" in desk.told(), "the first one was not heard")
    assert desk.stop(signal.SIGINT) == 0
    assert "did not end within" not in desk.told()
    _gone, left = psutil.wait_procs(family, timeout=PATIENCE)
    assert left == []


def test_a_taken_port_is_said_before_anything_starts(
    start: Start, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        desk = start(PORT=str(port))
        assert desk.process.wait(PATIENCE) == 2
    assert f"PORT: {port} is taken" in desk.told()
    assert not (tmp_path / "data" / "postroom.db").exists()


def test_two_desks_in_one_directory_are_refused(start: Start, running: Desk) -> None:
    second = start(running.data_dir)
    assert second.process.wait(PATIENCE) == 2
    who = f"runs already in {running.data_dir} (process {running.process.pid})"
    assert who in second.told()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SEND_WORKERS", "many"),
        ("PRACTICE", "perhaps"),
        ("DATABASE_URL", "mysql://x"),
        ("REDIS_URL", "redis://127.0.0.1:1"),
        ("DATABASE_URL", "sqlite:////nowhere/at/all.db"),
        ("HOST", "192.0.2.1"),
    ],
)
def test_a_wrong_setting_is_named(start: Start, name: str, value: str) -> None:
    desk = start(**{name: value})
    assert desk.process.wait(PATIENCE) == 2
    assert name in desk.told()
    assert "Traceback" not in desk.told()
    assert desk.lines == []


def test_without_practice_no_practice_server_runs(start: Start) -> None:
    desk = start(PRACTICE="off", SEND_WORKERS="0")
    desk.address()
    assert set(desk.children()) == {"redis-server", "gunicorn", "mailbox watch"}


def test_with_an_operator_the_plain_address_is_printed(start: Start) -> None:
    desk = start(SEND_WORKERS="0")
    assert "/setup?token=" in desk.address()
    desk.stop()
    with sqlite3.connect(desk.data_dir / "postroom.db") as database:
        database.execute(
            "INSERT INTO operator (public_id, name, email, email_key, password_hash,"
            " role, time_zone, theme, shortcuts, created_at)"
            " VALUES (?, 'Ada', 'a@b.c', 'a@b.c', 'x', 'manager', 'UTC', '', 1, ?)",
            ("0" * 32, "2026-11-22 00:00:00.000000"),
        )
    database.close()
    parts = urlsplit(start(SEND_WORKERS="0").address())
    assert (parts.path, parts.query) == ("", "")
