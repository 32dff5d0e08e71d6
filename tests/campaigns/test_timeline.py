"""The timeline: every try with the server's own words, and what came back."""

from datetime import timedelta

from tests.campaigns.conftest import Desk
from tests.conftest import PageClient
from webapp.campaigns.models import Attempt, Event, Message
from webapp.campaigns.states import Status
from webapp.campaigns.timeline import timeline
from webapp.core.clock import now
from webapp.core.db import db
from webapp.core.ids import uuid7


def tried(message: Message, number: int, outcome: str, reply: str) -> Attempt:
    """A try that was recorded."""
    at = now() + timedelta(minutes=number)
    attempt = Attempt(
        id=uuid7(),
        message_id=message.id,
        number=number,
        started_at=at,
        ended_at=at,
        outcome=outcome,
        reply_code=int(reply[:3]),
        reply=reply[4:],
    )
    db.session.add(attempt)
    db.session.commit()
    return attempt


def test_each_try_stands_there_with_the_reply(desk: Desk) -> None:
    desk.launched()
    message = desk.set(0, Status.SENT)
    tried(message, 1, "deferred", "451 4.7.1 Greylisted")
    last = tried(message, 2, "accepted", "250 2.0.0 Ok")
    for kind, cause in (("sent", last.id.hex), ("replied", "mail-7")):
        at = now() + timedelta(minutes=3)
        key = f"{kind}:{cause}:{message.id}"
        event = Event(message_id=message.id, kind=kind, at=at, dedupe_key=key)
        db.session.add(event)
    db.session.commit()
    lines = [(line.title, line.reply) for line in timeline(message)]
    assert lines == [
        ("Queued", ""),
        ("Attempt 1: try again later", "451 4.7.1 Greylisted"),
        ("Attempt 2: accepted", "250 2.0.0 Ok"),
        ("Reply received", ""),
    ]


def test_a_skipped_message_says_why(desk: Desk) -> None:
    desk.launched()
    message = desk.set(0, Status.SKIPPED, reason="Suppressed: manual")
    (line,) = timeline(message)
    assert (line.title, line.words) == ("Skipped", "Suppressed: manual")


def test_a_reply_is_text(client: PageClient, desk: Desk) -> None:
    desk.launched()
    message = desk.set(0, Status.FAILED)
    tried(message, 1, "refused", "550 <script>alert(1)</script>")
    place = f"/campaigns/{desk.campaign.id}/messages/{message.id}"
    page = client.get(place).text
    assert "<script>alert" not in page
    assert "550 &lt;script&gt;" in page


def test_who_decided_is_named(client: PageClient, desk: Desk) -> None:
    desk.launched()
    message = desk.set(0, Status.UNKNOWN)
    place = f"/campaigns/{desk.campaign.id}"
    client.submit(
        f"{place}/resolve-unknown", {"decision": "went", "message_ids-0": message.id}
    )
    page = client.get(f"{place}/messages/{message.id}").text
    assert "Decided: it went" in page
    assert "By Ines Carvalho" in page
