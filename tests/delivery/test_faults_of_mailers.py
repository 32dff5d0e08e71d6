"""Faults that simple mailers have: a message in the wrong hands, or half of it lost."""

from base64 import b64encode
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
import sqlalchemy as sa

from tests.conftest import ApiClient
from tests.support.sending import Desk
from webapp.campaigns.models import Message
from webapp.campaigns.states import Status
from webapp.core.db import db
from webapp.delivery import plans
from webapp.delivery.engine import Engine

PNG = b"\x89PNG\r\n\x1a\n picture"


@pytest.fixture
def sender_id(desk: Desk) -> int:
    """A sender to the recording server."""
    found = desk.sender(max_connections=1).id
    db.session.rollback()
    return found


def send(api: ApiClient, engine: Engine, sender_id: int, **call: Any) -> Message:
    """Give one message to the API and work until nothing is due."""
    asked = {"to": ["ada@example.org"], "subject": "Hi", "text": "Hi", **call}
    before = repr(asked)
    answer = api.post("/messages", {**asked, "sender_id": sender_id})
    assert answer.status_code == 202, answer.json
    assert repr(asked) == before
    db.session.rollback()
    plan = plans.of_sender(sender_id)
    assert plan is not None
    engine.work(plan)
    db.session.rollback()
    wanted = sa.select(Message).order_by(Message.id.desc()).limit(1)
    return db.session.scalars(wanted).one()


def last(desk: Desk) -> EmailMessage:
    """What the server got last."""
    found = message_from_bytes(desk.server.mails[-1].data, policy=policy.default)
    assert isinstance(found, EmailMessage)
    return found


def test_a_blind_copy_is_in_no_later_mail(
    api: ApiClient, engine: Engine, desk: Desk, sender_id: int
) -> None:
    send(api, engine, sender_id, bcc=["secret@example.org"])
    assert desk.server.copies()["secret@example.org"] == 1
    send(api, engine, sender_id, to=["bo@example.org"])
    assert desk.server.copies()["secret@example.org"] == 1
    assert last(desk)["To"] == "bo@example.org"
    assert not any(b"secret@" in mail.data for mail in desk.server.mails)


def test_a_partly_refused_message_is_not_sent_and_goes_again_to_the_rest(
    api: ApiClient, engine: Engine, desk: Desk, sender_id: int
) -> None:
    desk.server.answer("rcpt:bo@example.org", "550 5.7.1 Not from you today")
    both = ["ada@example.org", "bo@example.org"]
    message = send(api, engine, sender_id, to=both)
    assert message.status is Status.FAILED
    assert (message.reply_code, message.reply) == (550, "5.7.1 Not from you today")
    message.status = Status.PENDING  # as a person who tries again does
    db.session.commit()
    plan = plans.of_sender(sender_id)
    assert plan is not None
    engine.work(plan)
    db.session.rollback()
    assert db.session.get_one(Message, message.id).status is Status.SENT
    assert desk.server.copies() == {"ada@example.org": 1, "bo@example.org": 1}


@pytest.mark.parametrize(
    "text", ["<!DOCTYPE html><p>Hi</p>", "<!doctype HTML>\n<p>Hi", "\n <HTML><p>Hi"]
)
def test_html_is_no_plain_text(
    api: ApiClient, engine: Engine, desk: Desk, sender_id: int, text: str
) -> None:
    send(api, engine, sender_id, text=text)
    html = last(desk).get_body(("html",))
    assert html is not None
    assert "<p>Hi" in html.get_content()
    plain = last(desk).get_body(("plain",))
    assert plain is not None
    assert plain.get_content().strip() == "Hi"


def test_files_and_inline_images_arrive(
    api: ApiClient, engine: Engine, desk: Desk, sender_id: int
) -> None:
    content = b64encode(PNG).decode()
    files = [
        {"filename": "photo.png", "content": content, "content_id": "photo"},
        {"filename": "plan.png", "content": content},
    ]
    html = '<p>Hi <img src="cid:photo" alt=""></p>'
    send(api, engine, sender_id, html=html, attachments=files)
    mail = last(desk)
    assert mail.get_content_type() == "multipart/mixed"
    (related,) = (p for p in mail.walk() if p.get_content_type() == "multipart/related")
    image = related.get_payload()[1]  # type: ignore[index]  # of a multipart, the parts
    assert image["Content-ID"] == "<photo>"  # type: ignore[index]  # a part has headers
    assert image.get_content_disposition() == "inline"  # type: ignore[union-attr]  # …
    assert [part.get_filename() for part in mail.iter_attachments()] == ["plan.png"]


def test_an_address_is_not_encoded_with_its_name_and_there_is_a_message_id(
    api: ApiClient, engine: Engine, desk: Desk, sender_id: int
) -> None:
    send(api, engine, sender_id, to=["Zoë Größe <zoe@example.org>"])
    raw = desk.server.mails[-1].data
    line = next(one for one in raw.split(b"\r\n") if one.startswith(b"To:"))
    assert line.endswith(b"<zoe@example.org>")
    assert last(desk)["To"].addresses[0].display_name == "Zoë Größe"
    assert last(desk)["Message-ID"].endswith("@example.org>")
    send(api, engine, sender_id)
    ids = [message_from_bytes(m.data)["Message-ID"] for m in desk.server.mails]
    assert len(set(ids)) == 2
