"""Replies from the triage page, through the real engine, against a real IMAP server."""

import email
import email.policy
import html
import io
import re
from collections.abc import Iterator
from datetime import timedelta
from email.message import EmailMessage
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

import config
from tests.conftest import ApiClient, PageClient
from tests.mailboxes.samples import flags_of, mail, put
from tests.support.dovecot import Dovecot
from tests.support.ports import free_port
from tests.support.sending import Desk
from tests.support.smtp_servers import RecordingServer
from tests.triage.conftest import Receive
from webapp.campaigns.models import Event, Message
from webapp.campaigns.states import Status
from webapp.core.clock import now
from webapp.core.db import db, reading
from webapp.core.errors import Refused
from webapp.mailboxes import folders
from webapp.mailboxes.headers import Headers
from webapp.mailboxes.models import Mailbox
from webapp.senders.models import Sender
from webapp.triage import reply_filing, replying
from webapp.triage.reply_models import Reply, SavedReply

ADA = "Ada Byrne <ada@example.com>"


@pytest.fixture
def server() -> Iterator[RecordingServer]:
    with RecordingServer() as started:
        yield started


@pytest.fixture
def desk(
    app: Flask, settings: config.Settings, server: RecordingServer
) -> Iterator[Desk]:
    """A sender that leads to the recording server; workers are started by the test."""
    with Desk(app, settings, server) as made:
        yield made


@pytest.fixture
def sender(desk: Desk) -> Sender:
    return desk.sender(name="Answers", from_address="hello@harbourlibrary.example")


@pytest.fixture
def ask(mailbox: Mailbox, dovecot: Dovecot, login: str) -> Any:
    """Return a function that puts a mail into the inbox and returns its path."""
    mailbox_id = mailbox.id

    def deliver(one: EmailMessage | None = None, **headers: str) -> str:
        one = one or mail(ADA, "Your card", "Is it valid?\n\nAda", 7)
        for name, value in headers.items():
            del one[name.replace("_", "-")]
            one[name.replace("_", "-")] = value
        put(dovecot, login, one)
        inbox = folders.fresh(db.session.get_one(Mailbox, mailbox_id), force=True)[0]
        folder_id = inbox.id
        db.session.commit()
        uid = max(flags_of(dovecot, login))
        return f"/triage/{mailbox_id}/{folder_id}/{uid}"

    return deliver


def page_of(client: PageClient, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return answer.get_data(as_text=True)


def field(page: str, name: str) -> str:
    """Return the value of a field of the form."""
    text = re.compile(rf'<textarea[^>]*name="{name}"[^>]*>\r?\n(.*?)</', re.DOTALL)
    line = re.compile(rf'<input[^>]*name="{name}"[^>]*?value="([^"]*)"')
    found = line.search(page) or text.search(page)
    assert found, name
    return html.unescape(found[1])


def written(page: str, **other: Any) -> dict[str, Any]:
    """Return what the form of a page would post."""
    names = ("to", "subject", "text", "uidvalidity")
    chosen = re.search(r'<option value="(\d+)" selected', page)
    values = {name: field(page, name) for name in names}
    return {**values, "sender_id": chosen[1] if chosen else "", **other}


def reply_to(client: PageClient, path: str, **other: Any) -> int:
    """Write and send a reply; return its message's id."""
    page = page_of(client, f"{path}/reply")
    data = written(page, **{"text": "It is.\n" + field(page, "text"), **other})
    answer = client.submit(f"{path}/reply", data)
    assert answer.status_code == 303, answer.get_data(as_text=True)
    db.session.rollback()
    message_id = db.session.scalars(sa.select(sa.func.max(Message.id))).one()
    db.session.rollback()
    return int(message_id)


def is_due(message_id: int, after: timedelta) -> None:
    """Let the seconds for an undo be as many."""
    at = now() + after
    db.session.execute(
        sa.update(Message).where(Message.id == message_id).values(due_at=at)
    )
    db.session.commit()


def is_due_at_once(message_id: int) -> None:
    """Let the seconds for an undo be over."""
    is_due(message_id, timedelta(seconds=-1))


def is_filed(message_id: int) -> bool:
    query = sa.select(Reply.done_at).where(Reply.message_id == message_id)
    with reading():
        done = db.session.scalar(query)
        db.session.rollback()
    return done is not None


def filed(desk: Desk) -> Reply:
    """Wait until the only reply was filed."""
    message_id = db.session.query(Reply).one().message_id
    db.session.rollback()
    desk.wait_until(lambda: is_filed(message_id), "not filed")
    return db.session.query(Reply).one()


def sent_copies(dovecot: Dovecot, login: str) -> list[bytes]:
    client = dovecot.client(login)
    status, _ = client.select("Sent", readonly=True)
    found = []
    if status == "OK":
        _status, lines = client.uid("fetch", "1:*", "(BODY.PEEK[])")
        found = [line[1] for line in lines if isinstance(line, tuple)]
    client.logout()
    return found


def parsed(octets: bytes) -> EmailMessage:
    found = email.message_from_bytes(octets, policy=email.policy.default)
    assert isinstance(found, EmailMessage)
    return found


@pytest.mark.usefixtures("sender")
def test_the_form_begins_with_what_the_mail_says(client: PageClient, ask: Any) -> None:
    page = page_of(client, f"{ask()}/reply")
    assert field(page, "to") == "Ada Byrne <ada@example.com>"
    assert field(page, "subject") == "Re: Your card"
    assert "Ada Byrne wrote:\n> Is it valid?\n>\n> Ada" in field(page, "text")


@pytest.mark.usefixtures("sender")
def test_reply_to_wins(client: PageClient, ask: Any) -> None:
    page = page_of(client, f"{ask(Reply_To='desk@example.com')}/reply")
    assert field(page, "to") == "desk@example.com"


def test_the_whole_way(
    client: PageClient,
    ask: Any,
    desk: Desk,
    sender: Sender,
    dovecot: Dovecot,
    login: str,
) -> None:
    path = ask(References="<a@x> <b@x>")
    files = {"files": (io.BytesIO(b"Opening times"), "times.txt")}
    message_id = reply_to(client, path, bcc="", **files)
    is_due_at_once(message_id)
    desk.start()
    reply = filed(desk)
    assert (reply.words, reply.message.sender_id) == ("", sender.id)
    db.session.rollback()
    [delivered] = desk.server.mails
    made = parsed(delivered.data)
    assert made["In-Reply-To"] == "<7@example.com>"
    assert str(made["References"]).split() == ["<a@x>", "<b@x>", "<7@example.com>"]
    assert made["Subject"] == "Re: Your card"
    assert delivered.rcpt_to == ("ada@example.com",)
    [attached] = made.iter_attachments()
    assert attached.get_content() == "Opening times"
    assert sent_copies(dovecot, login) == [delivered.data]
    assert flags_of(dovecot, login)[1] == "\\Answered"
    assert list(flags_of(dovecot, login, "Sent").values()) == ["\\Seen"]


def test_nothing_twice_when_it_is_filed_twice(
    client: PageClient,
    ask: Any,
    desk: Desk,
    sender: Sender,
    dovecot: Dovecot,
    login: str,
) -> None:
    del sender
    is_due_at_once(reply_to(client, ask()))
    desk.start()
    filed(desk)
    assert not reply_filing.file_next()
    # As a process leaves it that ended between APPEND and its record.
    again = {"done_at": None, "copied_at": None, "flagged_at": None, "due_at": now()}
    db.session.execute(sa.update(Reply).values(**again))
    db.session.commit()
    filed(desk)
    assert len(sent_copies(dovecot, login)) == 1
    assert len(desk.server.mails) == 1
    assert db.session.query(Event).filter_by(kind="filed").count() == 1


def test_taken_back_in_time_nothing_is_sent(
    client: PageClient,
    ask: Any,
    desk: Desk,
    sender: Sender,
    dovecot: Dovecot,
    login: str,
) -> None:
    del sender
    desk.start()
    path = ask()
    message_id = reply_to(client, path)
    is_due(message_id, timedelta(hours=1))
    page = page_of(client, path)
    undo = re.search(r'class="toast">.*?action="([^"]+)"', page, re.DOTALL)
    assert undo
    again = client.submit(undo[1])
    assert again.status_code == 303
    db.session.rollback()
    assert db.session.get_one(Message, message_id).status is Status.CANCELLED
    is_due_at_once(message_id)
    assert field(page_of(client, again.location), "text").startswith("It is.")
    db.session.rollback()
    # A later one goes out, and this one stays.
    later = reply_to(client, ask(mail("Bo <bo@example.com>", "Mine", "And mine?", 8)))
    is_due_at_once(later)
    desk.wait_until(lambda: is_filed(later), "not filed")
    [delivered] = desk.server.mails
    assert delivered.rcpt_to == ("bo@example.com",)
    assert flags_of(dovecot, login) == {1: "", 2: "\\Answered"}
    assert sent_copies(dovecot, login) == [delivered.data]


def test_what_has_left_cannot_be_taken_back(
    client: PageClient, ask: Any, desk: Desk, sender: Sender
) -> None:
    del sender
    is_due_at_once(reply_to(client, ask()))
    desk.start()
    reply_id = filed(desk).id
    db.session.rollback()
    answer = client.submit(f"/triage/replies/{reply_id}/undo")
    assert "It is too late" in page_of(client, answer.location)
    assert db.session.query(Message).one().status is Status.SENT


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"Auto-Submitted": "auto-replied"}, "This is an automatic reply"),
        ({"Auto-Submitted": "auto-generated"}, "This is an automatic reply"),
        ({"Precedence": "bulk"}, "This mail was sent to many"),
        ({"Precedence": "List"}, "This mail was sent to many"),
        ({"Precedence": "junk"}, "This mail was sent to many"),
        ({"Return-Path": "<>"}, "This is a bounce"),
        ({"From": "undisclosed:;"}, "This mail has no address"),
        ({"Subject": "Automatic reply: Your card"}, "This is an automatic reply"),
    ],
)
@pytest.mark.usefixtures("sender")
def test_robots_are_never_answered(
    client: PageClient,
    api: ApiClient,
    ask: Any,
    headers: dict[str, str],
    words: str,
) -> None:
    path = ask(**headers)
    page = page_of(client, path)
    assert words in page
    assert f"{path}/reply" not in page
    data = {"to": "ada@example.com", "subject": "Re", "text": "x"}
    assert client.submit(f"{path}/reply", data).status_code == 409
    assert api.post(call_of(path), {"text": "x"}).status_code == 409
    assert db.session.query(Message).count() == 0


def call_of(path: str) -> str:
    _empty, _triage, mailbox_id, folder_id, uid = path.split("/")
    return f"/mailboxes/{mailbox_id}/folders/{folder_id}/mails/{uid}/reply"


def test_what_was_sorted_as_a_bounce_is_never_answered() -> None:
    headers = Headers((("from", "a@example.com"),))
    for kind in replying._NEVER:
        assert replying.why_not(headers, kind, names_us=False)
    assert not replying.why_not(headers, None, names_us=False)


def test_the_reply_is_on_the_timeline_of_the_message_it_answers(
    client: PageClient,
    ask: Any,
    desk: Desk,
    send: Any,
    receive: Receive,
) -> None:
    del receive
    desk.sender(name="Aardvark")
    own = desk.sender(name="Zebra").id
    message = send("ada@example.com")
    message.sender_id = own
    answered, named = message.id, message.message_id_header
    campaign_id = message.campaign_id
    db.session.commit()
    message_id = reply_to(client, ask(In_Reply_To=named))
    assert db.session.get_one(Message, message_id).sender_id == own
    is_due_at_once(message_id)
    desk.start()
    filed(desk)
    db.session.rollback()
    page = page_of(client, f"/campaigns/{campaign_id}/messages/{answered}")
    assert "We replied" in page
    assert f'href="/messages/{message_id}"' in page


def test_the_history_of_an_address_has_messages_and_answers(
    client: PageClient, ask: Any, send: Any, receive: Receive
) -> None:
    first, second = send("ada@example.com").id, send("ada@example.com").id
    other = send("bo@example.com").id
    named = db.session.get_one(Message, second).message_id_header
    answer = mail(ADA, "Re: November", "Thank you.", 8)
    answer["In-Reply-To"] = named
    receive(answer.as_bytes())
    page = page_of(client, "/triage/history?address=Ada@Example.com")
    assert page.index(f"/messages/{second}") < page.index(f"/messages/{first}")
    assert f"/messages/{other}" not in page
    assert "Re: November" in page
    path = ask(mail(ADA, "Re: again", "x", 9), In_Reply_To=named)
    assert "/triage/history?address=ada@example.com" in page_of(client, path)
    assert client.get("/triage/history?address=nobody").status_code == 404


def test_trouble_with_the_mailbox_leaves_the_message_sent(
    client: PageClient, ask: Any, desk: Desk, sender: Sender
) -> None:
    del sender
    message_id = reply_to(client, ask())
    db.session.execute(sa.update(Message).values(status=Status.SENT, sent_at=now()))
    mailbox = db.session.query(Mailbox).one()
    port, mailbox.port = mailbox.port, free_port()
    mailbox.version += 1
    db.session.commit()
    assert reply_filing.file_next()
    reply = db.session.query(Reply).one()
    assert (reply.done_at, reply.copied_at, reply.tries) == (None, None, 1)
    assert "Nothing answers" in reply.words
    assert reply.due_at > now()
    assert db.session.get_one(Message, message_id).status is Status.SENT
    mailbox = db.session.query(Mailbox).one()
    mailbox.port, mailbox.retry_at = port, None
    mailbox.version += 1
    reply.due_at = now()
    db.session.commit()
    assert reply_filing.file_next()
    assert db.session.query(Reply).one().done_at


def test_without_a_copy_the_mail_is_marked_as_answered_all_the_same(
    client: PageClient,
    ask: Any,
    sender: Sender,
    monkeypatch: pytest.MonkeyPatch,
    dovecot: Dovecot,
    login: str,
) -> None:
    del sender
    reply_to(client, ask())
    db.session.execute(sa.update(Message).values(status=Status.SENT, sent_at=now()))
    db.session.commit()

    def no_room(reply_id: int) -> None:
        raise Refused("There is no room left.")

    with monkeypatch.context() as patch:
        patch.setattr(reply_filing, "_copy", no_room)
        assert reply_filing.file_next()
    reply = db.session.query(Reply).one()
    assert (reply.copied_at, reply.done_at) == (None, None)
    assert reply.words == "There is no room left."
    db.session.rollback()
    assert flags_of(dovecot, login)[1] == "\\Answered"


def test_what_nobody_thought_of_is_tried_again_and_given_up(
    client: PageClient, ask: Any, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    del sender
    reply_to(client, ask())
    db.session.execute(sa.update(Message).values(status=Status.SENT, sent_at=now()))
    db.session.commit()

    def surprise(reply_id: int) -> None:
        raise LookupError

    monkeypatch.setattr(reply_filing, "_file", surprise)
    for tries in range(1, len(reply_filing.RETRY_AFTER) + 2):
        with pytest.raises(LookupError):
            reply_filing.file_next()
        reply = db.session.query(Reply).one()
        assert reply.tries == tries
        assert "Something went wrong" in reply.words
        reply.due_at = now()
        db.session.commit()
    assert db.session.query(Reply).one().done_at
    assert not reply_filing.file_next()


def test_a_saved_reply_is_put_in(client: PageClient, ask: Any, sender: Sender) -> None:
    del sender
    saved = {"name": "Card", "text": "Your card is valid for a year."}
    assert client.submit("/triage/saved-replies", saved).status_code == 303
    assert client.submit("/triage/saved-replies", saved).status_code == 422
    path = ask()
    page = page_of(client, f"{path}/reply")
    saved_id = db.session.query(SavedReply).one().id
    db.session.rollback()
    data = written(page, saved=str(saved_id), do="insert")
    page = client.submit(f"{path}/reply", data).get_data(as_text=True)
    assert field(page, "text").startswith("Your card is valid for a year.\n\nOn ")
    assert db.session.query(Message).count() == 0
    client.submit(f"/triage/saved-replies/{saved_id}/delete")
    assert "No saved replies yet" in page_of(client, "/triage/saved-replies")


@pytest.mark.usefixtures("sender")
def test_what_is_wrong_is_said_and_the_text_stays(client: PageClient, ask: Any) -> None:
    path = ask()
    page = page_of(client, f"{path}/reply")
    answer = client.submit(f"{path}/reply", written(page, to="nobody", text="Kept"))
    assert answer.status_code == 422
    assert field(answer.get_data(as_text=True), "text") == "Kept"
    assert db.session.query(Message).count() == 0


def test_by_the_api(api: ApiClient, ask: Any, sender: Sender) -> None:
    sender_id = sender.id
    path = call_of(ask())
    answer = api.post(path, {"text": "It is.", "quote": True, "hold_seconds": 60})
    assert answer.status_code == 202, answer.get_data(as_text=True)
    message = db.session.query(Message).one()
    assert answer.get_json()["id"] == message.id
    assert message.sender_id == sender_id
    assert message.due_at > now() + timedelta(seconds=40)
    bodies = message.bodies or {}
    assert bodies["to"] == ["Ada Byrne <ada@example.com>"]
    assert "> Is it valid?" in bodies["text"]
    assert bodies["headers"]["In-Reply-To"] == "<7@example.com>"
    assert api.post(path, {"text": " "}).status_code == 422


def test_the_api_takes_back_what_has_not_left(
    api: ApiClient, ask: Any, sender: Sender, desk: Desk
) -> None:
    del sender
    message_id = api.post(call_of(ask()), {"text": "It is."}).get_json()["id"]
    answer = api.post(f"/messages/{message_id}/take-back")
    assert (answer.status_code, answer.get_json()["status"]) == (200, "cancelled")
    assert api.post(f"/messages/{message_id}/take-back").status_code == 409
    assert desk.server.mails == []


def test_the_api_takes_back_replies_alone(api: ApiClient, sender: Sender) -> None:
    message = Message(sender_id=sender.id, address="ada@example.org")
    db.session.add(message)
    db.session.flush()
    message_id = message.id
    db.session.commit()
    assert api.post(f"/messages/{message_id}/take-back").status_code == 404
    db.session.rollback()
    assert db.session.query(Message).one().status is Status.PENDING
