"""How long the product waits for others, where a test does not ask just that.

The product gives up on a mail server or a queue after seconds, so that a page is never
held up. While the tests run, the machine may hold up both sides for as long; what then
is shown is right, and not what the test asks. A test about giving up sets its own.
"""

import datetime

import pytest

LONG = 60.0
PLACES = (
    "webapp.core.queue.SILENT_SECONDS",
    "webapp.mailboxes.everywhere.SECONDS",
    "webapp.mailboxes.folder_search.SECONDS",
    "webapp.mailboxes.imap_signin.COMMAND_SECONDS",
    "webapp.mailboxes.imap_signin.CONNECT_SECONDS",
    "webapp.mailboxes.imap_wire.COMMAND_SECONDS",
    "webapp.mailboxes.pool.FRESH_SECONDS",
    "webapp.mailboxes.pool.WAIT_SECONDS",
    "webapp.mailboxes.sanitise_limited.WALL_SECONDS",
    "webapp.triage.panes.PAGE_SECONDS",
    "webapp.triage.panes.SILENCE_SECONDS",
    "webapp.triage.reading_routes.SILENCE_SECONDS",
    "webapp.triage.service.SECONDS",
)
#: So long what is known of the folders is believed, and who was seen is still there.
SPANS = ("webapp.mailboxes.folders.FRESH", "webapp.triage.presence.LASTS")
#: A mailbox in trouble is left alone for so long, and longer each time.
PAUSES = "webapp.mailboxes.reach.BACK_OFF", (LONG, 2 * LONG, 5 * LONG, 15 * LONG)


def be_patient() -> None:
    """Let the product in this process wait for a minute."""
    patch = pytest.MonkeyPatch()
    for place in PLACES:
        patch.setattr(place, LONG)
    for place in SPANS:
        patch.setattr(place, datetime.timedelta(seconds=LONG))
    patch.setattr(*PAUSES)
