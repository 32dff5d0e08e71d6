"""The IMAP client library over our own socket: nothing else opens it or imaplib.

Three traps, seen with IMAPClient 4.1: its login and search pass CR and LF on to the
server; one unreadable mail costs the whole FETCH; a connection on which anything but a
plain NO or BAD was seen is out of step for ever, and must be thrown away.
"""

import imaplib
import logging
import select
import socket
import time

from imapclient import IMAPClient  # type: ignore[import-untyped]  # ships no types

#: Octets that one write of commands may bring; a mail has 25 MB at most.
ANSWER_CAP = 64 * 1024 * 1024

# At DEBUG the library writes passwords of LOGIN and whole mails.
logging.getLogger("imapclient").setLevel(logging.WARNING)


class Wire(imaplib.IMAP4):
    """imaplib over a socket that is already open, with a cap on a command's answer."""

    def __init__(self, host: str, opened: socket.socket) -> None:
        self._given = opened
        self.budget = ANSWER_CAP
        super().__init__(host)

    def _create_socket(self, timeout: float | None = None) -> socket.socket:
        return self._given

    def _log(self, line: object) -> None:
        """Keep no memory of the last lines: they hold the password."""

    def replace_socket(self, opened: socket.socket) -> None:
        """Go on over TLS; what the server sent early in plain text is forgotten."""
        self.sock = opened
        self.file = opened.makefile("rb")
        self.untagged_responses.clear()

    def read(self, size: int) -> bytes:
        """Read a literal, unless it is too much."""
        self.spend(size)
        return super().read(size)

    def readline(self) -> bytes:
        """Read a line, unless it is too much."""
        line = super().readline()
        self.spend(len(line))
        return line

    def spend(self, octets: int) -> None:
        """Take octets from what a command may bring."""
        self.budget -= octets
        if self.budget < 0:
            raise self.abort("the answer is too large")


class Reader:
    """Reads a socket as imaplib asks, and can wait for a line without taking it.

    The usual buffered file cannot: who waits for its socket does not see what lies in
    the buffer already, and after a time-out it refuses to read for ever.
    """

    def __init__(self, opened: socket.socket) -> None:
        self._socket = opened
        self._buffer = bytearray()
        self._is_over = False

    def waits(self, seconds: float) -> bool:
        """Say whether a line, or the end, is there within that time."""
        until = time.monotonic() + seconds
        while b"\n" not in self._buffer and not self._is_over:
            pending = getattr(self._socket, "pending", None)  # of TLS
            left = max(0.0, until - time.monotonic())
            if not (pending and pending()):
                readable, _, _ = select.select([self._socket], [], [], left)
                if not readable:
                    return False
            self._more()
        return True

    def read(self, size: int) -> bytes:
        """Return so many octets, fewer at the end."""
        while len(self._buffer) < size and not self._is_over:
            self._more()
        return self._take(size)

    def readline(self, limit: int) -> bytes:
        """Return a line with its end, at most so many octets of it."""
        while b"\n" not in self._buffer and len(self._buffer) < limit:
            if self._is_over:
                break
            self._more()
        end = self._buffer.find(b"\n") + 1 or len(self._buffer)
        return self._take(min(end, limit))

    def close(self) -> None:
        """Leave the socket to its owner."""

    def _more(self) -> None:
        octets = self._socket.recv(65536)
        self._is_over = not octets
        self._buffer += octets

    def _take(self, size: int) -> bytes:
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken


class Client(IMAPClient):  # type: ignore[misc]  # the library has no types
    """The library's client over our own socket."""

    def __init__(self, host: str, opened: socket.socket) -> None:
        self._opened = opened
        super().__init__(host, ssl=False)
        self._imap.debug = 0

    def _create_IMAP4(self) -> Wire:  # noqa: N802 - the library's name
        return Wire(self.host, self._opened)
