from collections.abc import Callable

import pytest

from tests.conftest import ApiClient, PageClient
from tests.mailboxes.samples import mail, put
from tests.support.dovecot import Dovecot
from tests.support.queries import asking
from tests.triage.answering import Dsn, about, person
from tests.triage.conftest import Receive
from webapp.campaigns import message_tokens
from webapp.campaigns.letters import MESSAGE_ID, token_key
from webapp.campaigns.models import Campaign, Message
from webapp.core.db import db
from webapp.mailboxes import folders
from webapp.mailboxes.headers import Headers
from webapp.mailboxes.models import Mail, Mailbox
from webapp.triage.models import Answer
from webapp.triage.ties import ties_in_list, ties_of


@pytest.fixture
def message(mailbox: Mailbox) -> Message:
    """A message of a campaign; the mailbox is where answers come."""
    del mailbox
    message = Message(
        campaign=Campaign(name="November newsletter"),
        row_number=14,
        address="zoe@example.se",
    )
    db.session.add(message)
    db.session.commit()
    return message


def header_of(message: Message, purpose: str = MESSAGE_ID) -> str:
    token = message_tokens.sign(token_key(), message.public_id, purpose)
    return f"<{token}@harbourlibrary.example>"


@pytest.mark.parametrize("name", ["in-reply-to", "references"])
def test_a_signed_id_ties_a_reply(message: Message, name: str) -> None:
    value = f"<other@example.com> {header_of(message)}"
    [tie] = ties_of([Headers(((name, value),))])
    assert tie
    assert (tie.is_copy, tie.campaign_name, tie.row_number) == (
        False,
        "November newsletter",
        14,
    )


def test_the_message_itself_is_a_copy(message: Message) -> None:
    [tie] = ties_of([Headers((("message-id", header_of(message)),))])
    assert tie
    assert tie.is_copy


def test_an_id_without_our_mark_ties_nothing(message: Message) -> None:
    signed = header_of(message)
    forged = [
        f"<{message.public_id}@harbourlibrary.example>",
        signed.replace(signed[1:5], "aaaa"),
        signed[:38] + "x" + signed[39:],
        header_of(message, "unsubscribe"),
        "<>",
        "<@>",
    ]
    mails = [Headers((("in-reply-to", value),)) for value in forged]
    assert ties_of(mails) == [None] * len(forged)


def test_many_mails_cost_one_question(message: Message) -> None:
    answer = Headers((("in-reply-to", header_of(message)),))
    ties = ties_of([answer, Headers(), answer])
    assert [tie is not None for tie in ties] == [True, False, True]


def test_pages_and_api_show_the_tie(
    client: PageClient,
    api: ApiClient,
    message: Message,
    dovecot: Dovecot,
    login: str,
) -> None:
    reply = mail("zoe@example.se", "Re: November", "Thank you")
    reply["In-Reply-To"] = header_of(message)
    put(dovecot, login, reply)
    box = db.session.query(Mailbox).one()
    inbox = folders.fresh(box, force=True)[0]
    path = f"/triage/{box.id}/{inbox.id}"
    link = f"/campaigns/{message.campaign_id}/messages/{message.id}"
    wanted = {
        "message_id": message.id,
        "campaign_id": message.campaign_id,
        "kind": "reply",
        "is_suggested": False,
    }
    db.session.commit()
    page = client.get(path).get_data(as_text=True)
    assert "Reply · zoe@example.se, November newsletter" in page
    assert f'href="{link}"' in page
    assert link in client.get(f"{path}/1").get_data(as_text=True)
    [item] = api.get("/triage/mails").get_json()["items"]
    assert item["answers"] == wanted


Stored = Callable[..., list[int | None]]


@pytest.fixture
def stored(message: Message) -> Stored:
    """Return a function that keeps mails with a tie, and returns their ids."""
    mailbox_id, message_id = db.session.query(Mailbox).one().id, message.id

    def keep(kind: str, by: str, many: int = 1) -> list[int | None]:
        found: list[int | None] = []
        for number in range(many):
            mail = Mail(mailbox_id=mailbox_id, identity=f"{kind} {by} {number}")
            db.session.add(mail)
            db.session.flush()
            db.session.add(
                Answer(mail_id=mail.id, message_id=message_id, kind=kind, matched_by=by)
            )
            found.append(mail.id)
        db.session.commit()
        return found

    return keep


def test_a_stored_tie_says_of_what_kind_it_is(stored: Stored) -> None:
    ids = [*stored("bounce", "verp"), *stored("reply", "suggestion"), None]
    bounce, maybe, none = ties_in_list([Headers()] * 3, ids)
    assert bounce
    assert maybe
    assert (bounce.kind, bounce.is_suggested) == ("bounce", False)
    assert (maybe.kind, maybe.is_suggested) == ("reply", True)
    assert bounce.who == "zoe@example.se"
    assert none is None


def test_a_proven_tie_goes_before_a_suggestion(
    stored: Stored, message: Message
) -> None:
    [mail_id] = stored("reply", "suggestion")
    other = Message(address="other@example.org")
    db.session.add(other)
    db.session.flush()
    db.session.add(
        Answer(
            mail_id=mail_id, message_id=other.id, kind="bounce", matched_by="message_id"
        )
    )
    db.session.commit()
    [tie] = ties_in_list([Headers((("in-reply-to", header_of(message)),))], [mail_id])
    assert tie
    assert tie.who == "other@example.org"


def test_fifty_rows_cost_two_questions(stored: Stored, message: Message) -> None:
    ids = [*stored("bounce", "verp", 25), *([None] * 25)]
    answer = Headers((("in-reply-to", header_of(message)),))
    with asking() as asked:
        ties = ties_in_list([answer] * 50, ids)
    assert all(ties)
    assert len(asked) == 2


def test_the_views_name_kind_and_message(
    client: PageClient, send: Callable[[str], Message], receive: Receive
) -> None:
    known = about(send("ada@example.org"))
    receive(
        Dsn(known.to, returned=known.returned).octets(),
        person(known.to, "Re: November newsletter", "Thanks"),
    )
    page = client.get("/triage?view=bounces").get_data(as_text=True)
    assert "Bounce · ada@example.org, November newsletter" in page
    page = client.get("/triage?view=all").get_data(as_text=True)
    assert "Bounce · ada@example.org, November newsletter" in page
