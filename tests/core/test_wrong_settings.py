"""A setting that nobody could use stops the start, named and without a traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import config
from tests.support.ports import free_port

KEY = "0123456789" * 4
ROOT = Path(config.__file__).parent


def read(tmp_path: Path, **environ: str) -> config.Settings:
    return config.read({"DATA_DIR": str(tmp_path / "data"), **environ})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "postgresql://u:p@127.0.0.1:port/desk"),
        ("DATABASE_URL", "sqlite:///"),
        ("DATABASE_URL", "sqlite:///:memory:"),
        ("REDIS_URL", "redis://["),
        ("REDIS_URL", "redis://127.0.0.1:99999"),
        ("BASE_URL", "http://["),
        ("BASE_URL", "https://post.example.org:99999"),
        ("BASE_URL", "https://post office.example.org"),
    ],
)
def test_an_address_that_is_none_is_named(
    name: str, value: str, tmp_path: Path
) -> None:
    with pytest.raises(config.SettingsError, match=f"^{name}"):
        read(tmp_path, **{name: value})


def test_a_silent_database_is_given_up_on(tmp_path: Path) -> None:
    url = read(tmp_path, DATABASE_URL="postgres://u:p%40@127.0.0.1/desk").database_url
    assert url.startswith("postgresql+psycopg://u:p%40@127.0.0.1/desk?")
    assert "connect_timeout=10" in url


def test_how_long_to_wait_for_the_database_can_be_said(tmp_path: Path) -> None:
    url = "postgresql://u@127.0.0.1/desk?connect_timeout=3"
    assert "connect_timeout=3" in read(tmp_path, DATABASE_URL=url).database_url


def test_a_data_directory_that_cannot_be_made_is_named_with_a_key_given_too(
    tmp_path: Path,
) -> None:
    (tmp_path / "data").write_text("a file")
    with pytest.raises(config.SettingsError, match=r"^DATA_DIR"):
        read(tmp_path, SECRET_KEY=KEY)


def test_a_data_directory_of_somebody_else_is_named() -> None:
    with pytest.raises(config.SettingsError, match=r"^DATA_DIR.*cannot be"):
        config.read({"DATA_DIR": "/proc/1", "SECRET_KEY": KEY})


@pytest.mark.parametrize(
    "command",
    [
        ["serve.py"],
        ["worker.py"],
        ["-m", "flask", "--app", "webapp", "operator", "list"],
        ["-m", "flask", "--app", "webapp", "db", "upgrade"],
    ],
)
def test_a_file_that_is_no_database_is_said_in_words(
    command: list[str], tmp_path: Path
) -> None:
    (tmp_path / "notes.txt").write_text("This is no database. " * 100)
    port = free_port()
    done = subprocess.run(  # noqa: S603 - our own programs
        [sys.executable, *command],
        env={
            **os.environ,
            "DATA_DIR": str(tmp_path / "data"),
            "DATABASE_URL": f"sqlite:///{tmp_path / 'notes.txt'}",
            "PORT": str(port),
        },
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode != 0
    assert "DATABASE_URL" in done.stderr
    assert "Traceback" not in done.stderr


def test_any_free_port_may_be_asked_for(tmp_path: Path) -> None:
    found = config.read({"DATA_DIR": str(tmp_path), "PORT": "0"})
    assert found.port == 0
