"""Recipient tables in Chromium: the grid's extras, all sizes, and no complaint."""

import io
import threading
from collections.abc import Iterator

import pytest
from flask import Flask
from playwright.sync_api import expect
from werkzeug.serving import make_server

from tests.conftest import PASSWORD
from tests.recipients.factories import make_rows, make_table
from tests.support.browser import Theme, Window, chromium, window
from webapp.core.db import db
from webapp.operators.models import Operator
from webapp.recipients import import_run, import_service, row_service
from webapp.recipients.models import ImportMode

WINDOWS: tuple[tuple[int, Theme], ...] = (
    (1280, "light"),
    (390, "dark"),
    (320, "light"),
)
FILE = b"E-mail;First name;Club\nada@example.org;Ada;Rowing\nno;Bob;Chess\n"


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
def table_id(app: Flask) -> int:
    """A table with a good row, its duplicate, and a bad one."""
    del app
    table = make_table()
    make_rows(table, "ada@example.org", "Ada@example.org", "no address")
    table_id = table.id
    db.session.remove()
    return table_id


def sign_in(shown: Window) -> None:
    shown.page.goto(f"{shown.origin}/login")
    shown.page.get_by_label("E-mail").fill("ines@example.org")
    shown.page.get_by_label("Password", exact=True).fill(PASSWORD)
    shown.page.get_by_role("button", name="Sign in").click()
    shown.page.wait_for_url(lambda url: "/login" not in url)
    shown.complaints.clear()


@pytest.fixture
def shown(origin: str) -> Iterator[Window]:
    """A window of a signed-in manager."""
    with chromium() as browser, window(browser, origin) as shown:
        sign_in(shown)
        yield shown


def imported(table_id: int, *, at_work: bool) -> int:
    found = import_service.upload(table_id, io.BytesIO(FILE), "members.csv", {})
    import_service.prepare(found.id, found.mapping, ImportMode.ADD)
    import_service.check(found.id)
    import_id = found.id
    if not at_work:
        import_run.work(import_id)
    db.session.remove()
    return import_id


def test_no_page_complains_or_scrolls_sideways(origin: str, table_id: int) -> None:
    waiting = import_service.upload(table_id, io.BytesIO(FILE), "members.csv", {}).id
    imports = [waiting, imported(table_id, at_work=True)]
    imports.append(imported(table_id, at_work=False))
    one = f"/recipient-tables/{table_id}"
    paths = [
        *("/recipient-tables", "/recipient-tables/new", "/recipient-tables/import"),
        *(one, f"{one}?only=invalid", f"{one}/columns", f"{one}/delete"),
        *(f"{one}/import", f"{one}/recipients/new", f"{one}/recipients/3"),
        *(f"/recipient-tables/imports/{number}" for number in imports),
        "/suppressions",
    ]
    db.session.remove()
    with chromium() as browser:
        for width, theme in WINDOWS:
            with window(browser, origin, width=width, theme=theme) as shown:
                sign_in(shown)
                for path in paths:
                    shown.page.goto(origin + path)
                    assert shown.overflow() <= 0, (path, width)
                assert shown.complaints == []


def test_ticking_all_and_undo(shown: Window, table_id: int) -> None:
    page = shown.page
    page.goto(f"{shown.origin}/recipient-tables/{table_id}")
    page.get_by_label("Tick all rows on this page").check()
    expect(page.locator("[data-selected]")).to_contain_text("3")
    page.get_by_role("button", name="Delete ticked rows").click()
    expect(page.get_by_role("heading", name="No recipients yet.")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("tbody tr")).to_have_count(3)
    assert shown.complaints == []


def test_a_cell_is_edited_where_it_stands(shown: Window, table_id: int) -> None:
    page = shown.page
    page.goto(f"{shown.origin}/recipient-tables/{table_id}")
    cell = page.locator("tbody tr").first.locator("[data-cell=first_name]")
    cell.click()
    page.keyboard.type("Nobody")
    page.keyboard.press("Escape")
    expect(cell).not_to_contain_text("Nobody")
    cell.click()
    page.keyboard.type("Ada")
    with page.expect_navigation():  # a cell can be edited when it has loaded
        page.keyboard.press("Enter")
    expect(page.locator(".toast")).to_contain_text("Saved.")
    expect(cell).to_contain_text("Ada")
    age = page.locator("tbody tr").first.locator("[data-cell=age]")
    age.click()
    page.keyboard.type("many")
    page.keyboard.press("Enter")
    expect(age.locator(".why")).to_have_text("Not a number")
    assert shown.complaints == []


def test_a_newer_version_is_not_overwritten(shown: Window, table_id: int) -> None:
    page = shown.page
    page.goto(f"{shown.origin}/recipient-tables/{table_id}")
    first = page.locator("tbody tr").first
    number = int(str(first.get_attribute("data-row")).rsplit("/", 1)[1])
    row_service.change(table_id, number, {"first_name": "Maria"}, None)
    db.session.remove()
    cell = first.locator("[data-cell=first_name]")
    cell.click()
    page.keyboard.type("Mine")
    page.keyboard.press("Enter")
    expect(cell.locator(".why")).to_contain_text("Not saved")
    page.reload()
    expect(cell).to_contain_text("Maria")


def test_an_import_is_followed_to_its_end(shown: Window, table_id: int) -> None:
    import_id = imported(table_id, at_work=True)
    shown.page.goto(f"{shown.origin}/recipient-tables/imports/{import_id}")
    expect(shown.page.get_by_role("progressbar")).to_be_visible()
    import_run.work(import_id)
    db.session.remove()
    words = "This is what would happen"
    expect(shown.page.get_by_role("heading", name=words)).to_be_visible()
    assert shown.complaints == []
