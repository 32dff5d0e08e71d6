"""Which way out a sender is; practice goes to the real practice servers."""

from collections.abc import Iterator

import pytest

import config
from tests.senders.factories import make_sender
from tests.support.practice_servers import Servers
from webapp.senders import service
from webapp.senders.outcome import Kind, Trouble
from webapp.senders.transports import allowed_hosts, open_transport, server_of

pytestmark = pytest.mark.usefixtures("app")
MAIL = b"From: <desk@example.com>\r\nSubject: x\r\n\r\nHello\r\n"


@pytest.fixture
def practice(settings: config.Settings) -> Iterator[Servers]:
    """The practice servers of this installation."""
    running = Servers(settings.data_dir)
    running.start()
    yield running
    running.stop()


@pytest.mark.usefixtures("practice")
def test_a_practice_sender_sends_to_the_practice_server() -> None:
    sender = make_sender(kind="practice")
    with open_transport(sender) as transport:
        outcome = transport.hand_over("desk@example.com", ["ada@example.com"], MAIL)
        assert outcome.kind is Kind.ACCEPTED
        refused = transport.hand_over("desk@example.com", ["bounce@example.com"], MAIL)
    assert (refused.kind, refused.code, refused.enhanced) == (
        Kind.REFUSED,
        550,
        "5.1.1",
    )


@pytest.mark.usefixtures("practice")
def test_a_test_of_a_practice_sender_goes_through_every_step() -> None:
    result = service.test(make_sender(kind="practice").id, "ines@example.com")
    assert [step.state for step in result.steps] == ["ok", "skipped", "ok", "ok"]


def test_a_practice_sender_may_speak_to_that_one_port_only(practice: Servers) -> None:
    sender = make_sender(kind="practice")
    allowed = allowed_hosts(sender)
    assert allowed.endpoints == {("127.0.0.1", practice.access.smtp_port)}
    assert not allowed.names
    assert not allowed.networks


def test_without_practice_servers_it_is_a_network_trouble() -> None:
    with open_transport(make_sender(kind="practice")) as transport:
        outcome = transport.hand_over("", ["ada@example.com"], MAIL)
    assert (outcome.kind, outcome.trouble) == (Kind.UNWELL, Trouble.NETWORK)


def test_opening_connects_nothing() -> None:
    with open_transport(make_sender(port=1)):
        pass


def test_an_smtp_sender_leads_to_its_server() -> None:
    sender = make_sender(host="localhost", port=465, authentication="none")
    server = server_of(sender)
    assert (server.host, server.port, server.login) == ("localhost", 465, None)
