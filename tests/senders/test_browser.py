"""Senders' pages in Chromium: narrow and wide, light and dark, without a complaint."""

import threading
from collections.abc import Iterator

import pytest
from flask import Flask
from werkzeug.serving import make_server

from tests.conftest import PASSWORD
from tests.senders.factories import make_sender
from tests.support.browser import Theme, Window, chromium, window
from tests.support.smtp_servers import RecordingServer
from webapp.core.db import db
from webapp.operators.models import Operator
from webapp.senders import keys

WINDOWS: tuple[tuple[int, Theme], ...] = (
    (1280, "light"),
    (390, "dark"),
    (320, "light"),
)


@pytest.fixture
def origin(app: Flask, operator: Operator) -> Iterator[str]:
    """The application behind a real port; the operator can sign in."""
    del operator
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join(10)


def sign_in(shown: Window) -> None:
    """Sign in as the manager."""
    shown.page.goto(f"{shown.origin}/login")
    shown.page.get_by_label("E-mail").fill("ines@example.org")
    shown.page.get_by_label("Password", exact=True).fill(PASSWORD)
    shown.page.get_by_role("button", name="Sign in").click()
    shown.page.wait_for_url(lambda url: "/login" not in url)
    shown.complaints.clear()


def walk(shown: Window, sender_id: int) -> None:
    """Visit every page of a sender, and try it out."""
    own = ("", "/delete", "/keys")
    for path in ("", "/new", *(f"/{sender_id}{rest}" for rest in own)):
        shown.page.goto(f"{shown.origin}/senders{path}")
        assert shown.overflow() <= 0, path
    shown.page.goto(f"{shown.origin}/senders/{sender_id}/test")
    shown.page.get_by_role("button", name="Test").click()
    shown.page.get_by_role("heading", name="works").wait_for()
    assert shown.overflow() <= 0


def test_no_page_complains_or_scrolls_sideways(origin: str) -> None:
    with RecordingServer() as server, chromium() as browser:
        sender_id = make_sender(name="A rather long name " * 6, port=server.port).id
        make_sender(name="Dry", kind="dry_run")
        for width, theme in WINDOWS:
            with window(browser, origin, width=width, theme=theme) as shown:
                sign_in(shown)
                walk(shown, sender_id)
                assert shown.complaints == []
    assert server.copies() == {"ines@example.org": len(WINDOWS)}


def test_the_record_of_a_key_is_copied(origin: str) -> None:
    sender_id = make_sender().id
    key = keys.make(sender_id, {"algorithm": "rsa"})
    text, place = key.record_text, f"{origin}/senders/{sender_id}/keys"
    db.session.rollback()
    with chromium() as browser, window(browser, origin, width=390) as shown:
        sign_in(shown)
        may = ["clipboard-read", "clipboard-write"]
        shown.page.context.grant_permissions(may, origin=origin)
        shown.page.goto(place)
        assert shown.overflow() <= 0
        shown.page.get_by_role("button", name="Copy").nth(1).click()
        shown.page.get_by_role("button", name="✓ Copy").wait_for()
        assert shown.page.evaluate("navigator.clipboard.readText()") == text
        assert shown.complaints == []
