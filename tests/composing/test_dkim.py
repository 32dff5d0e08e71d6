"""DKIM: dkimpy, as a receiver, verifies every kind of message that we compose."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.composing.test_mime import BODY_TEXT, HEADER_TEXT, LETTER, PNG
from tests.support.dkim_records import (
    algorithms,
    records,
    signed_names,
    signer,
    verified,
)
from webapp.composing.dkim import (
    Algorithm,
    load,
    make,
    record_pieces,
    record_text,
    relaxed_body,
    signatures,
    signed,
)
from webapp.composing.headers import MAX_LINE
from webapp.composing.letter import Address, Attachment, Letter
from webapp.composing.mime import compose, encoded_once
from webapp.composing.wire import gate

RSA, ED25519 = signer(Algorithm.RSA), signer(Algorithm.ED25519)
PHOTO = Attachment("photo.png", PNG, "image/png", content_id="photo")
KINDS: dict[str, Letter] = {
    "text": LETTER,
    "HTML": replace(LETTER, text=None, html="<p>x</p>"),
    "alternative": replace(LETTER, html="<p>Hello   Ada</p>\n\n\n"),
    "attachments": replace(LETTER, attachments=(Attachment("a.bin", PNG * 900),)),
    "inline image": replace(LETTER, html='<img src="cid:photo">', attachments=(PHOTO,)),
    "large files that other messages share": replace(
        LETTER, attachments=(encoded_once(replace(PHOTO, content=b"x" * 99_999)),) * 2
    ),
    "names beyond ASCII": replace(
        LETTER,
        from_=Address("Ädä, the Desk", "desk@example.org"),
        to=(Address("山田 太郎", "yamada@example.com"),),
    ),
    "folded headers": replace(
        LETTER,
        to=tuple(Address(f"Person {n}", f"p{n}@example.com") for n in range(40)),
        headers=(("X-Long", "word " * 60 + "end"),),
    ),
    "a long subject": replace(LETTER, subject="Grüße aus dem Hafen, " * 30),
    "a subject of one long word": replace(LETTER, subject="x" * 700),
    "an empty subject": replace(LETTER, subject=""),
    "an empty body": replace(LETTER, text=""),
    "blank lines and trailing spaces": replace(LETTER, text=" a \t b  \n\n \n\n"),
    "a text with dots": replace(LETTER, text=".\n..\n.x\n"),
    "addresses beyond ASCII": replace(LETTER, to=(Address("", "jörg@example.com"),)),
    "a bulk message": replace(
        LETTER,
        headers=(
            ("List-Unsubscribe", "<https://post.example.org/u/x>, <mailto:a@b.org>"),
            ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
            ("List-Id", "<news.example.org>"),
            ("Feedback-ID", "news:postroom"),
        ),
        reply_to=(Address("", "answers@example.org"),),
        cc=(Address("", "copy@example.org"),),
    ),
}


def sign(letter: Letter) -> bytes:
    """Compose and sign with both keys."""
    return signed(compose(letter), [RSA, ED25519], letter.date).data


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_message_is_verified(kind: str) -> None:
    data = sign(KINDS[kind])
    assert algorithms(data) == ["rsa", "ed25519"]
    assert verified(data, records()) == [True, True]


@given(HEADER_TEXT, HEADER_TEXT, BODY_TEXT)
@settings(max_examples=40)
def test_any_text_is_verified(subject: str, name: str, text: str) -> None:
    boxes = (Address(name, "ada@example.com"),)
    letter = replace(LETTER, subject=subject, to=boxes, text=text, html=text)
    assert verified(sign(letter), records()) == [True, True]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Hello Ada", b"Hello Eve"),
        (b"Subject: Hello", b"Subject: Bye"),
        (b"ada@example.com", b"eve@example.com"),
        (b"From: The Desk", b"From: A Bank"),
        (b"MIME-Version: 1.0", b"MIME-Version: 1.1"),
    ],
)
def test_a_changed_byte_breaks_both(old: bytes, new: bytes) -> None:
    data = sign(LETTER)
    assert old in data
    assert verified(data.replace(old, new), records()) == [False, False]


@pytest.mark.parametrize("name", ["From", "Subject", "To", "Date", "Reply-To"])
def test_a_second_header_put_in_on_the_way_breaks_both(name: str) -> None:
    letter = replace(LETTER, reply_to=(Address("", "answers@example.org"),))
    data = f"{name}: eve@example.com\r\n".encode() + sign(letter)
    assert verified(data, records()) == [False, False]


def test_what_relays_do_to_white_space_breaks_nothing() -> None:
    data = sign(LETTER).replace(b"Subject: Hello", b"SUBJECT:\r\n   Hello  ")
    assert verified(data + b"\r\n\r\n", records()) == [True, True]


def test_another_key_under_the_same_name_verifies_nothing() -> None:
    other = {
        name: record_text(one, make(one).public)
        for name, one in zip(records(), Algorithm, strict=True)
    }
    assert verified(sign(LETTER), other) == [False, False]


def test_what_the_bulk_rules_ask_for_is_signed() -> None:
    names = signed_names(sign(KINDS["a bulk message"]))
    for name in (
        *("from", "to", "cc", "subject", "date", "message-id", "reply-to"),
        *("mime-version", "content-type", "list-id", "feedback-id"),
        *("list-unsubscribe", "list-unsubscribe-post"),
    ):
        assert name in names, name
    assert names.count("from") == 2


def test_without_a_key_nothing_is_added() -> None:
    composed = compose(LETTER)
    assert signed(composed, [], LETTER.date) is composed


def test_the_rest_of_the_message_stays_as_it_is() -> None:
    composed = compose(LETTER)
    assert sign(LETTER).endswith(composed.data)


def test_the_same_letter_has_the_same_signatures() -> None:
    assert sign(LETTER) == sign(replace(LETTER))


def test_the_time_of_signing_is_named() -> None:
    fields = signatures(
        compose(LETTER).octets, [ED25519], datetime(2026, 11, 22, tzinfo=UTC)
    )
    assert b"t=1795305600;" in fields


@pytest.mark.parametrize("domain", ["example.org", ".".join(["a" * 60] * 4)])
def test_signatures_are_short_crlf_lines(domain: str) -> None:
    fields = signatures(
        compose(LETTER).octets, [replace(RSA, domain=domain)], LETTER.date
    )
    gate(fields)
    assert max(map(len, fields.split(b"\r\n"))) < MAX_LINE


@given(st.lists(st.sampled_from([b" ", b"\t", b"a", b"\r\n"]), max_size=40))
def test_the_quick_way_to_a_relaxed_body_is_the_slow_one(pieces: list[bytes]) -> None:
    """Line by line, as RFC 6376 3.4.4 says it."""
    body = b"".join(pieces) + b"\r\n"
    lines = [
        b" ".join(filter(None, line.replace(b"\t", b" ").split(b" ")))
        for line in body.split(b"\r\n")[:-1]
    ]
    starts = [
        b" " if line[:1] in {b" ", b"\t"} and line.strip() else b""
        for line in body.split(b"\r\n")[:-1]
    ]
    slow = [start + line for start, line in zip(starts, lines, strict=True)]
    while slow and not slow[-1]:
        slow.pop()
    assert b"".join(relaxed_body([body])) == b"".join(line + b"\r\n" for line in slow)


def test_a_record_of_rsa_is_published_in_two_pieces() -> None:
    text = record_text(Algorithm.RSA, make(Algorithm.RSA).public)
    pieces = record_pieces(text)
    assert [len(piece) <= 255 for piece in pieces] == [True, True]
    assert "".join(pieces) == text


def test_a_key_of_another_kind_does_not_load() -> None:
    with pytest.raises(ValueError, match=r"PEM|key"):
        load("-----BEGIN NONSENSE-----", "example.org", "x")
