"""SECURITY 04: no value becomes a header, and no header is there twice."""

import email
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from email import policy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webapp.composing.headers import field
from webapp.composing.letter import Address, Attachment, ComposeError, Letter
from webapp.composing.mime import compose
from webapp.composing.wire import gate_headers

LETTER = Letter(
    from_=Address("The Desk", "desk@example.org"),
    to=(Address("Ada", "ada@example.com"),),
    subject="Hello",
    text="Hello\n",
    message_id="1@example.org",
    date=datetime(2026, 11, 22, tzinfo=UTC),
)
BREAKS = [
    "\r\n",
    "\r",
    "\n",
    "\v",
    "\f",
    "\x1c",
    "\x1d",
    "\x1e",
    "\x85",
    "\u2028",
    "\u2029",
    "\0",
    "\x1b",
    "\x7f",
    "\ud800",
]
SMUGGLED = [
    "=?utf-8?q?a=0ABcc:_eve@example.com?=",
    "=?utf-8?q?a=0D=0ABcc:_eve@example.com?=",
    "=?UTF-8?B?YQ0KQmNjOiBldmVAZXhhbXBsZS5jb20=?=",
    "Hello =?utf-8?q?a=0ABcc:_eve@example.com?= there",
    "=?utf-8?q?a?= =?utf-8?q?=0ABcc:_eve@example.com?=",
    '"=?utf-8?q?a=0ABcc:_eve@example.com?="',
    "=?us-ascii?q?=22?= <eve@example.com>,",
]
PLACES: dict[str, Callable[[str], dict[str, Any]]] = {
    "subject": lambda value: {"subject": value},
    "to name": lambda value: {"to": (Address(value, "ada@example.com"),)},
    "cc name": lambda value: {"cc": (Address(value, "ada@example.com"),)},
    "from name": lambda value: {"from_": Address(value, "desk@example.org")},
    "reply-to name": lambda value: {"reply_to": (Address(value, "r@example.com"),)},
    "own header": lambda value: {"headers": (("X-Row", value),)},
    "header name": lambda value: {"headers": ((f"X-{value}", "x"),)},
    "file name": lambda value: {"attachments": (Attachment(value, b"x"),)},
    "file type": lambda value: {
        "attachments": (Attachment("x", b"x", f"text/{value}"),)
    },
    "content id": lambda value: {
        "html": "<p>",
        "attachments": (Attachment("x", b"x", "image/png", value),),
    },
    "message id": lambda value: {"message_id": f"<1{value}@example.org>"},
    "to address": lambda value: {"to": (Address("", f"ada{value}@example.com"),)},
    "envelope sender": lambda value: {"envelope_from": f"b{value}@example.com"},
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("line_break", BREAKS, ids=ascii)
def test_a_line_break_fails_the_message_in_words(place: str, line_break: str) -> None:
    value = f"a{line_break}Bcc: eve@example.com"
    with pytest.raises(ComposeError) as caught:
        compose(replace(LETTER, **PLACES[place](value)))
    assert caught.value.words.endswith(".")
    assert line_break not in caught.value.words


@pytest.mark.parametrize(
    "place",
    [
        "subject",
        "to name",
        "cc name",
        "from name",
        "reply-to name",
        "own header",
        "file name",
    ],
)
@pytest.mark.parametrize("value", SMUGGLED)
def test_an_encoded_word_in_a_value_stays_text(place: str, value: str) -> None:
    data = compose(replace(LETTER, **PLACES[place](value.replace("/", "")))).data
    message = email.message_from_bytes(data, policy=policy.default)
    assert not {"Bcc", "bcc"} & set(message.keys())
    assert b"\nBcc" not in data
    envelope = {
        str(box.addr_spec)
        for name in ("From", "To", "Cc", "Reply-To")
        for header in message.get_all(name, [])
        for box in header.addresses
    }
    assert "eve@example.com" not in envelope
    again = email.message_from_bytes(message.as_bytes(), policy=policy.default)
    assert "Bcc" not in again


@pytest.mark.parametrize("value", SMUGGLED)
def test_a_subject_shows_what_the_cell_says(value: str) -> None:
    data = compose(replace(LETTER, subject=value)).data
    message = email.message_from_bytes(data, policy=policy.default)
    assert message["Subject"] == value


@settings(deadline=None)
@given(st.sampled_from(sorted(PLACES)), st.text(max_size=60))
def test_whatever_a_value_is_the_header_block_is_ours(place: str, value: str) -> None:
    try:
        data = compose(replace(LETTER, **PLACES[place](value))).data
    except ComposeError:
        return
    lines = data.partition(b"\r\n\r\n")[0].split(b"\r\n")
    fields = [line for line in lines if not line.startswith((b" ", b"\t"))]
    names = [line.partition(b":")[0].lower() for line in fields]
    for name in (b"from", b"to", b"subject", b"date", b"message-id", b"mime-version"):
        assert names.count(name) == 1
    assert b"bcc" not in names


@pytest.mark.parametrize("word", ["a b", "a\tb", "a\r\nb", "", "\x85", "\u2028", "ä"])
def test_the_one_function_trusts_no_caller(word: str) -> None:
    if word == "":
        assert field("X-A", [word]) == b"X-A: \r\n"
        return
    with pytest.raises(ComposeError):
        field("X-A", [word])


def test_no_line_of_a_header_is_longer_than_a_server_takes() -> None:
    longest = "x" * (998 - len("X-A: "))
    assert field("X-A", [longest]) == f"X-A: {longest}\r\n".encode()
    with pytest.raises(ComposeError):
        field("X-A", [longest + "x"])


GOOD = (
    b"From: a@b.example\r\nTo: a@b.example\r\nSubject: x\r\nDate: x\r\n"
    b"Message-ID: <x@y>\r\nMIME-Version: 1.0\r\n"
)


def test_the_gate_lets_a_good_block_through() -> None:
    gate_headers(GOOD + b"\r\nbody\r\n")


@pytest.mark.parametrize(
    "block",
    [
        GOOD + b"Bcc: eve@example.com\r\n",
        GOOD + b"bcc : eve@example.com\r\n",
        GOOD + b"Return-Path: <x@y>\r\n",
        GOOD + b"Subject: again\r\n",
        GOOD + b"no header\r\n",
        GOOD + b"none\r\n",
        GOOD + b"n\r\n",
        GOOD + b"X-A:x\r\n",
        GOOD + b"X-\xc3\xa4: x\r\n",
        GOOD + b" \t\r\nX-A: x\r\n",
        GOOD + b"X-A: x\nBcc: eve@example.com\r\n",
        GOOD + b": no name\r\n",
        GOOD.replace(b"To: a@b.example\r\n", b""),
        b" folded first\r\n" + GOOD,
    ],
)
def test_the_gate_stops_any_other_block(block: bytes) -> None:
    with pytest.raises(ComposeError):
        gate_headers(block + b"\r\nbody\r\n")
