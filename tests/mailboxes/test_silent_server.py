"""A page answers soon although its mail server does not, with what was seen last."""

import time
from collections.abc import Iterator

import pytest

from tests.conftest import PageClient
from tests.mailboxes.conftest import access_to
from tests.support.fake_imap import FakeImap, fake_imap
from webapp.core.clock import now
from webapp.core.db import db
from webapp.mailboxes import folders, imap_wire, patience, service
from webapp.mailboxes.imap_signin import connect
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
    with fake_imap(ANSWERS) as server:
        yield server


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make pages wait for their lists a little only."""
    monkeypatch.setattr("webapp.triage.panes.PAGE_SECONDS", 0.6)


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


@pytest.mark.usefixtures("impatient")
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


@pytest.mark.usefixtures("impatient")
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


@pytest.mark.usefixtures("impatient")
def test_a_search_shows_nothing_that_it_did_not_find(
    client: PageClient, inbox: Folder
) -> None:
    page = client.get(f"{path(inbox)}?q=is:unread").get_data(as_text=True)
    assert "did not answer in time" in page
    assert "letter 60" not in page


def mute(heard: bytes) -> bytes:
    """Answer FETCH for a list, and keep silent about a whole mail."""
    if b"BODY.PEEK[]" in heard:
        return b"SILENCE"
    row = b'UID 60 FLAGS () INTERNALDATE "20-Nov-2026 07:12:41 +0000" RFC822.SIZE 9'
    return b"* 60 FETCH (%b)\r\n" % row


@pytest.fixture
def mute_about_mails(
    silent: FakeImap, inbox: Folder, monkeypatch: pytest.MonkeyPatch
) -> str:
    """The address of a mail of which the server gives the row and nothing more."""
    for module in ("panes", "reading_routes"):
        monkeypatch.setattr(f"webapp.triage.{module}.SILENCE_SECONDS", 0.6)
    opened = b"* 60 EXISTS\r\n* OK [UIDVALIDITY 5] x\r\n* OK [UIDNEXT 61] x\r\n"
    silent.answers = {**ANSWERS, "EXAMINE": opened, "FETCH": mute}
    return f"{path(inbox)}/60"


def test_a_mail_that_does_not_come_says_so_and_offers_to_try_again(
    client: PageClient,
    mute_about_mails: str,
    silent: FakeImap,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    page = client.get(mute_about_mails).get_data(as_text=True)
    assert "This mail cannot be shown" in page
    assert "did not answer in time" in page
    assert 'id="bulk"' in page  # the list is there all the same
    silent.answers = {**silent.answers, "FETCH": whole}
    again = f"/mailboxes/1/try-again?next={mute_about_mails}"
    assert f'action="{again}"' in page
    monkeypatch.setattr("webapp.triage.panes.SILENCE_SECONDS", 60.0)
    assert client.submit(again).location == mute_about_mails
    assert "Hello at last" in client.get(mute_about_mails).get_data(as_text=True)


def whole(heard: bytes) -> bytes:
    """Answer FETCH, and tell the whole mail too."""
    source = b"Subject: late\r\n\r\nHello at last"
    told = mute(heard.replace(b"BODY.PEEK[]", b"")).removesuffix(b")\r\n")
    if b"BODY.PEEK[]" not in heard:
        return told + b")\r\n"
    return told + b" BODY[]<0> {%d}\r\n%b)\r\n" % (len(source), source)


def test_a_frame_that_does_not_come_says_so(
    client: PageClient, mute_about_mails: str
) -> None:
    answer = client.get(f"{mute_about_mails}/frame")
    assert "Open the mail again" in answer.get_data(as_text=True)
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_a_server_that_goes_on_talking_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waits: list[tuple[float | None, float]] = []
    with fake_imap({}) as server:
        line = connect(access_to(server.port)).line
        send = line.imap.send

        def sent(octets: bytes) -> None:
            silence = line.imap.sock.gettimeout()
            waits.append((silence, patience.seconds_in_all(20.0)))
            send(octets)

        monkeypatch.setattr(line.imap, "send", sent)
        with patience.while_heard(3.0):
            line.command(b"NOOP", [])
        line.command(b"NOOP", [])
        line.close()
    assert waits[:2] == [(3.0, 20.0), (imap_wire.COMMAND_SECONDS, 20.0)]
