"""What the script of the live page does in a real browser."""

import re
import threading
from collections.abc import Iterator

import pytest
from flask import Flask
from playwright.sync_api import Page, expect
from werkzeug.serving import make_server

from tests.campaigns.conftest import Desk
from tests.conftest import PASSWORD
from tests.support.browser import Window, chromium, window
from webapp.campaigns.states import Status
from webapp.core.db import db
from webapp.operators.models import Operator


@pytest.fixture
def live(app: Flask, operator: Operator, desk: Desk) -> Iterator[Window]:
    """The live page of a campaign that is sending, in Chromium."""
    campaign_id, email = desk.launched().id, operator.email
    db.session.remove()
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    origin = f"http://127.0.0.1:{server.server_port}"
    try:
        with chromium() as browser, window(browser, origin) as opened:
            page = opened.page
            page.goto(f"{origin}/login?next=/campaigns/{campaign_id}")
            page.get_by_label("E-mail").fill(email)
            page.get_by_label("Password", exact=True).fill(PASSWORD)
            page.get_by_role("button", name="Sign in").click()
            page.wait_for_url(f"**/campaigns/{campaign_id}")
            yield opened
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def sent(page: Page, count: str) -> None:
    """Wait until the page says that so many were sent."""
    expect(page.locator("#counts .pill.st-sent .n")).to_have_text(count)


def test_counts_rows_and_title_follow_without_a_reload(
    live: Window, desk: Desk
) -> None:
    page = live.page
    page.evaluate("window.stayed = true")
    page.get_by_label("Search by address").focus()
    message = desk.set(1, Status.SENT)
    row = f"#m-{message.id}"
    db.session.remove()
    sent(page, "1")
    expect(page.locator(row)).to_contain_text("Sent")
    expect(page).to_have_title(re.compile("^33 % .* Campaigns"))
    expect(page.locator("#live-words")).to_contain_text("1 sent")
    assert page.evaluate("window.stayed && document.activeElement.id") == "q"
    assert live.complaints == []


def test_updating_can_be_stopped_and_goes_on(live: Window, desk: Desk) -> None:
    page = live.page
    page.get_by_role("link", name="Stop updating").click()
    desk.set(1, Status.SENT)
    db.session.remove()
    page.wait_for_timeout(3000)
    sent(page, "0")
    page.get_by_role("link", name="Go on updating").click()
    sent(page, "1")


def test_what_holds_the_focus_stays(live: Window, desk: Desk) -> None:
    page = live.page
    page.locator("#counts .pill.st-failed").focus()
    desk.set(1, Status.SENT)
    db.session.remove()
    expect(page.locator("#progress .big")).to_have_text("33.3 %")
    focused = page.evaluate("document.activeElement.className")
    assert "st-failed" in focused
