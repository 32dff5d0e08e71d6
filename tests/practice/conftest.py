"""Practice servers for these tests: shared, or one's own to stop and start."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.practice_servers import Servers


@pytest.fixture(scope="module")
def shared_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Practice servers for all tests of a module: starting them takes a second."""
    running = Servers(tmp_path_factory.mktemp("practice"))
    running.start()
    yield running
    running.stop()


@pytest.fixture
def servers(shared_servers: Servers) -> Servers:
    """Practice servers with an empty INBOX."""
    shared_servers.empty()
    return shared_servers


@pytest.fixture
def own_servers(tmp_path: Path) -> Iterator[Servers]:
    """Practice servers that this test may stop, kill and start again."""
    running = Servers(tmp_path)
    running.start()
    yield running
    running.stop()
