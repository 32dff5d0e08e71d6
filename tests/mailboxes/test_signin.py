import contextlib
import select
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import trustme

from tests.mailboxes.conftest import LOOPBACK, access_to
from tests.support.dovecot import PASSWORD, Dovecot, running
from tests.support.fake_imap import fake_imap
from tests.support.ports import free_port
from webapp.core.net import NO_PRIVATE_HOSTS
from webapp.mailboxes.imap_errors import SignInRefused, Unreachable
from webapp.mailboxes.imap_signin import Access, connect
from webapp.mailboxes.pool import Busy, Pool


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """A CA of our own."""
    return trustme.CA()


@pytest.fixture(scope="module")
def tls_dovecot(
    authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Dovecot]:
    """A Dovecot whose certificate is for localhost."""
    keys = tmp_path_factory.mktemp("keys")
    certificate = authority.issue_cert("localhost")
    chain, key = keys / "chain.pem", keys / "key.pem"
    chain.write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
    key.write_bytes(certificate.private_key_pem.bytes())
    with running(certificate=(Path(chain), Path(key))) as server:
        yield server


def tls_access(server: Dovecot, authority: trustme.CA, security: str) -> Access:
    port = server.tls_port if security == "tls" else server.port
    pem = authority.cert_pem.bytes().decode()
    return Access("localhost", port, security, "ada", PASSWORD, pem, LOOPBACK)


@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_tls_with_an_own_ca(
    tls_dovecot: Dovecot, authority: trustme.CA, security: str
) -> None:
    line = connect(tls_access(tls_dovecot, authority, security))
    assert line.list_folders()[0]
    line.close()


@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_a_certificate_of_a_stranger_is_refused(
    tls_dovecot: Dovecot, authority: trustme.CA, security: str
) -> None:
    access = replace(tls_access(tls_dovecot, authority, security), ca_pem="")
    with pytest.raises(Unreachable, match="not trusted here") as caught:
        connect(access)
    assert caught.value.step == "tls"


@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_a_certificate_for_another_name_is_refused(
    tls_dovecot: Dovecot, authority: trustme.CA, security: str
) -> None:
    access = replace(tls_access(tls_dovecot, authority, security), host="127.0.0.1")
    with pytest.raises(Unreachable, match="for another") as caught:
        connect(access)
    assert caught.value.step == "tls"


def test_starttls_that_is_not_offered_sends_nothing() -> None:
    with fake_imap({}) as server:
        access = replace(access_to(server.port), security="starttls")
        with pytest.raises(Unreachable, match="does not offer STARTTLS"):
            connect(access)
        assert server.count("AUTHENTICATE") + server.count("LOGIN") == 0


def test_what_came_in_plain_text_before_tls_is_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("webapp.mailboxes.imap_signin.COMMAND_SECONDS", 0.5)
    injected = b"TAG OK begin\r\n* OK injected\r\n"
    answers = {
        "CAPABILITY": "* CAPABILITY IMAP4rev1 STARTTLS\r\n",
        "STARTTLS": injected,
    }
    with fake_imap(answers) as server:
        access = replace(access_to(server.port), security="starttls")
        with pytest.raises(Unreachable):
            connect(access)
        assert server.count(PASSWORD) == 0


def test_no_password_crosses_a_public_network_in_plain_text(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    public = [(2, 1, 6, "", ("203.0.113.5", 143))]
    monkeypatch.setattr("socket.getaddrinfo", lambda *_a, **_k: public)
    monkeypatch.setattr("webapp.core.net.is_public", lambda _address: True)
    access = Access("mail.example.com", 143, "none", "ada", PASSWORD)
    with pytest.raises(Unreachable, match="plain text"):
        connect(access)


def test_a_private_host_is_refused(dovecot: Dovecot) -> None:
    access = replace(access_to(dovecot.port), private=NO_PRIVATE_HOSTS)
    with pytest.raises(Unreachable, match="not public"):
        connect(access)


def test_nothing_listens() -> None:
    with pytest.raises(Unreachable, match="Nothing answers"):
        connect(access_to(free_port()))


def test_what_speaks_no_imap_is_not_echoed() -> None:
    with fake_imap({}, greeting=b"220 secret.internal ESMTP\r\n") as server:
        with pytest.raises(Unreachable) as caught:
            connect(access_to(server.port))
        assert "secret" not in str(caught.value)


def test_tls_on_a_plain_port_fails_at_once(dovecot: Dovecot) -> None:
    access = replace(access_to(dovecot.port), security="tls")
    with pytest.raises(Unreachable, match="TLS"):
        connect(access)


def test_a_wrong_password_is_refused_in_words(dovecot: Dovecot) -> None:
    with pytest.raises(SignInRefused) as caught:
        connect(access_to(dovecot.port, password="wrong"))
    assert caught.value.words == "The server refused the login or the password."
    assert caught.value.reply == "Authentication failed."


def test_a_wrong_password_is_tried_once() -> None:
    answers = {"AUTHENTICATE": "TAG NO [AUTHENTICATIONFAILED] no\r\n"}
    with fake_imap(answers) as server:
        with pytest.raises(SignInRefused):
            connect(access_to(server.port))
        assert server.count("AUTHENTICATE") == 1
        assert server.count("LOGIN") == 0


def test_a_server_that_cannot_judge_is_tried_later() -> None:
    answers = {"AUTHENTICATE": "TAG NO [UNAVAILABLE] database down\r\n"}
    with fake_imap(answers) as server, pytest.raises(Unreachable):
        connect(access_to(server.port))


def test_a_password_of_any_letters(dovecot: Dovecot) -> None:
    with pytest.raises(SignInRefused):
        connect(access_to(dovecot.port, "Zoë", 'pä"ss {5} \\ word'))


def test_login_where_plain_is_not_offered() -> None:
    with fake_imap({"CAPABILITY": "* CAPABILITY IMAP4rev1\r\n"}) as server:
        connect(access_to(server.port, 'a"b', "x {5}")).close()
        heard = next(line for line in server.heard if b"LOGIN" in line)
        assert heard.endswith(b'LOGIN "a\\"b" "x {5}"\r\n')


@pytest.mark.parametrize("password", ["a\r\nA1 DELETE INBOX", "a\0b"])
def test_a_password_with_a_line_break_is_never_sent(password: str) -> None:
    with fake_imap({}) as server:
        with pytest.raises(SignInRefused):
            connect(access_to(server.port, password=password))
        assert server.heard == []


def test_the_password_is_in_no_text(dovecot: Dovecot) -> None:
    assert PASSWORD not in repr(access_to(dovecot.port))


@contextlib.contextmanager
def dripping() -> Iterator[tuple[int, threading.Event]]:
    """A server that says something every moment; the event is that a client left."""
    left = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            line, _address = server.accept()
            with line, contextlib.suppress(OSError):
                for _moment in range(2000):
                    line.sendall(b"*")
                    time.sleep(0.02)
                return
            left.set()

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        yield server.getsockname()[1], left
        thread.join()


@pytest.mark.parametrize("security", ["none", "tls"])
def test_a_greeting_that_never_ends_is_given_up(
    monkeypatch: pytest.MonkeyPatch, security: str
) -> None:
    for module in ("imap_wire", "imap_signin"):
        monkeypatch.setattr(f"webapp.mailboxes.{module}.COMMAND_SECONDS", 0.5)
    with dripping() as (port, left), pytest.raises(Unreachable):
        connect(replace(access_to(port), security=security))
    assert left.is_set(), "it was not us who hung up"


def test_a_goodbye_that_never_ends_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("webapp.mailboxes.imap_wire.COMMAND_SECONDS", 300.0)
    monkeypatch.setattr("webapp.mailboxes.imap_wire.GOODBYE_SECONDS", 0.3)
    with fake_imap({"LOGOUT": b"SILENCE"}) as server:
        line = connect(access_to(server.port))
        start = time.monotonic()
        line.close()
        assert time.monotonic() - start < 100  # a command may take 300
        assert line.line.imap.sock.fileno() == -1


# --- the pool -----------------------------------------------------------------------


@pytest.fixture
def pool() -> Iterator[Pool]:
    pool = Pool()
    yield pool
    pool.close()


def test_a_connection_is_used_again(dovecot: Dovecot, pool: Pool) -> None:
    access = access_to(dovecot.port)
    with pool.lease("k", lambda: connect(access)) as first:
        first.noop()
    with pool.lease("k", lambda: connect(access)) as second:
        assert second is first


def test_a_broken_connection_is_not_used_again(dovecot: Dovecot, pool: Pool) -> None:
    access = access_to(dovecot.port)
    with pytest.raises(ZeroDivisionError), pool.lease("k", lambda: connect(access)):
        raise ZeroDivisionError
    with pool.lease("k", lambda: connect(access)) as second:
        second.noop()


def test_a_connection_that_the_server_closed_is_replaced(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webapp.mailboxes.pool.FRESH_SECONDS", 0.0)
    with fake_imap({"NOOP": b"EOF"}) as server:
        access = access_to(server.port)
        with pool.lease("k", lambda: connect(access)) as first:
            pass
        with pool.lease("k", lambda: connect(access)) as second:
            assert second is not first
        pool.close()


def test_a_line_that_the_server_hung_up_on_is_not_used(pool: Pool) -> None:
    with fake_imap({}) as server:
        access = access_to(server.port)
        with pool.lease("k", lambda: connect(access)) as first:
            pass
        server.lines[0].shutdown(socket.SHUT_RDWR)
        assert select.select([first.line.imap.sock], [], [], 60)[0], "it came"
        with pool.lease("k", lambda: connect(access)) as second:
            assert second is not first
        pool.close()


def test_a_line_of_a_moment_ago_costs_no_round_trip(pool: Pool) -> None:
    with fake_imap({}) as server:
        access = access_to(server.port)
        for _ in range(2):
            with pool.lease("k", lambda: connect(access)):
                pass
        assert server.count("NOOP") == 0
        pool.close()


def test_no_more_than_three_at_once(
    dovecot: Dovecot, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webapp.mailboxes.pool.WAIT_SECONDS", 0.2)
    access = access_to(dovecot.port)
    leases = [pool.lease("k", lambda: connect(access)) for _ in range(4)]
    for lease in leases[:3]:
        lease.__enter__()
    with pytest.raises(Busy):
        leases[3].__enter__()
    for lease in leases[:3]:
        lease.__exit__(None, None, None)


def test_one_mailbox_does_not_hold_up_another(dovecot: Dovecot, pool: Pool) -> None:
    access = access_to(dovecot.port)
    slow = pool.lease("slow", lambda: connect(access))
    with slow, pool.lease("quick", lambda: connect(access)) as line:
        line.noop()


def test_a_wrong_password_is_tried_once_by_all_threads(pool: Pool) -> None:
    answers = {"AUTHENTICATE": "TAG NO [AUTHENTICATIONFAILED] no\r\n"}
    refused: list[bool] = []
    with fake_imap(answers) as server:
        access = access_to(server.port)

        def ask() -> None:
            try:
                with pool.lease("k", lambda: connect(access)):
                    refused.append(False)
            except SignInRefused:
                refused.append(True)

        threads = [threading.Thread(target=ask) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert refused == [True] * 6
        assert server.count("AUTHENTICATE") == 1


def test_idle_connections_are_closed(
    dovecot: Dovecot, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webapp.mailboxes.pool.IDLE_SECONDS", 0.0)
    with pool.lease("k", lambda: connect(access_to(dovecot.port))) as line:
        pass
    until = time.monotonic() + 60
    while line.line.imap.sock.fileno() != -1 and time.monotonic() < until:
        time.sleep(0.01)
    assert line.line.imap.sock.fileno() == -1
