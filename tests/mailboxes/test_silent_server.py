"""A page answers soon although its mail server does not, with what was seen last."""

import time
from collections.abc import Iterator

import pytest

from tests.conftest import PageClient
from tests.support.fake_imap import FakeImap, fake_imap
from webapp.core.clock import now
from webapp.core.db import db
from webapp.mailboxes import folders, service
from webapp.mailboxes.models import Folder, IndexedMail, Mailbox, MailboxState

ANSWERS = {
    "LIST": b'* LIST () "/" INBOX\r\n',
    "STATUS": b"* STATUS INBOX (MESSAGES 60 UNSEEN 1 UIDNEXT 61 UIDVALIDITY 5)\r\n",
    "EXAMINE": b"SILENCE",
}


@pytest.fixture
def silent(app: object, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeImap]:
    """A server that lists its folders and then says nothing any more."""
    del app
    monkeypatch.setattr("webapp.mailboxes.imap_wire.COMMAND_SECONDS", 300.0)
    monkeypatch.setattr("webapp.triage.routes.PAGE_SECONDS", 0.6)
    with fake_imap(ANSWERS) as server:
        yield server


@pytest.fixture
def inbox(app: object, silent: FakeImap) -> Folder:
    """Its inbox, of which the local index has seen sixty mails."""
    del app
    box = service.create(
        name="Silent",
        host="127.0.0.1",
        port=silent.port,
        security="none",
        login="ada",
        password="secret",
    )
    found = folders.fresh(box, force=True)[0]
    found.indexed_validity, found.indexed_low, found.indexed_high = 5, 1, 60
    for uid in range(1, 61):
        db.session.add(
            IndexedMail(
                mailbox_id=found.mailbox_id,
                folder_id=found.id,
                uidvalidity=5,
                uid=uid,
                received_at=now(),
                sender='"ada" <ada@example.com>',
                who="Ada Byrne",
                subject=f"letter {uid} <b>",
            )
        )
    db.session.commit()
    return found


def path(inbox: Folder) -> str:
    found = f"/triage/{inbox.mailbox_id}/{inbox.id}"
    db.session.commit()
    return found


def test_the_list_is_what_was_seen_last(client: PageClient, inbox: Folder) -> None:
    url = path(inbox)
    began = time.monotonic()
    page = client.get(url).get_data(as_text=True)
    assert time.monotonic() - began < 100  # a command may take 300
    assert "did not answer in time" in page
    assert "Below is what was seen last" in page
    assert "letter 60 &lt;b&gt;" in page
    assert "Ada Byrne" in page
    assert page.count("letter 11 ") > 0
    assert "letter 10 " not in page
    assert 'rel="next"' in page


def test_the_next_page_does_not_wait_again(
    client: PageClient, inbox: Folder, silent: FakeImap
) -> None:
    url = path(inbox)
    client.get(url)
    heard = len(silent.heard)
    assert "letter 60" in client.get(url).get_data(as_text=True)
    assert len(silent.heard) == heard
    box = db.session.get_one(Mailbox, inbox.mailbox_id)
    assert box.state is MailboxState.RETRYING


def test_a_search_shows_nothing_that_it_did_not_find(
    client: PageClient, inbox: Folder
) -> None:
    page = client.get(f"{path(inbox)}?q=is:unread").get_data(as_text=True)
    assert "did not answer in time" in page
    assert "letter 60" not in page
