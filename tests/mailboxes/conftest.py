"""What the mailbox tests share: a signed-in connection, and a mailbox of the app."""

from collections.abc import Callable, Iterator

import pytest

from tests.support.dovecot import PASSWORD, Dovecot
from webapp.core.net import PrivateHosts
from webapp.mailboxes.imap import Connection
from webapp.mailboxes.imap_signin import Access, connect

LOOPBACK = PrivateHosts.parse("127.0.0.1,localhost")


def access_to(port: int, login: str = "ada", password: str = PASSWORD) -> Access:
    """Return how to sign in to a server on loopback, without TLS."""
    return Access("127.0.0.1", port, "none", login, password, private=LOOPBACK)


@pytest.fixture
def open_line() -> Iterator[Callable[..., Connection]]:
    """Return a function that signs in; everything is closed at the end."""
    opened: list[Connection] = []

    def line(server: Dovecot, login: str) -> Connection:
        opened.append(connect(access_to(server.port, login)))
        return opened[-1]

    yield line
    for connection in opened:
        connection.close()


@pytest.fixture(params=["rich", "poor"])
def any_dovecot(
    request: pytest.FixtureRequest, dovecot: Dovecot, poor_dovecot: Dovecot
) -> Dovecot:
    """A server that offers everything, and one that offers next to nothing."""
    return dovecot if request.param == "rich" else poor_dovecot


@pytest.fixture
def line(
    any_dovecot: Dovecot, login: str, open_line: Callable[..., Connection]
) -> Connection:
    """A connection to a fresh account, on both kinds of server."""
    return open_line(any_dovecot, login)
