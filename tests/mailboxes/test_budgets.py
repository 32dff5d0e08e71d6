"""A recorded session: what each act may say to the server, and what others see of it.

Every command waits for its answer, so that commands are round trips.
"""

import imaplib
import re
from collections.abc import Callable, Iterator

import pytest

from tests.conftest import ApiClient
from tests.mailboxes.samples import mail, put
from tests.mailboxes.test_changing import commands
from tests.support.dovecot import Dovecot
from webapp.core.db import db
from webapp.mailboxes import browsing, changing, folders, opening, refreshing
from webapp.mailboxes.imap import Connection
from webapp.mailboxes.imap_wire import Fetched
from webapp.mailboxes.models import Mailbox
from webapp.mailboxes.query_text import parse
from webapp.mailboxes.refreshing import Known

MAILS = 520
LOGIN = "budgets"
Open = Callable[..., Connection]


@pytest.fixture(scope="module")
def filled(dovecot: Dovecot) -> str:
    """A login with a folder of many mails, from which each test takes a copy."""
    client = dovecot.client(LOGIN)
    client.create("Model")
    for n in range(1, MAILS + 1):
        octets = mail(f"Person {n} <p{n}@example.com>", f"Subject {n}", "Body", n)
        client.append("Model", "", "", octets.as_bytes())
    client.logout()
    return LOGIN


@pytest.fixture
def folder(dovecot: Dovecot, filled: str, login: str) -> bytes:
    """A folder of the mails, for one test; UIDs are 1 to `MAILS`."""
    client = dovecot.client(filled)
    client.create(login)
    client.select("Model", readonly=True)
    client.copy(f"1:{MAILS}", login)
    client.logout()
    return login.encode()


class Other:
    """Another client, connected all the time: plain imaplib."""

    def __init__(self, client: imaplib.IMAP4, folder: bytes) -> None:
        self.client = client
        client.select(folder.decode(), readonly=True)

    def sees(self) -> dict[int, str]:
        r"""Return the flags by UID, \Recent aside."""
        self.client.noop()
        _ok, lines = self.client.uid("FETCH", "1:*", "(FLAGS)")
        found = {}
        for line in lines:
            text = line.decode() if isinstance(line, bytes) else ""
            uid, flags = (
                re.search(r"UID (\d+)", text),
                re.search(r"FLAGS \((.*?)\)", text),
            )
            if uid and flags:
                found[int(uid[1])] = flags[1].replace("\\Recent", "").strip()
        return found


@pytest.fixture
def other(dovecot: Dovecot, folder: bytes) -> Iterator[Other]:
    """Another client that has the folder open."""
    client = dovecot.client(LOGIN)
    yield Other(client, folder)
    client.logout()


@pytest.fixture
def line(dovecot: Dovecot, folder: bytes, open_line: Open) -> Connection:
    """Our connection, as the pool lends it: signed in, no folder open."""
    del folder
    return open_line(dovecot, LOGIN)


def known(line: Connection, folder: bytes) -> Known:
    """Return what a page of the newest fifty knows."""
    assert line.enable_qresync()
    selected = line.select(folder)
    assert selected.uidnext
    assert selected.highestmodseq
    shown = range(MAILS - 49, MAILS + 1)
    return Known(selected.uidvalidity, selected.highestmodseq, selected.uidnext, shown)


def test_a_list(line: Connection, folder: bytes, other: Other) -> None:
    before = other.sees()
    assert len(before) == MAILS
    assert commands(line, lambda: browsing.page(line, folder)) == ["EXAMINE", "FETCH"]
    assert other.sees() == before == dict.fromkeys(range(1, MAILS + 1), "")


def test_an_older_page(line: Connection, folder: bytes) -> None:
    sent = commands(line, lambda: browsing.page(line, folder, below=MAILS - 49))
    assert sent == ["EXAMINE", "UID FETCH", "FETCH"]


def test_opening_a_mail(line: Connection, folder: bytes, other: Other) -> None:
    before = other.sees()
    sent = commands(line, lambda: opening.open_mail(line, folder, 7))
    assert sent == ["EXAMINE", "UID FETCH", "UID FETCH"]
    assert other.sees() == before


def test_a_refresh(line: Connection, folder: bytes, other: Other) -> None:
    shown, before = known(line, folder), other.sees()
    sent = commands(line, lambda: refreshing.changes(line, folder, shown))
    assert sent == ["EXAMINE"]
    assert other.sees() == before


def test_a_search(line: Connection, folder: bytes, other: Other) -> None:
    before = other.sees()
    query = parse("from:person subject:subject")
    sent = commands(line, lambda: browsing.page(line, folder, query))
    assert sent == ["EXAMINE", "UID SEARCH", "UID FETCH"]
    assert other.sees() == before


def test_marking_five_hundred(line: Connection, folder: bytes, other: Other) -> None:
    chosen = range(11, 511)
    changed: list[int] = []
    sent = commands(
        line,
        lambda: changed.extend(
            changing.change_flags(line, folder, chosen, add=["seen"])
        ),
    )
    assert sent == ["SELECT", "UID FETCH", "UID STORE"]
    assert changed == list(chosen)
    seen = {uid: "\\Seen" if uid in chosen else "" for uid in range(1, MAILS + 1)}
    assert other.sees() == seen


def test_deleting_three(line: Connection, folder: bytes, other: Other) -> None:
    sent = commands(line, lambda: changing.delete(line, folder, [3, 44, 500]))
    assert sent == ["SELECT", "UID FETCH", "UID STORE", "UID EXPUNGE"]
    left = set(range(1, MAILS + 1)) - {3, 44, 500}
    assert other.sees() == dict.fromkeys(sorted(left), "")


def test_a_whole_session_leaves_only_what_was_asked(
    line: Connection, folder: bytes, other: Other
) -> None:
    shown = known(line, folder)
    browsing.page(line, folder)
    browsing.page(line, folder, parse("subject:9"))
    opening.open_mail(line, folder, 12)
    changing.change_flags(line, folder, [12, 13], add=["flagged"])
    changing.delete(line, folder, [14])
    opening.source(line, folder, 15).close()
    refreshing.changes(line, folder, shown)
    seen = other.sees()
    assert {uid for uid, flags in seen.items() if flags} == {12, 13}
    assert {seen[12], seen[13]} == {"\\Flagged"}
    assert set(range(1, MAILS + 1)) - set(seen) == {14}


@pytest.fixture
def asked_items(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What every FETCH asks for, as it is sent."""
    items: list[bytes] = []
    fetched = Connection.fetch

    def fetch(self: Connection, numbers: bytes, wanted: bytes, **more: bool) -> Fetched:
        items.append(wanted)
        return fetched(self, numbers, wanted, **more)

    monkeypatch.setattr(Connection, "fetch", fetch)
    return items


@pytest.fixture
def mails_path(mailbox: Mailbox, dovecot: Dovecot, login: str) -> str:
    """The address of a folder's mails, one of them."""
    put(dovecot, login, mail("a@example.com", "One", "Text"))
    folder_id, mailbox_id = folders.fresh(mailbox, force=True)[0].id, mailbox.id
    db.session.commit()
    return f"/mailboxes/{mailbox_id}/folders/{folder_id}/mails"


@pytest.mark.parametrize(
    ("fields", "comes"), [("uid,subject,size", False), ("uid,snippet", True)]
)
def test_texts_come_only_where_they_are_asked_for(
    api: ApiClient, mails_path: str, asked_items: list[bytes], fields: str, comes: bool
) -> None:
    found = api.get(f"{mails_path}?fields={fields}").get_json()["items"]
    assert len(found) == 1
    assert [b"BODY.PEEK[TEXT]" in one for one in asked_items] == [comes]
