"""SECURITY 06: one message stays one message, whatever its bytes are."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.smtp_servers import RecordingServer
from webapp.composing.letter import Address, ComposeError, Letter
from webapp.composing.mime import compose
from webapp.composing.wire import dot_stuffed, gate
from webapp.core.net import PrivateHosts
from webapp.senders.outcome import Kind, Outcome
from webapp.senders.server import Security, Server
from webapp.senders.smtp import SmtpTransport
from webapp.senders.transports import DryRunTransport

LETTER = Letter(
    from_=Address("", "desk@example.org"),
    to=(Address("", "ada@example.com"),),
    subject="Hello",
    text="",
    message_id="1@example.org",
    date=datetime(2026, 11, 22, tzinfo=UTC),
)
NEXT = (
    "MAIL FROM:<evil@example.org>\r\nRCPT TO:<eve@example.com>\r\nDATA\r\nevil\r\n.\r\n"
)
ENDS = [
    "\r\n.\r\n",
    "\n.\n",
    "\n.\r\n",
    "\r\n.\n",
    "\r.\r",
    "\r.\r\n",
    "\r\n.\r",
    "\n\n.\r\r\n",
]


def hand_over(server: RecordingServer, data: bytes) -> Outcome:
    """Send the bytes to ada."""
    where = Server("127.0.0.1", server.port, Security.NONE)
    with SmtpTransport(where, PrivateHosts.parse("127.0.0.1"), seconds=60) as transport:
        return transport.hand_over("desk@example.org", ["ada@example.com"], data)


@pytest.mark.parametrize("end", ENDS, ids=repr)
def test_a_body_that_looks_like_an_end_arrives_as_one_message(end: str) -> None:
    data = compose(replace(LETTER, text=f"Hello{end}{NEXT}")).data
    with RecordingServer() as server:
        assert hand_over(server, data).kind is Kind.ACCEPTED
        assert server.copies() == {"ada@example.com": 1}
        assert server.mails[0].data == data


@pytest.mark.parametrize("end", [end for end in ENDS if end != "\r\n.\r\n"], ids=repr)
def test_such_bytes_themselves_never_reach_the_wire(end: str) -> None:
    data = f"Subject: x\r\n\r\nHello{end}{NEXT}".encode()
    with RecordingServer() as server:
        outcome = hand_over(server, data)
        assert (outcome.kind, outcome.code) == (Kind.REFUSED, None)
        assert server.commands == []


def test_a_dry_run_refuses_them_too() -> None:
    with DryRunTransport() as transport:
        outcome = transport.hand_over("", ["ada@example.com"], b"x\n.\r\n")
    assert outcome.kind is Kind.REFUSED


@pytest.mark.parametrize(
    "data",
    [
        b"a\rb\r\n",
        b"a\nb\r\n",
        b"a\r\r\n",
        b"a\n\r\n",
        b"a\0\r\n",
        b"a",
        b"a\r",
        b"a\n",
        b"x" * 999 + b"\r\n",
        b"",
    ],
)
def test_the_gate_refuses(data: bytes) -> None:
    with pytest.raises(ComposeError):
        gate(data)


@pytest.mark.parametrize("data", [b"\r\n", b"a\r\n", b"x" * 998 + b"\r\n", b".\r\n"])
def test_the_gate_lets_through(data: bytes) -> None:
    gate(data)


@given(st.lists(st.sampled_from([b".", b"..", b"", b"a", b".a", b"a."]), max_size=12))
def test_no_line_but_the_last_ends_the_message(lines: list[bytes]) -> None:
    wire = dot_stuffed(b"\r\n".join([*lines, b""]))
    assert wire.endswith(b".\r\n")
    body = b"\r\n" + wire[: -len(b".\r\n")]
    assert b"\r\n.\r\n" not in body


@given(
    st.lists(st.sampled_from([b".", b"..", b"", b"a", b".a", b"a."]), max_size=12),
    st.sampled_from([b"x" * 70, b"a.b." * 15, b"a." * 30 + b"."]),
)
def test_a_large_message_is_stuffed_as_a_small_one(
    lines: list[bytes], filling: bytes
) -> None:
    large = (filling + b"\r\n") * 600
    small = b"\r\n".join([*lines, b""])
    assert dot_stuffed(large + small) == large + dot_stuffed(b"x\r\n" + small)[3:]
    assert dot_stuffed(small + large) == dot_stuffed(small)[:-3] + large + b".\r\n"


@settings(deadline=None, max_examples=25)
@given(st.text(st.sampled_from(".\r\n =a\u2028\x85\0"), max_size=40))
def test_any_text_arrives_as_it_was_composed(text: str) -> None:
    data = compose(replace(LETTER, text=text)).data
    with RecordingServer() as server:
        assert hand_over(server, data).kind is Kind.ACCEPTED
        assert [mail.data for mail in server.mails] == [data]
