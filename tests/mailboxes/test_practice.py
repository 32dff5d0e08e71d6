"""The same mailbox functions on the practice server, which knows few extensions."""

from collections.abc import Iterator
from datetime import UTC, datetime
from email.policy import SMTP

import pytest

import config
from tests.mailboxes.samples import newsletter, with_attachments
from tests.support.practice_servers import Servers
from webapp.core.db import db
from webapp.mailboxes import browsing, filing, folders, mails, naming, service
from webapp.mailboxes.filing import Choice
from webapp.mailboxes.models import Folder, Mailbox
from webapp.mailboxes.query import Header


@pytest.fixture
def servers(settings: config.Settings) -> Iterator[Servers]:
    running = Servers(settings.data_dir)
    running.start()
    yield running
    running.stop()


@pytest.fixture
def inbox(servers: Servers, app: object) -> Folder:
    """The practice inbox with two mails in it."""
    del app
    client = servers.imap()
    for message in (newsletter(), with_attachments()):
        client.append("INBOX", "", "", message.as_bytes())
    client.logout()
    box = Mailbox(name="Practice", is_practice=True)
    db.session.add(box)
    db.session.commit()
    found = folders.fresh(service.all_mailboxes()[0], force=True)
    return next(folder for folder in found if folder.role == "inbox")


def test_list_open_and_flag(inbox: Folder, servers: Servers) -> None:
    page = mails.listed(inbox)
    newest = page.rows[0]
    assert newest.subject == "Attached: the poster"
    assert newest.snippet == "The poster is attached."
    assert mails.listed(inbox, "subject:newsletter").rows[0].uid == newest.uid - 1
    opened = mails.open_one(inbox, newest.uid)
    assert [part.file_name for part in opened.mail.attachments()] == [
        "Größe A3.pdf",
        "poster.pdf",
    ]
    assert not newest.has("seen")
    assert not mails.listed(inbox).rows[0].has("seen")
    changed = filing.change_flags(
        inbox, Choice([newest.uid]), add=["\\Seen", "\\Flagged"]
    )
    assert changed == [newest.uid]
    client = servers.imap()
    client.select("INBOX", readonly=True)
    _status, [line] = client.uid("fetch", str(newest.uid), "(FLAGS)")
    client.logout()
    assert b"\\Seen" in line
    assert b"\\Flagged" in line


def test_counts_and_pages(inbox: Folder) -> None:
    assert mails.count(inbox) == inbox.total
    assert mails.count(inbox, "is:unread") == inbox.unseen
    first = mails.listed(inbox, limit=1)
    second = mails.listed(inbox, limit=1, below=first.older)
    assert second.rows[0].uid < first.rows[0].uid


def test_a_copy_of_what_was_sent_is_filed_as_it_left(
    inbox: Folder, servers: Servers
) -> None:
    data = newsletter().as_bytes(policy=SMTP)
    at = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
    sent = naming.for_role(service.get(inbox.mailbox_id), "sent")
    filing.append(folders.get(sent.id), data, ("\\Seen",), at)
    client = servers.imap()
    client.select(sent.name, readonly=True)
    _status, found = client.fetch("*", "(FLAGS INTERNALDATE BODY.PEEK[])")
    client.logout()
    assert isinstance(found[0], tuple)
    line, source = found[0]
    assert source == data
    assert b"\\Seen" in line
    assert b"20-Nov-2026 09:30:00 +0000" in line
    opened = Header("Message-ID", str(newsletter()["Message-ID"]))
    with folders.opened(folders.get(sent.id)) as (connection, raw):
        assert len(browsing.matching_uids(connection, raw, opened)) == 1
