"""A scripted IMAP server: it says what no real one would, and keeps what it heard."""

import re
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

CAPABILITY = "IMAP4rev1 AUTH=PLAIN"


class FakeImap:
    """Answers each command by its name; `heard` holds every line."""

    def __init__(self, answers: Mapping[str, Any], greeting: bytes) -> None:
        self.answers = answers
        self.greeting = greeting
        self.heard: list[bytes] = []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.socket.getsockname()[1]
        self.threads: list[threading.Thread] = []
        self.lines: list[socket.socket] = []

    def accept(self) -> None:
        """Take connections until the socket is closed."""
        while True:
            try:
                line, _address = self.socket.accept()
            except OSError:
                return
            self.lines.append(line)
            thread = threading.Thread(target=self.talk, args=(line,), daemon=True)
            self.threads.append(thread)
            thread.start()

    def talk(self, line: socket.socket) -> None:
        """Answer one connection."""
        try:
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            line.sendall(self.greeting)
            with line.makefile("rb") as reader:
                for heard in reader:
                    self.heard.append(heard)
                    self.answer(line, heard, reader)
        except OSError:
            pass
        finally:
            line.close()

    def answer(self, line: socket.socket, heard: bytes, reader: object) -> None:
        """Send what the script says; unknown commands are well."""
        found = re.match(rb"(\S+) (UID )?(\S+)", heard)
        if not found:
            return
        tag, name = found[1], found[3].decode("ascii", "replace").strip().upper()
        if name == "AUTHENTICATE" and name not in self.answers:
            line.sendall(b"+ \r\n")
            self.heard.append(reader.readline())  # type: ignore[attr-defined]  # a file
        answer = self.answers.get(name, "")
        if name == "CAPABILITY" and not answer:
            answer = f"* CAPABILITY {CAPABILITY}\r\n"
        text = answer(heard) if callable(answer) else answer
        octets = text if isinstance(text, bytes) else text.encode()
        if octets == b"EOF":
            line.shutdown(socket.SHUT_RDWR)
        elif b"TAG " in octets:
            line.sendall(octets.replace(b"TAG ", tag + b" "))
        elif octets != b"SILENCE":
            line.sendall(octets + tag + b" OK done\r\n")

    def count(self, name: str) -> int:
        """Return how often a command was heard."""
        return sum(name.encode() in line.upper() for line in self.heard)


@contextmanager
def fake_imap(
    answers: Mapping[str, Any], greeting: bytes = b"* OK hello\r\n"
) -> Iterator[FakeImap]:
    """Run the server on a free loopback port."""
    server = FakeImap(answers, greeting)
    thread = threading.Thread(target=server.accept, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.socket.close()
        for line in server.lines:
            line.close()
        for each in server.threads:
            each.join(timeout=2)
