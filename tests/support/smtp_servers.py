"""SMTP servers for tests: one that records and obeys a script, and Postfix's smtp-sink.

``RecordingServer`` runs in threads of the test's own process on a free loopback port,
and keeps every copy that it took; workers in other processes reach it like any server.

    with RecordingServer() as server:
        server.answer("rcpt:bob@example.org", "550 5.1.1 No such user")
        server.answer("dot", "451 4.3.0 Later", "250 2.0.0 Ok")
        …                      # send to 127.0.0.1 port server.port
        server.copies()        # Counter({"ada@example.org": 1}): the ledger

``answer(step, *answers)`` scripts what comes next at a step: each answer once, then the
usual yes. With ``always=True`` the last answer stays. Steps, in the order of a session:

    greeting · ehlo · starttls · auth · mail · rcpt · rcpt:<address> · data · body · dot
    · dot:<address> (any of the message's recipients) · rset · quit

An answer is a reply such as ``"550 5.1.1 No such user"`` (several lines: with ``\\n``),
or

    DROP               close the connection without a word
    STALL              say nothing until the server ends
    RECORD_THEN_DROP   at the dot only: take the message, then close without a word
    RECORD_THEN_STALL  at the dot only: take the message, then say nothing

``body`` knows DROP only: it closes after the first octets of the message.
``server.most_open`` is how many connections were ever open at the same time,
``server.stalls`` how often it fell silent,
``server.mails`` are the messages taken, ``server.commands`` all that was said to it
(also before TLS); ``server.reads`` counts how often something came from a client that
had waited: one for each write, while messages are small.
"""

import base64
import contextlib
import io
import shutil
import socket
import socketserver
import ssl
import subprocess
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support.ports import free_port

# Seconds; only a very busy machine needs them.
PATIENCE = 300.0
DROP = "DROP"
STALL = "STALL"
RECORD_THEN_DROP = "RECORD_THEN_DROP"
RECORD_THEN_STALL = "RECORD_THEN_STALL"
# Of TCP_INFO, its first octet (linux/tcp.h).
_ESTABLISHED = 1
EXTENSIONS = ("PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES", "SMTPUTF8")


@dataclass(frozen=True)
class Received:
    """One message that the server took."""

    mail_from: str
    rcpt_to: tuple[str, ...]
    data: bytes
    login: str | None
    tls: bool


class _Hangup(Exception):
    """The session is over."""


@dataclass
class RecordingServer:
    """The server of the module's docstring.

    Parameters
    ----------
    tls
        A server-side context. With it STARTTLS is offered; with ``implicit`` the
        connection begins with TLS instead.
    credentials
        (login, password). With them AUTH is offered and required.
    extensions
        What EHLO offers besides; leave STARTTLS to ``tls``.
    slipped_in
        Octets that somebody on the way adds in the clear behind the go-ahead of
        STARTTLS.
    """

    tls: ssl.SSLContext | None = None
    implicit: bool = False
    credentials: tuple[str, str] | None = None
    mechanisms: str = "PLAIN LOGIN"
    extensions: Sequence[str] = EXTENSIONS
    slipped_in: bytes = b""
    host: str = "127.0.0.1"
    port: int = 0
    mails: list[Received] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    connections: int = 0
    reads: int = 0
    most_open: int = 0
    stalls: int = 0

    def __post_init__(self) -> None:
        self.stopping = threading.Event()
        self.lock = threading.Lock()
        self._script: dict[str, deque[str]] = defaultdict(deque)
        self._always: dict[str, str] = {}
        self._open: set[socket.socket] = set()
        self._accepted: set[socket.socket] = set()
        self._listener = self._listen()
        self.port = self._listener.server_address[1]

    def _listen(self) -> socketserver.ThreadingTCPServer:
        server = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                try:
                    _Session(server, self.request).run()
                finally:
                    server.let_go(self.request)

        class Listener(socketserver.ThreadingTCPServer):
            address_family = socket.AF_INET6 if ":" in server.host else socket.AF_INET
            allow_reuse_address = True
            daemon_threads = True
            request_queue_size = 128

            def process_request(self, request: Any, client_address: Any) -> None:
                server.accepted(request)
                super().process_request(request, client_address)

        return Listener((self.host, self.port), Handler)

    def __enter__(self) -> Self:
        self._serve()
        return self

    def _serve(self) -> None:
        self._thread = threading.Thread(
            target=self._listener.serve_forever,
            kwargs={"poll_interval": 0.02},
            daemon=True,
        )
        self._thread.start()

    def close_port(self) -> None:
        """Refuse connections from now on, and hang up on those that are open."""
        self._listener.shutdown()
        self._thread.join(PATIENCE)
        with self.lock:
            still_open = self._open | self._accepted
        for connection in still_open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._listener.server_close()

    def open_port(self) -> None:
        """Take connections again, on the same port."""
        self._listener = self._listen()
        self._serve()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stopping.set()
        self.close_port()

    def answer(self, step: str, *answers: str, always: bool = False) -> None:
        """Script the next answers at a step."""
        with self.lock:
            self._script[step].extend(answers)
            if always:
                self._always[step] = answers[-1]

    def next_answer(self, *steps: str) -> str | None:
        """Take the scripted answer of the first of these steps that has one."""
        with self.lock:
            for step in steps:
                if self._script[step]:
                    return self._script[step].popleft()
                if step in self._always:
                    return self._always[step]
        return None

    def copies(self) -> Counter[str]:
        """Return how many copies each envelope recipient was sent: the ledger."""
        with self.lock:
            return Counter(addr for mail in self.mails for addr in mail.rcpt_to)

    def wait_for(self, count: int, seconds: float = PATIENCE) -> None:
        """Wait until ``count`` messages were taken."""
        until = time.monotonic() + seconds
        while len(self.mails) < count:
            assert time.monotonic() < until, (
                f"{len(self.mails)} of {count} messages came"
            )
            time.sleep(0.01)

    def said(self) -> list[str]:
        """Return the verbs of all commands, in order."""
        return [command.partition(" ")[0].upper() for command in self.commands]

    def accepted(self, connection: socket.socket) -> None:
        """Note a connection whose conversation has yet to begin."""
        with self.lock:
            self._accepted.add(connection)

    def let_go(self, connection: socket.socket) -> None:
        """Forget a connection whose conversation is over."""
        with self.lock:
            self._accepted.discard(connection)

    @property
    def now_open(self) -> int:
        """How many connections are open whose end the server has not heard."""
        with self.lock:
            return len(self._accepted)

    def opened(self, connection: socket.socket) -> None:
        """Note an open connection, to be closed at the end.

        Those that the other side has closed are not counted as open, although their
        threads may not have heard of it yet.
        """
        with self.lock:
            self._open.add(connection)
            now_open = sum(map(_is_established, self._open))
            self.most_open = max(self.most_open, now_open)

    def closed(self, connection: socket.socket) -> None:
        """Forget a connection."""
        with self.lock:
            self._open.discard(connection)


def _is_established(connection: socket.socket) -> bool:
    """Return whether neither side has closed a connection."""
    try:
        info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)
    except OSError:
        return False
    return info[0] == _ESTABLISHED


class _Reads(io.RawIOBase):
    """What a session reads; counts how often something came."""

    def __init__(self, connection: socket.socket, server: RecordingServer) -> None:
        self._connection = connection
        self._server = server

    def readable(self) -> bool:
        return True

    def readinto(self, into: Any) -> int:
        got = self._connection.recv_into(into)
        with self._server.lock:
            self._server.reads += bool(got)
        return got


class _Session:
    """One connection, from greeting to the end."""

    def __init__(self, server: RecordingServer, connection: socket.socket) -> None:
        self.server = server
        self.connection = connection
        self.secure = False
        self.login: str | None = None
        self.mail_from = ""
        self.rcpt_to: list[str] = []
        self.has_sender = False

    def run(self) -> None:
        """Speak until somebody hangs up."""
        with self.server.lock:
            self.server.connections += 1
        self.server.opened(self.connection)
        try:
            if self.server.implicit:
                self._secure()
            self.reader = self._new_reader()
            self._reply("220 recorder.example ESMTP", "greeting")
            while True:
                self._command(self._line())
        except (_Hangup, OSError, ValueError):
            pass
        finally:
            self.server.closed(self.connection)
            with contextlib.suppress(OSError):
                self.connection.close()

    def _secure(self) -> None:
        assert self.server.tls is not None
        raw = self.connection
        self.connection = self.server.tls.wrap_socket(raw, server_side=True)
        self.server.closed(raw)
        self.server.opened(self.connection)
        self.secure = True

    def _new_reader(self) -> io.BufferedReader:
        return io.BufferedReader(_Reads(self.connection, self.server), 128 * 1024)

    def _line(self) -> str:
        line = self.reader.readline(65536)
        if not line.endswith(b"\r\n"):
            raise _Hangup
        return line[:-2].decode("utf-8", "surrogateescape")

    def _reply(self, usual: str, *steps: str) -> str:
        """Send the scripted answer, or the usual one; return what was sent."""
        answer = self.server.next_answer(*steps) or usual
        if answer == DROP:
            raise _Hangup
        if answer == STALL:
            with self.server.lock:
                self.server.stalls += 1
            self.server.stopping.wait()
            raise _Hangup
        code, lines = (
            answer[:3],
            [line.removeprefix(answer[:3])[1:] for line in answer.split("\n")],
        )
        for number, line in enumerate(lines):
            mark = " " if number == len(lines) - 1 else "-"
            self.connection.sendall(f"{code}{mark}{line}\r\n".encode())
        if code == "421":
            raise _Hangup
        return answer

    def _command(self, line: str) -> None:
        self.server.commands.append(line)
        verb = line.partition(" ")[0].upper()
        {
            "EHLO": self._ehlo,
            "STARTTLS": self._starttls,
            "AUTH": self._auth,
            "MAIL": self._mail,
            "RCPT": self._rcpt,
            "DATA": self._data,
            "RSET": self._rset,
            "QUIT": self._quit,
        }.get(verb, self._unknown)(line)

    def _ehlo(self, _: str) -> None:
        lines = [
            "250 recorder.example",
            *(f"250 {name}" for name in self.server.extensions),
        ]
        if self.server.tls is not None and not self.secure:
            lines.append("250 STARTTLS")
        if self.server.credentials is not None and (
            self.secure or self.server.tls is None
        ):
            lines.append(f"250 AUTH {self.server.mechanisms}")
        self._reply("\n".join(lines), "ehlo")

    def _starttls(self, _: str) -> None:
        if self.server.slipped_in:
            self.connection.sendall(b"220 Go ahead\r\n" + self.server.slipped_in)
            raise _Hangup
        if self._reply("220 2.0.0 Go ahead", "starttls").startswith("220"):
            self._secure()
            self.reader = self._new_reader()

    def _auth(self, line: str) -> None:
        answer = self.server.next_answer("auth")
        if answer is not None:
            self.server.answer("auth now", answer)
            self._reply("", "auth now")
            return
        words = line.split(" ")
        if words[1].upper() == "PLAIN":
            given = words[2] if len(words) > 2 else self._challenge("")
            _, login, password = base64.b64decode(given).decode().split("\0")
        else:
            login = base64.b64decode(self._challenge("VXNlcm5hbWU6")).decode()
            password = base64.b64decode(self._challenge("UGFzc3dvcmQ6")).decode()
        if (login, password) == self.server.credentials:
            self.login = login
            self._reply("235 2.7.0 Welcome")
        else:
            self._reply("535 5.7.8 Authentication credentials invalid")

    def _challenge(self, text: str) -> str:
        self._reply(f"334 {text}")
        line = self._line()
        self.server.commands.append(line)
        return line

    def _mail(self, line: str) -> None:
        if self.server.credentials is not None and self.login is None:
            self._reply("530 5.7.0 Authentication required")
            return
        self.rcpt_to = []
        self.mail_from = line.split("<", 1)[1].split(">", 1)[0]
        answer = self._reply("250 2.1.0 Ok", f"mail:{self.mail_from}", "mail")
        self.has_sender = answer.startswith("250")

    def _rcpt(self, line: str) -> None:
        if not self.has_sender:
            self._reply("503 5.5.1 Need MAIL before RCPT")
            return
        addr = line.split("<", 1)[1].rsplit(">", 1)[0]
        if self._reply("250 2.1.5 Ok", f"rcpt:{addr}", "rcpt").startswith("250"):
            self.rcpt_to.append(addr)

    def _data(self, _: str) -> None:
        usual = "354 End data with <CR><LF>.<CR><LF>"
        if not self.rcpt_to:
            usual = "554 5.5.1 No valid recipients"
        if not self._reply(usual, "data").startswith("354"):
            return
        if self.server.next_answer("body") == DROP:
            self.reader.read(1)
            raise _Hangup
        lines: list[bytes] = []
        while (line := self.reader.readline()) != b".\r\n":
            if not line:
                raise _Hangup
            lines.append(line.removeprefix(b"."))
        self._dot(b"".join(lines))

    def _dot(self, data: bytes) -> None:
        steps = (*(f"dot:{addr}" for addr in self.rcpt_to), "dot")
        answer = self.server.next_answer(*steps) or "250 2.0.0 Ok: recorded"
        if answer.startswith(("2", "RECORD")):
            received = Received(
                self.mail_from, tuple(self.rcpt_to), data, self.login, self.secure
            )
            with self.server.lock:
                self.server.mails.append(received)
        self.rcpt_to = []
        self.has_sender = False
        self._reply(answer.removeprefix("RECORD_THEN_"))

    def _rset(self, _: str) -> None:
        self.rcpt_to, self.has_sender = [], False
        self._reply("250 2.0.0 Ok", "rset")

    def _quit(self, _: str) -> None:
        self._reply("221 2.0.0 Bye", "quit")
        raise _Hangup

    def _unknown(self, _: str) -> None:
        self._reply("502 5.5.2 Command not recognised")


@contextlib.contextmanager
def smtp_sink(*options: str, backlog: int = 100) -> Iterator[int]:
    """Run Postfix's smtp-sink on a free loopback port, and yield the port.

    Useful options: ``-r rcpt`` (4xx), ``-R``/``-f rcpt`` (5xx), ``-q data`` (hang up),
    ``-Q data`` (421), ``-w 2`` (slow dot), ``-p`` (no PIPELINING), ``-D file`` (dumps).
    """
    binary = shutil.which("smtp-sink", path="/usr/sbin:/usr/local/sbin:/usr/bin")
    assert binary, "smtp-sink is missing: install Debian's postfix (see `make test`)"
    port = free_port()
    command = [binary, *options, f"inet:127.0.0.1:{port}", str(backlog)]
    if Path("/proc/self").owner() == "root":
        command[1:1] = ["-u", "nobody"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE)  # noqa: S603 - our own command
    try:
        _wait_for_port(port, process)
        yield port
    finally:
        process.terminate()
        process.wait(PATIENCE)
        if process.stderr is not None:
            process.stderr.close()


def _wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until something answers."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if process.poll() is not None:
            said = process.stderr.read().decode() if process.stderr else ""
            raise AssertionError(f"smtp-sink ended at once: {said}")
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=10).close()
            return
        time.sleep(0.02)
    raise AssertionError("smtp-sink does not answer")
