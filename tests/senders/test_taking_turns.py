"""Conversations of one thread prove as much as those that have a thread each."""

import ssl
import threading
import time
from contextlib import nullcontext

import pytest
import trustme

from tests.senders.conftest import LOOPBACK
from tests.support.smtp_servers import PATIENCE, STALL, RecordingServer
from webapp.composing.wire import Octets, gated, shared
from webapp.core.turns import Turns
from webapp.senders.outcome import Kind, Outcome
from webapp.senders.server import Security, Server
from webapp.senders.smtp import SmtpTransport
from webapp.senders.smtp_envelope import Parcel

# More than the buffers of both ends hold: sending has to wait in mid-body.
LARGE = b"Subject: x\r\n\r\n" + b"0123456789" * 7 + b"\r\n"
LARGE += (b"0123456789" * 7 + b"\r\n") * 100_000
FILE = shared((b"abcdefghij" * 7 + b"\r\n") * 50_000)
IN_PIECES = gated([b"Subject: x\r\n\r\n", FILE, b".\r\n", FILE, b".end\r\n"])


@pytest.fixture
def ca() -> trustme.CA:
    return trustme.CA()


def talk(where: Server, parcels: list[list[Parcel]], done: list[Outcome]) -> None:
    """Hand each list of parcels over by a connection of its own, all in one thread."""

    async def line(mine: list[Parcel]) -> None:
        with SmtpTransport(
            where, LOOPBACK, seconds=PATIENCE, dot_seconds=PATIENCE
        ) as transport:
            for number, parcel in enumerate(mine):
                rest = mine[number + 1 :]
                done.append(
                    await transport.offer(parcel, lambda r=rest: r[0] if r else None)  # type: ignore[misc]  # a lambda's default has no type
                )

    turns = Turns("lines", nullcontext)
    for mine in parcels:
        turns.begin(line(mine))


def wait_for(done: list[Outcome], count: int) -> None:
    """Wait until so many have come back."""
    until = time.monotonic() + PATIENCE
    while len(done) < count:
        assert time.monotonic() < until, f"only {len(done)} came back"
        time.sleep(0.01)


def to(
    *numbers: int, data: bytes | Octets = b"Subject: x\r\n\r\nHello\r\n"
) -> list[Parcel]:
    return [Parcel("desk@example.org", (f"r{n}@example.com",), data) for n in numbers]


@pytest.mark.parametrize("security", list(Security))
def test_sixteen_lines_through_each_kind_of_security(
    security: Security, ca: trustme.CA
) -> None:
    context = None
    if security is not Security.NONE:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ca.issue_cert("localhost").configure_cert(context)
    implicit = security is Security.TLS
    pem = ca.cert_pem.bytes().decode() if context else None
    with RecordingServer(tls=context, implicit=implicit) as server:
        where = Server("localhost", server.port, security, ca_pem=pem)
        done: list[Outcome] = []
        lines = [to(*range(line, 320, 16)) for line in range(16)]
        lines[3] = to(3, data=LARGE) + lines[3][1:]
        lines[5] = to(5, data=IN_PIECES) + lines[5][1:]
        all_are_open = threading.Event()
        usual = server.next_answer

        def answer(*steps: str) -> str | None:
            """Let the first messages wait until all lines are open."""
            if server.most_open == len(lines):
                all_are_open.set()
            if "dot" in steps:
                all_are_open.wait(PATIENCE)
            return usual(*steps)

        server.next_answer = answer  # type: ignore[method-assign]  # only slower
        talk(where, lines, done)
        wait_for(done, sum(map(len, lines)))
        assert {one.kind for one in done} == {Kind.ACCEPTED}
        assert server.most_open == 16
        assert server.copies() == {f"r{n}@example.com": 1 for n in range(320)}
        large = {
            mail.rcpt_to: mail.data for mail in server.mails if len(mail.data) > 99
        }
        assert large == {
            ("r3@example.com",): LARGE,
            ("r5@example.com",): bytes(IN_PIECES),
        }


def test_a_silent_server_holds_up_one_line_only() -> None:
    with RecordingServer() as server:
        server.answer("dot:r1@example.com", STALL)
        where = Server("127.0.0.1", server.port, Security.NONE)
        done: list[Outcome] = []
        talk(where, [to(1), *(to(*range(n * 10, n * 10 + 9)) for n in (1, 2))], done)
        wait_for(done, 18)
        assert [one.kind for one in done] == [Kind.ACCEPTED] * 18
    wait_for(done, 19)
    assert done[-1].kind is Kind.UNKNOWN
