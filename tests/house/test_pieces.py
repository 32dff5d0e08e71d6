"""The pieces run alone too, in an empty directory, and say what is wrong in words."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.support.desk import PATIENCE, ROOT
from webapp.core import embedded_redis


def test_a_worker_alone_makes_what_it_needs_and_ends_when_told(tmp_path: Path) -> None:
    worker = subprocess.Popen(
        [sys.executable, "worker.py"],
        cwd=ROOT,
        env={**os.environ, "DATA_DIR": str(tmp_path)},
    )
    try:
        deadline = time.monotonic() + PATIENCE
        redis = embedded_redis.socket_path(tmp_path)
        while not (workers_of(tmp_path / "postroom.db") and redis.exists()):
            assert worker.poll() is None, "the worker ended"
            assert time.monotonic() < deadline, "the worker did not register"
            time.sleep(0.1)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(PATIENCE) == 0
    finally:
        worker.kill()
        worker.wait()
        embedded_redis.stop(tmp_path)


def workers_of(database: Path) -> int:
    if not database.exists():
        return 0
    engine = sa.create_engine(f"sqlite:///{database}")
    try:
        with engine.connect() as connection:
            found = connection.execute(sa.text("SELECT count(*) FROM worker"))
            return int(found.scalar_one())
    except sa.exc.OperationalError:
        return 0
    finally:
        engine.dispose()


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [
        ("SEND_WORKERS", "many", 2),
        ("DATABASE_URL", "sqlite:////nowhere/at/all.db", 3),
        ("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none", 3),
    ],
)
def test_a_worker_that_cannot_start_says_why(
    tmp_path: Path, name: str, value: str, status: int
) -> None:
    done = subprocess.run(
        [sys.executable, "worker.py"],
        cwd=ROOT,
        env={**os.environ, "DATA_DIR": str(tmp_path), name: value},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == status
    assert name in done.stderr
    assert "Traceback" not in done.stderr
