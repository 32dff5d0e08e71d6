"""A recording server, and transports to it."""

import select
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from flask import Flask

from tests.senders.factories import make_sender
from tests.support.smtp_servers import PATIENCE, RecordingServer
from webapp.campaigns.models import Campaign
from webapp.core.db import db
from webapp.core.net import PrivateHosts
from webapp.senders import smtp_stream
from webapp.senders.server import Security, Server
from webapp.senders.smtp import SmtpTransport

LOOPBACK = PrivateHosts.parse("127.0.0.1, ::1, localhost")
Open = Callable[..., SmtpTransport]


@pytest.fixture
def server() -> Iterator[RecordingServer]:
    """A recording server without TLS or sign-in."""
    with RecordingServer() as running:
        yield running


@pytest.fixture
def transport_to() -> Iterator[Open]:
    """Open transports that are closed after the test."""
    with ExitStack() as stack:

        def open_to(
            port: int,
            security: Security = Security.NONE,
            host: str = "127.0.0.1",
            dot_seconds: float = PATIENCE,
            **how: str,
        ) -> SmtpTransport:
            return stack.enter_context(
                SmtpTransport(
                    Server(host, port, security, **how),
                    LOOPBACK,
                    seconds=PATIENCE,
                    dot_seconds=dot_seconds,
                )
            )

        yield open_to


@pytest.fixture
def impatient(server: RecordingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the time for a reply be over as soon as the server is silent on purpose.

    And not before, however busy the machine is.
    """
    given_up = 0

    async def readable(fd: int, seconds: float) -> None:
        nonlocal given_up
        assert seconds == PATIENCE
        while True:
            is_silent = server.stalls > given_up
            if select.select([fd], [], [], 0.01)[0]:
                return
            if is_silent:
                given_up += 1
                raise TimeoutError

    monkeypatch.setattr(smtp_stream, "readable", readable)


@pytest.fixture
def used_sender(app: Flask) -> int:
    """A sender that a campaign uses; its id."""
    del app
    sender = make_sender()
    db.session.add(Campaign(name="November", sender_id=sender.id))
    db.session.commit()
    return sender.id
