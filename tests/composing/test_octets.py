"""A message in pieces is the message: as octets, behind DATA, and for DKIM."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.composing.dkim import relaxed_body
from webapp.composing.letter import Address, Attachment, ComposeError, Letter
from webapp.composing.mime import compose, encoded_once
from webapp.composing.wire import Gated, Octets, dot_stuffed, gated, shared

LETTER = Letter(
    from_=Address("", "desk@example.org"),
    to=(Address("", "ada@example.com"),),
    subject="Hello",
    text="Hello\n",
    message_id="1@example.org",
    date=datetime(2026, 11, 22, tzinfo=UTC),
)
FILE = encoded_once(Attachment("plan.pdf", b"\0" * 40_000, "application/pdf"))
LINE = b"x" * 70 + b"\r\n"
# Each is large enough to stay alone; they differ at their ends, and in their middle.
LARGE = [
    shared(LINE * 600),
    shared(b".\r\n" + LINE * 600),
    shared(LINE * 600 + b"..\r\n"),
    shared(LINE * 300 + b"\r\n.a\r\n" + LINE * 300),
    shared("Größe\r\n".encode() + LINE * 600),
    shared(b"\r\n" + LINE * 600 + b"a \t b \r\n\r\n\r\n"),
]
SMALL = [b"a\r\n", b".\r\n", b"\r\n", b"..a\r\n", b" \r\n", "ä\r\n".encode()]
PIECES = st.lists(
    st.sampled_from([*LARGE, *SMALL, *map(shared, SMALL)]), min_size=1, max_size=6
)


def slowly_stuffed(data: bytes) -> bytes:
    """Line by line, as RFC 5321 4.5.2 says it."""
    lines = data.split(b"\r\n")[:-1]
    return b"".join(b"." * line.startswith(b".") + line + b"\r\n" for line in lines)


@given(PIECES)
def test_pieces_say_of_themselves_what_the_whole_says(pieces: list[bytes]) -> None:
    whole, made = b"".join(pieces), gated(pieces)
    assert bytes(made) == whole
    assert (made.size, made.is_ascii) == (len(whole), whole.isascii())


@given(PIECES)
def test_dots_are_stuffed_where_pieces_meet_as_elsewhere(pieces: list[bytes]) -> None:
    whole = b"".join(pieces)
    stuffed = b"".join(gated(pieces).transparent())
    assert stuffed == slowly_stuffed(whole)
    assert stuffed + b".\r\n" == dot_stuffed(whole)


@given(PIECES)
def test_pieces_are_hashed_as_the_whole(pieces: list[bytes]) -> None:
    hashed = b"".join(relaxed_body(gated(pieces).pieces))
    assert hashed == b"".join(relaxed_body([b"".join(pieces)]))


def test_two_messages_share_a_large_file() -> None:
    first = compose(replace(LETTER, attachments=(FILE,))).octets
    second = compose(replace(LETTER, attachments=(FILE,), message_id="2@x")).octets
    assert first.pieces[1] is second.pieces[1] is FILE.encoded
    assert first.transparent()[1] is FILE.encoded
    assert first.pieces[0] != second.pieces[0]


def test_what_is_small_is_one_piece() -> None:
    files = (encoded_once(Attachment("a.txt", b"a" * 20_000)),) * 2
    assert len(compose(replace(LETTER, attachments=files)).octets.pieces) == 1
    assert len(compose(LETTER).octets.pieces) == 1


def test_what_nobody_looked_at_is_looked_at_however_large() -> None:
    for bad in (b".\n.\r\n", b"\0\r\n", b"x" * 999 + b"\r\n", b"a"):
        with pytest.raises(ComposeError):
            gated([LARGE[0], LINE * 600 + bad])
        with pytest.raises(ComposeError):
            shared(LINE * 600 + bad)
        with pytest.raises(ComposeError):
            gated([LARGE[0]]).below(bad)


def test_lines_put_before_a_message_copy_no_file() -> None:
    made = compose(replace(LETTER, attachments=(FILE,))).octets
    below = made.below("X: ä\r\n".encode())
    assert isinstance(below, Octets)
    assert bytes(below) == "X: ä\r\n".encode() + bytes(made)
    assert (below.size, below.is_ascii) == (made.size + 7, False)
    assert FILE.encoded in below.pieces
    assert [type(piece) is Gated for piece in below.pieces].count(True) == 1
