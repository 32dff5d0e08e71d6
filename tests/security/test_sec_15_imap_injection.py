"""SECURITY 15: no value ends its IMAP command, whoever chose it."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import ApiClient
from tests.mailboxes.conftest import access_to
from tests.support.dovecot import Dovecot
from tests.support.fake_imap import FakeImap, fake_imap
from webapp.core.db import db
from webapp.mailboxes import browsing, changing, folders
from webapp.mailboxes.imap import Connection
from webapp.mailboxes.imap_errors import ImapError, SignInRefused
from webapp.mailboxes.imap_signin import connect
from webapp.mailboxes.models import Mailbox
from webapp.mailboxes.query import Contains, Flagged, Header, QueryError, Where

INJECTED = "x\r\nA1 CREATE Pwned\r\n"
EXISTS = b"* 1 EXISTS\r\n* OK [UIDVALIDITY 5] ok\r\n"


@pytest.fixture
def server() -> Iterator[FakeImap]:
    answers = {"EXAMINE": EXISTS, "SELECT": EXISTS, "SEARCH": "* SEARCH\r\n"}
    with fake_imap(answers) as started:
        yield started


@pytest.fixture
def line(server: FakeImap) -> Iterator[Connection]:
    connection = connect(access_to(server.port))
    server.heard.clear()
    yield connection
    connection.close()


@pytest.mark.parametrize("value", [INJECTED, "a\nb", "a\rb", "a\0b"])
@pytest.mark.parametrize("place", ["login", "password"])
def test_login_and_password(server: FakeImap, place: str, value: str) -> None:
    values = {"login": "ada", "password": "secret", place: value}
    with pytest.raises(SignInRefused):
        connect(access_to(server.port, values["login"], values["password"]))
    assert server.heard == []


@pytest.mark.parametrize(
    "query",
    [
        Contains(Where.SUBJECT, INJECTED),
        Contains(Where.TEXT, "a\0"),
        Header("X-A", INJECTED),
        Header(INJECTED, "x"),
        Header('X"Y Z', "x"),
        Flagged(INJECTED),
        Flagged("a) OR (ALL"),
        Flagged("\\Seen) (x"),
    ],
)
def test_search_values(line: Connection, server: FakeImap, query: Contains) -> None:
    with pytest.raises(QueryError):
        browsing.page(line, b"INBOX", query)
    assert server.count("SEARCH") == 0
    assert server.count("PWNED") == 0


@pytest.mark.parametrize("raw", [b"a\r\nA1 CREATE Pwned", b"a\nb", b"a\rb", b"a\0b"])
def test_folder_names(line: Connection, server: FakeImap, raw: bytes) -> None:
    with pytest.raises(ImapError):
        browsing.page(line, raw)
    assert server.heard == []


@pytest.mark.parametrize(
    ("raw", "argument"),
    [(b'a" (b', b'"a\\" (b"'), (b"a\\", b'"a\\\\"'), (b'\\" x', b'"\\\\\\" x"')],
)
def test_a_folder_name_is_one_argument(
    line: Connection, server: FakeImap, raw: bytes, argument: bytes
) -> None:
    browsing.page(line, raw)
    (examined,) = (heard for heard in server.heard if b" EXAMINE " in heard)
    assert examined.partition(b" EXAMINE ")[2].strip() == argument


@pytest.mark.parametrize("flag", [INJECTED, "a b", "a) (b", "", "ü", "\\Seen\r\n"])
def test_flags(line: Connection, server: FakeImap, flag: str) -> None:
    with pytest.raises(QueryError):
        changing.change_flags(line, b"INBOX", [1], add=[flag], remove=[])
    assert server.count("STORE") == 0


@given(value=st.text(max_size=80))
def test_any_text_is_one_argument(value: str) -> None:
    with fake_imap({"EXAMINE": EXISTS, "SEARCH": "* SEARCH\r\n"}) as started:
        connection = connect(access_to(started.port))
        started.heard.clear()
        with contextlib.suppress(QueryError, ImapError):
            browsing.page(connection, b"INBOX", Contains(Where.SUBJECT, value))
        connection.close()
        names = {heard.split(b" ")[1] for heard in started.heard if b" " in heard}
        if value.isascii():
            assert names <= {b"EXAMINE", b"UID", b"LOGOUT\r\n", b"FETCH"}


def test_the_server_keeps_only_its_own_folders(
    api: ApiClient, mailbox: Mailbox, dovecot: Dovecot, login: str
) -> None:
    inbox = folders.fresh(mailbox, force=True)[0]
    path = f"/mailboxes/{mailbox.id}/folders/{inbox.id}/mails"
    db.session.commit()
    query = "subject:%22x%0D%0AA1%20CREATE%20Pwned%0D%0A%22"
    assert api.get(f"{path}?q={query}").status_code == 422
    for text in ("{5}", "{5+}", '"(foo"', '")"', "NIL", "%25", "*"):
        assert api.get(path, query_string={"q": f"subject:{text}"}).status_code == 200
    flags = {"uids": [1], "add": ["foo) BAR (x\r\nA1 CREATE Pwned"]}
    assert api.post(f"{path}/flags", flags).status_code == 422
    other = dovecot.client(login)
    names = b" ".join(name for name in other.list()[1] if isinstance(name, bytes))
    other.logout()
    assert b"Pwned" not in names


@pytest.mark.parametrize("uid", ["1%20OR%20ALL", "1:*", "*", "-1", "1%0D%0A"])
def test_uids_are_numbers(api: ApiClient, mailbox: Mailbox, uid: str) -> None:
    inbox = folders.fresh(mailbox, force=True)[0]
    path = f"/mailboxes/{mailbox.id}/folders/{inbox.id}/mails"
    db.session.commit()
    assert api.get(f"{path}/{uid}").status_code == 404


def test_the_library_is_where_commands_are_sent_and_answers_read() -> None:
    root = Path(__file__).resolve().parents[2] / "webapp"
    found = [
        path.name
        for path in root.rglob("*.py")
        if "imapclient" in path.read_text() or "import imaplib" in path.read_text()
    ]
    assert sorted(found) == ["imap_client.py", "imap_fetched.py", "imap_wire.py"]
