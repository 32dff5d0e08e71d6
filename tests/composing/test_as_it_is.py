"""An .eml that is sent as it is: nothing dropped, what is added is said."""

from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes, policy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.composing.test_dkim import KINDS
from tests.composing.test_mime import BODY_TEXT, HEADER_TEXT, LETTER
from webapp.composing.as_it_is import LARGEST, AsItIs, read
from webapp.composing.letter import Address, ComposeError
from webapp.composing.mime import compose

AT = datetime(2026, 11, 22, 7, 10, 3, tzinfo=UTC)
OURS = "<ours@example.org>"
WHOLE = (
    b"Received: from x by y; Sun, 22 Nov 2026 07:10:03 +0000\r\n"
    b"From: Ada <ada@example.org>\r\n"
    b"To: zoe@example.com, =?utf-8?q?J=C3=B6rg?= <j@example.com>\r\n"
    b"Subject:no space after the colon\r\n"
    b"Date: Sun, 22 Nov 2026 07:10:03 +0000\r\n"
    b"Message-ID: <one@example.org>\r\n"
    b"X-Odd:\tfolded\r\n\t twice \r\n"
    b"MIME-Version: 1.0\r\n"
    b'Content-Type: multipart/mixed; boundary="b"\r\n'
    b"\r\n"
    b"preamble\r\n--b\r\n\r\n.\r\nHello \r\n--b\r\n"
    b"Content-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    b"JVBERg==\r\n--b--\r\nepilogue\r\n"
)


def look(content: bytes) -> AsItIs:
    return read(content, OURS, AT)


def without(name: bytes) -> bytes:
    """The message without one header."""
    lines = WHOLE.split(b"\r\n")
    return b"\r\n".join(line for line in lines if not line.startswith(name + b":"))


def test_a_whole_message_leaves_octet_for_octet() -> None:
    made = look(WHOLE)
    assert made.data == WHOLE
    assert made.notes == ()
    assert made.message_id == "<one@example.org>"
    assert made.from_ == Address("Ada", "ada@example.org")
    assert made.to == (
        Address("", "zoe@example.com"),
        Address("Jörg", "j@example.com"),
    )
    assert made.subject == "no space after the colon"


@pytest.mark.parametrize("kind", KINDS)
def test_what_we_compose_leaves_octet_for_octet(kind: str) -> None:
    data = compose(KINDS[kind]).data
    made = look(bytes(data))
    assert (made.data, made.notes) == (data, ())
    assert made.subject == KINDS[kind].subject


@given(HEADER_TEXT, HEADER_TEXT, BODY_TEXT)
@settings(max_examples=50)
def test_it_reads_what_we_wrote(subject: str, name: str, text: str) -> None:
    boxes = (Address(name, "ada@example.com"),)
    data = compose(replace(LETTER, to=boxes, subject=subject, text=text)).data
    made = look(bytes(data))
    assert made.data == data
    assert made.to[0].addr == "ada@example.com"


def test_line_ends_of_another_system_are_changed_and_said() -> None:
    made = look(WHOLE.replace(b"\r\n", b"\n"))
    assert made.data == WHOLE
    assert made.notes == ("The line ends were LF and are CRLF now.",)


def test_a_last_line_without_end_gets_one() -> None:
    made = look(WHOLE.removesuffix(b"\r\n"))
    assert made.data == WHOLE
    assert len(made.notes) == 1


def test_headers_alone_are_a_message() -> None:
    made = look(b"From: a@x.example\r\nTo: b@x.example\r\nSubject: Hi")
    assert made.data.endswith(b"Subject: Hi\r\n\r\n")
    assert any("there is no body" in note for note in made.notes)


@pytest.mark.parametrize(
    ("name", "added"),
    [
        (b"Date", b"Date: Sun, 22 Nov 2026 07:10:03 +0000\r\n"),
        (b"Message-ID", b"Message-ID: <ours@example.org>\r\n"),
        (b"MIME-Version", b"MIME-Version: 1.0\r\n"),
    ],
)
def test_a_missing_header_is_put_before_the_rest_and_said(
    name: bytes, added: bytes
) -> None:
    made = look(without(name))
    assert made.data == added + without(name)
    (note,) = made.notes
    assert note.startswith(f"{name.decode()} was missing")


def test_without_to_the_copies_get_it() -> None:
    file = without(b"To").replace(b"Subject:", b"Cc: c@example.com\r\nSubject:")
    made = look(file)
    assert made.data == b"To: undisclosed-recipients:;\r\n" + file
    assert made.cc == (Address("", "c@example.com"),)


@pytest.mark.parametrize("name", [b"From", b"Subject"])
def test_what_only_a_person_can_say_refuses_it(name: bytes) -> None:
    with pytest.raises(ComposeError, match=f"{name.decode()} is missing"):
        look(without(name))


def test_blind_copies_move_to_the_envelope() -> None:
    file = WHOLE.replace(
        b"Subject:", b"BCC: e@example.com,\r\n f@example.com\r\nSubject:"
    )
    made = look(file)
    assert made.data == WHOLE
    assert [box.addr for box in made.bcc] == ["e@example.com", "f@example.com"]
    (note,) = made.notes
    assert "Blind copies: 2" in note
    assert "example.com" not in note


def test_the_return_path_becomes_the_envelope_sender() -> None:
    made = look(b"Return-Path: <bounce@example.org>\r\n" + WHOLE)
    assert (made.data, made.envelope_from) == (WHOLE, "bounce@example.org")
    assert look(b"Return-Path: <>\r\n" + WHOLE).envelope_from == ""
    assert look(WHOLE).envelope_from is None


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (b"Hello \r\n", b"Hello \n", "CR or LF on its own"),
        (b"Hello \r\n", b"Hello \r.\r\n", "CR or LF on its own"),
        (b"Hello \r\n", b"Hello \0\r\n", "a NUL"),
        (b"Hello \r\n", b"x" * 999 + b"\r\n", "longer than 998"),
        (b"X-Odd:", b"X Odd:", "no header line"),
        (b"X-Odd:\tfolded", b"X-Odd: a\r\n ", "no header line"),
        (b"X-Odd:\tfolded", b"X-Odd: \xff", "neither ASCII nor UTF-8"),
        (b"From: Ada", b"From: eve@example.com\r\nFrom: Ada", "more than once"),
        (b"To: zoe", b"To: eve@example.com\r\nTo: zoe", "more than once"),
        (b"Subject:", b"subject: a\r\nSubject:", "more than once"),
        (b"Message-ID:", b"Message-ID: <x@y>\r\nMessage-ID:", "more than once"),
        (b"ada@example.org>", b"ada@example.org>, b@example.org", "exactly one"),
        (b"zoe@example.com,", b"zoe@example.com> X,", "To: "),
        (b"zoe@example.com,", b"zoe,", "To: "),
        (b"<one@example.org>", b"<one two@example.org>", "Message-ID is malformed"),
        (b"<one@example.org>", b"one@example.org", "Message-ID is malformed"),
        (b"<one@", b"<" + b"o" * 300 + b"@", "Message-ID is too long"),
        (b"Date: Sun, 22 Nov", b"Date: Someday in", "Date cannot be read"),
        (b'; boundary="b"', b"", "names no boundary"),
        (b'boundary="b"', b'boundary="c"', "no part is there"),
        (b"J=C3=B6rg", b"a=0ABcc:_eve@example.com", "line break"),
    ],
)
def test_what_is_wrong_is_said(old: bytes, new: bytes, words: str) -> None:
    assert old in WHOLE
    with pytest.raises(ComposeError, match=words):
        look(WHOLE.replace(old, new, 1))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b" \r\n", "is empty"),
        (b"From postroom Sun Nov 22\r\n" + WHOLE, "no header line"),
        (b"\xef\xbb\xbf" + WHOLE, "no header line"),
        (b"\r\n" + WHOLE, "no header line"),
        (WHOLE + b"x\r\n" * (LARGEST // 3), "larger than 25 MB"),
        (b"X-Large: " + b"x\r\n " * 40_000 + b"x\r\n" + WHOLE, "larger than 64 KB"),
    ],
    ids=["nothing", "blank", "mbox", "BOM", "no head", "large", "block"],
)
def test_files_that_are_no_message(content: bytes, words: str) -> None:
    with pytest.raises(ComposeError, match=words):
        look(content)


def test_a_crowd_is_no_single_message() -> None:
    crowd = b", ".join(b"p%d@example.com" % n for n in range(51))
    with pytest.raises(ComposeError, match="more than 50"):
        look(WHOLE.replace(b"zoe@example.com", crowd.replace(b", ", b",\r\n ")))


@given(st.binary(max_size=300))
def test_no_octets_make_it_stumble(content: bytes) -> None:
    try:
        made = look(b"From: a@b.example\r\nTo: c@d.example\r\nSubject: x\r\n" + content)
    except ComposeError:
        return
    assert message_from_bytes(made.data, policy=policy.compat32)["From"]
