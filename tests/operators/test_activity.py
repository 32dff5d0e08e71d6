"""The audit log as a page."""

from tests.conftest import PASSWORD, PageClient
from webapp.core.db import db
from webapp.operators import audit, service
from webapp.operators.models import Operator, Role


def test_nothing_yet(client: PageClient) -> None:
    assert "No activity in this range" in client.get("/activity").text


def test_who_did_what_with_the_newest_first(client: PageClient) -> None:
    client.submit("/account/tokens", {"name": "t1", "scopes": ["read"], "days": "30"})
    client.submit("/account/tokens", {"name": "t2", "scopes": ["read"], "days": "30"})
    page = client.get("/activity").text
    assert "Ines Carvalho" in page
    assert page.index("t2") < page.index("t1")


def test_older_entries_are_one_click_away(client: PageClient) -> None:
    for number in range(60):
        audit.record("thing.made", "thing", number, f"thing-{number}")
    db.session.commit()
    first = client.get("/activity").text
    assert "thing-59" in first
    assert "thing-9<" not in first
    link = first.split('href="/activity?')[-1].split('"')[0].replace("&amp;", "&")
    assert "thing-9<" in client.get(f"/activity?{link}").text


def test_filter_by_action(client: PageClient) -> None:
    audit.record("thing.made", "thing", 1, "the-made-one")
    audit.record("thing.eaten", "thing", 2, "the-eaten-one")
    db.session.commit()
    page = client.get("/activity?action=thing.eaten").text
    assert "the-eaten-one" in page
    assert "the-made-one" not in page


def test_only_managers_see_it(client: PageClient, operator: Operator) -> None:
    service.create("Ada", "ada@example.org", PASSWORD)
    operator.role = Role.SENDER
    db.session.commit()
    assert client.get("/activity").status_code == 403


def test_a_hostile_name_stays_text(client: PageClient) -> None:
    audit.record("thing.made", "thing", 1, "<script>alert(1)</script>")
    db.session.commit()
    page = client.get("/activity").text
    assert "&lt;script&gt;alert(1)" in page


def test_what_has_no_name_is_called_by_its_kind(client: PageClient) -> None:
    audit.record("campaign.paused", "campaign", 47, at="", reason="hard_bounce")
    db.session.commit()
    page = client.get("/activity").text
    assert "Campaign 47" in page
    assert "hard bounce" in page
    assert ">at:<" not in page
