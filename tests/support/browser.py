"""Chromium driven by Playwright, with an ear for what a page complains about."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Error,
    Page,
    Request,
    StorageState,
    expect,
    sync_playwright,
)

PROGRAM = "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE = 60_000
expect.set_options(timeout=PATIENCE)
# The frame around a mail keeps the mail's images out, on purpose; the browser says so.
FRAME_POLICY = 'directive: "img-src data:"'
Theme = Literal["light", "dark"]


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start the browser, and end it."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=PROGRAM, args=FLAGS, timeout=PATIENCE
        )
        yield browser
        browser.close()


@dataclass
class Window:
    """A page, and all that it complained about: the console, errors, lost requests."""

    page: Page
    origin: str
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(PATIENCE)
        self.page.on("console", self._console)
        self.page.on("pageerror", self._error)
        self.page.on("requestfailed", self._lost)
        self.page.on("request", self._foreign)

    def _console(self, message: ConsoleMessage) -> None:
        if FRAME_POLICY not in message.text and message.type in {"error", "warning"}:
            self.complaints.append(f"{self.page.url}: {message.text}")

    def _error(self, error: Error) -> None:
        self.complaints.append(f"{self.page.url}: {error}")

    def _lost(self, request: Request) -> None:
        left = request.failure == "net::ERR_ABORTED"
        shut_out = request.failure == "csp" and request.frame.parent_frame is not None
        if not left and not shut_out:
            self.complaints.append(f"{request.url} was lost: {request.failure}")

    def _foreign(self, request: Request) -> None:
        if not request.url.startswith((self.origin, "data:", "about:", "blob:")):
            self.complaints.append(f"{request.url} is not ours")

    def overflow(self) -> int:
        """Return by how many pixels the page is wider than the window."""
        wide = "document.documentElement.scrollWidth - window.innerWidth"
        return int(self.page.evaluate(wide))


@contextmanager
def window(
    browser: Browser,
    origin: str,
    *,
    width: int = 1280,
    theme: Theme = "light",
    signed_in: StorageState | None = None,
    scripts: bool = True,
) -> Iterator[Window]:
    """Open a window of this width and theme, with no cookies but those given."""
    context = browser.new_context(
        storage_state=signed_in,
        java_script_enabled=scripts,
        viewport={"width": width, "height": 900},
        color_scheme=theme,
        reduced_motion="reduce",
        locale="en-GB",
        timezone_id="Europe/Berlin",
    )
    yield Window(context.new_page(), origin)
    context.close()
