"""The check says what is not in order with the sender, and blocks nothing for it."""

from tests.campaigns.conftest import MakeDesk
from tests.conftest import PageClient
from tests.senders.factories import make_sender
from webapp.campaigns import checking
from webapp.campaigns.sender_findings import of_sender
from webapp.core.db import db
from webapp.senders import keys, service
from webapp.senders.models import Sender


def words(sender: Sender, reply_to: str = "") -> str:
    """All that is said of a sender."""
    found = of_sender(service.get(sender.id), reply_to)
    db.session.rollback()
    assert {one["severity"] for one in found} <= {"info"}
    return " ".join(one["message"] for one in found)


def test_a_domain_without_a_key_is_a_finding(app: object) -> None:
    del app
    sender = make_sender()
    assert "No key signs for example.org" in words(sender)
    keys.activate(sender.id, keys.make(sender.id, {"algorithm": "ed25519"}).id)
    assert words(sender) == ""


def test_nothing_leaves_by_a_dry_run_so_its_domain_does_not_matter(app: object) -> None:
    del app
    assert words(make_sender(kind="dry_run")) == ""


def test_what_dns_said_is_repeated(app: object) -> None:
    del app
    sender = make_sender()
    row = service.get(sender.id)
    row.dns_findings = [
        {"code": "x", "severity": "warning", "words": "Bad.", "domain": "example.org"},
        {"code": "x", "severity": "ok", "words": "Good.", "domain": "example.org"},
        {"code": "x", "severity": "warning", "words": "Old.", "domain": "x.example"},
    ]
    db.session.commit()
    assert words(sender) == "Bad."


def test_no_reply_without_a_reply_address(app: object) -> None:
    del app
    sender = make_sender(from_address="no-reply@example.org", kind="dry_run")
    assert "says that nobody reads replies" in words(sender)
    assert words(sender, "desk@example.org") == ""


def test_the_check_shows_it_and_goes_on(
    client: PageClient, make_desk: MakeDesk
) -> None:
    desk = make_desk()
    row = service.get(desk.campaign.sender_id or 0)
    row.from_address = "noreply@example.org"
    row.reply_to = ""
    db.session.commit()
    desk.checked()
    result = desk.campaign.check_result
    assert result["sender_findings"]
    assert checking.is_clean(result)
    place = f"/campaigns/{desk.campaign.id}/check"
    db.session.rollback()
    page = client.get(place).text
    assert "About the sender" in page
    assert "says that nobody reads replies" in page
