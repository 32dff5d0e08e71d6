"""Houses that come to grief."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.house import House, new_house
from tests.chaos.moody import MoodyServer
from webapp.core.db import db


@pytest.fixture
def house(tmp_path: Path, empty_database: Path) -> Iterator[House]:
    """A house on SQLite with the embedded Redis, and a server that says yes."""
    data_dir = tmp_path / "data"
    data_dir.mkdir(mode=0o700)
    path = data_dir / "postroom.db"
    shutil.copy(empty_database, path)
    with (
        MoodyServer() as server,
        new_house(tmp_path, server, f"sqlite:///{path}") as house,
        house.app.app_context(),
    ):
        yield house
        db.session.remove()
        db.engine.dispose()
