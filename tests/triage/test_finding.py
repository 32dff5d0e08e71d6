"""A mail that was filed away elsewhere is found again, and what hangs on it with it."""

import re
from collections.abc import Callable

import pytest
import sqlalchemy as sa

from tests.conftest import PageClient
from tests.support.dovecot import Dovecot
from tests.triage.answering import person
from tests.triage.conftest import Receive
from webapp.campaigns.models import Message
from webapp.core.db import db
from webapp.mailboxes import folders
from webapp.mailboxes.models import Folder, Mail, Mailbox
from webapp.triage import work_views

Send = Callable[[str], Message]


@pytest.fixture
def reply(send: Send, receive: Receive) -> str:
    """The place of a reply that lies in the inbox."""
    message = send("ada@example.org")
    receive(
        person(message.address, "Re: Yours", "Thank you", message.message_id_header)
    )
    return place()


def place() -> str:
    mail = db.session.scalars(sa.select(Mail)).one()
    found = f"{mail.folder_id}.{mail.uidvalidity}.{mail.uid}"
    db.session.rollback()
    return found


def name_of_its_folder() -> str:
    query = sa.select(Folder.name).join(Mail, Mail.folder_id == Folder.id)
    name = db.session.scalar(query)
    db.session.rollback()
    return name or ""


def elsewhere(dovecot: Dovecot, login: str) -> None:
    """Let another client file the mail away."""
    client = dovecot.client(login)
    client.create("Old")
    client.select("INBOX")
    client.uid("copy", "1", "Old")
    client.uid("store", "1", "+FLAGS", "(\\Deleted)")
    client.expunge()
    client.logout()


def test_our_row_goes_where_the_mail_goes(client: PageClient, reply: str) -> None:
    data = {"mails": reply, "do": "archive", "back": "/triage"}
    client.submit("/triage/act", data)
    assert name_of_its_folder() == "Archive"
    answer = client.get("/triage/mails/1")
    assert "Thank you" in client.get(str(answer.location)).get_data(as_text=True)


def test_another_client_s_move_is_found_by_who_looks(
    client: PageClient, reply: str, dovecot: Dovecot, login: str
) -> None:
    elsewhere(dovecot, login)
    folders.fresh(db.session.scalars(sa.select(Mailbox)).one(), force=True)
    db.session.commit()
    where = reply.split(".")
    gone = client.get(f"/triage/1/{where[0]}/{where[2]}").get_data(as_text=True)
    assert "Look for it in the other folders" in gone
    answer = client.get("/triage/mails/1")
    assert "Thank you" in client.get(str(answer.location)).get_data(as_text=True)
    assert name_of_its_folder() == "Old"


def test_what_was_deleted_for_good_is_in_no_view(
    client: PageClient, reply: str
) -> None:
    for _step in ("to the trash", "for good"):
        data = {"mails": reply, "do": "delete", "sure": "1", "back": "/triage"}
        client.submit("/triage/act", data)
        reply = place()
    page = client.get("/triage?view=replies").get_data(as_text=True)
    assert not re.findall(r'type="checkbox"\s+name="mails"', page)
    assert work_views.counts(1)["replies"] == 0
    assert client.get("/triage/mails/1").status_code == 404
