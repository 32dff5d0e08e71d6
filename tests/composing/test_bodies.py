"""A body in blocks becomes the octets of the whole text, whatever it holds."""

import re
from base64 import encodebytes
from binascii import b2a_qp
from itertools import accumulate

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from webapp.composing import bodies
from webapp.composing.bodies import Block, Text, encoded
from webapp.composing.letter import ComposeError
from webapp.composing.wire import Gated, gate, gated

PIECES = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=30),
    st.sampled_from(
        [
            *("\n", "\r", "\r\n", "\n\n", "\n.\n", ".", "..\n", " ", "\t", " \n"),
            *("=_", "=", "From ", "\nFrom ", "x" * 77, "x" * 78, "x" * 79, "y" * 1200),
            *("\0", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\ufeff", "é" * 40),
            *("Ünal", "山田" * 30, "😀", "e\u0301", "A plain line.\n", "שלום"),
        ]
    ),
)
TEXT = st.lists(PIECES, max_size=12).map("".join)


def straight(text: str) -> tuple[str, bytes]:
    """Encode a body as a whole, by the words of the RFCs."""
    raw = re.sub(r"\r\n|\r|\n", "\r\n", text).encode()
    if not raw.endswith(b"\r\n"):
        raw += b"\r\n"
    if b"=_" not in raw and re.fullmatch(rb"(?:[\t -~]{0,78}\r\n)*", raw):
        return "7bit", raw
    quoted = b2a_qp(raw, istext=True)
    if len(quoted) > 2 * len(raw):
        return "base64", encodebytes(raw).replace(b"\n", b"\r\n")
    return "quoted-printable", quoted


@st.composite
def cut(draw: st.DrawFn) -> Text:
    """Draw a text, cut after some of its line feeds, with some blocks shared."""
    text = draw(TEXT)
    ends = [at for at, char in enumerate(text, 1) if char == "\n"]
    chosen = [end for end in ends if draw(st.booleans())]
    starts = [0, *chosen]
    blocks = [text[a:b] for a, b in zip(starts, [*chosen, None], strict=True)]
    return Text([Block(one) if draw(st.booleans()) else one for one in blocks])


@given(TEXT)
@example("")
def test_a_text_is_encoded_line_by_line(text: str) -> None:
    encoding, pieces = encoded(text)
    assert (encoding, b"".join(pieces)) == straight(text)


@given(cut())
@example(Text([Block("a\n"), ""]))
@example(Text([""]))
def test_blocks_become_what_the_whole_becomes(text: Text) -> None:
    whole = straight(str(text))
    for _again in range(2):
        encoding, pieces = encoded(text)
        assert (encoding, b"".join(pieces)) == whole


@given(cut())
def test_every_piece_passes_the_gate(text: Text) -> None:
    for piece in encoded(text)[1]:
        gate(bytes(piece))


def test_a_shared_block_is_encoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bytes] = []

    def quoted(raw: bytes, *, istext: bool) -> bytes:
        asked.append(raw)
        return b2a_qp(raw, istext=istext)

    monkeypatch.setattr(bodies, "b2a_qp", quoted)
    block = Block("Grüße\n")
    for name in ("Zoë", "Ünal"):
        encoded(Text([f"{name},\n", block]))
    assert asked.count("Grüße\r\n".encode()) == 1
    assert len(asked) == 3


@pytest.mark.parametrize("kind", [str, Block])
def test_half_a_character_is_refused(kind: type[str]) -> None:
    text = Text(["Hello\n", kind("\ud800\n")])
    for _again in range(2):
        with pytest.raises(ComposeError, match="half a character"):
            encoded(text)


def passes(data: bytes) -> bool:
    """Say whether the gate lets it through."""
    try:
        gate(data)
    except ComposeError:
        return False
    return True


LINES = st.lists(
    st.sampled_from([b"a", b"\r\n", b"\r", b"\n", b"\0", b"x" * 998, b"."]), max_size=6
).map(b"".join)


@given(st.lists(LINES, min_size=1, max_size=5))
def test_pieces_pass_together_exactly_if_each_of_them_does(pieces: list[bytes]) -> None:
    try:
        made = gated(pieces)
    except ComposeError:
        assert not all(map(passes, pieces))
        return
    assert all(map(passes, pieces))
    assert bytes(made) == b"".join(pieces)
    assert made.size == len(bytes(made))
    assert passes(bytes(made))


@given(st.lists(st.tuples(LINES, st.booleans()), min_size=1, max_size=5))
def test_what_passed_before_hides_nothing(drawn: list[tuple[bytes, bool]]) -> None:
    pieces = [
        Gated(piece) if is_known and passes(piece) else piece
        for piece, is_known in drawn
    ]
    try:
        made = gated(pieces)
    except ComposeError:
        assert not all(map(passes, pieces))
        return
    assert passes(bytes(made))


@given(st.lists(st.integers(0, 3), max_size=5))
def test_a_text_is_the_join_of_its_blocks(lengths: list[int]) -> None:
    blocks = ["a" * length for length in lengths]
    text = Text(blocks)
    assert text == "a" * sum(lengths)
    assert [*accumulate(map(len, text.blocks))] == [
        *accumulate(length for length in lengths if length)
    ]
