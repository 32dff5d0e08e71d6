"""A real redis-server, started and stopped by the tests."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from tests.support.ports import free_port

PATIENCE = 120.0
# Of an address: clients wait so long for an answer.
PATIENT = "socket_timeout=60&socket_connect_timeout=60"


@contextmanager
def running_redis(directory: Path) -> Iterator[str]:
    """Start a server that keeps nothing; give its URL."""
    path = directory / "redis.sock"
    server = subprocess.Popen(  # noqa: S603 - fixed arguments
        [
            "redis-server",
            *("--port", "0"),
            *("--unixsocket", str(path)),
            *("--dir", str(directory)),
            *("--save", ""),
            *("--daemonize", "no"),
        ],
        stdout=subprocess.DEVNULL,
    )
    try:
        _wait_for(path)
        yield f"unix://{path}"
    finally:
        server.terminate()
        server.wait(PATIENCE)


@contextmanager
def running_tcp_redis(directory: Path, password: str) -> Iterator[str]:
    """Start a server on a loopback port, as if on another machine; give its URL."""
    port = free_port()
    server = subprocess.Popen(  # noqa: S603 - fixed arguments
        [
            "redis-server",
            *("--port", str(port)),
            *("--bind", "127.0.0.1"),
            *("--requirepass", password),
            *("--dir", str(directory)),
            *("--save", ""),
            *("--daemonize", "no"),
        ],
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_for_port(port)
        yield f"redis://:{password}@127.0.0.1:{port}?{PATIENT}"
    finally:
        server.terminate()
        server.wait(PATIENCE)


def wait_for_port(port: int) -> None:
    """Wait until something listens on a loopback port."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise TimeoutError("redis-server did not start")


def _wait_for(path: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            with redis.Redis(unix_socket_path=str(path)) as client:
                client.ping()
        except redis.ConnectionError:
            time.sleep(0.02)
        else:
            return
    raise TimeoutError("redis-server did not start")
