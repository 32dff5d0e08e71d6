"""Reading mailboxes: each mail once, whatever happens, and without a trace."""

import os
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tests.mailboxes.samples import fill, flags_of, mail, put
from tests.support.dovecot import NOBODY, PASSWORD, Dovecot
from tests.support.ports import free_port
from tests.triage.answering import Dsn, about
from tests.triage.conftest import Receive, suppressed
from webapp.campaigns.models import Message
from webapp.core.clock import now
from webapp.core.db import db
from webapp.mailboxes import arrivals, folders, rounds, service, syncing
from webapp.mailboxes.arrivals import Arrival
from webapp.mailboxes.imap import Connection
from webapp.mailboxes.imap_errors import Unreachable
from webapp.mailboxes.imap_signin import Access, connect
from webapp.mailboxes.models import Folder, Mail, Mailbox, SyncFolders
from webapp.mailboxes.pool import pool
from webapp.triage import receiving
from webapp.triage.sorting import needs_source, sort


@pytest.fixture
def inbox(mailbox: Mailbox) -> int:
    """The id of a mailbox that was connected an hour ago, and read once."""
    mailbox_id = mailbox.id
    mailbox.connected_at = now() - timedelta(hours=1)
    db.session.commit()
    assert receiving.read_one(mailbox_id)
    return mailbox_id


def kept(column: Any = Mail.subject) -> list[Any]:
    """Return what our rows say of the mails, in the order in which they came."""
    db.session.rollback()
    found = list(db.session.scalars(sa.select(column).order_by(Mail.id)))
    db.session.rollback()
    return found


def numbered(first: int, last: int) -> list[bytes]:
    return [
        mail("ada@example.org", f"Number {n}", "Hello", n).as_bytes()
        for n in range(first, last)
    ]


def set_up(mailbox_id: int, **values: Any) -> None:
    db.session.execute(
        sa.update(Mailbox).where(Mailbox.id == mailbox_id).values(**values)
    )
    db.session.commit()


def maildir(server: Dovecot, login: str) -> Path:
    return server.home / "mail" / login


def state_of(mailbox_id: int) -> str:
    found = service.get(mailbox_id).state.value
    db.session.rollback()
    return found


def test_new_mails_are_read_once(inbox: int, dovecot: Dovecot, login: str) -> None:
    put(dovecot, login, *numbered(0, 3))
    for _round in range(3):
        assert receiving.read_one(inbox)
    assert kept() == ["Number 0", "Number 1", "Number 2"]
    put(dovecot, login, *numbered(3, 4))
    receiving.read_one(inbox)
    assert kept()[3:] == ["Number 3"]


def test_another_client_sees_the_same_flags(
    inbox: int, dovecot: Dovecot, login: str
) -> None:
    fill(dovecot, login, 30)
    put(dovecot, login, Dsn("x@example.org").octets(), flags="\\Flagged")
    before = flags_of(dovecot, login)
    receiving.read_one(inbox)
    assert len(kept()) == len(before)
    assert flags_of(dovecot, login) == before


def test_mails_that_are_seen_elsewhere_are_read_too(
    inbox: int, dovecot: Dovecot, login: str
) -> None:
    put(dovecot, login, *numbered(0, 2), flags="\\Seen")
    receiving.read_one(inbox)
    assert len(kept()) == 2


def test_what_lay_there_before_the_connection_is_history(
    mailbox: Mailbox, dovecot: Dovecot, login: str
) -> None:
    mailbox_id = mailbox.id
    put(dovecot, login, *numbered(0, 3))
    set_up(mailbox_id, connected_at=now() + timedelta(seconds=2))
    receiving.read_one(mailbox_id)
    assert kept() == []
    client = dovecot.client(login)
    client.append("INBOX", "", '"01-Jan-2020 00:00:00 +0000"', numbered(3, 4)[0])
    client.logout()
    set_up(mailbox_id, connected_at=now() - timedelta(minutes=1))
    put(dovecot, login, *numbered(4, 5))
    receiving.read_one(mailbox_id)
    assert kept() == ["Number 4"]


def test_what_came_between_connection_and_first_round_is_none(
    mailbox: Mailbox, dovecot: Dovecot, login: str
) -> None:
    mailbox_id = mailbox.id
    set_up(mailbox_id, connected_at=now() - timedelta(minutes=1))
    put(dovecot, login, *numbered(0, 3))
    receiving.read_one(mailbox_id)
    assert len(kept()) == 3


def test_a_round_that_is_cut_off_goes_on_where_it_was(
    inbox: int, dovecot: Dovecot, login: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrivals, "SLICE", 4)
    put(dovecot, login, *numbered(0, 10))
    stored = 0

    def crash(place: Any, found: Sequence[Arrival]) -> Callable[[], None]:
        store = receiving.sort_all(place, found)

        def store_and_die() -> None:
            nonlocal stored
            store()
            stored += 1
            if stored == 2:
                raise KeyboardInterrupt

        return store_and_die

    held = rounds.take(inbox)
    assert held
    with pytest.raises(KeyboardInterrupt):
        syncing.run(held, needs_source, crash)
    db.session.rollback()
    assert len(kept()) == 4
    assert rounds.take(inbox) is None, "the lease still holds"
    set_up(inbox, sync_until=now() - timedelta(seconds=1))
    receiving.read_one(inbox)
    assert kept() == [f"Number {n}" for n in range(10)]


def test_who_slept_through_the_lease_stores_nothing(
    inbox: int, dovecot: Dovecot, login: str
) -> None:
    put(dovecot, login, *numbered(0, 3))

    def asleep(place: Any, found: Sequence[Arrival]) -> Callable[[], None]:
        store = receiving.sort_all(place, found)
        db.session.rollback()
        set_up(inbox, sync_until=now() - timedelta(seconds=1))
        assert receiving.read_one(inbox), "somebody else takes it over"
        return store

    held = rounds.take(inbox)
    assert held
    syncing.run(held, needs_source, asleep)
    assert kept() == ["Number 0", "Number 1", "Number 2"]


def test_one_at_a_time(inbox: int) -> None:
    first = rounds.take(inbox)
    assert first
    assert rounds.take(inbox) is None
    rounds.end(first, more=False)
    assert rounds.take() is None, "its time has not come"
    service.check_now(service.get(inbox))
    assert rounds.take()


def test_a_new_numbering_misses_nothing_and_counts_nothing_twice(
    inbox: int, dovecot: Dovecot, login: str
) -> None:
    put(dovecot, login, *numbered(0, 5))
    receiving.read_one(inbox)
    before = dict(zip(kept(), kept(Mail.id), strict=True))
    pool.close()  # a server that numbers anew ends the connections to the old numbers
    for file in maildir(dovecot, login).glob("dovecot*"):
        file.unlink()
    put(dovecot, login, *numbered(5, 7))
    for _round in range(3):
        receiving.read_one(inbox)
    after = dict(zip(kept(), kept(Mail.id), strict=True))
    assert len(after) == len(kept()) == 7
    assert {name: after[name] for name in before} == before
    validity = db.session.scalar(
        sa.select(Folder.synced_validity).where(Folder.role == "inbox")
    )
    assert set(kept(Mail.uidvalidity)) == {validity}


def test_a_renamed_folder_misses_nothing_and_counts_nothing_twice(
    inbox: int, dovecot: Dovecot, login: str
) -> None:
    set_up(inbox, sync_folders=SyncFolders.ALL)
    client = dovecot.client(login)
    client.create("Bounces")
    put(dovecot, login, *numbered(0, 3), folder="Bounces")
    receiving.read_one(inbox)
    assert len(kept()) == 3
    client.rename("Bounces", "Answers")
    put(dovecot, login, *numbered(3, 4), folder="Answers")
    client.logout()
    for _round in range(2):
        receiving.read_one(inbox)
    assert sorted(kept()) == [f"Number {n}" for n in range(4)]
    place = sa.select(Folder.name).join(Mail, Mail.folder_id == Folder.id).distinct()
    assert list(db.session.scalars(place)) == ["Answers"]


def test_only_inbox_and_junk_unless_all_are_wanted(
    inbox: int, dovecot: Dovecot, login: str
) -> None:
    client = dovecot.client(login)
    for number, name in enumerate(("Junk", "Elsewhere", "Sent")):
        client.create(name)
        put(dovecot, login, *numbered(number, number + 1), folder=name)
    client.logout()
    receiving.read_one(inbox)
    assert kept() == ["Number 0"]
    set_up(inbox, sync_folders=SyncFolders.ALL)
    receiving.read_one(inbox)
    assert kept() == ["Number 0", "Number 1"], "what we sent answers nothing"


def test_a_mail_that_cannot_be_sorted_is_set_aside(
    inbox: int, dovecot: Dovecot, login: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = sort

    def picky(arrival: Arrival, read: Any) -> Any:
        if arrival.headers.text("subject") == "Number 1":
            raise RecursionError
        return real(arrival, read)

    monkeypatch.setattr(receiving, "sort", picky)
    put(dovecot, login, *numbered(0, 3))
    receiving.read_one(inbox)
    assert kept(Mail.kind) == ["other", "set_aside", "other"]
    assert "RecursionError" in kept(Mail.words)[1]


def test_a_mail_that_cannot_be_stored_is_set_aside(
    inbox: int, dovecot: Dovecot, login: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        receiving, "_follow", lambda mail, *_: 1 // int(mail.subject != "Number 1")
    )
    put(dovecot, login, *numbered(0, 3))
    receiving.read_one(inbox)
    assert kept(Mail.kind) == ["other", "set_aside", "other"]
    assert len(set(kept(Mail.uid))) == 3


def test_a_mail_that_breaks_the_line_is_found_and_set_aside(
    inbox: int, dovecot: Dovecot, login: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(dovecot, login, *numbered(0, 9))
    real = arrivals.fetch

    def breaks(connection: Any, uids: Sequence[int], wanted: Any) -> list[Arrival]:
        if 5 in uids:
            connection.line.broken = True
            raise Unreachable("The connection to the mail server was lost.")
        return real(connection, uids, wanted)

    monkeypatch.setattr(arrivals, "fetch", breaks)
    receiving.read_one(inbox)
    assert kept(Mail.kind).count("set_aside") == 1
    assert kept(Mail.uid) == list(range(1, 10))
    assert state_of(inbox) == "ok"


@pytest.mark.usefixtures("campaign")
def test_hostile_mails_stop_nobody(
    send: Callable[[str], Message], receive: Receive
) -> None:
    known = about(send("ada@example.org"))
    head = b"Return-Path: <>\r\nFrom: MAILER-DAEMON@x.example\r\nSubject: Undelivered"
    parts = b"".join(b"--b\r\n\r\nx\r\n" for _n in range(20_000))
    deep = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n)
        for n in range(2_000)
    )
    receive(
        b"Subject: a\r\n\r\n",
        head + b"\r\nContent-Type: multipart/report; boundary=b\r\n\r\n" + parts,
        head + b"\r\n" + deep,
        head + b"\r\nTo: " + b"a@b, " * 20_000 + b"\r\n\r\nx",
        b"From: =?utf-8?q?a=00b=0D=0A?= <a\xff@[>\r\nMessage-ID: <\r\n\r\n\xff\xfe\x00",
        Dsn(known.to, returned=known.returned).octets(),
    )
    assert len(kept()) == 6
    assert suppressed() == [("ada@example.org", "hard_bounce", None)]


def test_a_week_offline_comes_in_slices(
    inbox: int, dovecot: Dovecot, login: str
) -> None:
    place = maildir(dovecot, login) / "new"
    for n in range(220):
        file = place / f"{int(time.time())}.{n}.test"
        file.write_bytes(numbered(n, n + 1)[0])
        if os.geteuid() == 0:
            os.chown(file, NOBODY, NOBODY)
    seen = []
    while len(kept()) < 220:
        held = rounds.take(inbox)
        assert held
        syncing.run(held, needs_source, receiving.sort_all, seconds=0.05)
        seen.append(len(kept()))
        assert len(seen) < 20
    assert len(seen) > 1, "one round takes only its time"
    assert sorted(kept()) == sorted(f"Number {n}" for n in range(220))


def test_a_server_that_knows_little(
    mailbox: Mailbox, poor_dovecot: Dovecot, login: str
) -> None:
    mailbox_id = mailbox.id
    set_up(mailbox_id, port=poor_dovecot.port, connected_at=now() - timedelta(hours=1))
    put(poor_dovecot, login, *numbered(0, 3))
    for _round in range(2):
        assert receiving.read_one(mailbox_id)
    assert len(kept()) == 3


def test_a_wrong_password_is_tried_once(
    dovecot: Dovecot, monkeypatch: pytest.MonkeyPatch, mailbox: Mailbox
) -> None:
    service.change(mailbox, **{**service.shown(mailbox), "password": "wrong"})
    mailbox_id = mailbox.id
    tries: list[Access] = []

    def counted(access: Access) -> Connection:
        tries.append(access)
        return connect(access)

    monkeypatch.setattr(folders, "connect", counted)
    for _round in range(3):
        receiving.read_one(mailbox_id)
    assert len(tries) == 1
    assert state_of(mailbox_id) == "needs_attention"
    box = service.get(mailbox_id)
    service.change(box, **{**service.shown(box), "password": PASSWORD})
    assert receiving.read_one(mailbox_id)
    assert state_of(mailbox_id) == "ok"


def test_trouble_with_the_network_backs_off_and_goes_by(
    dovecot: Dovecot, mailbox: Mailbox, login: str
) -> None:
    mailbox_id = mailbox.id
    put(dovecot, login, *numbered(0, 1))
    set_up(mailbox_id, port=free_port(), connected_at=now() - timedelta(hours=1))
    assert receiving.read_one(mailbox_id)
    assert state_of(mailbox_id) == "retrying"
    assert not receiving.read_one(mailbox_id), "it waits"
    set_up(mailbox_id, port=dovecot.port, retry_at=now() - timedelta(seconds=1))
    assert receiving.read_one(mailbox_id)
    assert (state_of(mailbox_id), kept()) == ("ok", ["Number 0"])
