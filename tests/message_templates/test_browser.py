"""Editor and preview in Chromium: live, by keys, on all sizes, without a complaint."""

import threading
from collections.abc import Iterator

import pytest
from flask import Flask
from playwright.sync_api import Page, expect
from werkzeug.serving import make_server

from tests.conftest import PASSWORD
from tests.support.browser import Theme, Window, chromium, window
from webapp.core.db import db
from webapp.operators.models import Operator

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


@pytest.fixture
def shown(origin: str) -> Iterator[Window]:
    """A window of a signed-in manager."""
    with chromium() as browser, window(browser, origin) as shown:
        sign_in(shown)
        yield shown


def sign_in(shown: Window) -> None:
    """Sign in as the manager."""
    shown.page.goto(f"{shown.origin}/login")
    shown.page.get_by_label("E-mail").fill("ines@example.org")
    shown.page.get_by_label("Password", exact=True).fill(PASSWORD)
    shown.page.get_by_role("button", name="Sign in").click()
    shown.page.wait_for_url(lambda url: "/login" not in url)
    shown.complaints.clear()


def heading(page: Page, words: str) -> None:
    """Wait until the frame shows these words."""
    expect(page.locator("[data-stage] iframe")).to_have_count(1)
    expect(page.frame_locator("iframe:not(.vh)").locator("body")).to_contain_text(words)


def test_no_page_complains_or_scrolls_sideways(
    origin: str, template_id: int, table_id: int
) -> None:
    one = f"/message-templates/{template_id}"
    paths = [
        *("/message-templates", "/message-templates/new", one, f"{one}/delete"),
        *(f"{one}/versions?version=1", f"{one}/preview?table={table_id}"),
        *(f"{one}/preview?row=2", f"{one}/preview?view=source&width=full&dark=on"),
    ]
    with chromium() as browser:
        for width, theme in WINDOWS:
            with window(browser, origin, width=width, theme=theme) as shown:
                sign_in(shown)
                for path in paths:
                    shown.page.goto(origin + path)
                    assert shown.overflow() <= 0, (path, width)
                assert shown.complaints == []


def test_preview_follows_typing_and_keeps_what_worked(
    shown: Window, template_id: int, table_id: int
) -> None:
    page = shown.page
    page.goto(f"{shown.origin}/message-templates/{template_id}?table={table_id}")
    body = page.get_by_label("Body")
    body.fill("Live {{ first_name }}")
    heading(page, "Live Ada")
    body.fill("Live {{ frist_name }}")
    expect(page.get_by_text("Did you mean “first_name”?")).to_be_visible()
    expect(page.get_by_text("Showing the last version that worked.")).to_be_visible()
    heading(page, "Live Ada")
    page.get_by_role("button", name="Use first_name").press("Enter")
    expect(body).to_have_value("Live {{ first_name }}")
    expect(page.get_by_text("Showing the last version that worked.")).to_be_hidden()
    assert shown.complaints == []


def test_placeholders_go_to_the_cursor_and_control_s_saves(
    shown: Window, template_id: int, table_id: int
) -> None:
    page = shown.page
    page.goto(f"{shown.origin}/message-templates/{template_id}?table={table_id}")
    subject = page.get_by_label("Subject")
    subject.fill("For ")
    page.get_by_role("button", name="first_name", exact=True).click()
    assert subject.input_value() == "For {{ first_name }}"
    page.keyboard.press("Control+s")
    expect(page.get_by_text("Saved as version 2.")).to_be_visible()
    assert shown.complaints == []
    db.session.rollback()


def test_keys_of_the_preview(shown: Window, template_id: int, table_id: int) -> None:
    page = shown.page
    page.goto(
        f"{shown.origin}/message-templates/{template_id}/preview?table={table_id}&row=3"
    )
    for key, found in (
        ("[", "row=2"),
        ("[", "row=1"),
        ("m", "width=600"),
        ("d", "dark=on"),
    ):
        page.keyboard.press(key)
        page.wait_for_url(f"**{found}**")
    page.get_by_label("Search a row").fill("[]md")
    assert "row=1" in page.url
    assert shown.complaints == []


def test_a_message_cannot_run_anything(shown: Window, template_id: int) -> None:
    page = shown.page
    page.goto(f"{shown.origin}/message-templates/{template_id}")
    page.get_by_label("Format").select_option("html")
    page.get_by_label("Subject").fill("Attack")
    attack = (
        "<script>top.document.title = 'x'; parent.postMessage(1, '*')</script>"
        "<img src=x onerror=\"top.document.title = 'x'\"><p>shown</p>"
        "<form action='https://evil.example'><button>go</button></form>"
    )
    page.get_by_label("Body").fill(attack)
    heading(page, "shown")
    assert page.title() != "x"
    frame = page.frames[1]
    assert frame.evaluate("window.origin") == "null"
