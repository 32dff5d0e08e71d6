"""Signed-in connections, kept for the next request; at most three to one mailbox.

One pool in each web process. A lease is exclusive (the client is not thread-safe), a
connection that failed in any way but a plain NO is closed, an idle one after a minute.
Connecting happens one at a time for a mailbox, so that a wrong password is tried once
and not once by each waiting thread. A slow server holds only its own mailbox's leases:
who finds all three taken for `WAIT_SECONDS` gets an answer, no place in a queue.
"""

import threading
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from webapp.mailboxes.imap import Connection
from webapp.mailboxes.imap_errors import ImapError, SignInRefused, Unreachable
from webapp.mailboxes.patience import seconds_left

MOST_CONNECTIONS = 3
IDLE_SECONDS = 60.0
WAIT_SECONDS = 5.0
#: After so long a silence the line is tried with NOOP first, which is a round trip.
FRESH_SECONDS = 30.0

Connect = Callable[[], Connection]


class Busy(Unreachable):
    """All connections to the mailbox are in use; that says nothing of its server."""


@dataclass
class _Shelf:
    """What the pool holds for one mailbox; guarded by its condition."""

    changed: threading.Condition = field(default_factory=threading.Condition)
    idle: list[tuple[float, Connection]] = field(default_factory=list)
    leased: int = 0
    connecting: bool = False
    refused: SignInRefused | None = None


class Pool:
    """Connections by key; a key names the mailbox and the version of its settings."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._shelves: dict[Hashable, _Shelf] = {}
        self._reaper: threading.Timer | None = None

    @contextmanager
    def lease(self, key: Hashable, connect: Connect) -> Iterator[Connection]:
        """Lend a connection that stands, or a new one.

        Raises
        ------
        ImapError
            Unreachable if none is free in time or the server cannot be reached,
            SignInRefused if this key's password was refused before.
        """
        shelf = self._shelf(key)
        connection = self._obtain(shelf, connect)
        try:
            yield connection
        except ImapError:
            raise
        except BaseException:
            connection.line.broken = True
            raise
        finally:
            self._give_back(shelf, connection)

    def forget(self, key: Hashable) -> None:
        """Close what is idle for a key; a refused password may be tried again."""
        with self._lock:
            shelf = self._shelves.pop(key, None)
        if shelf:
            with shelf.changed:
                idle, shelf.idle = shelf.idle, []
            for _, connection in idle:
                connection.close()

    def close(self) -> None:
        """Close everything that is idle."""
        for key in list(self._shelves):
            self.forget(key)
        if self._reaper:
            self._reaper.cancel()

    def _shelf(self, key: Hashable) -> _Shelf:
        with self._lock:
            return self._shelves.setdefault(key, _Shelf())

    def _obtain(self, shelf: _Shelf, connect: Connect) -> Connection:
        until = time.monotonic() + seconds_left(WAIT_SECONDS)
        while True:
            with shelf.changed:
                if shelf.refused:
                    raise shelf.refused
                taken = self._take(shelf)
                if taken is None and not self._may_connect(shelf):
                    if not shelf.changed.wait(until - time.monotonic()):
                        raise Busy("The mail server is busy with other requests.")
                    continue
                shelf.leased += 1
                shelf.connecting = shelf.connecting or taken is None
            if taken is None:
                return self._connect(shelf, connect)
            if self._stands(*taken):
                return taken[1]
            self._give_back(shelf, taken[1])

    @staticmethod
    def _take(shelf: _Shelf) -> tuple[float, Connection] | None:
        return shelf.idle.pop() if shelf.idle else None

    @staticmethod
    def _may_connect(shelf: _Shelf) -> bool:
        return not shelf.connecting and shelf.leased < MOST_CONNECTIONS

    @staticmethod
    def _stands(since: float, connection: Connection) -> bool:
        try:
            is_quiet = not connection.line.has_heard()
            if is_quiet and time.monotonic() - since < FRESH_SECONDS:
                return True
            connection.noop()
        except (ImapError, OSError, ValueError):
            connection.line.broken = True
            return False
        return True

    def _connect(self, shelf: _Shelf, connect: Connect) -> Connection:
        refused: SignInRefused | None = None
        connection: Connection | None = None
        try:
            connection = connect()
        except SignInRefused as error:
            refused = error
            raise
        else:
            return connection
        finally:
            with shelf.changed:
                shelf.connecting = False
                shelf.refused = refused
                shelf.leased -= connection is None
                shelf.changed.notify_all()

    def _give_back(self, shelf: _Shelf, connection: Connection) -> None:
        if connection.broken:
            connection.close()
        with shelf.changed:
            shelf.leased -= 1
            if not connection.broken:
                shelf.idle.append((time.monotonic(), connection))
            shelf.changed.notify()
        self._reap_later()

    def _reap_later(self) -> None:
        with self._lock:
            if self._reaper and self._reaper.is_alive():
                return
            self._reaper = threading.Timer(IDLE_SECONDS, self._reap)
            self._reaper.daemon = True
            self._reaper.start()

    def _reap(self) -> None:
        """Close what has been idle too long; come again while anything is left."""
        before = time.monotonic() - IDLE_SECONDS
        left = False
        for shelf in list(self._shelves.values()):
            with shelf.changed:
                old = [held for held in shelf.idle if held[0] <= before]
                shelf.idle = [held for held in shelf.idle if held[0] > before]
                left = left or bool(shelf.idle)
            for _, connection in old:
                connection.close()
        with self._lock:
            self._reaper = None
        if left:
            self._reap_later()


pool = Pool()
