"""Make the pictures of docs/img: ``make screenshots``.

A real desk walks through the first minute, then sends a newsletter to a few thousand
people, and the pages are taken at two widths and in two themes while that happens. With
the word ``walk`` it ends after the first minute.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, FilePayload, StorageState

from tests.journey.walk import EMAIL, FirstMinute
from tests.support.browser import Theme, chromium, window
from tests.support.desk import ROOT, Desk
from tests.support.http import Api

PICTURES = ROOT / "docs" / "img"
LOOKS: tuple[tuple[int, Theme], ...] = (
    (1280, "light"),
    (1280, "dark"),
    (390, "light"),
    (390, "dark"),
)
MAIL_LOOKS: tuple[tuple[int, Theme], ...] = (
    (320, "light"),
    (320, "dark"),
    (640, "light"),
    (640, "dark"),
)
PEOPLE = 6000
SHOWN_FROM = 30.0
FIRST_NAMES = ("Ada", "Bruno", "Chidi", "Dora", "Émile", "Fatima", "Grace", "Hiro")
LAST_NAMES = ("Almeida", "Byrne", "Çelik", "Duarte", "Eze", "Fontaine", "Gruber")
CITIES = ("Lisbon", "Porto", "Köln", "Dublin", "Kyoto", "Rabat", "Lagos")
BODY = """\
<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>November</title></head>
<body>
<h1>What November brings</h1>
<p>Dear {{ first_name }},</p>
<p>the reading room in {{ city }} opens an hour earlier from Monday, and the winter
programme is out: twelve evenings, all of them free.</p>
<p><a href="/programme">See the programme</a></p>
<p>Kind regards,<br>Harbour Library</p>
<p><small><a href="{{ unsubscribe_url }}">Stop these messages</a></small></p>
</body>
</html>
"""


PLAIN_BODY = re.sub(r"<p><small>.*</small></p>\n", "", BODY)
PLAIN_BODY = PLAIN_BODY.replace("{{ first_name }}", "Ada").replace(
    "{{ city }}", "Porto"
)


MARKDOWN = """\
# What November brings

Dear {{ first_name }},

the reading room opens **an hour earlier** from Monday, and the winter programme is out:
twelve evenings, all of them [free](/programme).

| Evening | Where | Seats |
| --- | --- | --- |
| 14 November | Reading room | 40 |
| 21 November | Cellar | 12 |

> Come early: the chairs by the stove go first.

Kind regards, Harbour Library
"""

EXAMPLE = (
    ("recipients", "/recipient-tables/1"),
    ("campaign-answers", "/campaigns/1"),
    ("suppressions", "/suppressions"),
)


class Photographer:
    """Takes pages of one desk, signed in, in every look."""

    def __init__(self, browser: Browser, origin: str, signed_in: StorageState) -> None:
        self.browser = browser
        self.origin = origin
        self.signed_in = signed_in

    def take(
        self, name: str, path: str, looks: tuple[tuple[int, Theme], ...] = LOOKS
    ) -> None:
        """Take a page at some widths, light and dark."""
        for width, theme in looks:
            with window(
                self.browser,
                self.origin,
                width=width,
                theme=theme,
                signed_in=self.signed_in,
            ) as one:
                one.page.goto(self.origin + path)
                file = PICTURES / f"{name}-{width}-{theme}.png"
                one.page.screenshot(path=file)
                sys.stdout.write(f"{file.relative_to(ROOT)}\n")


def main() -> None:
    """Start a desk, walk, send, and take the pictures."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as directory, chromium() as browser:
        desk = Desk(Path(directory) / "data")
        try:
            take_all(desk, browser)
        finally:
            desk.stop()
            desk.end()


def take_all(desk: Desk, browser: Browser) -> None:
    """Take the pictures in the order in which things happen."""
    address = desk.address()
    origin = address.partition("/setup")[0]
    with window(browser, origin) as one:
        walk = FirstMinute(one)
        walk.set_up(address)
        walk.check_the_example()
        walk.send_the_example()
        walk.see_it_arrive()
        walk.see_what_came_back()
        one.page.goto(f"{origin}/triage?view=all")
        reply = one.page.get_by_role("link", name=re.compile("Re: Welcome, Bruno"))
        while not reply.count():  # the practice address takes two seconds to answer
            time.sleep(0.5)
            one.page.reload()
        place = reply.first.get_attribute("href")
        camera = Photographer(browser, origin, one.page.context.storage_state())
    assert place is not None
    answer = place.replace("?", "/reply?", 1) + "#reply"
    for name, path in (("triage", place), ("reply", answer), *EXAMPLE):
        camera.take(name, path)
    camera.take("timeline", "/campaigns/1/messages/1")
    if "walk" in sys.argv[1:]:
        return
    api = Api(origin, make_token(desk))
    sender = make_dry_run(camera)
    camera.take("sender-keys", f"/senders/{sender}/keys")
    camera.take("outbox", f"/outbox/{send_dry(api, sender)}")
    take_mail(camera, api)
    take_newsletter(camera, api)


def take_newsletter(camera: Photographer, api: Api) -> None:
    """Take the steps of a large campaign, and the desk while it is sending."""
    newsletter = write_newsletter(api)
    attach_file(camera, f"{newsletter.path}/message")
    camera.take("attachments", f"{newsletter.path}/message#attached")
    camera.take("preview", f"{newsletter.path}/preview")
    newsletter.launch()
    newsletter.wait_for(SHOWN_FROM)
    camera.take("campaign-live", newsletter.path)
    camera.take("dashboard", "/")


def take_mail(camera: Photographer, api: Api) -> None:
    """Take a mail in the layout of Markdown, and the page behind its link to stop."""
    letter = {"name": "Programme", "subject": "November", "html": MARKDOWN}
    written = api.post("/message-templates", {**letter, "format": "markdown"})
    place = f"/message-templates/{written['id']}/preview/frame?table=1&row=1"
    camera.take("layout", place, MAIL_LOOKS)
    with window(camera.browser, camera.origin, signed_in=camera.signed_in) as one:
        one.page.goto(f"{camera.origin}/campaigns/1/messages/1?view=source")
        link = re.search(r"/u/[a-z0-9]+", one.page.content())
    assert link is not None
    camera.take("unsubscribe", link[0])


def attach_file(camera: Photographer, path: str) -> None:
    """Attach a file to a campaign on its page."""
    with window(camera.browser, camera.origin, signed_in=camera.signed_in) as one:
        one.page.goto(camera.origin + path)
        content = b"%PDF-1.7\n" + b"programme " * 20_000
        plan = FilePayload(
            name="Winter programme.pdf", mimeType="application/pdf", buffer=content
        )
        one.page.locator("#file").set_input_files(plan)
        one.page.get_by_role("button", name="Attach").click()
        one.page.get_by_text("Winter programme.pdf").first.wait_for()


class Newsletter:
    """The campaign that is being sent while the pictures are taken."""

    def __init__(self, api: Api, number: int) -> None:
        self.api = api
        self.path = f"/campaigns/{number}"

    def launch(self) -> None:
        """Check and launch it."""
        self.api.post(f"{self.path}/check")
        while self.api.get(f"{self.path}/check")["state"] != "ready":
            time.sleep(0.2)
        launch = {"expected_recipients": PEOPLE, "hold_seconds": 0}
        self.api.post(f"{self.path}/launch", launch)

    def wait_for(self, percent: float) -> None:
        """Wait until so much of it is done."""
        while self.api.get(f"{self.path}/status")["percent"] < percent:
            time.sleep(0.2)


def make_dry_run(camera: Photographer) -> int:
    """Make a dry-run sender with a key that signs and one that waits; its id."""
    look = camera.signed_in
    with window(camera.browser, camera.origin, signed_in=look) as one:
        page = one.page
        page.goto(f"{camera.origin}/senders/new?kind=dry_run")
        page.get_by_label("Name", exact=True).fill("Rehearsal")
        page.get_by_label("From, name").fill("Harbour Library")
        page.get_by_label("From, address").fill("desk@harbourlibrary.example")
        page.get_by_role("button", name="Save", exact=True).click()
        place = page.get_by_role("link", name="Rehearsal", exact=True).get_attribute(
            "href"
        )
        assert place is not None
        for kind in ("rsa", "ed25519"):
            page.goto(f"{camera.origin}{place}/keys")
            page.get_by_label("Kind").select_option(kind)
            page.get_by_role("button", name="Make a key").click()
            if kind == "rsa":
                page.get_by_role("button", name=re.compile("^Sign with it")).click()
    return int(place.rpartition("/")[2])


def send_dry(api: Api, sender: int) -> int:
    """Send one message by a dry run, and return its id when it is kept."""
    letter = {
        "to": ["Ada Almeida <ada@example.com>"],
        "subject": "What November brings",
        "html": PLAIN_BODY,
        "text": "Dear Ada,\n\nthe reading room opens an hour earlier from Monday.\n",
        "sender_id": sender,
    }
    number = int(api.post("/messages", letter)["id"])
    while api.get(f"/messages/{number}")["status"] != "sent":
        time.sleep(0.2)
    return number


def make_token(desk: Desk) -> str:
    """Make an API token on the command line."""
    words = ("token", "create", EMAIL, "pictures")
    scopes = ("--scope", "read", "--scope", "write", "--scope", "send")
    made = subprocess.run(  # noqa: S603 - this very Python
        [sys.executable, "-m", "flask", "--app", "webapp", *words, *scopes],
        cwd=ROOT,
        env={**os.environ, "DATA_DIR": str(desk.data_dir)},
        capture_output=True,
        text=True,
        check=True,
    )
    return made.stdout.strip()


def write_newsletter(api: Api) -> Newsletter:
    """Prepare a campaign to a few thousand people, some of whom cannot be reached."""
    columns = [
        {"name": "email", "kind": "email", "required": True},
        {"name": "first_name", "kind": "text"},
        {"name": "last_name", "kind": "text"},
        {"name": "city", "kind": "text"},
    ]
    table = api.post(
        "/recipient-tables",
        {"name": "Members 2026", "columns": columns, "address_column": "email"},
    )
    rows = [{"values": person(number)} for number in range(PEOPLE)]
    for start in range(0, PEOPLE, 2000):
        place = f"/recipient-tables/{table['id']}/recipients"
        api.post(place, rows[start : start + 2000])
    letter = {
        "name": "Newsletter",
        "format": "html",
        "subject": "What November brings, {{ first_name }}",
        "preview_text": "Twelve evenings, all of them free",
        "html": BODY,
    }
    chosen = {
        "name": "November newsletter",
        "recipient_table_id": table["id"],
        "message_template_id": api.post("/message-templates", letter)["id"],
        # The practice sender came first; a dry run would refuse nobody.
        "sender_id": min(one["id"] for one in api.get("/senders")["items"]),
    }
    return Newsletter(api, api.post("/campaigns", chosen)["id"])


def person(number: int) -> dict[str, Any]:
    """Return a made-up member; one in 70 bounces, one in 200 is full."""
    first = FIRST_NAMES[number % len(FIRST_NAMES)]
    last = LAST_NAMES[number % len(LAST_NAMES)]
    box = f"member{number}"
    box = f"bounce+{box}" if number % 70 == 1 else box
    box = f"full+{box}" if number % 200 == 3 else box
    return {
        "email": f"{box}@example.com",
        "first_name": first,
        "last_name": last,
        "city": CITIES[number % len(CITIES)],
    }


if __name__ == "__main__":
    main()
