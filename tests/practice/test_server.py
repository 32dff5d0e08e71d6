"""The practice servers: what is handed over arrives, stays, and can be flagged."""

import signal
import socket
import subprocess
import sys
from email import message_from_bytes, policy

import pytest

from tests.support.ports import free_port
from tests.support.practice_servers import Servers
from webapp.core import practice

MAIL = b"From: desk@example.com\r\nSubject: Hello\r\n\r\nDear reader\r\n"


def test_what_is_handed_over_arrives_with_its_trace(servers: Servers) -> None:
    with servers.smtp() as client:
        client.sendmail("bounces@example.com", ["ada@example.com"], MAIL)
    (source,) = servers.inbox(1)
    mail = message_from_bytes(source, policy=policy.default)
    assert mail["Return-Path"] == "<bounces@example.com>"
    assert mail["Delivered-To"] == "ada@example.com"
    assert source.endswith(MAIL)


def test_each_recipient_gets_a_copy(servers: Servers) -> None:
    with servers.smtp() as client:
        client.sendmail("a@example.com", ["ada@example.com", "bob@example.org"], MAIL)
    assert len(servers.inbox(2)) == 2


def test_flags_are_seen_by_another_client(servers: Servers) -> None:
    with servers.smtp() as client:
        client.sendmail("a@example.com", ["ada@example.com"], MAIL)
    with servers.imap() as one, servers.imap() as other:
        one.select()
        one.uid("STORE", "1:*", "+FLAGS", r"(\Flagged Urgent)")
        other.select(readonly=True)
        _ok, rows = other.uid("FETCH", "1:*", "(FLAGS)")
    assert b"\\Flagged" in rows[0]
    assert b"Urgent" in rows[0]


def test_reading_the_list_flags_nothing(servers: Servers) -> None:
    with servers.smtp() as client:
        client.sendmail("a@example.com", ["ada@example.com"], MAIL)
    servers.inbox(1)
    with servers.imap() as client:
        client.select(readonly=True)
        _ok, rows = client.uid("FETCH", "1:*", "(FLAGS)")
    assert b"\\Seen" not in rows[0]


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_mails_flags_and_folders_survive_a_restart(
    own_servers: Servers, end: signal.Signals
) -> None:
    with own_servers.smtp() as client:
        client.sendmail("a@example.com", ["ada@example.com"], MAIL)
        client.sendmail("a@example.com", ["bob@example.com"], MAIL)
    with own_servers.imap() as client:
        client.create("Cases")
        client.rename("Cases", "Closed")
        client.select()
        client.uid("STORE", "1", "+FLAGS", r"(\Seen \Flagged)")
        client.uid("COPY", "1", "Closed")
        client.uid("MOVE", "2", "Archive")
        validity = client.response("UIDVALIDITY")
    before = own_servers.access
    own_servers.stop(end)
    own_servers.start()
    assert (own_servers.access.login, own_servers.access.password) == (
        before.login,
        before.password,
    )
    with own_servers.imap() as client:
        client.select()
        assert client.response("UIDVALIDITY") == validity
        _ok, rows = client.uid("FETCH", "1:*", "(FLAGS)")
        assert len(rows) == 1
        assert b"\\Flagged" in rows[0]
        assert client.select("Closed")[1] == [b"1"]
        assert client.select("Archive")[1] == [b"1"]
    with own_servers.smtp() as client:
        client.sendmail("a@example.com", ["eve@example.com"], MAIL)
    with own_servers.imap() as client:
        client.select()
        assert client.uid("SEARCH", "ALL")[1] == [b"1 3"]


def test_deleted_mails_stay_deleted(own_servers: Servers) -> None:
    with own_servers.smtp() as client:
        client.sendmail("a@example.com", ["ada@example.com"], MAIL)
    with own_servers.imap() as client:
        client.select()
        client.uid("STORE", "1", "+FLAGS", r"(\Deleted)")
        client.uid("EXPUNGE", "1")
    own_servers.stop()
    own_servers.start()
    assert own_servers.inbox() == []


def test_the_usual_folders_are_there(own_servers: Servers) -> None:
    with own_servers.imap() as client:
        _ok, rows = client.list()
    names = {str(row).rpartition(" ")[2].strip("\"'") for row in rows}
    assert names == {"INBOX", "Archive", "Drafts", "Junk", "Sent", "Trash"}


def test_ports_stay_when_they_are_free_and_move_when_not(own_servers: Servers) -> None:
    own_servers.stop()
    before = own_servers.access.at(free_port(), free_port())
    practice.store(own_servers.data_dir, before)
    own_servers.start()
    assert own_servers.access == before
    own_servers.stop()
    with socket.create_server((practice.HOST, before.smtp_port)):
        own_servers.start()
        assert own_servers.access.smtp_port != before.smtp_port
        assert own_servers.access.imap_port == before.imap_port


def test_two_servers_in_one_data_directory_are_refused(servers: Servers) -> None:
    second = subprocess.run(  # noqa: S603 - this very Python
        [
            *(sys.executable, "-m", "webapp.practice.server"),
            *("--data-dir", str(servers.data_dir)),
        ],
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert second.returncode == 1
    assert b"run already" in second.stderr


def test_a_thousand_mails_arrive_and_are_listed(servers: Servers) -> None:
    with servers.smtp() as client:
        for number in range(1000):
            body = MAIL + b"Number %d\r\n" % number
            client.sendmail("a@example.com", [f"r{number}@example.com"], body)
    sources = servers.inbox(1000)
    assert len({source.rpartition(b"Number ")[2] for source in sources}) == 1000


def test_the_process_ends_by_itself_on_sigint(own_servers: Servers) -> None:
    assert own_servers.stop(signal.SIGINT) == 0
    own_servers.start()
