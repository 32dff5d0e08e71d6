"""A message in pieces is announced and handed over like any other."""

from hypothesis import given
from hypothesis import strategies as st

from tests.senders.conftest import Open
from tests.support.smtp_servers import DROP, RecordingServer
from webapp.composing.wire import gated, shared
from webapp.senders.outcome import Kind
from webapp.senders.smtp_stream import after

DESK, ADA = "desk@example.org", "ada@example.com"
HEAD = b"Subject: x\r\n\r\n"
FILE = shared((b"x" * 70 + b"\r\n") * 1000)
LETTERS = shared("Größe\r\n".encode() * 10_000)
SIZE = len(HEAD + FILE)


def test_its_size_is_that_of_all_pieces(transport_to: Open) -> None:
    for limit, kind in ((SIZE, Kind.ACCEPTED), (SIZE - 1, Kind.REFUSED)):
        with RecordingServer(extensions=(f"SIZE {limit}",)) as server:
            transport = transport_to(server.port)
            outcome = transport.hand_over(DESK, [ADA], gated([HEAD, FILE]))
            assert outcome.kind is kind
            mail = f"MAIL FROM:<{DESK}> SIZE={SIZE}"
            assert (mail in server.commands) is (kind is Kind.ACCEPTED)


def test_one_piece_beyond_ascii_makes_it_eight_bit(
    server: RecordingServer, transport_to: Open
) -> None:
    transport = transport_to(server.port)
    for pieces in ([HEAD, FILE], [HEAD, FILE, LETTERS, FILE]):
        octets = gated(pieces)
        assert transport.hand_over(DESK, [ADA], octets).kind is Kind.ACCEPTED
        assert server.mails.pop().data == bytes(octets)
    said = [one for one in server.commands if one.startswith("MAIL")]
    assert said == [f"MAIL FROM:<{DESK}>", f"MAIL FROM:<{DESK}> BODY=8BITMIME"]


def test_a_connection_lost_between_pieces_proves_that_nothing_was_accepted(
    server: RecordingServer, transport_to: Open
) -> None:
    server.answer("body", DROP)
    octets = gated([HEAD, *[FILE] * 200])
    outcome = transport_to(server.port).hand_over(DESK, [ADA], octets)
    assert (outcome.kind, outcome.code) == (Kind.DEFERRED, None)
    assert not server.mails


def test_more_pieces_than_one_call_takes(
    server: RecordingServer, transport_to: Open
) -> None:
    octets = gated([HEAD, *[FILE, b"-\r\n"] * 600])
    outcome = transport_to(server.port).hand_over(DESK, [ADA], octets)
    assert outcome.kind is Kind.ACCEPTED
    assert server.mails[0].data == bytes(octets)


@given(st.lists(st.binary(max_size=4)), st.integers(0, 40))
def test_what_is_left_is_what_is_not_gone(pieces: list[bytes], count: int) -> None:
    left = after([memoryview(piece) for piece in pieces], count)
    assert b"".join(left) == b"".join(pieces)[count:]
    assert after(left, sum(map(len, left))) == []
