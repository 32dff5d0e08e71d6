"""Processes that bring one database up to date at once do not disturb each other."""

import subprocess
import sys
from pathlib import Path

import sqlalchemy as sa

UPGRADE = "import sys; from webapp.core import schema; schema.upgrade(sys.argv[1])"


def test_one_migrates_and_the_others_wait(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'postroom.db'}"
    starters = [
        subprocess.Popen(  # noqa: S603 - this very Python
            [sys.executable, "-c", UPGRADE, url], stderr=subprocess.PIPE
        )
        for _ in range(3)
    ]
    words = [starter.communicate(timeout=300)[1].decode() for starter in starters]
    assert [starter.returncode for starter in starters] == [0, 0, 0], words
    engine = sa.create_engine(url)
    assert "message" in sa.inspect(engine).get_table_names()
    engine.dispose()
