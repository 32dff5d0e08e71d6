"""What we compose, any mail reader parses back to the same."""

import email
import re
from dataclasses import replace
from datetime import UTC, datetime
from email import policy
from email.header import decode_header, make_header
from email.headerregistry import Address as HeaderAddress
from email.message import EmailMessage, MIMEPart
from email.utils import getaddresses

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from webapp.composing import bodies, wire
from webapp.composing.headers import MAX_LINE
from webapp.composing.letter import Address, Attachment, ComposeError, Letter
from webapp.composing.mime import Composed, compose, encoded_once
from webapp.composing.wire import Octets, dot_stuffed

LETTER = Letter(
    from_=Address("The Desk", "desk@example.org"),
    to=(Address("Ada", "ada@example.com"),),
    subject="Hello",
    text="Hello Ada,\n\nthe desk\n",
    message_id="<1.abc@example.org>",
    date=datetime(2026, 11, 22, 7, 10, 3, tzinfo=UTC),
)
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))

# Everything that may stand in a header: no control characters, no half characters.
PRINTED = st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp"))
HEADER_TEXT = st.text(PRINTED, max_size=120)
FILE_NAME = st.text(PRINTED.filter(lambda char: char not in "/\\"), min_size=1)
BODY_TEXT = st.text(st.characters(codec="utf-8"), max_size=400)


def parsed(composed: Composed) -> EmailMessage:
    """Parse with the standard library, as a reader would."""
    message = email.message_from_bytes(composed.data, policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


def body_lines(text: str) -> list[str]:
    """Return the lines of a body; mail does not say whether the last one had an end."""
    lines = re.split(r"\r\n|\r|\n", text)
    while lines and not lines[-1]:
        lines.pop()
    return lines


def shape(message: MIMEPart) -> object:
    """Return the content types of a tree of parts."""
    if not message.is_multipart():
        return message.get_content_type()
    return [
        message.get_content_subtype(),
        *(shape(part) for part in message.iter_parts()),
    ]


@given(HEADER_TEXT)
def test_a_subject_survives_in_any_language(subject: str) -> None:
    message = parsed(compose(replace(LETTER, subject=subject)))
    assert message["Subject"] == subject


@given(HEADER_TEXT)
def test_a_name_survives_in_any_language(name: str) -> None:
    """Read with the older parser: the newer keeps spaces between encoded words."""
    box = Address(name, "ada@example.com")
    composed = compose(replace(LETTER, to=(box, box), cc=(box,), reply_to=(box,)))
    raw = email.message_from_bytes(composed.data, policy=policy.compat32)
    for header, count in (("To", 2), ("Cc", 1), ("Reply-To", 1)):
        read = getaddresses([raw[header]])
        assert [addr for _, addr in read] == ["ada@example.com"] * count
        for phrase, _ in read:
            shown = str(make_header(decode_header(phrase)))
            assert shown == " ".join(filter(None, name.split(" ")))


@pytest.mark.parametrize(
    "name",
    [
        "Ada Lovelace",
        "Lovelace, Ada",
        'A "B" \\ C',
        "Ádám Ünal",
        "山田 太郎",
        "=?utf-8?q?x?=",
    ],
)
def test_a_name_is_shown_as_it_is(name: str) -> None:
    message = parsed(compose(replace(LETTER, to=(Address(name, "ada@example.com"),))))
    assert [box.display_name for box in message["To"].addresses] == [name]


@given(BODY_TEXT, BODY_TEXT)
def test_bodies_survive_in_any_language(text: str, html: str) -> None:
    message = parsed(compose(replace(LETTER, text=text, html=html)))
    plain, markup = (part.get_content() for part in message.iter_parts())
    assert body_lines(plain) == body_lines(text)
    assert body_lines(markup) == body_lines(html)


def read_to(data: bytes) -> str:
    """Return the only name in To, read with the older parser."""
    raw = email.message_from_bytes(data, policy=policy.compat32)["To"]
    phrases = [phrase for phrase, _ in getaddresses([raw])]
    return "; ".join(
        " ".join(str(make_header(decode_header(phrase))).split()) for phrase in phrases
    )


@settings(deadline=None)
@given(HEADER_TEXT, HEADER_TEXT, BODY_TEXT, BODY_TEXT)
def test_it_is_the_message_that_the_standard_library_makes(
    name: str, subject: str, text: str, html: str
) -> None:
    """But for encoded words within values, which that one would decode."""
    name, subject = (" ".join(v.replace("=?", "").split()) for v in (name, subject))
    made = EmailMessage()
    made["From"] = "The Desk <desk@example.org>"
    made["To"] = HeaderAddress(name, addr_spec="ada@example.com")
    made["Subject"] = subject
    made["Date"] = LETTER.date
    made["Message-ID"] = LETTER.message_id
    made.set_content(text)
    made.add_alternative(html, subtype="html")
    theirs = parsed(Composed(Octets((made.as_bytes(),), 0, True), "", (), False))
    assume(read_to(made.as_bytes()) == name)  # it folds some so that nobody can
    assume(theirs["Subject"] == subject)
    letter = replace(LETTER, subject=subject, text=text, html=html)
    composed = compose(replace(letter, to=(Address(name, "ada@example.com"),)))
    ours = parsed(composed)
    assert shape(ours) == shape(theirs)
    assert read_to(composed.data) == name
    for header in ("From", "Subject", "Date", "Message-ID"):
        assert " ".join(ours[header].split()) == " ".join(theirs[header].split())
    for mine, other in zip(ours.iter_parts(), theirs.iter_parts(), strict=True):
        assert isinstance(mine, EmailMessage)
        assert isinstance(other, EmailMessage)
        assert body_lines(mine.get_content()) == body_lines(other.get_content())


@given(FILE_NAME, st.binary(max_size=300))
def test_attachments_survive(filename: str, content: bytes) -> None:
    files = (Attachment(filename, content),)
    message = parsed(compose(replace(LETTER, attachments=files)))
    (part,) = message.iter_attachments()
    assert part["Content-Disposition"].params["filename"] == filename
    assert part.get_content() == content


@given(BODY_TEXT, HEADER_TEXT, HEADER_TEXT)
def test_what_leaves_is_ascii_in_short_crlf_lines(
    text: str, name: str, subject: str
) -> None:
    letter = replace(
        LETTER,
        text=text,
        html=text,
        subject=subject,
        to=(Address(name, "a@b.example"),),
    )
    data = compose(letter).data
    assert data.isascii()
    assert data.count(b"\n") == data.count(b"\r") == data.count(b"\r\n")
    assert max(map(len, data.split(b"\r\n"))) <= 998


@given(st.text(st.sampled_from(".\r\nab "), max_size=60))
def test_dot_stuffing_is_undone_by_the_server(text: str) -> None:
    data = compose(replace(LETTER, text=text)).data
    lines = dot_stuffed(data).split(b"\r\n")
    assert lines.index(b".") == len(lines) - 2
    assert (
        b"\r\n".join(line.removeprefix(b".") for line in lines[:-2]) + b"\r\n" == data
    )


def test_the_same_letter_gives_the_same_bytes() -> None:
    letter = replace(LETTER, html="<p>x</p>", attachments=(Attachment("a.bin", b"x"),))
    assert compose(letter) == compose(replace(letter))


def test_the_headers_stand_once_and_in_order() -> None:
    letter = replace(LETTER, headers=(("List-Id", "<news.example.org>"),))
    names = [name for name, _ in parsed(compose(letter)).items()]
    assert names == [
        "From",
        "To",
        "Subject",
        "Date",
        "Message-ID",
        "List-Id",
        "MIME-Version",
        "Content-Type",
        "Content-Transfer-Encoding",
    ]


def test_text_alone_is_one_part() -> None:
    assert shape(parsed(compose(LETTER))) == "text/plain"


def test_html_alone_is_one_part() -> None:
    assert (
        shape(parsed(compose(replace(LETTER, text=None, html="<p>x</p>"))))
        == "text/html"
    )


def test_text_comes_before_html() -> None:
    message = parsed(compose(replace(LETTER, html="<p>x</p>")))
    assert shape(message) == ["alternative", "text/plain", "text/html"]


def test_images_and_files_nest_as_readers_expect() -> None:
    files = (
        Attachment("plan.pdf", b"%PDF", "application/pdf"),
        Attachment("photo.png", PNG, "image/png", content_id="photo"),
    )
    letter = replace(LETTER, html='<img src="cid:photo">', attachments=files)
    message = parsed(compose(letter))
    assert shape(message) == [
        "mixed",
        ["alternative", "text/plain", ["related", "text/html", "image/png"]],
        "application/pdf",
    ]
    image = next(
        part for part in message.walk() if part.get_content_type() == "image/png"
    )
    assert image["Content-ID"] == "<photo>"
    assert image.get_content_disposition() == "inline"
    assert image.get_payload(decode=True) == PNG


def test_an_image_without_html_is_a_file() -> None:
    files = (Attachment("photo.png", PNG, "image/png", content_id="photo"),)
    (part,) = parsed(compose(replace(LETTER, attachments=files))).iter_attachments()
    assert part.get_content_disposition() == "attachment"


def test_a_text_attachment_is_not_a_body() -> None:
    files = (Attachment("notes.txt", b"raw\nlines", "text/plain; charset=utf-8"),)
    message = parsed(compose(replace(LETTER, attachments=files)))
    assert shape(message) == ["mixed", "text/plain", "text/plain"]
    body = message.get_body()
    assert body is not None
    assert "Hello Ada" in body.as_string()


def test_every_address_is_an_envelope_recipient_once() -> None:
    ada, bob, eve = (
        Address("", f"{name}@example.com") for name in ("ada", "bob", "eve")
    )
    composed = compose(replace(LETTER, to=(ada, bob), cc=(bob,), bcc=(eve,)))
    assert composed.rcpt_to == ("ada@example.com", "bob@example.com", "eve@example.com")


def test_bcc_is_nowhere_in_the_bytes() -> None:
    data = compose(replace(LETTER, bcc=(Address("Eve", "eve@example.com"),))).data
    assert b"eve" not in data.lower()
    assert b"bcc" not in data.lower()


def test_a_message_may_have_only_bcc() -> None:
    composed = compose(replace(LETTER, to=(), bcc=(Address("", "eve@example.com"),)))
    assert composed.rcpt_to == ("eve@example.com",)
    assert parsed(composed)["To"] == "undisclosed-recipients:;"


def test_a_message_to_nobody_is_refused() -> None:
    with pytest.raises(ComposeError, match="no recipient"):
        compose(replace(LETTER, to=()))


def test_a_message_without_a_body_is_refused() -> None:
    with pytest.raises(ComposeError, match="neither text nor HTML"):
        compose(replace(LETTER, text=None))


@pytest.mark.parametrize(
    ("headers", "envelope_from", "mail_from"),
    [
        ((), None, "desk@example.org"),
        ((), "bounce+1@example.org", "bounce+1@example.org"),
        ((), "", ""),
        ((("Return-Path", "<b@example.org>"),), "other@example.org", "b@example.org"),
        ((("return-path", "<>"),), None, ""),
    ],
)
def test_the_envelope_sender(
    headers: tuple[tuple[str, str], ...], envelope_from: str | None, mail_from: str
) -> None:
    composed = compose(replace(LETTER, headers=headers, envelope_from=envelope_from))
    assert composed.mail_from == mail_from
    assert b"return-path" not in composed.data.lower()


def test_an_idn_domain_travels_as_a_labels() -> None:
    composed = compose(replace(LETTER, to=(Address("Ada", "ada@bücher.example"),)))
    assert composed.rcpt_to == ("ada@xn--bcher-kva.example",)
    assert not composed.smtputf8


@pytest.mark.parametrize("where", ["to", "cc", "bcc", "reply_to", "from_"])
def test_a_local_part_beyond_ascii_asks_for_smtputf8(where: str) -> None:
    box = Address("Jörg", "jörg@example.com")
    value = box if where == "from_" else (box,)
    composed = compose(replace(LETTER, **{where: value}))  # type: ignore[arg-type]  # one field of several types
    assert composed.smtputf8
    shown = {"from_": "From", "to": "To", "cc": "Cc", "reply_to": "Reply-To"}.get(where)
    if shown:
        assert "<jörg@example.com>".encode() in composed.data


def test_the_address_is_never_inside_the_encoded_word() -> None:
    data = compose(replace(LETTER, to=(Address("Ädä", "ada@example.com"),))).data
    assert re.search(
        rb"^To: =\?utf-8\?.\?[^?]*\?= <ada@example.com>\r$", data, re.MULTILINE
    )


def test_a_long_list_is_folded_between_mailboxes() -> None:
    boxes = tuple(Address(f"Person {n}", f"person{n}@example.com") for n in range(200))
    composed = compose(replace(LETTER, to=boxes))
    assert max(map(len, composed.data.split(b"\r\n"))) <= 78
    assert len(parsed(composed)["To"].addresses) == 200


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("Bcc", "eve@example.com", "cannot be set"),
        ("from", "x", "cannot be set"),
        ("Content-Type", "text/html", "cannot be set"),
        ("X Y", "x", "not a header name"),
        ("X:Y", "x", "not a header name"),
        ("", "x", "not a header name"),
    ],
)
def test_headers_that_may_not_be_set(name: str, value: str, words: str) -> None:
    with pytest.raises(ComposeError, match=words):
        compose(replace(LETTER, headers=((name, value),)))


def test_a_header_may_not_come_twice() -> None:
    with pytest.raises(ComposeError, match="given twice"):
        compose(replace(LETTER, headers=(("X-A", "1"), ("x-a", "2"))))


@pytest.mark.parametrize(
    "content_type", ["text", "multipart/mixed", "message/rfc822", "a/b\r\nBcc: x"]
)
def test_what_is_not_the_type_of_a_file_is_refused(content_type: str) -> None:
    with pytest.raises(ComposeError, match="a type that cannot be attached"):
        compose(replace(LETTER, attachments=(Attachment("a", b"", content_type),)))


def test_the_date_must_know_its_zone() -> None:
    with pytest.raises(ComposeError, match="time zone"):
        compose(replace(LETTER, date=LETTER.date.replace(tzinfo=None)))


def test_a_boundary_cannot_be_written_in_a_body() -> None:
    data = compose(replace(LETTER, html="<p>x</p>")).data
    match = re.search(rb'boundary="([^"]+)"', data)
    assert match is not None
    stolen = f"--{match[1].decode()}--"
    message = parsed(compose(replace(LETTER, text=stolen, html="<p>x</p>")))
    assert shape(message) == ["alternative", "text/plain", "text/html"]


def test_an_attachment_that_is_encoded_once_gives_the_same_bytes() -> None:
    plain = Attachment("photo.png", PNG * 40, "image/png", "photo")
    once = encoded_once(plain)
    for html in (None, "<img src='cid:photo'>"):
        letter = replace(LETTER, html=html)
        first = compose(replace(letter, attachments=(plain,)))
        assert compose(replace(letter, attachments=(once,))) == first


def test_what_is_encoded_once_is_not_encoded_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    letter = replace(LETTER, attachments=(encoded_once(Attachment("a", PNG)),))
    monkeypatch.setattr(bodies, "encodebytes", None)
    assert compose(letter).data.count(b"iVBORw0KGgo") == 1


@given(st.lists(st.integers(0, 1100), max_size=8), st.booleans())
def test_the_gate_knows_every_line_that_is_too_long(
    lengths: list[int], is_ended: bool
) -> None:
    data = b"\r\n".join(b"x" * length for length in lengths) + b"\r\n" * is_ended
    too_long = any(length > MAX_LINE for length in lengths)
    assert wire._has_long_line(data) == too_long


def test_only_what_passed_the_gate_passes_it_unseen() -> None:
    data = wire.shared(compose(LETTER).data)
    wire.gate(data)
    for made in (
        data + b"x",
        data.replace(b"\r\n", b"\n"),
        data[:-2],
        bytes(data)[1:-1],
    ):
        assert not isinstance(made, wire.Gated)
        with pytest.raises(ComposeError):
            wire.gate(made)


def test_the_same_message_built_twice_differs_in_three_things_alone() -> None:
    """In Message-ID, Date and boundary; nothing else is of the moment."""
    files = (
        Attachment("plan.pdf", b"%PDF", "application/pdf"),
        Attachment("photo.png", PNG, "image/png", content_id="photo"),
    )
    html = '<p>Hello</p><img src="cid:photo">'
    first = replace(LETTER, html=html, attachments=files)
    moment = datetime(2027, 1, 2, 3, 4, 5, tzinfo=UTC)
    second = replace(first, message_id="<2.def@example.org>", date=moment)
    one, other = (compose(letter).data for letter in (first, second))
    moved = [
        (a, b)
        for a, b in zip(one.split(b"\r\n"), other.split(b"\r\n"), strict=True)
        if a != b
    ]
    kinds = re.compile(
        rb'(?:Date: .*|Message-ID: .*| boundary=".*"|--=_[0-9a-f]+(?:--)?'
        rb'|Content-Type: multipart/[a-z]+; boundary=".*")'
    )
    assert moved
    assert [pair for pair in moved if not all(map(kinds.fullmatch, pair))] == []
    assert (
        len({a.partition(b" ")[0] for a, _b in moved} & {b"Date:", b"Message-ID:"}) == 2
    )
