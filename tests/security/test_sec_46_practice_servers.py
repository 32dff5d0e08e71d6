"""Practice servers: loopback, random credentials, capped, and nothing is relayed."""

import imaplib
import smtplib
import socket
import stat
from collections.abc import Iterator

import psutil
import pytest

from tests.support.practice_servers import Servers
from webapp.core import practice

MAIL = b"Subject: Hello\r\n\r\nDear reader\r\n"


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Practice servers for all of these attacks."""
    running = Servers(tmp_path_factory.mktemp("practice"))
    running.start()
    yield running
    running.stop()


def test_only_loopback_is_listened_on(servers: Servers) -> None:
    listening = {
        connection.laddr
        for connection in servers.process.net_connections()
        if connection.status == psutil.CONN_LISTEN
    }
    assert {address for address, _port in listening} == {"127.0.0.1"}
    assert {port for _address, port in listening} == {
        servers.access.smtp_port,
        servers.access.imap_port,
    }


def test_no_connection_ever_leaves(servers: Servers) -> None:
    with servers.smtp() as client:
        client.sendmail("a@example.com", ["root@localhost", "x@[192.0.2.1]"], MAIL)
    servers.inbox(2)
    connections = servers.process.net_connections()
    peers = {address for c in connections for address in c.raddr[:1]}
    assert peers <= {"127.0.0.1"}


def test_nothing_is_taken_without_the_password(servers: Servers) -> None:
    with smtplib.SMTP(practice.HOST, servers.access.smtp_port) as client:
        client.ehlo()
        for command in ("MAIL FROM:<a@b.example>", "RCPT TO:<a@b.example>", "DATA"):
            assert client.docmd(command)[0] == 530
        with pytest.raises(smtplib.SMTPAuthenticationError):
            client.login(servers.access.login, "wrong")
    reader = imaplib.IMAP4(practice.HOST, servers.access.imap_port)
    with pytest.raises(imaplib.IMAP4.error):
        reader.login(servers.access.login, "wrong")
    with pytest.raises(imaplib.IMAP4.error):
        reader.select()
    reader.shutdown()


def test_the_password_is_random_and_ours_alone(servers: Servers) -> None:
    assert len(servers.access.password) >= 32
    assert practice.fresh().password != servers.access.password
    for name, mode in (("practice.json", 0o600), ("practice", 0o700)):
        assert stat.S_IMODE((servers.data_dir / name).stat().st_mode) == mode


def test_too_many_connections_are_turned_away(servers: Servers) -> None:
    address = (practice.HOST, servers.access.smtp_port)
    held = [socket.create_connection(address, timeout=120) for _ in range(100)]
    for connection in held:
        assert connection.recv(4) == b"220 "
    with socket.create_connection(address, timeout=120) as one_more:
        assert one_more.recv(4) == b"421 "
    for connection in held:
        connection.close()


def test_a_message_that_is_too_large_is_refused_before_it_is_sent(
    servers: Servers,
) -> None:
    with servers.smtp() as client:
        client.ehlo()
        code, _words = client.docmd("MAIL FROM:<a@example.com> SIZE=25000001")
    assert code == 552
