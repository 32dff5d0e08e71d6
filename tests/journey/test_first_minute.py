"""From an empty directory to mails in triage, in a browser; and how long that takes."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, StorageState

from tests.journey.walk import FirstMinute
from tests.support.browser import Theme, chromium, window
from tests.support.desk import Desk
from tests.support.quiet import alone

MINUTE = 60.0
# Without JavaScript somebody looks again; on a busy machine, more than once.
PATIENCE = 300.0
PAGES = (
    "/",
    "/campaigns",
    "/campaigns/1",
    "/campaigns/1/messages/1",
    "/campaigns/2/recipients",
    "/campaigns/2/message",
    "/campaigns/2/preview",
    "/campaigns/2/check",
    "/campaigns/2/send",
    "/campaigns/new",
    "/triage",
    "/recipient-tables",
    "/recipient-tables/1",
    "/recipient-tables/1/recipients/4",
    "/message-templates",
    "/message-templates/1",
    "/senders",
    "/senders/1",
    "/mailboxes",
    "/suppressions",
    "/activity",
    "/account",
    "/help",
    "/login",
    "/nothing-here",
)


@dataclass(frozen=True)
class Walked:
    """What the walk left: a desk to visit, and what it was like."""

    origin: str
    signed_in: StorageState
    seconds: float
    complaints: list[str]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for all windows."""
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def walked(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Walked]:
    """Walk through the first minute once, from the printed link."""
    with walking(browser, tmp_path_factory.mktemp("desk") / "data") as walked:
        yield walked


@contextmanager
def walking(browser: Browser, data_dir: Path) -> Iterator[Walked]:
    """Walk through the first minute of a new desk, which runs in this block."""
    desk = Desk(data_dir)
    try:
        address = desk.address()
        origin = address.partition("/setup")[0]
        with window(browser, origin) as one:
            walk = FirstMinute(one)
            with alone():
                begun = time.monotonic()
                walk.set_up(address)
                walk.check_the_example()
                walk.send_the_example()
                walk.see_it_arrive()
                walk.see_what_came_back()
                seconds = time.monotonic() - begun
            walk.begin_another()
            signed_in = one.page.context.storage_state()
            yield Walked(origin, signed_in, seconds, list(one.complaints))
    finally:
        desk.end()


def test_mails_are_there_within_a_minute(
    browser: Browser, walked: Walked, tmp_path: Path
) -> None:
    """Measured twice where the machine was busy with something else the first time."""
    seconds = walked.seconds
    if seconds >= MINUTE:
        with walking(browser, tmp_path / "data") as again:
            seconds = min(seconds, again.seconds)
    print(f"\nfrom the link to the mails in {seconds:.1f} s")  # noqa: T201 - the measurement
    assert seconds < MINUTE


def test_no_page_of_the_walk_complained(walked: Walked) -> None:
    assert walked.complaints == []


def test_the_first_steps_are_ticked_by_what_happened(
    browser: Browser, walked: Walked
) -> None:
    with window(browser, walked.origin, signed_in=walked.signed_in) as one:
        one.page.goto(walked.origin)
        done = one.page.locator(".todo .is-done")
        assert done.all_inner_texts() != []
        assert "Done, 8 messages" in done.first.inner_text()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_every_page_is_well(
    browser: Browser, walked: Walked, width: int, theme: Theme
) -> None:
    with window(
        browser, walked.origin, width=width, theme=theme, signed_in=walked.signed_in
    ) as one:
        for path in PAGES:
            answer = one.page.goto(walked.origin + path)
            assert answer is not None
            expected = 404 if path == "/nothing-here" else 200
            assert answer.status == expected, path
            assert one.overflow() <= 0, f"{path} is too wide"
        ours = [line for line in one.complaints if "/nothing-here" not in line]
        assert ours == []


def test_a_campaign_goes_out_without_javascript(
    browser: Browser, walked: Walked
) -> None:
    with window(
        browser, walked.origin, width=390, signed_in=walked.signed_in, scripts=False
    ) as one:
        page = one.page
        page.goto(f"{walked.origin}/campaigns/2/check")
        page.get_by_role("button", name="Check everything").click()
        refresh_until(page.get_by_text("1 problem to decide"))
        page.get_by_role("button", name="Leave out this row").click()
        page.get_by_role("link", name="Ready: go on to send").click()
        page.get_by_label("Time to stop it").select_option("0")
        # One has bounced since, and one has taken leave.
        page.get_by_role("button", name="Send 6 e-mails").click()
        refresh_until(page.get_by_text("Finished"))
        page.get_by_role("link", name="Open in triage").click()
        # What was sent is read back from the mailbox a moment later.
        look_until(page.get_by_text("Welcome, Dora"), page.reload)


def refresh_until(there: Locator) -> None:
    """Follow the link that every live page has, until something is there."""
    again = there.page.get_by_role("link", name="Refresh").first
    look_until(there, again.click)


def look_until(there: Locator, again: Callable[[], object]) -> None:
    """Load a page without JavaScript again and again, until something is there."""
    deadline = time.monotonic() + PATIENCE
    while not there.count():
        assert time.monotonic() < deadline, there.page.inner_text("main")
        time.sleep(0.5)
        again()
