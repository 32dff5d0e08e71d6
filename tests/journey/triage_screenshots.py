"""Make the pictures of triage that need a mail server: part of ``make screenshots``.

One desk with three mailboxes on a Dovecot: one without a mail, one with one, one with a
hundred thousand; and mails that show what a mail's page can say.
"""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, expect

from bench.many_mails import LOGIN as MANY
from bench.many_mails import fill
from tests.journey.screenshots import LOOKS, PICTURES, Photographer, make_token
from tests.journey.walk import EMAIL, NAME, PASSWORD
from tests.mailboxes.samples import mail, newsletter, put
from tests.support.browser import chromium, window
from tests.support.desk import Desk
from tests.support.dovecot import PASSWORD as IMAP_PASSWORD
from tests.support.dovecot import Dovecot, running
from tests.support.http import Api
from webapp.mailboxes.scripts import ascii_host

MAILS = 100_000
FROM = "Zoë Lindqvist <zoe.lindqvist@example.se>"
TEXT = (
    "Good morning,\n\nis the reading room open on the second Sunday in December? I "
    "would like to bring my class, twelve children and two of us.\n\n"
    "Kind regards\nZoë\n"
)
FAIR = """\
BEGIN:VCALENDAR
METHOD:REQUEST
BEGIN:VEVENT
SUMMARY:Winter fair: who brings what
DTSTART;TZID=America/New_York:20261201T090000
DTEND;TZID=America/New_York:20261201T103000
LOCATION:Reading room, first floor
ORGANIZER;CN=Kofi Mensah:mailto:kofi@example.com
ATTENDEE:mailto:desk@library.example
ATTENDEE:mailto:zoe.lindqvist@example.se
END:VEVENT
END:VCALENDAR
"""
#: The first letter a of the domain is not the one of Latin.
BANK = ascii_host("h\u0430rbour-bank.example")
IMITATED = f"Harbour Bank <service@{BANK}>"
PHISH = (
    "<p>Dear customer,</p><p>your account was <b>suspended</b>. Sign in within a day:"
    "</p><p><a href='https://login.example.net/x'>www.harbour-bank.example</a></p>"
    "<p style='display:none'>winter programme library reading room twelve evenings</p>"
    "<img src='https://login.example.net/seen.gif' alt=''>"
)


def main() -> None:
    """Start a desk and a mail server, and take the pictures."""
    with (
        tempfile.TemporaryDirectory() as directory,
        running(storage="mdbox") as server,
        chromium() as browser,
    ):
        desk = Desk(
            Path(directory) / "data", PRACTICE="off", ALLOWED_PRIVATE_HOSTS="127.0.0.1"
        )
        try:
            take_all(desk, browser, server, sys.argv[1:])
        finally:
            desk.stop()
            desk.end()


def take_all(desk: Desk, browser: Browser, server: Dovecot, names: list[str]) -> None:
    """Take the pictures, or those that are named."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    camera = sign_up(desk, browser)
    triage = Triage(camera, Api(camera.origin, make_token(desk)), server)
    scenes: dict[str, Callable[[], None]] = {
        "none": triage.none,
        "one": triage.one,
        "mails": triage.mails,
        "many": triage.many,
    }
    for name, take in scenes.items():
        if not names or name in names:
            take()


def sign_up(desk: Desk, browser: Browser) -> Photographer:
    """Become the first operator of a desk without practice servers."""
    address = desk.address()
    origin = address.partition("/setup")[0]
    with window(browser, origin) as one:
        page = one.page
        page.goto(address)
        page.get_by_label("Name").fill(NAME)
        page.get_by_label("E-mail").fill(EMAIL)
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_role("button", name="Start").click()
        expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()
        return Photographer(browser, origin, page.context.storage_state())


class Triage:
    """The mailboxes of the pictures."""

    def __init__(self, camera: Photographer, api: Api, server: Dovecot) -> None:
        self.camera = camera
        self.api = api
        self.server = server

    def connect(self, name: str, login: str) -> str:
        """Connect a mailbox and return the page of its inbox."""
        values: dict[str, Any] = {
            "name": name,
            "host": self.server.host,
            "port": self.server.port,
            "security": "none",
            "login": login,
            "password": IMAP_PASSWORD,
        }
        number = self.api.post("/mailboxes", values)["id"]
        folders = self.api.get(f"/mailboxes/{number}/folders")["items"]
        inbox = next(one["id"] for one in folders if one["role"] == "inbox")
        return f"/triage/{number}/{inbox}"

    def none(self) -> None:
        """A mailbox without a mail."""
        self.camera.take("triage-0", self.connect("desk@library.example", "none"))

    def one(self) -> None:
        """A mailbox with one mail, open."""
        put(self.server, "one", mail(FROM, "Reading room on Sundays?", TEXT))
        path = self.connect("friends@library.example", "one")
        self.camera.take("triage-1", f"{path}/1")

    def mails(self) -> None:
        """Mails of which their page has something to say."""
        fair = mail(
            "Kofi Mensah <kofi@example.com>", "Winter fair", "See you there.", 3
        )
        fair.add_attachment(FAIR, subtype="calendar", filename="invite.ics")
        bank = mail(IMITATED, "Your account is suspended", "Sign in.", 4)
        bank.add_alternative(PHISH, subtype="html")
        around = mail("Ada Byrne <ada.byrne@example.ie>", "Fwd: the fair", "Below.", 5)
        around.add_attachment(newsletter())
        put(self.server, "mails", fair, bank, around)
        path = self.connect("events@library.example", "mails")
        self.camera.take("mail-appointment", f"{path}/1")
        self.camera.take("mail-hints", f"{path}/2")
        self.camera.take("mail-inside", f"{path}/3?inside=1")

    def many(self) -> None:
        """A folder of a hundred thousand mails, some chosen."""
        fill(self.server, MAILS)
        path = self.connect("archive@library.example", MANY)
        mailbox, folder = path.split("/")[2:]
        place = f"/mailboxes/{mailbox}/folders/{folder}/mails/count"
        assert self.api.get(place)["count"] == MAILS
        self.camera.take("triage-100000", f"{path}/{MAILS - 1}", LOOKS[:2])
        self.camera.take("triage-100000", path, LOOKS[2:])


if __name__ == "__main__":
    main()
