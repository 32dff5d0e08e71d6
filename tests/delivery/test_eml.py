"""An .eml sent as it is: what arrives is the file, and what the page says besides."""

import io
from base64 import b64encode
from typing import Any

import pytest
import sqlalchemy as sa

from tests.composing.test_as_it_is import WHOLE
from tests.conftest import ApiClient, PageClient
from tests.delivery.test_single import outcomes, status_of, work
from tests.support.dkim_records import verified
from tests.support.sending import Desk
from webapp.campaigns import messages
from webapp.campaigns.models import Message, Upload
from webapp.campaigns.states import Status
from webapp.core.db import db
from webapp.delivery.engine import Engine
from webapp.senders import keys
from webapp.senders.models import Sender
from webapp.suppressions.models import Reason, Suppression

BLIND = WHOLE.replace(b"Subject:", b"Bcc: hidden@example.com\r\nSubject:")
EIGHT_BIT = WHOLE.replace(b"Hello ", "Grüße".encode())


@pytest.fixture
def sender(desk: Desk) -> Sender:
    """The only sender, so that no call has to name it."""
    made = desk.sender()
    # A picture of it: no transaction stays open that a request would wait for.
    db.session.refresh(made)
    db.session.expunge(made)
    db.session.rollback()
    return made


def raw(content: bytes) -> dict[str, str]:
    """A call's body."""
    return {"raw": b64encode(content).decode()}


def given(api: ApiClient, content: bytes, **values: Any) -> dict[str, Any]:
    """Queue a file by the API; what it answers."""
    answer = api.post("/messages", {**raw(content), **values})
    assert answer.status_code == 202, answer.json
    db.session.rollback()
    assert answer.json
    return dict(answer.json)


def test_it_arrives_octet_for_octet_with_its_attachment(
    api: ApiClient, desk: Desk, engine: Engine, sender: Sender
) -> None:
    made = given(api, WHOLE)
    assert made["notes"] == []
    assert made["message_id_header"] == "<one@example.org>"
    work(engine, sender)
    (mail,) = desk.server.mails
    assert mail.data == WHOLE
    assert mail.rcpt_to == ("zoe@example.com", "j@example.com")
    assert mail.mail_from == "ada@example.org"
    assert messages.source(messages.get(made["id"])) == WHOLE


def test_a_blind_copy_gets_it_and_nobody_sees_that(
    api: ApiClient, desk: Desk, engine: Engine, sender: Sender
) -> None:
    made = given(api, BLIND)
    work(engine, sender)
    (mail,) = desk.server.mails
    assert mail.data == WHOLE
    assert "hidden@example.com" in mail.rcpt_to
    assert len(made["notes"]) == 1
    assert outcomes()["hidden@example.com"] == "sent"


def test_a_signature_is_put_before_it_and_the_rest_stays(
    api: ApiClient, desk: Desk, engine: Engine, sender: Sender
) -> None:
    for algorithm in ("rsa", "ed25519"):
        key = keys.make(sender.id, {"algorithm": algorithm})
        keys.activate(sender.id, key.id)
    records = {one.record_name: one.record_text for one in keys.keys_of(sender)}
    db.session.rollback()
    given(api, WHOLE)
    work(engine, sender)
    (mail,) = desk.server.mails
    assert mail.data.endswith(WHOLE)
    assert mail.data.startswith(b"DKIM-Signature:")
    assert verified(mail.data, records) == [True, True]


def test_a_retry_goes_to_the_rest_with_the_same_octets(
    api: ApiClient, desk: Desk, engine: Engine, sender: Sender
) -> None:
    desk.server.answer("rcpt:zoe@example.com", "451 4.2.0 Greylisted")
    made = given(api, WHOLE)
    work(engine, sender)
    assert status_of(made["id"]) is Status.DEFERRED
    work(engine, sender)
    first, second = desk.server.mails
    assert first.data == second.data == WHOLE
    assert second.rcpt_to == ("zoe@example.com",)


def test_who_is_suppressed_is_left_out_of_the_envelope_alone(
    api: ApiClient, desk: Desk, engine: Engine, sender: Sender
) -> None:
    db.session.add(
        Suppression(
            channel="email", address_key="zoe@example.com", reason=Reason.HARD_BOUNCE
        )
    )
    db.session.commit()
    given(api, WHOLE)
    work(engine, sender)
    (mail,) = desk.server.mails
    assert mail.rcpt_to == ("j@example.com",)
    assert mail.data == WHOLE


@pytest.mark.parametrize("offers", [True, False])
def test_letters_beyond_ascii_go_only_where_they_are_taken(
    api: ApiClient, desk: Desk, engine: Engine, sender: Sender, *, offers: bool
) -> None:
    desk.server.extensions = ("8BITMIME",) if offers else ()
    made = given(api, EIGHT_BIT)
    work(engine, sender)
    if offers:
        assert desk.server.mails[0].data == EIGHT_BIT
        mail = next(one for one in desk.server.commands if one.startswith("MAIL"))
        assert "BODY=8BITMIME" in mail
    else:
        assert status_of(made["id"]) is Status.FAILED
        assert desk.server.mails == []
        assert "takes ASCII only" in messages.get(made["id"]).reply


def test_the_return_path_is_the_envelope_sender_unless_the_call_says_another(
    api: ApiClient, desk: Desk, engine: Engine, sender: Sender
) -> None:
    file = b"Return-Path: <bounce@example.org>\r\n" + WHOLE
    given(api, file)
    given(api, file, envelope_from="other@example.org")
    work(engine, sender)
    found = {mail.mail_from for mail in desk.server.mails}
    assert found == {"bounce@example.org", "other@example.org"}
    assert {mail.data for mail in desk.server.mails} == {WHOLE}


def test_an_upload_may_be_named_instead(
    api: ApiClient, desk: Desk, engine: Engine, sender: Sender
) -> None:
    file = {"file": (io.BytesIO(WHOLE), "a.eml")}
    stored = api.post("/uploads", data=file).json
    assert stored is not None
    answer = api.post("/messages", {"raw_upload_id": stored["id"]})
    assert answer.status_code == 202
    work(engine, sender)
    assert desk.server.mails[0].data == WHOLE


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        (raw(WHOLE) | {"subject": "x"}, "raw", "Sent as it is"),
        (raw(WHOLE) | {"to": ["a@example.com"]}, "raw", "Sent as it is"),
        (raw(WHOLE) | {"raw_upload_id": "x"}, "raw", "Sent as it is"),
        ({"raw": "%%%"}, "raw", "base64"),
        ({"raw_upload_id": "x"}, "raw_upload_id", "no such upload"),
        (raw(b"Hello"), "raw", "no header line"),
        (raw(WHOLE.replace(b"\nTo:", b"\nX-To:")), "raw", "Nobody is named"),
        (raw(WHOLE) | {"sender_id": 99}, "sender_id", "no such sender"),
        (raw(WHOLE) | {"envelope_from": "x"}, "envelope_from", "no @"),
    ],
)
def test_what_is_wrong_is_named(
    api: ApiClient, sender: Sender, body: dict[str, Any], field: str, words: str
) -> None:
    del sender
    answer = api.post("/messages", body)
    assert answer.status_code == 422
    assert answer.json
    assert words in " ".join(answer.json["fields"][field])
    assert db.session.scalar(sa.select(sa.func.count(Message.id))) == 0


def test_the_page_looks_first_and_sends_then(
    client: PageClient, desk: Desk, engine: Engine, sender: Sender
) -> None:
    db.session.rollback()
    assert "Send an .eml as it is" in client.get("/messages/new").text
    file = {"file": (io.BytesIO(BLIND.replace(b"\r\n", b"\n")), "a.eml")}
    looked = client.submit("/messages/eml", {**file, "sender_id": sender.id}).text
    for words in ("line ends were LF", "Blind copies: 1", "zoe<wbr>@"):
        assert words in looked
    assert db.session.scalar(sa.select(sa.func.count(Message.id))) == 0
    stored = db.session.scalars(sa.select(Upload)).one()
    then = {"raw_upload_id": str(stored.public_id), "then": "send"}
    db.session.rollback()
    answer = client.submit("/messages/eml", then)
    assert answer.status_code == 303
    shown = client.get(answer.location).text
    assert "line ends were LF" in shown
    assert (
        "It is sent as it was given" in client.get(f"{answer.location}?view=text").text
    )
    work(engine, sender)
    assert desk.server.mails[0].data == WHOLE


def test_a_file_that_cannot_leave_is_said_on_the_page(
    client: PageClient, sender: Sender
) -> None:
    del sender
    db.session.rollback()
    file = {"file": (io.BytesIO(b"Subject: x\r\n\r\n"), "a.eml"), "then": "send"}
    answer = client.submit("/messages/eml", file)
    assert answer.status_code == 422
    assert "The header From is missing." in answer.text
    nothing = client.submit("/messages/eml", {"then": "send"})
    assert "Choose a file." in nothing.text
    assert db.session.scalar(sa.select(sa.func.count(Message.id))) == 0
