"""The same hostile mails on the practice server: another parser, the same promise."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import PageClient
from tests.mailboxes import ugly
from tests.mailboxes.samples import mail
from tests.mailboxes.test_ugly import Inbox, rows_of, troubles
from tests.support.practice_servers import Servers
from webapp.core import practice
from webapp.core.db import db
from webapp.mailboxes import folders, service


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """The practice servers, with the corpus in the inbox; an ordinary mail is last."""
    directory: Path = tmp_path_factory.mktemp("ugly")
    running = Servers(directory)
    running.start()
    client = running.imap()
    last = mail("Ada <ada@example.org>", "An ordinary mail", "Hello").as_bytes()
    for _name, octets in [*ugly.corpus(), ("ordinary", last)]:
        status, answer = client.append("INBOX", "", "", octets)
        assert status == "OK", answer
    client.logout()
    yield running
    running.stop()


@pytest.fixture
def inbox(app: object, servers: Servers) -> Inbox:
    """The corpus, connected as any mailbox is."""
    del app
    access = servers.access
    box = service.create(
        name="Ugly",
        host=practice.HOST,
        port=access.imap_port,
        security="none",
        login=access.login,
        password=access.password,
    )
    found = folders.fresh(box, force=True)
    one = next(folder for folder in found if folder.role == "inbox")
    names = [*(name for name, _octets in ugly.corpus()), "ordinary"]
    made = Inbox(box.id, one.id, names)
    db.session.rollback()
    return made


def test_every_mail_has_its_row(client: PageClient, inbox: Inbox) -> None:
    assert rows_of(client, inbox) == len(inbox.names)


def test_every_mail_opens(client: PageClient, inbox: Inbox) -> None:
    page = client.get(inbox.path).get_data(as_text=True)
    assert "An ordinary mail" in page
    newest = max(int(uid) for uid in _uids(page))
    first = newest - len(inbox.names) + 1
    # Beside a list of the database: that of the folder would be asked for each time.
    paths = {
        name: f"{inbox.path}/{first + n - 1}?view=mine" for n, name in inbox.each()
    }
    assert troubles(client, paths) == {}


def _uids(page: str) -> Iterator[str]:
    """Yield the UIDs in the checkboxes of a list."""
    for piece in page.split('name="mails"')[1:]:
        yield piece.split('value="', 1)[1].split('"', 1)[0].rpartition(".")[2]
