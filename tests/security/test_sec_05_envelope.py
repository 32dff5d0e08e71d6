"""SECURITY 05: an envelope command holds one address, and nothing beside it."""

import pytest

from tests.support.smtp_servers import RecordingServer
from webapp.composing.addresses import AddressError, parse_address
from webapp.core.net import PrivateHosts
from webapp.senders.outcome import Kind, Outcome
from webapp.senders.server import Security, Server
from webapp.senders.smtp import SmtpTransport

MAIL = b"Subject: x\r\n\r\nHello\r\n"
ATTACKS = [
    "v@x.example> BODY=8BITMIME",
    "v@x.example>\r\nRCPT TO:<eve@example.com",
    "v@x.example>\nRCPT TO:<eve@example.com",
    "a@example.com, b@example.com",
    "a@example.com;b@example.com",
    "a@example.com b@example.com",
    '"quoted local"@example.com',
    '"a>b"@example.com',
    '"a\r\nDATA"@example.com',
    "<a@example.com>",
    "Ada <a@example.com>",
    "a@example.com>",
    "@relay.example:a@example.com",
    "a%b@c@example.com",
    "a@[127.0.0.1]",
    "a@example.com\0",
    "a\x85b@example.com",
    "a\u2028b@example.com",
    "a\u202eb@example.com",
    "a\u200bb@example.com",
    "a@exam\u2029ple.com",
    "a@example.com\u2028RCPT",
    "(comment)a@example.com",
    "a(comment)@example.com",
    "a@example.com NOTIFY=SUCCESS",
    "a@",
    "@example.com",
    "",
    "a",
    ".a@example.com",
    "a..b@example.com",
    "a@example..com",
    "a@-example.com",
    "a@localhost",
    "a@127.0.0.1",
    "a" * 65 + "@example.com",
    "a@" + "b" * 64 + ".com",
    "a@" + "b." * 150 + "com",
    "\ud800@example.com",
]


@pytest.mark.parametrize("attack", ATTACKS, ids=ascii)
def test_it_is_no_address(attack: str) -> None:
    with pytest.raises(AddressError) as caught:
        parse_address(attack)
    assert caught.value.words.isprintable()


def send(server: RecordingServer, mail_from: str, *rcpt_to: str) -> Outcome:
    """Hand over a message with this envelope."""
    where = Server("127.0.0.1", server.port, Security.NONE)
    with SmtpTransport(where, PrivateHosts.parse("127.0.0.1"), seconds=60) as transport:
        return transport.hand_over(mail_from, rcpt_to, MAIL)


@pytest.mark.parametrize("attack", ATTACKS, ids=ascii)
def test_as_a_recipient_it_never_reaches_the_wire(attack: str) -> None:
    with RecordingServer() as server:
        outcome = send(server, "desk@example.org", "ada@example.com", attack)
        assert outcome.kind is Kind.REFUSED
        assert server.commands == []


@pytest.mark.parametrize("attack", [attack for attack in ATTACKS if attack], ids=ascii)
def test_as_a_sender_it_never_reaches_the_wire(attack: str) -> None:
    with RecordingServer() as server:
        assert send(server, attack, "ada@example.com").kind is Kind.REFUSED
        assert server.commands == []


def test_each_recipient_has_a_command_of_its_own() -> None:
    with RecordingServer() as server:
        send(server, "desk@example.org", "ada@example.com", "bob@bücher.example")
        assert [line for line in server.commands if line.startswith("RCPT")] == [
            "RCPT TO:<ada@example.com>",
            "RCPT TO:<bob@xn--bcher-kva.example>",
        ]
