import pytest

from tests.conftest import ApiClient, PageClient
from tests.mailboxes.samples import mail, put
from tests.support.dovecot import Dovecot
from webapp.campaigns import message_tokens
from webapp.campaigns.letters import MESSAGE_ID, token_key
from webapp.campaigns.models import Campaign, Message
from webapp.core.db import db
from webapp.mailboxes import folders
from webapp.mailboxes.headers import Headers
from webapp.mailboxes.models import Mailbox
from webapp.triage.ties import ties_of


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
    wanted = {"message_id": message.id, "campaign_id": message.campaign_id}
    db.session.commit()
    assert "Reply · November newsletter" in client.get(path).get_data(as_text=True)
    assert link in client.get(f"{path}/1").get_data(as_text=True)
    [item] = api.get("/triage/mails").get_json()["items"]
    assert item["answers"] == wanted
