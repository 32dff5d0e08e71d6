"""The setting ALLOWED_PRIVATE_HOSTS: what the start accepts, connections understand."""

from pathlib import Path

import pytest

import config
from webapp.core.net import PrivateHosts


def read(tmp_path: Path, value: str) -> tuple[str, ...]:
    """Read the settings with this value."""
    environ = {"DATA_DIR": str(tmp_path / "data"), "ALLOWED_PRIVATE_HOSTS": value}
    return config.read(environ).allowed_private_hosts


@pytest.mark.parametrize(
    "value",
    ["", "mail.lan", "10.0.0.0/8, ::1", "127.0.0.1,localhost,mail_server,fd00::/8"],
)
def test_what_the_start_accepts_is_understood(value: str, tmp_path: Path) -> None:
    PrivateHosts.parse(",".join(read(tmp_path, value)))


@pytest.mark.parametrize(
    "value",
    ["10.0.0.0/99", "10.0.0.1/8", "127.1", "a..b", "-a.lan", "http://x", "a b", "*"],
)
def test_a_wrong_entry_stops_the_start_and_is_named(value: str, tmp_path: Path) -> None:
    with pytest.raises(config.SettingsError, match="ALLOWED_PRIVATE_HOSTS") as caught:
        read(tmp_path, f"mail.lan, {value}")
    assert repr(value) in str(caught.value)
