"""What people decide about a mail: what it answers, what it is, who is left alone."""

import re
from collections.abc import Callable

import pytest
import sqlalchemy as sa

from tests.conftest import ApiClient, PageClient
from tests.triage.answering import Dsn, about, feedback, person, plain
from tests.triage.conftest import Receive, suppressed
from webapp.campaigns import coming_back
from webapp.campaigns.models import Message
from webapp.core.db import db
from webapp.mailboxes.models import Mail
from webapp.triage.models import Answer

Send = Callable[[str], Message]


@pytest.fixture
def message(send: Send) -> Message:
    return send("ada@example.org")


def opened(client: PageClient) -> str:
    """Return the path of the only mail."""
    where = client.get("/triage/mails/1").location
    assert where
    return str(where)


def page_of(client: PageClient) -> str:
    return client.get(opened(client)).get_data(as_text=True)


def counts(message: Message) -> dict[str, int]:
    campaign_id = db.session.get_one(Message, message.id).campaign_id or 0
    found = coming_back.counts_of(campaign_id)
    db.session.rollback()
    return {kind: number for kind, number in found.items() if number}


def press_undo(client: PageClient) -> None:
    """Press Undo in the toast of the next page."""
    page = client.get("/triage?view=all").get_data(as_text=True)
    form = page[page.index('class="toasts"') :]
    action = re.search(r'action="([^"]+)"', form)
    assert action
    pairs = re.findall(r'name="(do|was|back)"\s+value="([^"]*)"', form)
    client.submit(action[1], dict(pairs))


def test_a_bounce_says_whose_it_is_and_why(
    client: PageClient, message: Message, receive: Receive
) -> None:
    known, link = about(message), f"/messages/{message.id}"
    receive(Dsn(known.to, to=known.bounce_address).octets())
    page = page_of(client)
    assert "Bounce of the message to" in page
    assert "The address does not exist." in page
    assert "Matched by its signed bounce address." in page
    assert link in page


def test_complaints_have_a_view(
    client: PageClient, message: Message, receive: Receive
) -> None:
    known = about(message)
    receive(feedback(known.to, known.returned))
    page = client.get("/triage?view=complaints").get_data(as_text=True)
    assert "Complaint about a message" in page
    assert "Complaint about the message to" in page_of(client)


def test_a_goodbye_in_words_is_done_by_a_button_and_undone(
    client: PageClient, message: Message, receive: Receive
) -> None:
    known = about(message)
    table = message.campaign.recipient_table_id if message.campaign else 0
    receive(person(known.to, "Re: November", "Please unsubscribe me", known.message_id))
    assert 'value="take_off"' in page_of(client)
    client.submit("/triage/ties/1", {"do": "take_off", "back": "/triage"})
    assert suppressed() == [("ada@example.org", "unsubscribed", table)]
    assert counts(message) == {"replied": 1, "unsubscribed": 1}
    press_undo(client)
    assert suppressed() == []
    assert counts(message) == {"replied": 1}
    assert 'value="take_off"' in page_of(client)


def test_a_goodbye_by_our_link_is_taken_back(
    client: PageClient, api: ApiClient, message: Message, receive: Receive
) -> None:
    known = about(message)
    receive(person(known.to, known.leave, "unsubscribe"))
    assert 'value="put_back"' in page_of(client)
    assert api.post("/triage/answers/1/put-back").status_code == 200
    assert (suppressed(), counts(message)) == ([], {})
    assert api.post("/triage/answers/1/put-back").status_code == 409
    assert api.post("/triage/answers/1/take-off").status_code == 200
    assert len(suppressed()) == 1


def test_a_goodbye_for_somebody_else_says_so(
    client: PageClient, message: Message, receive: Receive
) -> None:
    receive(
        person("eve@example.net", "Re: November", "STOP", about(message).message_id)
    )
    assert "It came from another address." in page_of(client)
    assert suppressed() == []


def test_a_suggestion_takes_nobody_off(
    api: ApiClient, message: Message, receive: Receive
) -> None:
    message.bodies = {"subject": "Your November"}
    db.session.commit()
    receive(person("ada@example.org", "Re: Your November", "STOP"))
    assert api.post("/triage/answers/1/take-off").status_code == 409
    assert suppressed() == []
    assert api.post("/triage/answers/1/reject").status_code == 204
    assert api.post("/triage/answers/1/confirm").status_code == 404


def test_a_person_knows_a_bounce_that_no_machine_reads(
    client: PageClient, message: Message, receive: Receive
) -> None:
    receive(person("janitor@example.org", "About Ada", "She left us last year."))
    said = {"kind": "bounce", "address": "Ada@example.org", "back": "/triage"}
    client.submit("/triage/say", {**said, "mails": place()})
    assert suppressed() == [("ada@example.org", "hard_bounce", None)]
    assert counts(message) == {"bounced": 1}
    assert "Matched by a person." in page_of(client)
    client.submit("/triage/say", {**said, "kind": "reply", "mails": place()})
    assert db.session.scalars(sa.select(Answer.kind)).all() == ["bounce"]


def test_one_who_only_looks_like_a_robot_can_be_answered(
    client: PageClient, api: ApiClient, message: Message, receive: Receive
) -> None:
    known = about(message)
    head = f"From: {known.to}\nTo: desk@desk.example\nIn-Reply-To: {known.message_id}"
    receive(plain(f"{head}\nSubject: Out of office party", "May I come?"))
    assert "robots are never answered" in page_of(client)
    assert counts(message) == {"auto_replied": 1}
    said = {"kind": "reply", "address": known.to}
    assert api.post("/triage/mails/1/say", said).get_json()["matched_by"] == "person"
    assert "robots are never answered" not in page_of(client)
    assert counts(message) == {"replied": 1}


def test_what_cannot_be_said(
    client: PageClient, api: ApiClient, message: Message, receive: Receive
) -> None:
    receive(person("kofi@example.org", "Hello", "Hello"))
    right = {"kind": "reply", "address": "ada@example.org"}
    for wrong in ({"kind": "copy"}, {"address": "nobody@example.org"}):
        said = {**right, **wrong}
        assert api.post("/triage/mails/1/say", said).status_code == 422
        client.submit("/triage/say", {**said, "mails": place()})
    assert api.post("/triage/mails/77/say", right).status_code == 404
    assert db.session.scalars(sa.select(Answer.id)).all() == []
    assert message.id


def test_senders_are_left_alone_and_undo_lets_them_be_written_to(
    client: PageClient, receive: Receive
) -> None:
    receive(
        person("ada@example.org", "One", "x"),
        person("Ada@Example.org", "Two", "y"),
        person("kofi@example.org", "Three", "z"),
    )
    chosen = {"do": "suppress", "mails": places(), "back": "/triage"}
    client.submit("/triage/work", chosen)
    assert [(one, why) for one, why, _table in suppressed()] == [
        ("ada@example.org", "manual"),
        ("kofi@example.org", "manual"),
    ]
    press_undo(client)
    assert suppressed() == []


def places() -> list[str]:
    query = sa.select(Mail).order_by(Mail.id)
    found = [
        f"{m.folder_id}.{m.uidvalidity}.{m.uid}" for m in db.session.scalars(query)
    ]
    db.session.rollback()
    return found


def place() -> str:
    return places()[0]
