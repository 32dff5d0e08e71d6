"""A recorded session: what each act may say to the server, and what others see of it.

On servers that offer everything, next to nothing, and something between (pymap). An
entry of the record is what goes out in one write: one round trip.
"""

import imaplib
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import ApiClient
from tests.mailboxes.conftest import access_to
from tests.mailboxes.samples import mail, put
from tests.mailboxes.test_changing import commands
from tests.support.dovecot import PASSWORD, Dovecot
from tests.support.practice_servers import Servers
from webapp.core.db import db
from webapp.mailboxes import browsing, changing, folders, opening, refreshing
from webapp.mailboxes.imap import Connection
from webapp.mailboxes.imap_fetched import Fetched
from webapp.mailboxes.imap_signin import connect
from webapp.mailboxes.models import Mailbox
from webapp.mailboxes.query_text import parse
from webapp.mailboxes.refreshing import Known

MAILS = 520
LOGIN = "budgets"


@dataclass(frozen=True)
class Account:
    """A mailbox on some server, with a folder of many mails."""

    kind: str
    port: int
    login: str
    password: str

    def client(self) -> imaplib.IMAP4:
        """Return another client: plain imaplib."""
        client = imaplib.IMAP4("127.0.0.1", self.port, timeout=60)
        client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.login(self.login, self.password)
        return client

    def fill(self) -> None:
        """Put the mails into a folder from which each test takes a copy."""
        client = self.client()
        client.create("Model")
        for n in range(1, MAILS + 1):
            octets = mail(f"Person {n} <p{n}@example.com>", f"Subject {n}", "Body", n)
            client.append("Model", "", "", octets.as_bytes())
        client.logout()


@pytest.fixture(scope="module")
def pymap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """The practice server, which is pymap."""
    data_dir: Path = tmp_path_factory.mktemp("pymap")
    servers = Servers(data_dir)
    servers.start()
    yield servers
    servers.stop()


@pytest.fixture(scope="module", params=["rich", "poor", "pymap"])
def account(
    request: pytest.FixtureRequest,
    dovecot: Dovecot,
    poor_dovecot: Dovecot,
    pymap: Servers,
) -> Account:
    """An account with the mails, on each kind of server."""
    kind: str = request.param
    if kind == "pymap":
        access = pymap.access
        made = Account(kind, access.imap_port, access.login, access.password)
    else:
        port = dovecot.port if kind == "rich" else poor_dovecot.port
        made = Account(kind, port, LOGIN, PASSWORD)
    made.fill()
    return made


@pytest.fixture
def folder(account: Account, login: str) -> bytes:
    """A folder of the mails, for one test; UIDs are 1 to `MAILS`."""
    client = account.client()
    client.create(login)
    client.select("Model", readonly=True)
    client.copy(f"1:{MAILS}", login)
    client.logout()
    return login.encode()


class Other:
    """Another client, connected all the time."""

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
def other(account: Account, folder: bytes) -> Iterator[Other]:
    """Another client that has the folder open."""
    client = account.client()
    yield Other(client, folder)
    client.logout()


@pytest.fixture
def line(account: Account, folder: bytes) -> Iterator[Connection]:
    """Our connection, as the pool lends it: signed in, no folder open."""
    del folder
    made = connect(access_to(account.port, account.login, account.password))
    yield made
    made.close()


def known(line: Connection, folder: bytes) -> Known:
    """Return what a page of the newest fifty knows."""
    has = line.enable_qresync()
    selected = line.select(folder)
    assert selected.uidnext
    modseq = (selected.highestmodseq or 0) if has else 0
    shown = range(MAILS - 49, MAILS + 1)
    return Known(selected.uidvalidity, modseq, selected.uidnext, shown)


def test_a_list(line: Connection, folder: bytes, other: Other) -> None:
    before = other.sees()
    assert len(before) == MAILS
    first = commands(line, lambda: browsing.page(line, folder))
    again = commands(line, lambda: browsing.page(line, folder))
    assert (first, again) == (["EXAMINE", "FETCH"], ["EXAMINE + UID FETCH"])
    assert other.sees() == before == dict.fromkeys(range(1, MAILS + 1), "")


def test_an_older_page(line: Connection, folder: bytes) -> None:
    found: list[browsing.Page] = []
    sent = commands(
        line,
        lambda: found.append(browsing.page(line, folder, below=MAILS - 49)),
    )
    assert sent == ["EXAMINE + UID FETCH"]
    assert [row.uid for row in found[0].rows] == list(
        range(MAILS - 50, MAILS - 100, -1)
    )


def test_opening_a_mail(line: Connection, folder: bytes, other: Other) -> None:
    before = other.sees()
    sent = commands(line, lambda: opening.open_mail(line, folder, 7))
    assert sent == ["EXAMINE + UID FETCH"]
    assert other.sees() == before


def test_a_refresh(
    line: Connection, folder: bytes, other: Other, account: Account
) -> None:
    shown, before = known(line, folder), other.sees()
    sent = commands(line, lambda: refreshing.changes(line, folder, shown))
    is_rich = account.kind == "rich"
    assert sent == ["EXAMINE" if is_rich else "EXAMINE + UID SEARCH + UID FETCH"]
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
    assert sent == ["SELECT + UID FETCH", "UID STORE"]
    assert changed == list(chosen)
    seen = {uid: "\\Seen" if uid in chosen else "" for uid in range(1, MAILS + 1)}
    assert other.sees() == seen


def test_deleting_three(
    line: Connection, folder: bytes, other: Other, account: Account
) -> None:
    gone = {3, 44, 500}
    sent = commands(line, lambda: changing.delete(line, folder, sorted(gone)))
    every = range(1, MAILS + 1)
    if account.kind == "poor":  # no UIDPLUS: it can only mark them
        assert sent == ["SELECT + UID FETCH", "UID STORE"]
        assert other.sees() == {u: "\\Deleted" if u in gone else "" for u in every}
        return
    assert sent == ["SELECT + UID FETCH", "UID STORE + UID EXPUNGE"]
    assert other.sees() == {uid: "" for uid in every if uid not in gone}


def test_a_whole_session_leaves_only_what_was_asked(
    line: Connection, folder: bytes, other: Other, account: Account
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
    is_poor = account.kind == "poor"
    wanted = {
        12: "\\Flagged",
        13: "\\Flagged",
        **({14: "\\Deleted"} if is_poor else {}),
    }
    assert {uid: flags for uid, flags in seen.items() if flags} == wanted
    assert set(range(1, MAILS + 1)) - set(seen) == (set() if is_poor else {14})


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
