"""SECURITY 16: TLS is always verified, and STARTTLS required means required."""

import datetime
import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import trustme

from tests.mailboxes.conftest import access_to
from tests.support.fake_imap import fake_imap
from tests.support.smtp_servers import RecordingServer
from webapp.core import net
from webapp.core.net import PrivateHosts
from webapp.mailboxes.imap_errors import Unreachable
from webapp.mailboxes.imap_signin import connect
from webapp.senders.outcome import Kind, Outcome, Trouble
from webapp.senders.server import Security, Server
from webapp.senders.smtp import SmtpTransport

ALLOWED = PrivateHosts.parse("127.0.0.1, localhost")
MAIL = b"Subject: x\r\n\r\nHello\r\n"
YEAR = datetime.timedelta(days=365)


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    """An authority of our own."""
    return trustme.CA()


def pem(authority: trustme.CA) -> str:
    """Return the authority's certificate, as an operator would paste it."""
    return authority.cert_pem.bytes().decode()


def served(ca: trustme.CA, name: str, years_ago: int = 0) -> ssl.SSLContext:
    """Return what a server with a certificate for ``name`` speaks."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    end = datetime.datetime.now(datetime.UTC) + YEAR - 2 * years_ago * YEAR
    certificate = ca.issue_cert(name, not_before=end - 2 * YEAR, not_after=end)
    certificate.configure_cert(context)
    return context


def send(server: RecordingServer, security: Security, ca_pem: str | None) -> Outcome:
    """Hand one message to the server, with a password to lose."""
    where = Server("localhost", server.port, security, "desk", "s3cret-canary", ca_pem)
    with SmtpTransport(where, ALLOWED, seconds=60) as transport:
        return transport.hand_over("desk@example.org", ["ada@example.com"], MAIL)


@pytest.fixture(params=[Security.STARTTLS, Security.TLS])
def security(request: pytest.FixtureRequest) -> Security:
    """Both ways to have TLS."""
    assert isinstance(request.param, Security)
    return request.param


Serve = Callable[[ssl.SSLContext], RecordingServer]


@pytest.fixture
def serve(security: Security) -> Iterator[Serve]:
    """Start a server that wants the password, with this TLS."""
    running: list[RecordingServer] = []

    def start(context: ssl.SSLContext) -> RecordingServer:
        server = RecordingServer(
            tls=context,
            implicit=security is Security.TLS,
            credentials=("desk", "s3cret-canary"),
        )
        running.append(server.__enter__())
        return server

    yield start
    for server in running:
        server.__exit__(None, None, None)


def test_a_proper_certificate_is_accepted(
    ca: trustme.CA, serve: Serve, security: Security
) -> None:
    server = serve(served(ca, "localhost"))
    assert send(server, security, pem(ca)).kind is Kind.ACCEPTED
    assert server.mails[0].tls


def test_an_expired_certificate_is_refused(
    ca: trustme.CA, serve: Serve, security: Security
) -> None:
    server = serve(served(ca, "localhost", years_ago=1))
    assert_refused(server, send(server, security, pem(ca)), "has expired")


def test_a_certificate_for_another_name_is_refused(
    ca: trustme.CA, serve: Serve, security: Security
) -> None:
    server = serve(served(ca, "mail.example.org"))
    assert_refused(server, send(server, security, pem(ca)), "for another name")


def test_a_certificate_of_an_unknown_authority_is_refused(
    ca: trustme.CA, serve: Serve, security: Security
) -> None:
    server = serve(served(ca, "localhost"))
    assert_refused(server, send(server, security, None), "not trusted here")


def test_an_own_authority_is_trusted_instead_of_another(
    ca: trustme.CA, serve: Serve, security: Security
) -> None:
    server = serve(served(ca, "localhost"))
    assert_refused(
        server, send(server, security, pem(trustme.CA())), "not trusted here"
    )


def test_a_servers_own_certificate_is_trusted_alone(
    ca: trustme.CA, serve: Serve, security: Security
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own, others = ca.issue_cert("localhost"), ca.issue_cert("localhost")
    own.configure_cert(context)
    own_pem, others_pem = (
        one.cert_chain_pems[0].bytes().decode() for one in (own, others)
    )
    server = serve(context)
    assert_refused(server, send(server, security, others_pem), "not trusted here")
    assert send(server, security, own_pem).kind is Kind.ACCEPTED


def assert_refused(server: RecordingServer, outcome: Outcome, words: str) -> None:
    """The words name the reason, and the server learnt nothing."""
    assert (outcome.kind, outcome.trouble) == (Kind.UNWELL, Trouble.TLS)
    assert words in outcome.reply
    assert not set(server.said()) & {"AUTH", "MAIL", "RCPT", "DATA"}
    assert not server.mails


def test_stripping_starttls_stops_everything(ca: trustme.CA) -> None:
    with RecordingServer(credentials=("desk", "s3cret-canary")) as server:
        outcome = send(server, Security.STARTTLS, pem(ca))
    assert_refused(server, outcome, "does not offer STARTTLS")
    assert "STARTTLS" not in server.said()


def test_refusing_starttls_stops_everything(ca: trustme.CA) -> None:
    context = served(ca, "localhost")
    with RecordingServer(tls=context, credentials=("desk", "s3cret-canary")) as server:
        server.answer("starttls", "454 4.7.0 TLS not available")
        outcome = send(server, Security.STARTTLS, pem(ca))
    assert_refused(server, outcome, "Nothing was sent")


def test_what_is_slipped_in_before_tls_is_not_believed(ca: trustme.CA) -> None:
    """Response injection: an answer in the clear behind the go-ahead."""
    evil = b"250-evil.example\r\n250 AUTH PLAIN\r\n"
    with RecordingServer(tls=served(ca, "localhost"), slipped_in=evil) as server:
        outcome = send(server, Security.STARTTLS, pem(ca))
    assert_refused(server, outcome, "spoke in the clear")


def test_what_was_offered_before_tls_is_forgotten(ca: trustme.CA) -> None:
    context = served(ca, "localhost")
    with RecordingServer(tls=context, credentials=("desk", "s3cret-canary")) as server:
        server.answer("ehlo", "250 x\n250 SIZE 1\n250 STARTTLS")
        assert send(server, Security.STARTTLS, pem(ca)).kind is Kind.ACCEPTED


def test_no_context_can_be_had_that_verifies_less(ca: trustme.CA) -> None:
    for ca_pem in (None, pem(ca)):
        context = net.tls_context(ca_pem)
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname
        assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_without_tls_nothing_is_said_to_a_public_host(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Saving such a sender is refused; should one be there, it is not used."""

    def public(name: str, port: int, **_: object) -> list[object]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("9.9.9.9", port))]

    with RecordingServer() as server:

        def wire(_: object, timeout: float) -> socket.socket:
            connection = socket.socket()
            connection.settimeout(timeout)
            connection.connect(("127.0.0.1", server.port))
            return connection

        monkeypatch.setattr(socket, "getaddrinfo", public)
        monkeypatch.setattr(socket, "create_connection", wire)
        where = Server("mail.example.org", server.port, Security.NONE, "desk", "s3cret")
        with SmtpTransport(where, ALLOWED, seconds=60) as transport:
            outcome = transport.hand_over("", ["ada@example.com"], MAIL)
    assert_refused(server, outcome, "Without TLS nothing is sent")
    assert server.commands == []


def test_a_mail_server_that_refuses_starttls_hears_no_password() -> None:
    offers = "* CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN\r\n"
    refusal = {"CAPABILITY": offers, "STARTTLS": "TAG NO not now\r\n"}
    with fake_imap(refusal) as server:
        wanted = replace(access_to(server.port), security="starttls")
        with pytest.raises(Unreachable, match="refused STARTTLS"):
            connect(wanted)
        heard = [server.count(name) for name in ("STARTTLS", "AUTHENTICATE", "LOGIN")]
    assert heard == [1, 0, 0]


def test_what_a_mail_server_said_before_tls_is_forgotten() -> None:
    with fake_imap({}) as server:
        line = connect(access_to(server.port))
        imap = line.line.imap
        imap.untagged_responses["CAPABILITY"] = [b"LOGINDISABLED"]
        here, there = socket.socketpair()
        with here, there:
            plain = imap.sock
            imap.replace_socket(here)
            assert imap.untagged_responses == {}
            there.sendall(b"after\r\n")
            assert imap.file.readline() == b"after\r\n"
            imap.file.close()
            imap.replace_socket(plain)
        line.close()
