"""SECURITY 13: a host field reaches public addresses only, however it is spelled."""

import socket

import pytest

from webapp.core import net
from webapp.core.net import NetError, NetTrouble, PrivateHosts

FORBIDDEN = [
    "0.0.0.0",  # noqa: S104 - an attack, nothing binds to it
    "10.1.2.3",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.8",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.1.1.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "64:ff9b::7f00:1",
    "64:ff9b::808:808",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:808:808::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd12:3456::1",
    "fe80::1",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
]
PUBLIC = [
    "9.9.9.9",
    "172.32.0.1",
    "192.0.1.1",
    "2620:fe::9",
    "2a01:4f8::1",
    "2001:4860::1",
]


def _answers(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> list[str]:
    """Let every name resolve to these addresses; return the list of names asked for."""
    asked: list[str] = []

    def resolver(name: str, port: int, **_: object) -> list[object]:
        asked.append(name)
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in addresses
        ]

    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    return asked


@pytest.mark.parametrize("address", FORBIDDEN)
def test_a_forbidden_answer_refuses_the_host(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _answers(monkeypatch, address)
    with pytest.raises(NetError) as caught:
        net.resolve("mail.attacker.example", 25)
    assert caught.value.kind is NetTrouble.REFUSED_ADDRESS


@pytest.mark.parametrize("address", FORBIDDEN)
def test_a_forbidden_literal_is_refused(address: str) -> None:
    with pytest.raises(NetError) as caught:
        net.resolve(address, 25)
    assert caught.value.kind is NetTrouble.REFUSED_ADDRESS


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_answer_passes(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _answers(monkeypatch, address)
    assert net.resolve("mail.example", 25).addresses == (address,)


@pytest.mark.parametrize(
    "host",
    [
        "①②⑦.0.0.1",
        "127。0。0。1",
        "127.1",
        "0x7f.1",
        "2130706433",
        "017700000001",
        "localhost",
        "LOCALHOST.",
        "[::1]",
        "::ffff:127.0.0.1",
        "[::ffff:7f00:1]",
    ],
)
def test_every_spelling_of_loopback_is_refused(host: str) -> None:
    with pytest.raises(NetError):
        net.resolve(host, 25)


def test_one_private_answer_among_public_ones_refuses_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _answers(monkeypatch, "9.9.9.9", "127.0.0.1")
    with pytest.raises(NetError):
        net.resolve("mail.attacker.example", 25)


def test_a_name_that_changes_its_mind_is_asked_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Rebinding: after the check the name turns to loopback; we do not ask again."""
    asked = _answers(monkeypatch, "9.9.9.9")
    pinned = net.resolve("mail.attacker.example", 25)
    rebound = _answers(monkeypatch, "127.0.0.1")
    tried: list[object] = []

    def record(address: tuple[str, int], **_: object) -> socket.socket:
        tried.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", record)
    with pytest.raises(NetError):
        net.connect(pinned)
    assert (asked, rebound, tried) == (["mail.attacker.example"], [], [("9.9.9.9", 25)])


def test_an_allowed_name_may_be_private_and_others_may_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _answers(monkeypatch, "10.0.0.5")
    allowed = PrivateHosts.parse("mail.lan")
    assert net.resolve("mail.lan", 25, allowed).private
    with pytest.raises(NetError):
        net.resolve("other.lan", 25, allowed)


def test_an_allowed_network_permits_its_addresses_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    allowed = PrivateHosts.parse("10.0.0.0/24")
    _answers(monkeypatch, "10.0.0.5")
    assert net.resolve("mail.lan", 25, allowed).private
    _answers(monkeypatch, "10.0.1.5")
    with pytest.raises(NetError):
        net.resolve("mail.lan", 25, allowed)


def test_a_public_host_is_not_private_because_a_list_exists(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _answers(monkeypatch, "9.9.9.9")
    assert not net.resolve("mail.example", 25, PrivateHosts.parse("mail.lan")).private


def test_a_host_is_private_only_if_each_of_its_addresses_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Only a private host may be signed in at without TLS."""
    allowed = PrivateHosts.parse("10.0.0.0/24")
    _answers(monkeypatch, "10.0.0.5", "9.9.9.9")
    assert not net.resolve("mail.example", 143, allowed).private
    _answers(monkeypatch, "10.0.0.5", "10.0.0.6")
    assert net.resolve("mail.example", 143, allowed).private


def test_an_answer_that_belongs_to_one_link_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _answers(monkeypatch, "2620:fe::9%1")
    with pytest.raises(NetError):
        net.resolve("mail.attacker.example", 25)
