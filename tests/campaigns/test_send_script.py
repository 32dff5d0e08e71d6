"""What the scripts of the send page, and its keys, do in a real browser."""

import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
from flask import Flask
from playwright.sync_api import expect
from werkzeug.serving import make_server

from tests.campaigns.conftest import Desk
from tests.conftest import PASSWORD
from tests.support.browser import Window, chromium, window
from webapp.campaigns.states import State
from webapp.core.clock import now
from webapp.core.db import db
from webapp.operators.models import Operator


@pytest.fixture
def sending(app: Flask, operator: Operator, desk: Desk) -> Iterator[Window]:
    """The send page of a checked campaign, in Chromium."""
    campaign_id, email = desk.checked().id, operator.email
    db.session.remove()
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    origin = f"http://127.0.0.1:{server.server_port}"
    try:
        with chromium() as browser, window(browser, origin) as opened:
            page = opened.page
            page.goto(f"{origin}/login?next=/campaigns/{campaign_id}/send")
            page.get_by_label("E-mail").fill(email)
            page.get_by_label("Password", exact=True).fill(PASSWORD)
            page.get_by_role("button", name="Sign in").click()
            page.wait_for_url(f"**/campaigns/{campaign_id}/send")
            yield opened
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_what_is_chosen_is_worked_out_while_somebody_types(
    sending: Window, desk: Desk
) -> None:
    page = sending.page
    wall = f"{now() + timedelta(days=2):%Y-%m-%dT08:00}"
    expect(page.get_by_role("button", name="Work out")).to_be_hidden()
    page.get_by_label("Date and time").fill(wall)
    expect(page.get_by_label("At a time")).to_be_checked()
    expect(page.locator("#estimate")).to_contain_text(", 08:00 (UTC)")
    page.get_by_text("Speed, hours, delay").click()
    page.get_by_label("At most so many a minute").fill("1")
    expect(page.locator("#estimate")).to_contain_text("after 3 min 0 s of sending")
    page.get_by_role("button", name="Schedule 3 e-mails").click()
    page.get_by_role("button", name="Send now").wait_for()
    assert sending.complaints == []
    assert desk.fresh().state == State.SCHEDULED


def test_keys_that_a_page_names_lead_there(sending: Window) -> None:
    page = sending.page
    page.goto(f"{page.url.removesuffix('/send')}/preview")
    page.keyboard.press("]")
    page.wait_for_url("**/preview?after=*")
    page.goto(f"{sending.origin}/campaigns")
    page.keyboard.press("n")
    page.wait_for_url("**/campaigns/new")
    name = page.get_by_label("Name")
    name.press_sequentially("no n? new")
    expect(name).to_have_value("no n? new")
    assert sending.complaints == []
