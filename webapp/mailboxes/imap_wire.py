"""The one door to the IMAP client library: its sockets, its errors, its FETCH reader.

Nothing else imports the library or imaplib. Three traps, seen with IMAPClient 4.1:
its login and search pass CR and LF to the server; one unreadable mail costs the whole
FETCH; a connection on which anything but a plain NO or BAD was seen is out of step for
ever, and must be thrown away.
"""

import contextlib
import imaplib
import logging
import re
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from imapclient import IMAPClient  # type: ignore[import-untyped]  # ships no types
from imapclient.response_parser import (  # type: ignore[import-untyped]  # the same
    parse_fetch_response,
)

from webapp.core.net import cut_after
from webapp.core.one_line import one_line
from webapp.mailboxes.imap_answers import Answer, response_code
from webapp.mailboxes.imap_errors import ServerRefused, Unreachable
from webapp.mailboxes.imap_rows import plain_row

COMMAND_SECONDS = 20.0
#: A mail of 25 MB has to go up; the line may be thin.
APPEND_SECONDS = 120.0
GOODBYE_SECONDS = 2.0
#: What tells of a change in the opened folder; several come together.
NEWS = {"EXISTS", "EXPUNGE", "FETCH", "VANISHED"}
SETTLE_SECONDS = 0.1
#: Octets that one command may bring; a mail has 25 MB at most.
ANSWER_CAP = 64 * 1024 * 1024

# At DEBUG the library writes passwords of LOGIN and whole mails.
logging.getLogger("imapclient").setLevel(logging.WARNING)


@dataclass(frozen=True)
class Fetched:
    """The answer to FETCH: items by UID, oldest first, and the unreadable ones."""

    items: dict[int, dict[bytes, Any]]
    unreadable: list[int]


class _Wire(imaplib.IMAP4):
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
        self._spend(size)
        return super().read(size)

    def readline(self) -> bytes:
        line = super().readline()
        self._spend(len(line))
        return line

    def _spend(self, octets: int) -> None:
        self.budget -= octets
        if self.budget < 0:
            raise self.abort("the answer is too large")


class _Reader:
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


class _Client(IMAPClient):  # type: ignore[misc]  # the library has no types
    """The library's client over our own socket."""

    def __init__(self, host: str, opened: socket.socket) -> None:
        self._opened = opened
        super().__init__(host, ssl=False)
        self._imap.debug = 0

    def _create_IMAP4(self) -> _Wire:  # noqa: N802 - the library's name
        return _Wire(self.host, self._opened)


class Line:
    """A connection as octets and commands; for one thread at a time.

    `broken` becomes true when it must not be used again.
    """

    def __init__(self, host: str, opened: socket.socket) -> None:
        try:
            with cut_after(COMMAND_SECONDS, opened):
                self.client = _Client(host, opened)
        except (imaplib.IMAP4.error, OSError, ValueError) as error:
            opened.close()
            raise Unreachable(f"{host} does not speak IMAP on this port.") from error
        self.imap: _Wire = self.client._imap
        self.broken = False
        self._idle_tag = b""

    def command(self, name: bytes, args: list[bytes], *, uid: bool = False) -> bytes:
        """Send a command and return the text of its OK.

        8-bit arguments go out as literals. The untagged answers wait for `take`.

        Raises
        ------
        ImapError
            ServerRefused for NO and BAD, Unreachable for anything else.
        """
        for arg in args:
            refuse_line_breaks(arg)
        with self.guarded():
            status, data = self.client._raw_command(name, args, uid=uid)
        if status != "OK":
            raise refusal(data[-1])
        return bytes(data[-1] or b"")

    def append(
        self,
        target: bytes,
        octets: bytes,
        flags: Sequence[bytes] = (),
        received: datetime | None = None,
    ) -> None:
        """Send APPEND (RFC 3501 6.3.11) with a mail; raises as `command` does.

        Parameters
        ----------
        target
            A quoted folder name.
        octets
            Lines end with CRLF.
        received
            Becomes INTERNALDATE; else the server takes the present.
        """
        for arg in (target, *flags):
            refuse_line_breaks(arg)
        args: list[Any] = [target, b"(" + b" ".join(flags) + b")"]
        if received is not None:
            args.append(imaplib.Time2Internaldate(received))
        with self.guarded(APPEND_SECONDS):
            self.imap.literal = octets  # type: ignore[assignment]  # imaplib's own way, typed as text
            status, data = self.imap._simple_command("APPEND", *args)
        if status != "OK":
            raise refusal(data[-1])

    def authenticate(self, mechanism: str, answer: Callable[[bytes], bytes]) -> None:
        """Sign in by SASL with one exchange; raises as `command` does."""
        with self.guarded():
            self.imap.literal = imaplib._Authenticator(answer).process  # type: ignore[assignment]  # imaplib's own way, typed as text
            status, data = self.imap._simple_command("AUTHENTICATE", mechanism)
        if status != "OK":
            raise refusal(data[-1])
        self.imap.state = "AUTH"

    @contextlib.contextmanager
    def guarded(self, seconds: float | None = None) -> Iterator[None]:
        """Turn what the library raises into our errors; a deadline cuts the line."""
        self.imap.budget = ANSWER_CAP
        deadline = threading.Timer(seconds or COMMAND_SECONDS, self._cut)
        deadline.daemon = True
        deadline.start()
        try:
            yield
        except imaplib.IMAP4.abort as error:
            self.broken = True
            raise Unreachable("The connection to the mail server was lost.") from error
        except imaplib.IMAP4.error as error:
            # A line over the library's limit is left half read.
            self.broken = self.broken or "got more than" in str(error)
            reply = one_line(str(error), 300)
            words = "The mail server refused the command."
            raise ServerRefused(words, reply) from error
        except OSError as error:
            self.broken = True
            raise Unreachable("The mail server did not answer in time.") from error
        except Exception as error:  # imaplib's parser raises many kinds on nonsense
            self.broken = True
            words = "The answer of the mail server could not be understood."
            raise Unreachable(words) from error
        except BaseException:
            self.broken = True
            raise
        finally:
            deadline.cancel()

    def _cut(self) -> None:
        self.broken = True
        with contextlib.suppress(OSError):
            self.imap.sock.shutdown(socket.SHUT_RDWR)

    def idle(self) -> None:
        """Begin to listen (RFC 2177); `heard` then waits, and `rest` ends it."""
        for name in NEWS:
            self.take(name)
        with self.guarded():
            if not isinstance(self.imap.file, _Reader):
                self.imap.file = _Reader(self.imap.sock)  # type: ignore[assignment]  # reads as a file does
            self._idle_tag = self.imap._command("IDLE")
            while self.imap._get_response() is not None:
                if self.imap.tagged_commands.get(self._idle_tag):
                    raise self.imap.error("IDLE was refused")

    def heard(self, seconds: float) -> set[str]:
        """Wait while listening; return what kinds of news came, none if time is over.

        Raises
        ------
        Unreachable
            If the server says goodbye or the connection ends.
        """
        reader = self.imap.file
        assert isinstance(reader, _Reader), "idle() comes first"
        try:
            while not self._news() and reader.waits(seconds):
                with self.guarded():
                    self.imap._get_response()
                    if "BYE" in self.imap.untagged_responses:
                        raise self.imap.abort("the server says goodbye")
                    if self.imap.tagged_commands.get(self._idle_tag):
                        raise self.imap.abort("the server ended IDLE")
                while reader.waits(SETTLE_SECONDS) and not self.broken:
                    with self.guarded():
                        self.imap._get_response()
        except (OSError, ValueError) as error:
            self.broken = True
            raise Unreachable("The connection to the mail server was lost.") from error
        news = self._news()
        for name in news:
            self.take(name)
        return news

    def rest(self) -> None:
        """Stop listening; other commands can follow."""
        with self.guarded():
            self.imap.send(b"DONE\r\n")
            self.imap._command_complete("IDLE", self._idle_tag)

    def _news(self) -> set[str]:
        return NEWS & set(self.imap.untagged_responses)

    def take(self, name: str) -> list[Answer | None]:
        """Return and forget the untagged answers of that name."""
        return list(self.imap.untagged_responses.pop(name, []))

    def close(self) -> None:
        """Say goodbye if the line still stands, and close it in any case."""
        with contextlib.suppress(Exception):
            if not self.broken:
                with self.guarded(GOODBYE_SECONDS):
                    self.imap.logout()
        with contextlib.suppress(Exception):
            self.imap.shutdown()


def refuse_line_breaks(value: bytes) -> None:
    """Let no value end its command: the one gate, and every argument passes it.

    Raises
    ------
    ServerRefused
        If the value holds CR, LF or NUL; nothing is sent then.
    """
    if any(octet in value for octet in b"\r\n\0"):
        raise ServerRefused("A value held a line break, so it was not sent.")


def quoted(text: bytes) -> bytes:
    r"""Return an IMAP quoted string; 8-bit text is sent as a literal by the client.

    >>> quoted(b'a"b')
    b'"a\\"b"'
    """
    refuse_line_breaks(text)
    if not text.isascii():
        return text
    return b'"' + text.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def refusal(text: object) -> ServerRefused:
    """Return the error for a tagged NO with this text."""
    octets = text if isinstance(text, bytes) else b""
    said = re.sub(rb"^\s*\[[^\]]{1,200}\]\s*", b"", octets)
    reply = one_line(said.decode("utf-8", "replace"), 300)
    words = "The mail server refused the command."
    return ServerRefused(words, reply, response_code(octets))


def _by_library(group: list[Answer]) -> tuple[int, dict[bytes, Any]]:
    """Read what is not plain; raises many kinds, RecursionError too."""
    found: dict[int, dict[bytes, Any]] = parse_fetch_response(
        group, normalise_times=False, uid_is_key=False
    )
    return next(iter(found.items()))


def read_fetch(answers: list[Answer | None]) -> Fetched:
    """Read the answers to FETCH one mail at a time; see the module's second trap."""
    by_sequence: dict[int, dict[bytes, Any]] = {}
    unreadable: list[int] = []
    group: list[Answer] = []
    for answer in answers:
        if answer is None:
            continue
        group.append(answer)
        if isinstance(answer, tuple):
            continue
        try:
            number, told = plain_row(group) or _by_library(group)
            by_sequence.setdefault(number, {}).update(told)
        except Exception:  # noqa: BLE001 - the parser raises eight kinds, RecursionError too
            head = b" ".join(p[0] if isinstance(p, tuple) else p for p in group)
            found = re.search(rb"\bUID (\d+)", head)
            unreadable += [int(found[1])] if found else []
        group = []
    items = {
        int(row[b"UID"]): row
        for _, row in sorted(by_sequence.items())
        if isinstance(row.get(b"UID"), int)
    }
    return Fetched(items, [uid for uid in unreadable if uid not in items])
