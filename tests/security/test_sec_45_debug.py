"""SECURITY 45: the debugger runs code, so debug mode is for this machine alone."""

import dataclasses

import pytest
from flask import Flask

import config
import webapp
from tests.conftest import PageClient

ANYWHERE = "0.0.0.0"  # noqa: S104 - a setting to be refused


@pytest.fixture
def debugging(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask for debug mode, as ``flask run --debug`` does."""
    monkeypatch.setenv("FLASK_DEBUG", "1")


@pytest.mark.usefixtures("debugging")
@pytest.mark.parametrize("host", [ANYWHERE, "::", "192.0.2.1", "post.example.org"])
def test_it_does_not_start_where_others_can_reach_it(
    settings: config.Settings, host: str
) -> None:
    with pytest.raises(config.SettingsError, match="FLASK_DEBUG"):
        webapp.create_app(dataclasses.replace(settings, host=host))


@pytest.mark.usefixtures("debugging")
@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_it_starts_on_loopback(settings: config.Settings, host: str) -> None:
    assert webapp.create_app(dataclasses.replace(settings, host=host)).debug


def test_without_debug_any_address_is_fine(settings: config.Settings) -> None:
    assert not webapp.create_app(dataclasses.replace(settings, host=ANYWHERE)).debug


def test_in_debug_mode_strangers_get_nothing(app: Flask, anonymous: PageClient) -> None:
    app.debug = True
    anonymous.environ_base["REMOTE_ADDR"] = "192.0.2.1"
    assert anonymous.get("/login").status_code == 403
    anonymous.environ_base["REMOTE_ADDR"] = "127.0.0.1"
    assert anonymous.get("/login").status_code == 200


def test_an_error_shows_no_traceback(app: Flask, anonymous: PageClient) -> None:
    @app.get("/broken")
    def broken() -> str:
        raise RuntimeError("inner secret")

    broken.public = "a test"  # type: ignore[attr-defined]  # the mark of `public`
    answer = anonymous.get("/broken")
    assert answer.status_code == 500
    assert "inner secret" not in answer.text
    assert "Traceback" not in answer.text
