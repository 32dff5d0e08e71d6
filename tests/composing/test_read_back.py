"""Whole letters, composed and read back by two parsers: nothing lost, nothing added."""

import email
import re
from base64 import b64decode
from dataclasses import replace
from datetime import UTC, datetime
from email import policy
from email.header import decode_header, make_header
from email.message import Message
from email.utils import getaddresses, parsedate_to_datetime

import mailparser
from hypothesis import given, settings
from hypothesis import strategies as st

from webapp.composing.letter import Address, Attachment, Letter
from webapp.composing.mime import compose

PRINTED = st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp"))
WORDS = st.text(PRINTED, max_size=60)
BODY = st.text(st.characters(codec="utf-8"), max_size=200)
LOCAL = st.text(
    st.sampled_from("abcxyz0123456789.-_+"), min_size=1, max_size=20
).filter(lambda text: all(text.split(".")))
BOX = st.builds(Address, WORDS, LOCAL.map(lambda local: f"{local}@example.org"))
BOXES = st.lists(BOX, max_size=3, unique_by=lambda box: box.addr).map(tuple)
FILE = st.builds(
    Attachment,
    st.text(PRINTED.filter(lambda char: char not in "/\\"), min_size=1, max_size=40),
    st.binary(max_size=200),
    st.sampled_from(["application/pdf", "image/png", "text/csv; charset=utf-8"]),
    st.none() | st.from_regex(r"[a-z0-9.]{1,12}", fullmatch=True),
)
HEADERS = st.dictionaries(
    st.sampled_from(
        ["X-Topic", "List-Id", "X-Größe".encode().decode("ascii", "ignore")]
    ),
    WORDS,
    max_size=2,
).map(lambda found: tuple(found.items()))
LETTERS = st.builds(
    Letter,
    from_=BOX,
    to=BOXES,
    cc=BOXES,
    bcc=st.just((Address("", "hidden@bcc.example"),)),
    reply_to=BOXES,
    subject=WORDS,
    text=BODY,
    html=st.none() | BODY,
    headers=HEADERS,
    attachments=st.lists(FILE, max_size=3).map(tuple),
    message_id=st.just("<1.abc@example.org>"),
    date=st.just(datetime(2026, 11, 22, 7, 10, 3, tzinfo=UTC)),
)


def lines(text: str) -> list[str]:
    """The lines of a body; mail does not say whether the last one had an end."""
    found = re.split(r"\r\n|\r|\n", text)
    while found and not found[-1]:
        found.pop()
    return found


def shown(value: str | None) -> str:
    """A header as a reader shows it, runs of spaces as one."""
    return " ".join(str(make_header(decode_header(value or ""))).split(" ")).strip(" ")


def one_space(text: str) -> str:
    return " ".join(filter(None, text.replace("\t", " ").split(" ")))


def boxes(value: str | None) -> list[tuple[str, str]]:
    """Names and addresses of a header."""
    return [
        (one_space(shown(name)), addr) for name, addr in getaddresses([value or ""])
        if addr
    ]  # fmt: skip


def expected(given: tuple[Address, ...]) -> list[tuple[str, str]]:
    return [(one_space(box.name), box.addr) for box in given]


def octets(part: Message) -> bytes:
    found = part.get_payload(decode=True)
    assert isinstance(found, bytes)
    return found


@settings(max_examples=50, deadline=None)
@given(LETTERS)
def test_what_is_composed_is_read_back_as_it_was(letter: Letter) -> None:
    data = compose(letter).data
    mail = email.message_from_bytes(data, policy=policy.compat32)
    assert not [part.defects for part in mail.walk() if part.defects]
    for name, of in (
        ("From", (letter.from_,)),
        ("To", letter.to),
        ("Cc", letter.cc),
        ("Reply-To", letter.reply_to),
    ):
        assert boxes(mail[name]) == expected(of)
    assert one_space(shown(mail["Subject"])) == one_space(letter.subject)
    assert parsedate_to_datetime(mail["Date"]) == letter.date
    assert mail["Message-ID"] == letter.message_id
    for name, value in letter.headers:
        assert one_space(shown(mail[name])) == one_space(value)
    leaves = [part for part in mail.walk() if not part.is_multipart()]
    files = [part for part in leaves if part.get_content_disposition()]
    bodies = {p.get_content_subtype(): p for p in leaves if p not in files}
    assert lines(octets(bodies["plain"]).decode()) == lines(letter.text or "")
    assert ("html" in bodies) is (letter.html is not None)
    if letter.html is not None:
        assert lines(octets(bodies["html"]).decode()) == lines(letter.html)
    assert sorted(map(octets, files)) == sorted(f.content for f in letter.attachments)
    names = {one.filename.replace("\t", " ") for one in letter.attachments}
    assert {part.get_filename() for part in files} == names
    ids = {f"<{one.content_id}>" for one in letter.attachments if one.content_id}
    assert {part["Content-ID"] for part in files if part["Content-ID"]} == ids
    assert b"hidden@bcc" not in data


@settings(max_examples=30, deadline=None)
@given(LETTERS)
def test_lines_end_with_crlf_and_are_short(letter: Letter) -> None:
    data = compose(letter).data
    assert data.count(b"\r\n") == data.count(b"\r") == data.count(b"\n")
    assert max(map(len, data.split(b"\r\n"))) <= 998
    assert data.isascii()


@settings(max_examples=30, deadline=None)
@given(LETTERS)
def test_a_second_parser_has_nothing_to_complain_about(letter: Letter) -> None:
    read = mailparser.parse_from_bytes(compose(letter).data)
    assert not read.has_defects
    assert [addr for _name, addr in read.to] == [box.addr for box in letter.to]
    assert len(read.attachments) == len(letter.attachments)
    assert sorted(b64decode(one["payload"]) for one in read.attachments) == sorted(
        one.content for one in letter.attachments
    )
    assert "".join(read.text_plain).split() == (letter.text or "").split()
    assert "".join(read.text_html).split() == (letter.html or "").split()


@settings(max_examples=20, deadline=None)
@given(LETTERS)
def test_twice_differs_in_message_id_date_and_boundary_alone(letter: Letter) -> None:
    later = replace(
        letter,
        message_id="<2.def@example.org>",
        date=datetime(2027, 1, 2, 3, 4, 5, tzinfo=UTC),
    )
    one, two = (
        re.sub(
            rb"=_[0-9a-f]{32}|(?<=\r\nMessage-ID: )[^\r]*|(?<=\r\nDate: )[^\r]*",
            b"",
            compose(made).data,
        )
        for made in (letter, later)
    )
    assert one == two
    assert compose(letter) == compose(letter)
