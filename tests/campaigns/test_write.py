"""Writing to one person: the page, its files, and where it leads."""

import io
from email import message_from_bytes, policy
from typing import Any

import pytest

from tests.campaigns.conftest import MakeDesk, sender_of
from tests.conftest import PageClient
from webapp.campaigns import messages
from webapp.campaigns.models import Message, Upload
from webapp.core import queue
from webapp.core.db import db

ONE = {"to": "Ada <ada@example.org>", "subject": "Hello", "text": "Dear Ada"}


def file(name: str, content: bytes) -> Any:
    """A file as a browser posts it."""
    return (io.BytesIO(content), name)


def test_a_message_is_written_and_its_timeline_shown(client: PageClient) -> None:
    sender_of()
    assert "Write to one person" in client.get("/messages/new").text
    answer = client.submit("/messages/new", {**ONE, "files": file("a.txt", b"plan")})
    assert answer.status_code == 303
    page = client.get(answer.location)
    assert page.status_code == 200
    assert "Queued" in page.text
    assert len(queue.queue(queue.Lane.TRANSACTIONAL).job_ids) == 1
    made = db.session.query(Message).one()
    mail = message_from_bytes(messages.source(made))
    assert [part.get_filename() for part in mail.walk()] == [None, None, "a.txt"]


def test_what_is_wrong_is_named_and_the_rest_kept(client: PageClient) -> None:
    sender_of()
    wrong = {**ONE, "to": "nobody", "files": file("a.txt", b"plan")}
    answer = client.submit("/messages/new", wrong)
    assert answer.status_code == 422
    assert "Dear Ada" in answer.text
    kept = db.session.query(Upload).one()
    assert str(kept.public_id) in answer.text
    assert db.session.query(Message).count() == 0
    again = {**ONE, "attachments-0-upload_id": str(kept.public_id)}
    assert client.submit("/messages/new", again).status_code == 303
    assert db.session.query(Upload).count() == 1
    bodies = db.session.query(Message).one().bodies or {}
    assert bodies["attachments"][0]["size"] == 4


def test_a_program_is_refused_in_words(client: PageClient) -> None:
    sender_of()
    answer = client.submit("/messages/new", {**ONE, "files": file("a.exe", b"MZ")})
    assert answer.status_code == 422
    assert "is a program" in answer.text
    assert db.session.query(Upload).count() == db.session.query(Message).count() == 0


def test_two_senders_have_to_be_told_apart(client: PageClient) -> None:
    sender_of()
    sender_of(name="Second")
    answer = client.submit("/messages/new", ONE)
    assert answer.status_code == 422
    assert "Name the sender" in answer.text


def test_from_a_timeline_the_person_is_filled_in(
    client: PageClient, make_desk: MakeDesk
) -> None:
    desk = make_desk()
    desk.launched()
    message = desk.messages()[0]
    place = f"/campaigns/{desk.campaign.id}/messages/{message.id}"
    assert f"/messages/new?like={message.id}" in client.get(place).text
    page = client.get(f"/messages/new?like={message.id}").text
    assert "ada@example.org&gt;" in page
    assert client.get(f"/messages/{message.id}").location.endswith(place)
    assert client.get(f"/messages/{message.id}/frame").status_code == 404


def test_the_list_is_empty_and_then_not(client: PageClient) -> None:
    sender_of()
    assert "No single messages yet" in client.get("/messages").text
    client.submit("/messages/new", {**ONE, "subject": "<b>Hello"})
    assert "&lt;b&gt;Hello" in client.get("/messages").text


def test_a_blind_copy_is_not_on_the_page(client: PageClient) -> None:
    sender_of()
    sent = client.submit("/messages/new", {**ONE, "bcc": "blind@example.org"})
    for view in ("html", "text", "source"):
        assert "blind@" not in client.get(f"{sent.location}?view={view}").text


def test_every_argument_can_be_written(client: PageClient) -> None:
    sender_of()
    written = {
        "to": "Ada <ada@example.org>, bo@example.org",
        "cc": "c@example.org",
        "bcc": "b@example.org",
        "reply_to": "r@example.org",
        "from": "Other <other@library.example>",
        "envelope_from": "bounce@library.example",
        "headers": "X-Topic: books: all\r\n\r\nX-B: Größe",
        "subject": "Größe",
        "html": "<p>Hi <img src='cid:x'></p>",
        "files": file("a.txt", b"plan"),
    }
    answer = client.submit("/messages/new", written)
    assert answer.status_code == 303, answer.text
    made = db.session.query(Message).one()
    data = messages.source(made)
    mail = message_from_bytes(data, policy=policy.default)
    assert mail["From"] == "Other <other@library.example>"
    assert (mail["X-Topic"], mail["X-B"]) == ("books: all", "Größe")
    assert (mail["Cc"], mail["Reply-To"]) == ("c@example.org", "r@example.org")
    assert b"b@example.org" not in data
    kinds = [part.get_content_type() for part in mail.walk()]
    assert kinds[:4] == [
        "multipart/mixed",
        "multipart/alternative",
        "text/plain",
        "text/html",
    ]


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ("no header", "is no header"),
        ("X-A: 1\nX-A: 2", "is given twice"),
        ("Bcc: x@example.org", "cannot be set"),
        ("X A: 1", "is no name of a header"),
    ],
)
def test_headers_that_are_none_are_said_and_kept(
    client: PageClient, headers: str, words: str
) -> None:
    sender_of()
    answer = client.submit("/messages/new", {**ONE, "headers": headers})
    assert answer.status_code == 422
    assert words in answer.text
    assert headers.splitlines()[0] in answer.text
