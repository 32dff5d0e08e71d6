"""Triage in a real browser: keys, panes, both themes, and no complaint anywhere."""

import datetime
import threading
from collections.abc import Iterator

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page, expect
from werkzeug.serving import make_server

from tests.conftest import PASSWORD
from tests.mailboxes.samples import fill, flags_of, mail, put
from tests.support.browser import PATIENCE, Theme, Window, chromium, window
from tests.support.dovecot import Dovecot
from tests.support.watcher import listening
from webapp.core.db import db
from webapp.core.errors import Refused
from webapp.mailboxes.models import Mailbox
from webapp.operators.models import Operator
from webapp.triage import acting, labels


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def origin(
    app: Flask, operator: Operator, mailbox: Mailbox, dovecot: Dovecot, login: str
) -> Iterator[str]:
    """The site with a filled mailbox, until the test ends."""
    del operator, mailbox
    fill(dovecot, login, 54)
    db.session.commit()
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()
    server.server_close()


def sign_in(page: Page, origin: str, path: str) -> None:
    page.goto(f"{origin}/login?next={path}")
    page.get_by_label("E-mail").fill("ines@example.org")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    with page.expect_navigation():  # until it has loaded: the keys work from here on
        page.get_by_role("button", name="Sign in").click()
    page.locator(".mails").wait_for()


def leave_by(page: Page, key: str) -> None:
    """Press a key that leads to another page, and wait until that one hears keys."""
    with page.expect_navigation():
        page.keyboard.press(key)


def is_well(seen: Window) -> None:
    assert seen.complaints == []
    assert seen.overflow() <= 0


@pytest.mark.parametrize(
    ("width", "theme"), [(1280, "light"), (390, "dark"), (320, "light")]
)
def test_pages_fit_and_complain_about_nothing(
    browser: Browser, origin: str, width: int, theme: Theme
) -> None:
    with window(browser, origin, width=width, theme=theme) as seen:
        page = seen.page
        sign_in(page, origin, "/triage/1")
        is_well(seen)
        page.locator(".mails a", has_text="Newsletter of the fair").click()
        frame = page.frame_locator("iframe.mail-frame")
        frame.get_by_text("11 December").wait_for()
        is_well(seen)
        for path in ("/triage", "/mailboxes", "/mailboxes/new", "/mailboxes/1/delete"):
            page.goto(origin + path)
            is_well(seen)


def test_one_pane_on_a_phone(browser: Browser, origin: str) -> None:
    with window(browser, origin, width=390) as seen:
        page = seen.page
        sign_in(page, origin, "/triage/1")
        with page.expect_navigation():
            page.locator(".mails a").first.click()
        page.locator("#subj").wait_for()
        expect(page.locator(".mails")).to_be_hidden()
        with page.expect_navigation():
            page.get_by_role("link", name="List").click()
        expect(page.locator(".mails")).to_be_visible()
        page.locator("#list .folder-menu summary").first.click()
        page.locator("#list .folder-menu").first.get_by_role(
            "link", name="Entwürfe"
        ).click()
        page.get_by_text("This folder is empty").wait_for()
        is_well(seen)


def test_long_words_above_a_mail_fit_a_phone(
    browser: Browser, origin: str, dovecot: Dovecot, login: str
) -> None:
    long = mail("Priya <priya@example.org>", f"unsubscribe {'k' * 60}", "Hello", 900)
    long.replace_header("To", f"bounces+{'t' * 50}@example.com")
    put(dovecot, login, long)
    with window(browser, origin, width=390) as seen:
        sign_in(seen.page, origin, "/triage/1")
        with seen.page.expect_navigation():
            seen.page.locator(".mails a", has_text="unsubscribe kkk").click()
        seen.page.locator("#subj").wait_for()
        is_well(seen)


def test_keys_choose_mark_and_undo(
    browser: Browser, origin: str, dovecot: Dovecot, login: str
) -> None:
    before = flags_of(dovecot, login)
    with window(browser, origin) as seen:
        page = seen.page
        sign_in(page, origin, "/triage/1")
        for key in ("j", "x", "j", "x"):
            page.keyboard.press(key)
        assert "2" in page.locator("[data-selected]").inner_text()
        page.keyboard.press("i")
        page.locator(".toast").get_by_text("2 marked as read.").wait_for()
        after = flags_of(dovecot, login)
        assert [uid for uid in after if after[uid] != before[uid]] == [55, 56]
        leave_by(page, "z")
        page.locator(".toast").get_by_text("2 marked as unread.").wait_for()
        assert flags_of(dovecot, login) == before
        page.keyboard.press("/")
        page.keyboard.type("from:priya is:unread")
        leave_by(page, "Enter")
        page.locator(".mails .who", has_text="Priya Raman").first.wait_for()
        page.keyboard.press("j")
        page.keyboard.press("Enter")
        page.locator("#subj").get_by_text("Plain: Membership renewals").wait_for()
        is_well(seen)
    assert flags_of(dovecot, login) == before


def test_a_change_is_seen_at_once_and_taken_back_if_refused(
    browser: Browser,
    origin: str,
    dovecot: Dovecot,
    login: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = flags_of(dovecot, login)
    may_answer = threading.Event()

    def refuse(*_args: object) -> None:
        may_answer.wait(PATIENCE / 1000)
        raise Refused("The server lets us read this folder only.")

    monkeypatch.setattr(acting, "change", refuse)
    with window(browser, origin) as seen:
        page = seen.page
        sign_in(page, origin, "/triage/1")
        for key in ("j", "i"):
            page.keyboard.press(key)
        first = page.locator(".mails > li").first.locator("a").first
        expect(first).to_have_class("read")  # nobody has answered yet
        page.locator(".mails > li").nth(1).locator("input").check()
        page.keyboard.press("e")
        expect(page.locator(".mails > li").nth(1)).to_be_hidden()
        may_answer.set()
        page.locator(".toast").get_by_text("read this folder only").wait_for()
        expect(first).to_have_class("unread")
        expect(page.locator(".mails > li").nth(1)).to_be_visible()
        is_well(seen)
    assert flags_of(dovecot, login) == before


def test_offline_changes_wait_and_go_out_by_themselves(
    browser: Browser, origin: str, dovecot: Dovecot, login: str
) -> None:
    before = flags_of(dovecot, login)
    with window(browser, origin) as seen:
        page = seen.page
        sign_in(page, origin, "/triage/1")
        page.context.set_offline(True)
        for key in ("j", "i", "j", "e"):
            page.keyboard.press(key)
        note = page.locator("[data-waiting]")
        note.get_by_text("2 waiting").wait_for()
        assert flags_of(dovecot, login) == before
        expect(page.locator(".mails > li").nth(1)).to_be_hidden()
        page.context.set_offline(False)
        page.locator(".toast").get_by_text("1 archived.").wait_for()
        expect(note).to_be_hidden()
        after = flags_of(dovecot, login)
        assert set(before) - set(after) == {55}
        assert after[56] == "\\Seen"
        assert seen.overflow() <= 0


def test_deleting_for_good_asks_in_place(
    browser: Browser, origin: str, dovecot: Dovecot, login: str
) -> None:
    put(dovecot, login, mail("Zoë <z@example.com>", "Away", "x", 9), folder="Trash")
    with window(browser, origin) as seen:
        page = seen.page
        sign_in(page, origin, "/triage/1")
        page.locator(".pane-folders").get_by_role("link", name="Trash").click()
        page.locator(".mails .what", has_text="Away").wait_for()
        page.wait_for_load_state()
        for key in ("j", "#"):
            page.keyboard.press(key)
        page.get_by_role("button", name="Delete for good").click()
        page.get_by_text("This folder is empty").wait_for()
        is_well(seen)
    assert flags_of(dovecot, login, "Trash") == {}


def test_a_key_in_the_search_box_is_a_letter(
    browser: Browser, origin: str, dovecot: Dovecot, login: str
) -> None:
    before = flags_of(dovecot, login)
    with window(browser, origin) as seen:
        sign_in(seen.page, origin, "/triage/1")
        box = seen.page.get_by_label("Search mail")
        box.click()
        seen.page.keyboard.type("jxsiu")
        assert box.input_value() == "jxsiu"
    assert flags_of(dovecot, login) == before


def test_new_mail_appears_by_itself_and_the_choice_stays(
    browser: Browser, origin: str, app: Flask, dovecot: Dovecot, login: str
) -> None:
    with listening(app) as listens, window(browser, origin) as seen:
        page = seen.page
        sign_in(page, origin, "/triage/1")
        page.locator(".mails input").nth(1).check()
        chosen = page.locator(".mails input").nth(1).get_attribute("value")
        assert listens.wait(60)
        put(dovecot, login, mail("Zoë <z@example.com>", "Just in", "Hello", 99))
        page.locator(".mails .what", has_text="Just in").wait_for()
        expect(page.locator(f".mails input[value='{chosen}']")).to_be_checked()
        expect(page.locator("[data-selected]")).to_have_text("1")
        is_well(seen)


def test_keys_assign_label_finish_and_undo(
    browser: Browser, origin: str, app: Flask
) -> None:
    with app.app_context():
        labels.create("Card", "sent")
    with window(browser, origin) as seen:
        page = seen.page
        sign_in(page, origin, "/triage/1")
        page.keyboard.press("j")
        page.keyboard.press("a")
        page.locator(".toast").get_by_text("1 assigned to you.").wait_for()
        page.locator(".mails .badge", has_text="Ines").wait_for()
        page.keyboard.press("j")
        page.keyboard.press("l")
        chosen = page.locator(".bulk select[data-label]")
        assert chosen.evaluate("one => one === document.activeElement")
        is_well(seen)
        chosen.select_option("Card")
        page.locator(".bulk").get_by_role("button", name="Put on").click()
        page.locator(".mails .badge", has_text="Card").wait_for()
        page.keyboard.press("j")
        page.keyboard.press("d")
        page.locator(".toast").get_by_text("1 done.").wait_for()
        leave_by(page, "z")
        page.locator(".toast").get_by_text("1 as before.").wait_for()
        page.clock.set_fixed_time(datetime.datetime.now(datetime.UTC))
        page.keyboard.press("g")
        page.keyboard.press("d")  # the way to the dashboard, not “done”
        page.wait_for_url(f"{origin}/")
        is_well(seen)
