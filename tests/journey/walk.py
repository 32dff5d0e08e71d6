"""The first minute of a newcomer, step by step, as a person clicks through it."""

import re
from collections.abc import Callable

from playwright.sync_api import Locator, expect

from tests.support.browser import Window

NAME = "Ines Carvalho"
EMAIL = "ines@example.org"
PASSWORD = "four words are good enough"
STEPS_MS = 180_000
Look = Callable[[str], None]


class FirstMinute:
    """Walks from the printed link to the mails in triage.

    Parameters
    ----------
    window
        Where it happens.
    look
        Called with the name of each page that is worth a look.
    """

    def __init__(self, window: Window, look: Look = lambda name: None) -> None:
        self.page = window.page
        self.look = look

    def set_up(self, address: str) -> None:
        """Become the first operator, with the practice mailbox."""
        page = self.page
        page.goto(address)
        self.look("setup")
        page.get_by_label("Name").fill(NAME)
        page.get_by_label("E-mail").fill(EMAIL)
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        expect(page.get_by_label("Set up a practice mailbox")).to_be_checked()
        page.get_by_role("button", name="Start").click()
        expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()
        expect(page.get_by_role("heading", name="First steps")).to_be_visible()
        self.look("dashboard-empty")

    def check_the_example(self) -> None:
        """Find two problems, leave one row out, mend the other one."""
        page = self.page
        page.get_by_role("button", name="Send the example").click()
        self.wait_for(page.get_by_text("2 problems to decide"))
        self.look("check")
        self.problem("Fatima").get_by_role("button", name="Leave out").click()
        self.wait_for(page.get_by_text("1 problem to decide"))
        self.problem("Dora").get_by_role("link", name="Fix").click()
        page.get_by_label("City").fill("Faro")
        page.get_by_role("button", name="Save").click()
        page.wait_for_url(re.compile("/check$"))
        page.get_by_role("button", name="Check again").first.click()
        page.get_by_role("link", name="Ready: go on to send").click()

    def problem(self, name: str) -> Locator:
        """Return the line of a problem row."""
        return self.page.get_by_role("listitem").filter(has_text=name)

    def send_the_example(self) -> None:
        """Confirm eight e-mails, and watch until they are sent."""
        page = self.page
        self.look("send")
        page.get_by_role("button", name="Send 8 e-mails").click()
        stop = page.get_by_role("button", name=re.compile("^Stop"))
        expect(stop.first).to_be_visible()
        self.look("campaign-holding")
        self.wait_for(page.get_by_text("Finished"))
        expect(page.get_by_text("10 of 10 done")).to_be_visible()
        self.look("campaign-live")

    def see_it_arrive(self) -> None:
        """Open triage from there, and find the mails."""
        page = self.page
        page.get_by_role("link", name="Open in triage").click()
        for name in ("Ada", "Dora", "Jürgen"):
            mail = page.get_by_role("link", name=re.compile(f"Welcome, {name} "))
            expect(mail.first).to_be_attached()
        expect(page.get_by_text("Welcome, Fatima")).to_have_count(0)
        self.look("triage")

    def see_what_came_back(self) -> None:
        """Find a reply, a bounce, an absence and a goodbye counted on the campaign."""
        page = self.page
        page.get_by_role("link", name="Campaigns").first.click()
        page.get_by_role("link", name="Welcome").first.click()
        for kind in ("Replied", "Bounced", "Auto-replied", "Unsubscribed"):
            self.wait_for(self.one_that(kind))
        self.look("campaign-answers")
        self.one_that("Bounced").click()
        page.locator("#messages").get_by_role("link", name="Ines").click()
        page.get_by_role("link", name="Open the mail").click()
        subject = "Undelivered Mail Returned to Sender"
        expect(page.get_by_role("heading", name=subject)).to_be_visible()

    def one_that(self, kind: str) -> Locator:
        """Return the count of a kind that came back of one message."""
        name = re.compile(rf"^1\s*{kind}$")
        return self.page.get_by_role("link", name=name)

    def begin_another(self) -> None:
        """Begin a second campaign from the first."""
        page = self.page
        page.get_by_role("link", name="Campaigns").first.click()
        page.get_by_role("button", name="Duplicate").first.click()
        expect(page.get_by_role("heading", name="Copy of Welcome")).to_be_visible()

    def wait_for(self, what: Locator) -> None:
        """Wait as long as a step may take."""
        what.first.wait_for(timeout=STEPS_MS)
