"""The practice servers as one process: ``python -m webapp.practice.server``.

SMTP and IMAP on loopback, on the ports of last time where they are free. Both listen
before ``practice.json`` is written; everything that was accepted is on disk.
"""

import argparse
import asyncio
import fcntl
import logging
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from webapp.core import practice
from webapp.practice.imap import open_account
from webapp.practice.journal import Journal
from webapp.practice.smtp import Pace, Postman

ACCEPT_BACKLOG = 128


class AlreadyRunning(Exception):
    """Other practice servers serve this data directory."""


async def serve(data_dir: Path, pace: Pace) -> None:
    """Run both servers until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    access = practice.load(data_dir) or practice.fresh()
    journal = Journal(data_dir / "practice" / "mailbox.sqlite")
    try:
        await _serve_until(stop, data_dir, access, (journal, pace))
    finally:
        journal.close()


async def _serve_until(
    stop: asyncio.Event,
    data_dir: Path,
    access: practice.Access,
    parts: tuple[Journal, Pace],
) -> None:
    journal, pace = parts
    account = await open_account(access, journal)
    postman = Postman(access, account.inbox.receive, pace)
    smtp_socket = _listener(access.smtp_port)
    imap_socket = _listener(access.imap_port)
    ports = smtp_socket.getsockname()[1], imap_socket.getsockname()[1]
    imap = await account.listen(imap_socket)
    smtp = await asyncio.get_running_loop().create_server(
        postman.protocol, sock=smtp_socket
    )
    practice.store(data_dir, access.at(*ports))
    await stop.wait()
    smtp.close()
    imap.close()
    await postman.close()


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until told to stop; return the exit status."""
    options = _options(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("mail.log").setLevel(logging.ERROR)  # aiosmtpd: every command
    pace = Pace(options.slow_seconds, options.answer_seconds, options.bounce_seconds)
    try:
        with _alone(options.data_dir):
            asyncio.run(serve(options.data_dir, pace))
    except AlreadyRunning as error:
        print(error, file=sys.stderr)  # noqa: T201 - a command speaks to its caller
        return 1
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m webapp.practice.server",
        description="Run the practice SMTP and IMAP servers on loopback.",
    )
    parser.add_argument("--data-dir", type=Path, default=Path("var"))
    parser.add_argument("--slow-seconds", type=float, default=Pace.slow)
    parser.add_argument("--answer-seconds", type=float, default=Pace.answer)
    parser.add_argument("--bounce-seconds", type=float, default=Pace.bounce)
    return parser.parse_args(arguments)


def _listener(port: int) -> socket.socket:
    """Open a loopback socket at this port, or at a free one if it is taken.

    The connections inherit TCP_NODELAY; asyncio does not set it on sockets from
    elsewhere, and then each pipelined reply waits 40 ms for an acknowledgement.
    """
    try:
        found = socket.create_server((practice.HOST, port), backlog=ACCEPT_BACKLOG)
    except OSError:
        found = socket.create_server((practice.HOST, 0), backlog=ACCEPT_BACKLOG)
    found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return found


@contextmanager
def _alone(data_dir: Path) -> Iterator[None]:
    """Refuse to run beside other practice servers of this data directory."""
    home = data_dir / "practice"
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (home / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(
                f"Practice servers run already for {data_dir}. Stop them first."
            ) from None
        yield


if __name__ == "__main__":
    sys.exit(main())
