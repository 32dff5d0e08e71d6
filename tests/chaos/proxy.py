"""Stands between the workers and PostgreSQL, and can lose what they say to each other.

It forwards octets in threads. `cut` breaks every connection; `lose_commits` swallows
the server's answer to a COMMIT and hangs up, or hangs up before the server hears of it.
"""

import contextlib
import socket
import threading
from collections import deque
from collections.abc import Callable
from typing import Self

COMMIT = b"COMMIT\x00"
CHUNK = 65536
Pump = Callable[[], bool]


class Proxy:
    """A loopback port that leads to a server."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self.lost = 0
        self._lock = threading.Lock()
        self._fates: deque[bool | None] = deque()
        self._pairs: set[_Pair] = set()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        accepting = threading.Thread(target=self._accept, daemon=True)
        accepting.start()
        self._threads.append(accepting)
        return self

    def __exit__(self, *_error: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._target), 60)
                server.settimeout(None)
            except OSError:
                client.close()
                continue
            pair = _Pair(self, client, server)
            with self._lock:
                self._pairs.add(pair)
            self._threads.append(pair.start())

    def cut(self) -> None:
        """Break every connection, whatever is on its way."""
        with self._lock:
            pairs = list(self._pairs)
        for pair in pairs:
            pair.close()

    def lose_commits(self, *fates: bool | None) -> None:
        """Say what comes of the next commits.

        Each takes place unheard (true), never gets there (false), or is left alone.
        """
        with self._lock:
            self._fates.extend(fates)

    def fate(self) -> bool | None:
        """Return what comes of the commit that is just being asked for."""
        with self._lock:
            found = self._fates.popleft() if self._fates else None
            self.lost += found is not None
            return found

    def closed(self, pair: "_Pair") -> None:
        """Forget a pair of connections."""
        with self._lock:
            self._pairs.discard(pair)


class _Pair:
    """A client's connection and ours to the server."""

    def __init__(
        self, proxy: Proxy, client: socket.socket, server: socket.socket
    ) -> None:
        self._proxy = proxy
        self._client = client
        self._server = server
        self._is_deaf = False

    def start(self) -> threading.Thread:
        thread = threading.Thread(target=self._live, daemon=True)
        thread.start()
        return thread

    def _live(self) -> None:
        """Forward both ways, until one of them ends."""
        with self._client, self._server:
            back = threading.Thread(target=self._run, args=(self._answer,), daemon=True)
            back.start()
            self._run(self._ask)
            back.join()
        self._proxy.closed(self)

    def close(self) -> None:
        for one in (self._client, self._server):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _run(self, pump: Pump) -> None:
        try:
            while pump():
                pass
        except OSError:
            pass
        finally:
            self.close()

    def _ask(self) -> bool:
        data = self._client.recv(CHUNK)
        if data.endswith(COMMIT):
            fate = self._proxy.fate()
            if fate is False:
                return False
            self._is_deaf = fate is True
        self._server.sendall(data)
        return bool(data)

    def _answer(self) -> bool:
        data = self._server.recv(CHUNK)
        if self._is_deaf:
            return bool(data) and COMMIT not in data
        self._client.sendall(data)
        return bool(data)
