"""A throw-away PostgreSQL cluster on a free loopback port, stopped by the tests."""

import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from tests.support.ports import free_port
from tests.support.rubbish import place
from webapp.core import schema

ACCOUNT = "postgres"


class Cluster:
    """A running cluster; any local account is its superuser without a password.

    `crash` ends it in the middle of everything and starts it again.
    """

    _template = ""

    def __init__(self, port: int, crash: Callable[[], None]) -> None:
        self.port = port
        self.crash = crash
        self._numbers = itertools.count(1)

    def new_database(self) -> str:
        """Create an empty database and return its address."""
        return self._url(self._create())

    def new_desk(self) -> str:
        """Create a database with all tables and no row, and return its address.

        The migrations run once for a cluster; the others are copies of what they made.
        """
        if not self._template:
            template = self._create()
            schema.upgrade(self._url(template))
            self._template = template
        return self._url(self._create(f" TEMPLATE {self._template}"))

    def _create(self, how: str = "") -> str:
        name = f"desk_{next(self._numbers)}"
        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}{how}".encode())
        return name

    def _url(self, name: str) -> str:
        return f"postgresql://{ACCOUNT}@127.0.0.1:{self.port}/{name}"


@contextmanager
def running_postgres() -> Iterator[Cluster]:
    """Make and start a cluster in a directory of its own; stop it and remove it.

    The directory is not pytest's: that one is closed to other accounts, and PostgreSQL
    refuses to run as root.
    """
    binaries, port = newest_binaries(), free_port()
    directory = Path(tempfile.mkdtemp(prefix="postroom-postgres-", dir=place()))
    data = directory / "data"
    prefix: list[str] = []
    if os.geteuid() == 0:
        shutil.chown(directory, ACCOUNT)
        prefix = ["runuser", "-u", ACCOUNT, "--"]

    def run(*words: str) -> None:
        subprocess.run(  # noqa: S603 - our own command
            [*prefix, *words], check=True, capture_output=True, cwd="/"
        )

    run(str(binaries / "initdb"), "-D", str(data), "-A", "trust", "-U", ACCOUNT, "-N")
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=''"
    control = [str(binaries / "pg_ctl"), "-D", str(data), "-w"]

    def start() -> None:
        run(*control, "-o", options, "-l", str(directory / "log"), "start")

    def crash() -> None:
        run(*control, "-m", "immediate", "stop")
        start()

    start()
    try:
        yield Cluster(port, crash)
    finally:
        run(*control, "-m", "immediate", "stop")
        shutil.rmtree(directory)


def newest_binaries() -> Path:
    """Return the folder of the newest PostgreSQL server that Debian installed."""
    found = Path("/usr/lib/postgresql").glob("*/bin")
    return max(found, key=lambda path: int(path.parent.name))
