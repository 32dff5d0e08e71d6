"""A real redis-server on a unix socket, started and stopped by the tests."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis


@contextmanager
def running_redis(directory: Path) -> Iterator[str]:
    """Start a server that keeps nothing; give its URL."""
    socket = directory / "redis.sock"
    server = subprocess.Popen(  # noqa: S603 - fixed arguments
        [
            "redis-server",
            *("--port", "0"),
            *("--unixsocket", str(socket)),
            *("--dir", str(directory)),
            *("--save", ""),
            *("--daemonize", "no"),
        ],
        stdout=subprocess.DEVNULL,
    )
    try:
        _wait_for(socket)
        yield f"unix://{socket}"
    finally:
        server.terminate()
        server.wait(10)


def _wait_for(socket: Path) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            with redis.Redis(unix_socket_path=str(socket)) as client:
                client.ping()
        except redis.ConnectionError:
            time.sleep(0.02)
        else:
            return
    raise TimeoutError("redis-server did not start")
