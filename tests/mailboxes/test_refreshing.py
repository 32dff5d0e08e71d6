"""What changed since a page was shown, on servers that tell much or nothing."""

from collections.abc import Callable, Iterator

import pytest

from tests.conftest import ApiClient
from tests.mailboxes.samples import mail, put
from tests.mailboxes.test_changing import commands, fill
from tests.support.dovecot import Dovecot, running
from webapp.core.db import db
from webapp.mailboxes import folders, refreshing
from webapp.mailboxes.imap import Connection
from webapp.mailboxes.imap_errors import FolderRenumbered
from webapp.mailboxes.models import Mailbox
from webapp.mailboxes.refreshing import Changes, Known


@pytest.fixture(scope="module")
def middle_dovecot() -> Iterator[Dovecot]:
    """A server with CONDSTORE and without QRESYNC."""
    with running(capability="IMAP4rev1 LITERAL+ UIDPLUS CONDSTORE ENABLE") as server:
        yield server


@pytest.fixture(params=["qresync", "condstore", "neither"])
def server(
    request: pytest.FixtureRequest,
    dovecot: Dovecot,
    middle_dovecot: Dovecot,
    poor_dovecot: Dovecot,
) -> Dovecot:
    """Each kind of server."""
    kinds = {"qresync": dovecot, "condstore": middle_dovecot, "neither": poor_dovecot}
    return kinds[request.param]


@pytest.fixture
def line(
    server: Dovecot, login: str, open_line: Callable[..., Connection]
) -> Connection:
    """A connection to a folder of nine mails."""
    fill(server, login, 9)
    return open_line(server, login)


def shown(line: Connection, uids: range) -> Known:
    """Return what a page that shows these mails knows."""
    has = line.enable_qresync() or line.has("CONDSTORE")
    selected = line.select(b"INBOX")
    modseq = (selected.highestmodseq or 0) if has else 0
    assert selected.uidnext
    return Known(selected.uidvalidity, modseq, selected.uidnext, uids)


def told(changes: Changes) -> tuple[dict[int, tuple[str, ...]], list[int], list[int]]:
    flags = {
        uid: tuple(flag for flag in flags if flag != "\\Recent")
        for uid, flags in changes.flags.items()
    }
    return {k: v for k, v in flags.items() if v}, changes.gone, changes.new


def test_changes_of_another_client(
    server: Dovecot, login: str, line: Connection
) -> None:
    known = shown(line, range(3, 10))
    other = server.client(login)
    other.select("INBOX")
    other.uid("STORE", "1,4", "+FLAGS", "(\\Seen)")
    other.uid("STORE", "5", "+FLAGS", "(\\Flagged)")
    other.uid("STORE", "2,7", "+FLAGS", "(\\Deleted)")
    other.expunge()
    other.append("INBOX", "", "", b"Subject: new\r\n\r\n")
    found = refreshing.changes(line, b"INBOX", known)
    assert told(found) == ({4: ("\\Seen",), 5: ("\\Flagged",)}, [7], [10])
    assert (found.next_uid, found.exists) == (11, 8)
    again = Known(known.uidvalidity, found.modseq, found.next_uid, [3, 6, 8, 10])
    assert told(refreshing.changes(line, b"INBOX", again)) == ({}, [], [])
    other.logout()


def test_nothing_changed(line: Connection) -> None:
    found = refreshing.changes(line, b"INBOX", shown(line, range(1, 10)))
    assert told(found) == ({}, [], [])


def test_an_empty_page(server: Dovecot, login: str, line: Connection) -> None:
    known = shown(line, range(0))
    other = server.client(login)
    other.append("INBOX", "", "", b"Subject: new\r\n\r\n")
    other.logout()
    assert told(refreshing.changes(line, b"INBOX", known)) == ({}, [], [10])


def test_another_numbering(line: Connection) -> None:
    known = shown(line, range(1, 10))
    other = Known(known.uidvalidity + 1, known.modseq, known.next_uid, known.uids)
    with pytest.raises(FolderRenumbered):
        refreshing.changes(line, b"INBOX", other)


def test_ten_changes_are_one_round_trip_with_qresync(
    dovecot: Dovecot, login: str, open_line: Callable[..., Connection]
) -> None:
    fill(dovecot, login, 20)
    line = open_line(dovecot, login)
    known = shown(line, range(1, 21))
    other = dovecot.client(login)
    other.select("INBOX")
    other.uid("STORE", "1:5", "+FLAGS", "(\\Seen)")
    other.uid("STORE", "6:8", "+FLAGS", "(\\Deleted)")
    other.expunge()
    other.append("INBOX", "", "", b"Subject: new\r\n\r\n")
    other.append("INBOX", "", "", b"Subject: new\r\n\r\n")
    other.logout()
    found: list[Changes] = []
    sent = commands(
        line, lambda: found.append(refreshing.changes(line, b"INBOX", known))
    )
    assert sent == ["EXAMINE"]
    assert (len(found[0].flags), found[0].gone) == (5, [6, 7, 8])
    assert found[0].new == [21, 22]


def inbox_of(mailbox: Mailbox) -> str:
    """Return the address of its inbox, and let go of the database."""
    path = f"/mailboxes/{mailbox.id}/folders/{folders.fresh(mailbox)[0].id}"
    db.session.commit()
    return path


def test_the_api_tells_changes(
    api: ApiClient, mailbox: Mailbox, dovecot: Dovecot, login: str
) -> None:
    put(dovecot, login, *(mail("a@example.org", f"n {n}", "x", n) for n in (1, 2, 3)))
    path = inbox_of(mailbox)
    assert len(api.get(f"{path}/mails").get_json()["items"]) == 3
    first = api.get(f"{path}/changes").get_json()
    assert (first["flags"], first["gone"], first["new"]) == ([], [], [])
    client = dovecot.client(login)
    client.select("INBOX")
    client.uid("STORE", "1", "+FLAGS", "(\\Flagged)")
    client.uid("STORE", "2", "+FLAGS", "(\\Deleted)")
    client.expunge()
    client.logout()
    put(dovecot, login, mail("a@example.org", "n 4", "x", 4))
    asked = f"{path}/changes?uids=1:3&since="
    told = api.get(asked + first["since"]).get_json()
    assert (told["gone"], told["new"], told["exists"]) == ([2], [4], 3)
    assert [(one["uid"], "\\Flagged" in one["flags"]) for one in told["flags"]] == [
        (1, True)
    ]
    again = api.get(asked + told["since"]).get_json()
    assert (again["flags"], again["new"], again["since"]) == ([], [], told["since"])


@pytest.mark.parametrize("asked", ["uids=x", "uids=1:501", "uids=1 is:read", "since=x"])
def test_the_api_says_what_is_no_question(
    api: ApiClient, mailbox: Mailbox, asked: str
) -> None:
    assert api.get(f"{inbox_of(mailbox)}/changes?{asked}").status_code == 422
