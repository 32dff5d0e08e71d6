"""Listening: real servers, and one that breaks off as no real one does on demand."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise

import pytest
from flask import Flask

from tests.mailboxes.conftest import access_to
from tests.mailboxes.samples import mail
from tests.support.dovecot import Dovecot
from tests.support.fake_imap import FakeImap, fake_imap
from tests.support.watcher import listening as listening_to_all
from webapp.core.clock import now
from webapp.core.db import db
from webapp.mailboxes import folders, watching
from webapp.mailboxes.imap import Connection
from webapp.mailboxes.imap_errors import ServerRefused, Unreachable
from webapp.mailboxes.imap_signin import connect
from webapp.mailboxes.imap_wire import Line
from webapp.mailboxes.models import Folder, Mailbox, MailboxState

EXISTS = "* 1 EXISTS\r\n* OK [UIDVALIDITY 1] ok\r\n"


@pytest.fixture
def watcher(app: Flask) -> Iterator[threading.Event]:
    """The watcher, until the test ends; the event is that it listens."""
    with listening_to_all(app) as listens:
        yield listens


def until(check: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not check():
        assert time.monotonic() < deadline, "it did not happen in time"
        db.session.rollback()
        time.sleep(0.05)


def put(server: Dovecot, login: str) -> None:
    client = server.client(login)
    octets = mail("Ada <ada@example.com>", "New", "Body", 1).as_bytes()
    client.append("INBOX", "", "", octets)
    client.logout()


def test_new_mail_and_flags_of_others_are_noticed_while_it_listens(
    mailbox: Mailbox,
    dovecot: Dovecot,
    login: str,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    monkeypatch.setattr(watching, "POLL_SECONDS", 600.0)  # nothing but IDLE tells
    folders.fresh(mailbox)
    mailbox_id = mailbox.id
    db.session.commit()
    assert request.getfixturevalue("watcher").wait(60)
    before = watching.pulse()
    put(dovecot, login)
    until(lambda: watching.pulse() > before)
    seen = watching.pulse()
    client = dovecot.client(login)
    client.select("INBOX")
    client.uid("STORE", "1", "+FLAGS", "(\\Flagged)")
    until(lambda: watching.pulse() > seen)
    client.logout()
    assert db.session.get_one(Mailbox, mailbox_id).next_sync_at <= now()


def test_what_came_while_nobody_listened(
    mailbox: Mailbox,
    dovecot: Dovecot,
    login: str,
    request: pytest.FixtureRequest,
) -> None:
    folders.fresh(mailbox)
    db.session.commit()
    put(dovecot, login)
    request.getfixturevalue("watcher")
    until(lambda: watching.pulse() > 0)


@pytest.mark.usefixtures("watcher")
def test_a_wrong_password_is_tried_once(
    mailbox: Mailbox,
) -> None:
    mailbox.login = "no@such@login"
    mailbox.password_sealed = ""
    mailbox.version += 1
    mailbox_id = mailbox.id
    db.session.commit()
    until(
        lambda: (
            db.session.get_one(Mailbox, mailbox_id).state
            is MailboxState.NEEDS_ATTENTION
        )
    )


@contextmanager
def listening(script: str) -> Iterator[tuple[Connection, FakeImap]]:
    """Lend a connection that listens to a scripted server."""
    with fake_imap({"EXAMINE": EXISTS, "IDLE": script}) as server:
        line = connect(access_to(server.port))
        line.select(b"INBOX")
        line.line.idle()
        yield line, server
        line.line.broken = True
        line.close()


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("+ idling\r\n* 2 EXISTS\r\n TAG ", {"EXISTS"}),
        ("* 2 EXISTS\r\n+ idling\r\n TAG ", {"EXISTS"}),
        (
            "+ idling\r\n* 1 EXPUNGE\r\n* 2 FETCH (FLAGS ())\r\n TAG ",
            {"EXPUNGE", "FETCH"},
        ),
    ],
)
def test_news_in_the_same_packet_is_heard(script: str, expected: set[str]) -> None:
    with listening(script) as (line, _server):
        assert line.line.heard(60.0) == expected


@pytest.mark.parametrize(
    "script",
    [
        "+ idling\r\n* BYE too long\r\n TAG ",
        "+ idling\r\n* 2 EXIS",
        "+ idling\r\nTAG OK done\r\n",
        "+ idling\r\nnonsense\r\n TAG ",
    ],
)
def test_an_end_while_listening_is_an_error_and_no_endless_loop(script: str) -> None:
    with listening(script) as (line, server):
        cut = threading.Timer(0.3, server.lines[0].shutdown, [socket.SHUT_RDWR])
        cut.start()
        with pytest.raises(Unreachable):
            _listen(line)
        assert line.broken
        cut.join()


def _listen(line: Connection) -> None:
    for _time in range(50):
        line.line.heard(1.0)


def test_a_server_that_refuses_to_idle() -> None:
    script = "TAG NO not now\r\n"
    with fake_imap({"EXAMINE": EXISTS, "IDLE": script}) as server:
        line = connect(access_to(server.port))
        line.select(b"INBOX")
        with pytest.raises(ServerRefused):
            line.line.idle()
        line.close()


def test_resting_lets_other_commands_follow(
    dovecot: Dovecot, login: str, open_line: Callable[..., Connection]
) -> None:
    line = open_line(dovecot, login)
    line.select(b"INBOX")
    line.line.idle()
    put(dovecot, login)
    assert "EXISTS" in line.line.heard(60.0)
    assert line.line.heard(0.2) <= {"EXISTS", "FETCH"}
    line.line.rest()
    assert line.select(b"INBOX").exists == 1
    line.line.idle()
    line.line.rest()


def test_the_state_of_a_folder_tells_every_change(
    any_dovecot: Dovecot, login: str, open_line: Callable[..., Connection]
) -> None:
    put(any_dovecot, login)
    put(any_dovecot, login)
    line = open_line(any_dovecot, login)
    client = any_dovecot.client(login)
    client.select("INBOX")
    states = [watching.state_of(line, b"INBOX")]
    assert watching.state_of(line, b"INBOX") == states[0]
    for change, flag in (("+", "\\Flagged"), ("-", "\\Flagged"), ("+", "todo")):
        client.uid("STORE", "1", f"{change}FLAGS", f"({flag})")
        states.append(watching.state_of(line, b"INBOX"))
    put(any_dovecot, login)
    states.append(watching.state_of(line, b"INBOX"))
    client.uid("STORE", "2", "+FLAGS", "(\\Deleted)")
    client.expunge()
    states.append(watching.state_of(line, b"INBOX"))
    client.logout()
    for before, after in pairwise(states):
        assert before != after


def test_flags_of_which_no_server_tells_are_noticed(
    mailbox: Mailbox,
    dovecot: Dovecot,
    login: str,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    def deaf(_line: Line, _seconds: float) -> set[str]:
        time.sleep(0.05)
        return set()

    monkeypatch.setattr(Line, "heard", deaf)
    monkeypatch.setattr(watching, "POLL_SECONDS", 0.1)
    put(dovecot, login)
    folder_id = folders.fresh(mailbox)[0].id
    db.session.commit()
    assert request.getfixturevalue("watcher").wait(60)
    until(lambda: db.session.get_one(Folder, folder_id).highestmodseq)
    before = watching.pulse()
    client = dovecot.client(login)
    client.select("INBOX")
    client.uid("STORE", "1", "+FLAGS", "(\\Flagged)")
    until(lambda: watching.pulse() > before)
    client.logout()
