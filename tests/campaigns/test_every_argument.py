"""Every argument of a message by absent, one, many, wrong type, hostile, by the API.

What is taken is parsed back by two parsers without a defect; what is not is a
422 that names its field. Nothing raises, and nothing hostile becomes a header.
"""

import json
from base64 import b64encode
from email import message_from_bytes, policy
from typing import Any

import mailparser
import pytest

from tests.conftest import ApiClient
from webapp.campaigns.models import Message
from webapp.core.db import db
from webapp.senders.models import Sender, TransportKind

BASE: dict[str, Any] = {"to": ["ada@example.org"], "subject": "Hi", "text": "Dear Ada"}
ABSENT = object()
CRLF = "x\r\nBcc: evil@example.org"
WORD = "=?utf-8?q?a=0ABcc:evil@example.org?="


def file(**more: Any) -> dict[str, Any]:
    """A file as a call holds it."""
    content = b64encode(b"\x89PNG\r\n\x1a\n x").decode()
    return {"filename": "a.png", "content": content, **more}


TAKEN: tuple[tuple[str, Any], ...] = (
    ("to", ["a@example.org"]),
    ("to", 'a@example.org, "B, C" <b@example.org>'),
    ("to", [f"p{n}@example.org" for n in range(50)]),
    ("to", [f"{WORD} <a@example.org>"]),
    ("to", ["Zoë \N{FAMILY} <zoe@bücher.example>"]),
    ("to", ["ünï@example.org"]),
    ("cc", ABSENT),
    ("cc", ["c@example.org"]),
    ("cc", ["ada@example.org", "c@example.org", "C@example.org"]),
    ("bcc", ["b@example.org"]),
    ("bcc", [f"b{n}@example.org" for n in range(50)]),
    ("reply_to", ["r@example.org", "R Two <r2@example.org>"]),
    ("subject", ABSENT),
    ("subject", WORD),
    ("subject", "Größe \N{PILE OF POO} " * 40),
    ("subject", "x" * 998),
    ("text", "\r\n.\r\n..\nMAIL FROM:<a@b>\r\n"),
    ("text", "x" * 100_000),
    ("text", "--=_boundary--\r\n\r\nBcc: evil@example.org"),
    ("text", "<!dOcTyPe HTML><p>Größe"),
    ("html", "<p>Größe</p>"),
    ("html", ABSENT),
    ("from", "Desk <other@library.example>"),
    ("from", ABSENT),
    ("envelope_from", "bounce@library.example"),
    ("envelope_from", ""),
    ("headers", {"X-A": "1", "X-B": "Größe " * 60}),
    ("headers", {"Return-Path": "<b@library.example>"}),
    ("headers", {"X-A": WORD}),
    ("attachments", []),
    ("attachments", [file()]),
    ("attachments", [file(filename=f"{n}.png") for n in range(20)]),
    ("attachments", [file(content_id="photo")]),
    ("attachments", [file(filename="../../Größe\r\nBcc: x.png")]),
)
REFUSED: tuple[tuple[str, Any], ...] = (
    ("to", ABSENT),
    ("to", []),
    ("to", 5),
    ("to", {"a": 1}),
    ("to", [["a@example.org"]]),
    ("to", [f"p{n}@example.org" for n in range(51)]),
    ("to", [f"{CRLF} <a@example.org>"]),
    ("to", ["a@example.org> SIZE=1"]),
    ("to", ["a@example.org\0"]),
    ("cc", ["nobody"]),
    ("cc", 5),
    ("bcc", ["a@b@c"]),
    ("bcc", {"a": 1}),
    ("reply_to", ["nobody"]),
    ("reply_to", True),
    ("subject", ["a", "b"]),
    ("subject", {"a": 1}),
    ("subject", CRLF),
    ("subject", "a\u2028b"),
    ("subject", "x" * 999),
    ("text", ABSENT),
    ("text", ""),
    ("text", ["a"]),
    ("text", "x" * (1024 * 1024 + 1)),
    ("html", {"a": 1}),
    ("from", "nobody"),
    ("from", ["a@example.org", "b@example.org"]),
    ("from", f"{CRLF} <a@example.org>"),
    ("envelope_from", "a@b> BODY=8BITMIME"),
    ("envelope_from", ["a"]),
    ("headers", ["X-A"]),
    ("headers", "X-A: 1"),
    ("headers", {"X-A": 5}),
    ("headers", {"X-A": CRLF}),
    ("headers", {"X A": "1"}),
    ("headers", {"Bcc": "evil@example.org"}),
    ("headers", {"Content-Type": "text/html"}),
    ("headers", {"Return-Path": "<a@b> SIZE=1"}),
    ("headers", {"X-A": "1", "x-a": "2"}),
    ("attachments", "a"),
    ("attachments", [5]),
    ("attachments", [{}]),
    ("attachments", [file(content="%%")]),
    ("attachments", [file(content=5)]),
    ("attachments", [file(filename="a.exe")]),
    ("attachments", [file(content_id=CRLF)]),
    ("attachments", [file(upload_id="x")]),
    ("attachments", [file()] * 21),
    ("sender_id", "x"),
    ("sender_id", 10**30),
    ("sender_id", [1]),
)


@pytest.fixture(autouse=True)
def _sender(app: Any) -> None:
    """One sender, which a call need not name."""
    del app
    db.session.add(
        Sender(
            name="News",
            kind=TransportKind.PRACTICE,
            from_name="Harbour Library",
            from_address="news@library.example",
        )
    )
    db.session.commit()


def call_of(name: str, value: Any) -> dict[str, Any]:
    """The smallest good call, with one argument changed."""
    call = {**BASE, name: value}
    return {key: one for key, one in call.items() if one is not ABSENT}


def names_of(cases: tuple[tuple[str, Any], ...]) -> list[str]:
    """Short names for cases: the field and a number."""
    return [f"{name}-{number}" for number, (name, _value) in enumerate(cases)]


@pytest.mark.parametrize(("name", "value"), TAKEN, ids=names_of(TAKEN))
def test_what_is_taken_is_one_message_without_a_defect(
    api: ApiClient, name: str, value: Any
) -> None:
    call = call_of(name, value)
    before = json.dumps(call)
    answer = api.post("/messages", call)
    assert answer.status_code == 202, answer.json
    assert json.dumps(call) == before
    assert answer.json
    data = api.get(f"/messages/{answer.json['id']}/source").data
    mail = message_from_bytes(data, policy=policy.SMTP)
    assert not [part.defects for part in mail.walk() if part.defects]
    assert not mailparser.parse_from_bytes(data).has_defects
    for header in ("From", "To", "Subject", "Date", "Message-ID", "MIME-Version"):
        assert len(mail.get_all(header, [])) == 1
    assert mail["Bcc"] is None
    assert data.count(b"\n") == data.count(b"\r\n") == data.count(b"\r")
    assert max(map(len, data.split(b"\r\n"))) <= 998


@pytest.mark.parametrize(("name", "value"), REFUSED, ids=names_of(REFUSED))
def test_what_is_wrong_is_a_422_by_its_field(
    api: ApiClient, name: str, value: Any
) -> None:
    answer = api.post("/messages", call_of(name, value))
    assert answer.status_code == 422
    assert answer.json
    fields = answer.json["fields"]
    assert fields
    assert {field.partition(".")[0] for field in fields} == {name}
    db.session.rollback()
    assert db.session.query(Message).count() == 0
