"""Moves, copies, deletions and new mails, against full and poor servers."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import pytest

from tests.mailboxes.conftest import access_to
from tests.mailboxes.samples import flags_of, mail
from tests.support.dovecot import Dovecot
from tests.support.fake_imap import fake_imap
from webapp.mailboxes import browsing, changing, opening
from webapp.mailboxes.imap import Connection
from webapp.mailboxes.imap_commands import Command
from webapp.mailboxes.imap_errors import (
    FolderGone,
    FolderRenumbered,
    MailGone,
    ServerRefused,
)
from webapp.mailboxes.imap_signin import connect
from webapp.mailboxes.query import QueryError


def fill(server: Dovecot, login: str, number: int) -> None:
    client = server.client(login)
    client.create("Kept")
    for n in range(1, number + 1):
        octets = mail(f"Person {n} <p{n}@example.com>", f"Subject {n}", "Body", n)
        client.append("INBOX", "", "", octets.as_bytes())
    client.logout()


def subjects(server: Dovecot, login: str, folder: str = "INBOX") -> list[str]:
    """Return the subjects in a folder, as another client sees them."""
    client = server.client(login)
    client.select(folder, readonly=True)
    _ok, found = client.uid("FETCH", "1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
    client.logout()
    lines = [one[1].decode() for one in found if isinstance(one, tuple)]
    return [line.removeprefix("Subject:").strip() for line in lines]


def test_move(any_dovecot: Dovecot, login: str, line: Connection) -> None:
    fill(any_dovecot, login, 5)
    filed = changing.move(line, b"INBOX", [2, 4, 99], b"Kept")
    assert filed.uids == [2, 4]
    assert subjects(any_dovecot, login, "Kept") == ["Subject 2", "Subject 4"]
    left = subjects(any_dovecot, login)
    is_rich = line.has("MOVE")
    assert left == [f"Subject {n}" for n in ((1, 3, 5) if is_rich else range(1, 6))]
    assert filed.marked == ([] if is_rich else [2, 4])


def test_a_move_says_the_new_uids(
    dovecot: Dovecot, login: str, open_line: Callable[..., Connection]
) -> None:
    fill(dovecot, login, 3)
    line = open_line(dovecot, login)
    there = changing.move(line, b"INBOX", [1, 3], b"Kept")
    assert there.placed == {1: 1, 3: 2}
    back = changing.move(line, b"Kept", [1, 2], b"INBOX", there.uidvalidity)
    assert back.placed == {1: 4, 2: 5}
    assert subjects(dovecot, login) == ["Subject 2", "Subject 1", "Subject 3"]


def test_a_server_without_uidplus_loses_no_mail_of_others(
    poor_dovecot: Dovecot, login: str, open_line: Callable[..., Connection]
) -> None:
    fill(poor_dovecot, login, 3)
    other = poor_dovecot.client(login)
    other.select("INBOX")
    other.uid("STORE", "1", "+FLAGS", "(\\Deleted)")
    filed = changing.delete(open_line(poor_dovecot, login), b"INBOX", [2])
    assert (filed.uids, filed.marked) == ([2], [2])
    other.logout()
    assert len(subjects(poor_dovecot, login)) == 3
    assert "\\Deleted" in flags_of(poor_dovecot, login)[2]


def test_delete_takes_its_own_mails_only(
    dovecot: Dovecot, login: str, open_line: Callable[..., Connection]
) -> None:
    fill(dovecot, login, 4)
    other = dovecot.client(login)
    other.select("INBOX")
    other.uid("STORE", "1", "+FLAGS", "(\\Deleted)")
    other.logout()
    filed = changing.delete(open_line(dovecot, login), b"INBOX", [3, 77])
    assert (filed.uids, filed.marked) == ([3], [])
    assert subjects(dovecot, login) == ["Subject 1", "Subject 2", "Subject 4"]


def test_copy_leaves_the_mails(
    any_dovecot: Dovecot, login: str, line: Connection
) -> None:
    fill(any_dovecot, login, 3)
    assert changing.copy(line, b"INBOX", [1, 3], b"Kept").uids == [1, 3]
    assert len(subjects(any_dovecot, login)) == 3
    assert subjects(any_dovecot, login, "Kept") == ["Subject 1", "Subject 3"]


def test_another_client_expunges_meanwhile(
    any_dovecot: Dovecot, login: str, line: Connection
) -> None:
    fill(any_dovecot, login, 5)
    browsing.page(line, b"INBOX")
    other = any_dovecot.client(login)
    other.select("INBOX")
    other.uid("STORE", "2", "+FLAGS", "(\\Deleted)")
    other.expunge()
    filed = changing.move(line, b"INBOX", [2, 3], b"Kept")
    assert filed.uids == [3]
    assert subjects(any_dovecot, login, "Kept") == ["Subject 3"]
    other.logout()
    with pytest.raises(MailGone):
        opening.open_mail(line, b"INBOX", 2)


def test_a_folder_that_is_not_there(
    any_dovecot: Dovecot, login: str, line: Connection
) -> None:
    fill(any_dovecot, login, 1)
    with pytest.raises(FolderGone):
        changing.move(line, b"INBOX", [1], b"Nowhere")
    with pytest.raises(FolderGone):
        changing.append(line, b"Nowhere", b"Subject: x\r\n\r\n")
    assert subjects(any_dovecot, login) == ["Subject 1"]


def test_another_numbering_is_refused(
    dovecot: Dovecot, login: str, open_line: Callable[..., Connection]
) -> None:
    fill(dovecot, login, 1)
    line = open_line(dovecot, login)
    for work in (changing.move, changing.copy):
        with pytest.raises(FolderRenumbered):
            work(line, b"INBOX", [1], b"Kept", 7)
    with pytest.raises(FolderRenumbered):
        changing.delete(line, b"INBOX", [1], 7)
    assert subjects(dovecot, login) == ["Subject 1"]


def test_append_says_the_uid(
    any_dovecot: Dovecot, login: str, line: Connection
) -> None:
    at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    octets = mail("Ada <ada@example.com>", "A draft", "Body", 1).as_bytes()
    placed = changing.append(line, b"INBOX", octets, ["seen", "Follow-up"], at)
    if line.has("UIDPLUS"):
        assert placed is not None
        assert placed[1] == 1
    (row,) = browsing.page(line, b"INBOX").rows
    assert (row.received, row.has("seen"), row.subject) == (at, True, "A draft")


def test_append_takes_every_octet(
    any_dovecot: Dovecot, login: str, line: Connection
) -> None:
    octets = (
        b"Subject: =?\r\nX: \xff\xfe\r\n\r\n{5}\r\n.\r\n"
        + bytes(range(1, 10))
        + b"\r\n"
    )
    changing.append(line, b"INBOX", octets)
    client = any_dovecot.client(login)
    client.select("INBOX", readonly=True)
    _ok, found = client.uid("FETCH", "1", "(BODY.PEEK[])")
    client.logout()
    assert isinstance(found[0], tuple)
    assert found[0][1] == octets


@pytest.mark.parametrize("flag", ["a b", "\\Recent", "x)", ""])
def test_append_refuses_what_is_no_flag(line: Connection, flag: str) -> None:
    with pytest.raises(QueryError):
        changing.append(line, b"INBOX", b"Subject: x\r\n\r\n", [flag])


def test_flags_of_many_mails_are_one_command_a_set() -> None:
    rows = "".join(f"* {n} FETCH (UID {n} FLAGS ())\r\n" for n in range(1, 501))
    with fake_imap(
        {"SELECT": "* 900 EXISTS\r\n* OK [UIDVALIDITY 1] ok\r\n", "FETCH": rows}
    ) as server:
        line = connect(access_to(server.port))
        server.heard.clear()
        changed = changing.change_flags(
            line, b"INBOX", range(1, 501), add=["seen", "flagged"]
        )
        line.close()
        names = [one.split()[1:3] for one in server.heard]
    assert len(changed) == 500
    assert [b" ".join(name[:2]) for name in names if name[0] == b"UID"] == [
        b"UID FETCH",
        b"UID STORE",
    ]


SELECTED = "* 1200 EXISTS\r\n* OK [UIDVALIDITY 1] ok\r\n"


@pytest.mark.parametrize(
    "change",
    [
        lambda line: changing.change_flags(line, b"INBOX", [1], add=["seen"]),
        lambda line: changing.move(line, b"INBOX", [1], b"Kept"),
        lambda line: changing.delete(line, b"INBOX", [1]),
    ],
    ids=["flags", "move", "delete"],
)
def test_a_folder_that_may_only_be_read_is_not_changed(
    change: Callable[[Connection], object],
) -> None:
    answers = {
        "SELECT": f"{SELECTED}TAG OK [READ-ONLY] done\r\n",
        "FETCH": "* 1 FETCH (UID 1 FLAGS ())\r\n",
    }
    with fake_imap(answers) as server:
        line = connect(access_to(server.port))
        with pytest.raises(ServerRefused, match="read this folder only"):
            change(line)
        line.close()
        assert [server.count(name) for name in ("STORE", "COPY", "MOVE")] == [0, 0, 0]


def refusing(*answers: str) -> Callable[[bytes], str]:
    """Return what gives these answers in turn, and then refuses."""
    left = iter(answers)
    return lambda _heard: next(left, "TAG NO [OVERQUOTA] no room\r\n")


@pytest.mark.parametrize("name", ["MOVE", "COPY"])
def test_what_was_done_before_a_refusal_is_told_and_no_more_is_tried(name: str) -> None:
    first = "* OK [COPYUID 7 1:500 11:510] done\r\n"
    answers = {
        "CAPABILITY": "* CAPABILITY IMAP4rev1 AUTH=PLAIN UIDPLUS MOVE\r\n",
        "SELECT": SELECTED,
        "EXAMINE": SELECTED,
        name: refusing(first),
    }
    work = changing.move if name == "MOVE" else changing.copy
    with fake_imap(answers) as server:
        line = connect(access_to(server.port))
        filed = work(line, b"INBOX", range(1, 1201), b"Kept")
        line.close()
        assert server.count(f"UID {name}") == 2
    assert filed.uids == [*range(1, 501)]
    assert filed.placed[500] == 510
    assert "stopped in the middle" in filed.words


def test_a_refusal_of_the_first_set_is_an_error_and_not_an_empty_answer() -> None:
    with fake_imap({"SELECT": SELECTED, "MOVE": refusing(), "COPY": refusing()}) as one:
        line = connect(access_to(one.port))
        line.capabilities |= {"MOVE", "UIDPLUS"}
        with pytest.raises(ServerRefused):
            changing.move(line, b"INBOX", range(1, 1201), b"Kept")
        line.close()
        assert one.count("UID MOVE") == 1


def commands(line: Connection, work: Callable[[], object]) -> list[str]:
    """Return the commands that some work sends: each entry is one round trip."""
    sent: list[str] = []
    send = line.line.send

    def heard(commands: Sequence[Command]) -> list[bytes]:
        names = [("UID " if one.uid else "") + one.name.decode() for one in commands]
        sent.append(" + ".join(names))
        return send(commands)

    line.line.send = heard  # type: ignore[method-assign]  # listens, and does the same
    work()
    line.line.send = send  # type: ignore[method-assign]  # as it was
    return sent


def test_each_change_has_its_budget_of_commands(
    dovecot: Dovecot, login: str, open_line: Callable[..., Connection]
) -> None:
    fill(dovecot, login, 9)
    line = open_line(dovecot, login)
    assert commands(line, lambda: changing.move(line, b"INBOX", [1, 2], b"Kept")) == [
        "SELECT",
        "UID MOVE",
    ]
    assert commands(line, lambda: changing.copy(line, b"INBOX", [3], b"Kept")) == [
        "EXAMINE",
        "UID COPY",
    ]
    assert commands(line, lambda: changing.delete(line, b"INBOX", [3, 4, 5])) == [
        "SELECT + UID FETCH",
        "UID STORE + UID EXPUNGE",
    ]
