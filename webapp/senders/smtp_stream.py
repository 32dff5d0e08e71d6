"""Octets to an SMTP server, and its replies: what a session stands on.

Nothing here blocks: where the network takes no more, or nothing came in yet, other
conversations have their turn (`webapp.core.turns`). How far the octets got when a
connection broke is known, for it decides what may have been accepted.
"""

import socket
import ssl
from collections.abc import Iterable, Sequence

from webapp.core.turns import readable, writable
from webapp.senders.smtp_reply import Lost, Reply, parse_reply

_MAX_LINE = 4096  # octets; RFC 5321 4.5.3.1.5 asks for 512
_MAX_LINES = 200
_CHUNK = 262_144
_MOST_PIECES = 500  # in one system call; the kernel takes 1024
_READ = 8192
_WOULD_BLOCK = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
_SEND_SECONDS = 180.0  # for each chunk, RFC 5321 4.5.3.2.5


class SmtpStream:
    """Octets and replies on a socket that does not block; who connects sets it.

    Parameters
    ----------
    seconds
        How long a reply may take.
    """

    _socket: socket.socket

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._buffer = b""
        self._lines: list[bytes] = []

    async def send(self, data: bytes | memoryview, through: int | None = None) -> None:
        """Send octets in chunks, each with its own time-out.

        Parameters
        ----------
        through
            How many octets matter; if the connection breaks behind them, nothing is
            raised, and whoever reads next will notice.

        Raises
        ------
        Lost
            If the connection breaks before the network has taken what matters: then the
            server cannot have all of it.
        """
        left = memoryview(data)
        matters = len(left) if through is None else through
        total = len(left)
        try:
            while left:
                try:
                    left = left[self._socket.send(left[:_CHUNK]) :]
                except _WOULD_BLOCK as full:
                    await self._can_go_on(full)
        except OSError as error:
            if total - len(left) < matters:
                raise Lost("The connection broke.") from error

    async def send_pieces(self, pieces: Iterable[bytes]) -> None:
        """Send octets that are not to be run together; as `send` does otherwise.

        The network gets all of them in one system call and takes what it can. Through
        TLS each goes by itself: it is copied there anyway.
        """
        if isinstance(self._socket, ssl.SSLSocket):
            for piece in pieces:
                await self.send(piece)
            return
        left = [memoryview(piece) for piece in pieces]
        try:
            while left:
                try:
                    left = after(left, self._socket.sendmsg(left[:_MOST_PIECES]))
                except _WOULD_BLOCK as full:
                    await self._can_go_on(full)
        except OSError as error:
            raise Lost("The connection broke.") from error

    def has_spoken(self) -> bool:
        """Say whether something came in that nobody has read: a reply, or the end."""
        if self._buffer:
            return True
        try:
            self._buffer = self._socket.recv(_READ)
        except _WOULD_BLOCK:
            return False
        except OSError:
            return True
        return True

    async def read_reply(self, seconds: float | None = None) -> Reply:
        """Read one reply, of any number of lines.

        Raises
        ------
        Lost
            If none comes in time, the connection breaks, or it is no reply.
        """
        longest = self._seconds if seconds is None else seconds
        lines: list[bytes] = []
        while len(lines) < _MAX_LINES:
            line, found, rest = self._buffer.partition(b"\n")
            if not found:
                await self._receive(longest)
                continue
            self._buffer = rest
            lines.append(line := line.removesuffix(b"\r"))
            if line[3:4] != b"-":
                self._lines = lines
                return parse_reply(lines)
        raise Lost("The server's answer does not end.")

    async def _can_go_on(self, full: OSError) -> None:
        """Wait until what was tried can be tried again; TLS may have to read first."""
        wait = readable if isinstance(full, ssl.SSLWantReadError) else writable
        await wait(self._socket.fileno(), _SEND_SECONDS)

    async def _receive(self, seconds: float) -> None:
        """Take in some octets, as soon as there are any."""
        if len(self._buffer) > _MAX_LINE:
            raise Lost("The server's answer is no SMTP.")
        sock = self._socket
        try:
            if not (isinstance(sock, ssl.SSLSocket) and sock.pending()):
                await readable(sock.fileno(), seconds)
            received = sock.recv(_READ)
        except _WOULD_BLOCK:
            return
        except TimeoutError as error:
            raise Lost("The server did not answer in time.") from error
        except OSError as error:
            raise Lost("The connection broke.") from error
        if not received:
            raise Lost("The server hung up.")
        self._buffer += received


def after(pieces: Sequence[memoryview], count: int) -> list[memoryview]:
    """Return what is left of pieces when so many octets of them are gone.

    Examples
    --------
    >>> [bytes(one) for one in after([memoryview(b"abc"), memoryview(b"de")], 2)]
    [b'c', b'de']
    >>> after([memoryview(b"abc"), memoryview(b"de")], 5)
    []
    """
    for number, piece in enumerate(pieces):
        if count < len(piece):
            return [piece[count:], *pieces[number + 1 :]]
        count -= len(piece)
    return []
