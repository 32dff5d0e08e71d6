"""A sending desk for tests: rows in a database, a recording server, an engine."""

from collections.abc import Iterator

import pytest
from flask import Flask

import config
from tests.support.sending import Desk, engine_here, never_give_up
from tests.support.smtp_servers import RecordingServer
from webapp.delivery.engine import Engine


@pytest.fixture
def server() -> Iterator[RecordingServer]:
    """A server that keeps every copy."""
    with RecordingServer() as server:
        yield server


@pytest.fixture
def desk(
    app: Flask,
    settings: config.Settings,
    server: RecordingServer,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Desk]:
    """Rows and workers around one sender to the recording server."""
    never_give_up(monkeypatch)
    with Desk(app, settings, server) as desk:
        yield desk


@pytest.fixture
def engine(app: Flask) -> Iterator[Engine]:
    """What a worker process sends with, inside this process."""
    engine = engine_here(app)
    yield engine
    engine.drain()
