"""A Dovecot with a folder of very many mails, and what others do with such a folder.

The yardsticks do by plain imaplib, with the standard parser, what a page of ours needs:
the flags, the size, the time of arrival and some decoded header fields of each mail.
"""

import email
import email.policy
import imaplib
import re
import socket
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from email.header import decode_header

from tests.support.dovecot import PASSWORD, Dovecot
from webapp.core.net import PrivateHosts
from webapp.mailboxes.browsing import PAGE
from webapp.mailboxes.imap import Connection
from webapp.mailboxes.imap_commands import Command
from webapp.mailboxes.imap_signin import Access, connect
from webapp.mailboxes.rows import fetch_items

LOGIN, FOLDER = "many", "INBOX"
PEOPLE = ("Ada Byrne", "Priya Raman", "Kofi Mensah", "Tove Lindqvist", "Ines Carvalho")
TOPICS = ("Membership", "Re: Opening hours", "=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "A poster")
_BATCH = 500
_ROW = (
    "(UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS (FROM SUBJECT DATE "
    "MESSAGE-ID IN-REPLY-TO REPLY-TO CONTENT-TYPE TO CC REFERENCES)] "
    "BODY.PEEK[TEXT]<0.1536>)"
)
_LOOPBACK = PrivateHosts.parse("127.0.0.1")


def letter(n: int) -> bytes:
    """Return a mail of some 1.5 KB with the headers that a delivered one has."""
    name, topic = PEOPLE[n % len(PEOPLE)], TOPICS[n % len(TOPICS)]
    day = f"{1 + n % 27:02d} {('Jan', 'Feb', 'Mar')[n % 3]} 2026 12:{n % 60:02d}:00"
    head = (
        f"Return-Path: <p{n}@example{n % 97}.org>\r\n"
        f"Received: from mx{n % 9}.example.org (mx{n % 9}.example.org [192.0.2.9])\r\n"
        f"\tby mail.library.example (Postfix) with ESMTPS id 4X{n:08d}\r\n"
        f"\tfor <desk@library.example>; {day} +0000 (UTC)\r\n"
        f"From: {name} <p{n}@example{n % 97}.org>\r\n"
        "To: Harbour Library <desk@library.example>\r\n"
        f"Subject: {topic} {n}\r\nDate: {day} +0000\r\n"
        f"Message-ID: <{n}.{n % 97}@example{n % 97}.org>\r\n"
        f"References: <{n // 7}.1@library.example>\r\nMIME-Version: 1.0\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n"
        "Content-Transfer-Encoding: 8bit\r\n\r\n"
    )
    return (head + f"Letter {n} to the library.\r\n" * 25).encode()


def fill(server: Dovecot, count: int) -> None:
    """Put mails into the folder by MULTIAPPEND, many to one command (RFC 3502)."""
    with socket.create_connection((server.host, server.port), 300) as line:
        file = line.makefile("rb")
        file.readline()
        _say(line, file, f"a LOGIN {LOGIN} {PASSWORD}".encode())
        for start in range(0, count, _BATCH):
            mails = [letter(n) for n in range(start, min(start + _BATCH, count))]
            parts = b"".join(b" {%d+}\r\n%b" % (len(one), one) for one in mails)
            _say(line, file, b"a APPEND %b%b" % (FOLDER.encode(), parts))


def _say(line: socket.socket, file: object, command: bytes) -> None:
    line.sendall(command + b"\r\n")
    answer = b""
    while not answer.startswith(b"a "):
        answer = file.readline()  # type: ignore[attr-defined]  # a socket's file
        assert answer, "the server has hung up"
    assert answer.startswith(b"a OK"), answer[:200]


@dataclass
class Spent:
    """What some work cost."""

    ms: float
    cpu_ms: float
    round_trips: int
    octets: int


@dataclass
class Ours:
    """A connection of ours; what goes out in one write is one round trip."""

    connection: Connection
    written: int = 0
    octets: int = 0

    def __post_init__(self) -> None:
        line = self.connection.line
        send, spend = line.send, line.imap.spend

        def counted(commands: Sequence[Command]) -> list[bytes]:
            self.written += 1
            return send(commands)

        def weighed(octets: int) -> None:
            self.octets += octets
            spend(octets)

        line.send = counted  # type: ignore[method-assign]  # listens, and does the same
        line.imap.spend = weighed  # type: ignore[method-assign]  # the same

    def spends(self, work: Callable[[], object]) -> Spent:
        """Do some work and return what it cost."""
        self.written = self.octets = 0
        ms, cpu_ms = timed(work)
        return Spent(ms, cpu_ms, self.written, self.octets)


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Return the milliseconds of the wall and of this thread's processor time."""
    began, cpu = time.perf_counter(), time.thread_time()
    work()
    return (time.perf_counter() - began) * 1e3, (time.thread_time() - cpu) * 1e3


def cpu_of(work: Callable[[], object], times: int = 15) -> float:
    """Return the milliseconds of processor time that some work takes, the median."""
    return statistics.median(timed(work)[1] for _ in range(times))


@contextmanager
def ours(port: int) -> Iterator[Ours]:
    """Sign in as the pool does."""
    access = Access("127.0.0.1", port, "none", LOGIN, PASSWORD, private=_LOOPBACK)
    connection = connect(access)
    try:
        yield Ours(connection)
    finally:
        connection.close()


@contextmanager
def plain(port: int) -> Iterator[imaplib.IMAP4]:
    """Sign in by plain imaplib."""
    client = imaplib.IMAP4("127.0.0.1", port, timeout=300)
    client.login(LOGIN, PASSWORD)
    yield client
    client.logout()


def plain_list(client: imaplib.IMAP4, count: int) -> list[dict[str, str]]:
    """Return the newest rows: SELECT, FETCH, and the standard parser."""
    _ok, data = client.select(FOLDER, readonly=True)
    last = int(data[0] or 0)
    _ok, answers = client.fetch(f"{last - count + 1}:{last}", _ROW)
    return _rows(answers)


def plain_search(client: imaplib.IMAP4, *keys: str) -> list[dict[str, str]]:
    """Return the newest fifty rows that a SEARCH of the whole folder finds."""
    client.select(FOLDER, readonly=True)
    _ok, data = client.uid("SEARCH", *keys)
    uids = data[0].split()[-50:]
    _ok, answers = client.uid("FETCH", b",".join(uids).decode(), _ROW)
    return _rows(answers)


def plain_flags(client: imaplib.IMAP4) -> dict[bytes, bytes]:
    """Return all flags of a folder: how a change is found without QRESYNC."""
    client.select(FOLDER, readonly=True)
    _ok, answers = client.uid("FETCH", "1:*", "(FLAGS)")
    found = (re.search(rb"FLAGS \((.*?)\) UID (\d+)|UID (\d+)", one) for one in answers)
    return {one[2] or one[3]: one[1] or b"" for one in found if one}


def _rows(answers: Sequence[object]) -> list[dict[str, str]]:
    made = []
    for answer in answers:
        if isinstance(answer, tuple) and b"HEADER.FIELDS" in answer[0]:
            head = email.message_from_bytes(answer[1], policy=email.policy.compat32)
            made.append({name: _decoded(str(head[name])) for name in head})
    return made


def _decoded(value: str) -> str:
    return "".join(
        piece if isinstance(piece, str) else piece.decode(charset or "ascii", "replace")
        for piece, charset in decode_header(value)
    )


def octets_of_headers(client: imaplib.IMAP4, count: int) -> int:
    """Return how many octets the whole headers of the newest mails have."""
    _ok, data = client.select(FOLDER, readonly=True)
    last = int(data[0] or 0)
    _ok, answers = client.fetch(f"{last - count + 1}:{last}", "(BODY.PEEK[HEADER])")
    return sum(len(one[1]) for one in answers if isinstance(one, tuple))


def raw_batch(port: int) -> Callable[[], float]:
    """Return what sends EXAMINE and the FETCH of a list in one write, and reads it all.

    These are the commands of our list, for the same mails; nothing is made of them.
    """
    line = socket.create_connection(("127.0.0.1", port), 300)
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    file = line.makefile("rb")
    file.readline()
    _say(line, file, f"a LOGIN {LOGIN} {PASSWORD}".encode())
    line.sendall(b"a EXAMINE %b\r\n" % FOLDER.encode())
    last = 0
    while not (heard := file.readline()).startswith(b"a OK"):
        last = int(heard.split()[1]) if b"EXISTS" in heard else last
    uids = b"%d:%d" % (last - PAGE + 1, last + PAGE)
    fetch = b"a UID FETCH %b %b\r\n" % (uids, fetch_items())

    def ask() -> float:
        began = time.perf_counter()
        line.sendall(b"s EXAMINE %b\r\n" % FOLDER.encode() + fetch)
        answer = b""
        while not answer.startswith(b"a OK"):
            answer = file.readline()
            assert answer, "the server has hung up"
        return (time.perf_counter() - began) * 1e3

    return ask
