from collections.abc import Callable

import pytest

from tests.mailboxes.conftest import access_to
from tests.mailboxes.samples import flags_of, mail, put
from tests.support.dovecot import Dovecot
from tests.support.fake_imap import fake_imap
from webapp.mailboxes import browsing, changing, opening
from webapp.mailboxes.imap import Connection
from webapp.mailboxes.imap_answers import decode_name
from webapp.mailboxes.imap_errors import (
    FolderGone,
    FolderRenumbered,
    MailGone,
    ServerRefused,
    Unreachable,
)
from webapp.mailboxes.imap_signin import connect
from webapp.mailboxes.query import QueryError
from webapp.mailboxes.query_text import parse


def fill(server: Dovecot, login: str, number: int) -> None:
    client = server.client(login)
    for n in range(1, number + 1):
        text = f"Body {n}"
        octets = mail(f"Person {n} <p{n}@example.com>", f"Subject {n}", text, n)
        client.append("INBOX", "", "", octets.as_bytes())
    client.logout()


def test_folders_have_their_real_names(
    any_dovecot: Dovecot, login: str, line: Connection
) -> None:
    client = any_dovecot.client(login)
    for name in ("Entw&APw-rfe", "R&-D", "Projects.2027"):
        client.create(f'"{name}"')
    client.logout()
    listed, _counts = line.list_folders()
    names = {folder.name for folder in listed}
    assert {"INBOX", "Entwürfe", "R&D", "Projects", "Projects.2027"} <= names
    assert {folder.role for folder in listed if folder.name == "Sent"} == {"sent"}


def test_counts_come_with_the_folders_where_offered(
    dovecot: Dovecot, login: str, open_line: Callable[..., Connection]
) -> None:
    fill(dovecot, login, 3)
    _listed, counts = open_line(dovecot, login).list_folders()
    assert (counts[b"INBOX"].messages, counts[b"INBOX"].unseen) == (3, 3)


def test_counts_are_asked_for_where_not_offered(
    poor_dovecot: Dovecot, login: str, open_line: Callable[..., Connection]
) -> None:
    fill(poor_dovecot, login, 3)
    line = open_line(poor_dovecot, login)
    assert line.list_folders()[1] == {}
    assert line.status(b"INBOX").messages == 3


def test_the_newest_fifty_come_first(
    any_dovecot: Dovecot, login: str, line: Connection
) -> None:
    fill(any_dovecot, login, 60)
    page = browsing.page(line, b"INBOX")
    assert [row.uid for row in page.rows] == list(range(60, 10, -1))
    assert (page.exists, page.older) == (60, 11)
    assert page.rows[0].subject == "Subject 60"
    assert page.rows[0].snippet == "Body 60"


def test_older_pages_follow_without_gap_or_repeat(
    any_dovecot: Dovecot, login: str, line: Connection
) -> None:
    fill(any_dovecot, login, 25)
    seen: list[int] = []
    below = None
    while True:
        page = browsing.page(line, b"INBOX", below=below, limit=10)
        seen += [row.uid for row in page.rows]
        below = page.older
        if below is None:
            break
    assert seen == list(range(25, 0, -1))


def test_a_page_stays_where_it_was_when_mail_comes_and_goes(
    any_dovecot: Dovecot, login: str, line: Connection
) -> None:
    fill(any_dovecot, login, 20)
    first = browsing.page(line, b"INBOX", limit=10)
    client = any_dovecot.client(login)
    client.select("INBOX")
    client.uid("store", "11,15", "+FLAGS", "(\\Deleted)")  # 11 is the anchor
    client.expunge()
    client.logout()
    put(any_dovecot, login, mail("a@example.com", "new", "x"))
    second = browsing.page(line, b"INBOX", below=first.older, limit=10)
    assert [row.uid for row in second.rows] == list(range(10, 0, -1))


def test_an_empty_folder_is_an_empty_page(line: Connection) -> None:
    page = browsing.page(line, b"INBOX")
    assert (page.rows, page.older, page.exists) == ([], None, 0)
    assert browsing.page(line, b"INBOX", parse("from:ada")).rows == []


def test_listing_searching_and_opening_change_no_flag(
    any_dovecot: Dovecot, login: str, line: Connection
) -> None:
    fill(any_dovecot, login, 12)
    before = flags_of(any_dovecot, login)
    browsing.page(line, b"INBOX")
    browsing.page(line, b"INBOX", parse("body:Body subject:Subject"))
    browsing.count(line, b"INBOX", parse("text:Body"))
    opening.open_mail(line, b"INBOX", 3)
    opening.source(line, b"INBOX", 4).close()
    assert flags_of(any_dovecot, login) == before == dict.fromkeys(range(1, 13), "")


def test_flags_that_we_set_are_seen_by_another_client(
    any_dovecot: Dovecot, login: str, line: Connection
) -> None:
    fill(any_dovecot, login, 4)
    changed = changing.change_flags(
        line, b"INBOX", [1, 3, 99], add=["\\Seen", "todo"], remove=[]
    )
    assert changed == [1, 3]
    flags = flags_of(any_dovecot, login)
    assert flags == {1: "\\Seen todo", 2: "", 3: "\\Seen todo", 4: ""}


def test_a_flag_may_be_called_as_its_field_is(
    any_dovecot: Dovecot, login: str, line: Connection
) -> None:
    fill(any_dovecot, login, 1)
    changing.change_flags(line, b"INBOX", [1], add=["flagged", "seen"], remove=[])
    changing.change_flags(line, b"INBOX", [1], add=[], remove=["flagged"])
    assert flags_of(any_dovecot, login) == {1: "\\Seen"}


def test_only_what_really_changes_counts(
    any_dovecot: Dovecot, login: str, line: Connection
) -> None:
    fill(any_dovecot, login, 3)
    changing.change_flags(line, b"INBOX", [2], add=["\\Seen"], remove=[])
    changed = changing.change_flags(line, b"INBOX", [1, 2], add=["\\Seen"], remove=[])
    assert changed == [1]
    undone = changing.change_flags(line, b"INBOX", changed, add=[], remove=["\\Seen"])
    assert undone == [1]
    assert flags_of(any_dovecot, login) == {1: "", 2: "\\Seen", 3: ""}


def test_many_uids_go_in_chunks(
    any_dovecot: Dovecot,
    login: str,
    line: Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(changing, "CHUNK", 4)
    fill(any_dovecot, login, 11)
    uids = list(range(1, 12))
    assert (
        changing.change_flags(line, b"INBOX", uids, add=["\\Seen"], remove=[]) == uids
    )


@pytest.mark.parametrize("flag", ["foo) BAR (x", "\\Recent", "\\Bad", "a b", "x\r\ny"])
def test_what_is_no_flag_is_refused(line: Connection, flag: str) -> None:
    with pytest.raises(QueryError):
        changing.change_flags(line, b"INBOX", [1], add=[flag], remove=[])


def test_a_folder_that_vanished_is_said(line: Connection) -> None:
    with pytest.raises(FolderGone):
        browsing.page(line, b"Nowhere")
    assert not line.broken
    assert browsing.page(line, b"INBOX").rows == []


def test_new_numbers_make_old_uids_void(
    any_dovecot: Dovecot, login: str, line: Connection
) -> None:
    client = any_dovecot.client(login)
    client.create("Box")
    old = browsing.page(line, b"Box").uidvalidity
    client.delete("Box")
    client.create("Other")
    client.create("Box")
    client.logout()
    with pytest.raises(FolderRenumbered):
        browsing.page(line, b"Box", uidvalidity=old)
    with pytest.raises(FolderRenumbered):
        changing.change_flags(
            line, b"Box", [1], add=["\\Seen"], remove=[], uidvalidity=old
        )


def test_a_mail_that_is_gone_is_said(line: Connection) -> None:
    with pytest.raises(MailGone):
        opening.open_mail(line, b"INBOX", 77)


def test_folder_names_are_decoded_one_by_one() -> None:
    assert decode_name(b"&bad\xff") == "&bad\ufffd"
    assert decode_name(b"&Jjo-!") == "☺!"
    assert decode_name(b"a\x1b[0mb") == "a[0mb"


BAD_ROW = (
    b'* 1 FETCH (UID 7 FLAGS (\\Seen) INTERNALDATE "nonsense" RFC822.SIZE 9)\r\n'
    b"* 2 FETCH (UID 8 FLAGS (((( RFC822.SIZE 9)\r\n"
    b"* 3 FETCH (UID 9 FLAGS () RFC822.SIZE 9)\r\n"
)
THREE = b"* 3 EXISTS\r\n* OK [UIDVALIDITY 5] ok\r\n"


def test_one_bad_mail_is_one_placeholder() -> None:
    answers = {"EXAMINE": THREE, "FETCH": BAD_ROW}
    with fake_imap(answers) as server:
        line = connect(access_to(server.port))
        rows = browsing.page(line, b"INBOX").rows
        line.close()
    assert [(row.uid, row.readable) for row in rows] == [
        (9, True),
        (8, False),
        (7, True),
    ]


def test_a_server_without_partial_headers_is_asked_without() -> None:
    def fetch(heard: bytes) -> bytes:
        if b"<0." in heard:
            return b"TAG BAD no partial\r\n"
        return b"* 3 FETCH (UID 9 FLAGS () RFC822.SIZE 9)\r\n"

    with fake_imap({"EXAMINE": THREE, "FETCH": fetch}) as server:
        line = connect(access_to(server.port))
        assert [row.uid for row in browsing.page(line, b"INBOX").rows] == [9]
        line.close()


def test_a_server_that_knows_no_charset_is_said() -> None:
    answers = {"EXAMINE": THREE, "SEARCH": "TAG NO [BADCHARSET (US-ASCII)] no\r\n"}
    with fake_imap(answers) as server:
        line = connect(access_to(server.port))
        with pytest.raises(ServerRefused, match="letters outside ASCII"):
            browsing.page(line, b"INBOX", parse("subject:Grüße"))
        line.close()


def test_charset_is_never_sent_for_ascii() -> None:
    with fake_imap({"EXAMINE": THREE, "SEARCH": "* SEARCH\r\n"}) as server:
        line = connect(access_to(server.port))
        browsing.page(line, b"INBOX", parse("subject:report is:unread"))
        line.close()
        assert server.count("SEARCH") == 1
        assert server.count("CHARSET") == 0


@pytest.mark.parametrize(
    "answer",
    [b"EOF", b"* 1 FETCH (UID 1 BODY[] {99999999999}\r\n", b"+ what\r\n* BYE bye\r\n"],
)
def test_a_line_that_breaks_is_thrown_away(answer: bytes) -> None:
    with fake_imap({"EXAMINE": THREE, "FETCH": answer}) as server:
        line = connect(access_to(server.port))
        with pytest.raises(Unreachable):
            browsing.page(line, b"INBOX")
        assert line.broken
        line.close()


def test_a_silent_server_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    with fake_imap({"EXAMINE": b"SILENCE"}) as server:
        line = connect(access_to(server.port))
        monkeypatch.setattr("webapp.mailboxes.imap_wire.COMMAND_SECONDS", 0.3)
        with pytest.raises(Unreachable):
            browsing.page(line, b"INBOX")
        assert line.broken
        line.close()


def test_a_large_folder_needs_two_round_trips() -> None:
    exists = b"* 1000000 EXISTS\r\n* OK [UIDVALIDITY 5] ok\r\n"
    with fake_imap({"EXAMINE": exists}) as server:
        line = connect(access_to(server.port))
        server.heard.clear()
        browsing.page(line, b"INBOX")
        assert [heard.split()[1] for heard in server.heard] == [b"EXAMINE", b"FETCH"]
        assert b"999951:1000000" in server.heard[1]
        line.close()
