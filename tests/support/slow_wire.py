"""A loopback proxy that adds a round trip: every octet is handed on a while later.

Bandwidth is not limited; both directions wait half of the round trip. It is one thread
with non-blocking sockets, so that many connections cost little.
"""

import contextlib
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

_READ = 256 * 1024
_TICK = 0.05


@dataclass
class _Pipe:
    """One direction of one connection: octets, and when they may go on."""

    source: socket.socket
    sink: socket.socket
    waiting: deque[tuple[float, bytes]] = field(default_factory=deque)
    is_over: bool = False


class _SlowWire:
    def __init__(self, listener: socket.socket, port: int, seconds: float) -> None:
        self.stopping = threading.Event()
        self._listener = listener
        self._target = ("127.0.0.1", port)
        self._seconds = seconds / 2
        self._selector = selectors.DefaultSelector()
        self._all: list[_Pipe] = []

    def run(self) -> None:
        """Hand on until told to stop."""
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ)
        while not self.stopping.is_set():
            for key, _ in self._selector.select(self._wait()):
                if key.data is None:
                    self._accept()
                else:
                    self._read(key.data)
            self._hand_on()
        for pipe in self._all:
            pipe.source.close()
        self._selector.close()

    def _wait(self) -> float:
        """Return how long nothing has to be handed on."""
        due = min((pipe.waiting[0][0] for pipe in self._all if pipe.waiting), default=0)
        return min(max(0.0, due - time.monotonic()), _TICK) if due else _TICK

    def _accept(self) -> None:
        near, _ = self._listener.accept()
        try:
            far = socket.create_connection(self._target, 60)
        except OSError:
            near.close()
            return
        for one, other in ((near, far), (far, near)):
            one.setblocking(False)
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            pipe = _Pipe(one, other)
            self._all.append(pipe)
            self._selector.register(one, selectors.EVENT_READ, pipe)

    def _read(self, pipe: _Pipe) -> None:
        try:
            data = pipe.source.recv(_READ)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        pipe.waiting.append((time.monotonic() + self._seconds, data))
        if not data:
            self._selector.unregister(pipe.source)

    def _hand_on(self) -> None:
        now = time.monotonic()
        for pipe in self._all:
            while pipe.waiting and pipe.waiting[0][0] <= now:
                due, data = pipe.waiting.popleft()
                if not data:
                    pipe.is_over = True
                    with contextlib.suppress(OSError):
                        pipe.sink.shutdown(socket.SHUT_WR)
                    break
                try:
                    sent = pipe.sink.send(data)
                except BlockingIOError:
                    sent = 0
                except OSError:
                    break
                if sent < len(data):
                    pipe.waiting.appendleft((due, data[sent:]))
                    break


@contextlib.contextmanager
def slow_wire(port: int, seconds: float) -> Iterator[int]:
    """Stand before a loopback port, with a longer round trip; yield our port."""
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:
        wire = _SlowWire(listener, port, seconds)
        thread = threading.Thread(target=wire.run, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            wire.stopping.set()
            thread.join(5)
