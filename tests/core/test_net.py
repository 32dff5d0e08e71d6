"""One door for outgoing connections: names, the allow-list, time-outs, TLS words."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing

import pytest
import trustme

from tests.support.ports import free_port
from webapp.core import net
from webapp.core.net import NetError, NetTrouble, PrivateHosts

LOOPBACK = PrivateHosts.parse("127.0.0.1, ::1, localhost")


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Listen on a free loopback port; nobody ever accepts."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield server


def _port(server: socket.socket) -> int:
    port = server.getsockname()[1]
    assert isinstance(port, int)
    return port


@pytest.mark.parametrize(
    ("written", "looked_up"),
    [
        ("Mail.Example.ORG", "mail.example.org"),
        ("mail.example.org.", "mail.example.org"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("mail_server", "mail_server"),
        ("[::1]", "::1"),
        ("10.0.0.1", "10.0.0.1"),
    ],
)
def test_a_host_name_is_normalised(written: str, looked_up: str) -> None:
    assert net.host_name(written) == looked_up


@pytest.mark.parametrize(
    "written",
    [
        *("", "a b", "a\r\nb", "a\0b", "fe80::1%eth0x", "x" * 64 + ".example"),
        *[
            "a..b",
            "-a.example",
            "user@host",
            "host:25",
            "http://x",
            "127.1",
            "0x7f000001",
            "0177.0.0.1",
        ],
    ],
)
def test_what_is_no_host_name_is_refused(written: str) -> None:
    with pytest.raises(NetError) as caught:
        net.resolve(written, 25, LOOPBACK)
    assert caught.value.kind in {NetTrouble.DNS, NetTrouble.REFUSED_ADDRESS}


def test_an_allow_list_entry_that_is_nothing_is_named() -> None:
    with pytest.raises(ValueError, match=r"10\.0\.0\.0/99 is not a network"):
        PrivateHosts.parse("mail.lan, 10.0.0.0/99")


def test_an_endpoint_permits_its_port_only(listener: socket.socket) -> None:
    port = _port(listener)
    allowed = PrivateHosts().with_endpoints([("127.0.0.1", port)])
    assert net.resolve("127.0.0.1", port, allowed).private
    with pytest.raises(NetError) as caught:
        net.resolve("127.0.0.1", port + 1, allowed)
    assert caught.value.kind is NetTrouble.REFUSED_ADDRESS


def test_the_open_socket_sends_at_once_and_times_out(listener: socket.socket) -> None:
    pinned = net.resolve("127.0.0.1", _port(listener), LOOPBACK)
    with net.connect(pinned, read_seconds=0.05) as opened:
        assert opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        with pytest.raises(TimeoutError):
            opened.recv(1)


def test_ipv6_hosts_work() -> None:
    with closing(socket.create_server(("::1", 0), family=socket.AF_INET6)) as server:
        pinned = net.resolve("[::1]", _port(server), LOOPBACK)
        net.connect(pinned).close()
    assert pinned.addresses == ("::1",)


def test_the_next_address_is_tried_when_one_refuses(listener: socket.socket) -> None:
    pinned = net.Pinned("x", _port(listener), ("127.0.0.9", "127.0.0.1"), private=True)
    net.connect(pinned).close()


def test_a_port_where_nothing_listens_is_said_in_words() -> None:
    port = free_port()
    with pytest.raises(
        NetError, match=f"Nothing answers at 127.0.0.1 port {port}"
    ) as caught:
        net.connect(net.resolve("127.0.0.1", port, LOOPBACK))
    assert caught.value.kind is NetTrouble.CONNECT


def test_a_silent_host_is_a_time_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def silence(*_: object, **__: object) -> None:
        raise TimeoutError

    monkeypatch.setattr(socket, "create_connection", silence)
    with pytest.raises(NetError, match="within 3 seconds") as caught:
        net.connect(
            net.Pinned("mx.example", 25, ("9.9.9.9",), private=False), connect_seconds=3
        )
    assert caught.value.kind is NetTrouble.TIMEOUT


def test_an_unknown_name_is_a_dns_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(
        NetError, match=r"smtp\.exmaple\.org could not be found"
    ) as caught:
        net.resolve("smtp.exmaple.org", 587)
    assert caught.value.kind is NetTrouble.DNS


@pytest.mark.parametrize(
    "pem",
    ["nonsense", "größer", "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----"],
)
def test_a_ca_file_without_a_certificate_is_refused(pem: str) -> None:
    with pytest.raises(NetError, match="no certificate in PEM form"):
        net.tls_context(pem)


def test_with_a_ca_file_only_that_ca_is_trusted() -> None:
    ca = trustme.CA().cert_pem.bytes().decode()
    assert len(net.tls_context(ca).get_ca_certs()) == 1


def test_a_server_without_tls_is_said_in_words() -> None:
    client, server = socket.socketpair()
    server.sendall(b"220 secret-banner.internal ESMTP\r\n")
    with pytest.raises(NetError, match="does not speak TLS") as caught:
        net.start_tls(client, "mx.example", net.tls_context())
    server.close()
    assert "secret-banner" not in caught.value.words
    assert client.fileno() == -1


def test_a_verified_handshake_gives_a_tls_socket() -> None:
    ca = trustme.CA()
    there = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("mx.example").configure_cert(there)
    client, server = socket.socketpair()
    thread = threading.Thread(
        target=lambda: there.wrap_socket(server, server_side=True).close()
    )
    thread.start()
    with net.start_tls(
        client, "MX.example", net.tls_context(ca.cert_pem.bytes().decode())
    ) as tls:
        assert tls.version() in {"TLSv1.2", "TLSv1.3"}
    thread.join()


def test_a_url_for_a_host_says_what_to_leave_out() -> None:
    with pytest.raises(NetError, match="without “smtp://”"):
        net.host_name("smtp://mail.example.org")
