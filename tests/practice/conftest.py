"""Practice servers for these tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.practice_servers import Servers


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    """Practice servers with an empty mailbox."""
    running = Servers(tmp_path)
    running.start()
    yield running
    running.stop()
