"""SECURITY 31: unsubscribing needs the signed link and a POST, but no cookie."""

from datetime import timedelta

import pytest
from flask import Flask

from tests.campaigns.conftest import Desk, desk_of
from tests.conftest import PageClient
from webapp.campaigns import message_tokens
from webapp.campaigns.letters import UNSUBSCRIBE, VIEW, token_key
from webapp.core.clock import now
from webapp.core.db import db
from webapp.suppressions.models import Suppression


@pytest.fixture
def desk(app: Flask) -> Desk:
    """Three people and a campaign to them."""
    del app
    return desk_of()


def link(desk: Desk, row: int = 0, purpose: str = UNSUBSCRIBE) -> str:
    """The token of a message's link."""
    return message_tokens.sign(token_key(), desk.messages()[row].public_id, purpose)


def held() -> list[tuple[str, int | None]]:
    """Whom we do not write to, and of which table."""
    db.session.rollback()
    rows = db.session.scalars(
        db.select(Suppression).where(Suppression.undone_at.is_(None))
    )
    return [(row.address_key, row.recipient_table_id) for row in rows]


def test_a_scanner_that_follows_the_link_changes_nothing(
    anonymous: PageClient, desk: Desk
) -> None:
    desk.launched()
    place = f"/u/{link(desk)}"
    page = anonymous.get(place)
    assert (page.status_code, anonymous.head(place).status_code) == (200, 200)
    assert held() == []
    assert "a…@example.org" in page.text
    assert "ada@example.org" not in page.text


def test_one_click_from_a_mail_client_without_cookies(
    anonymous: PageClient, desk: Desk
) -> None:
    desk.launched()
    answer = anonymous.post(f"/u/{link(desk)}", data={"List-Unsubscribe": "One-Click"})
    assert answer.status_code == 200
    assert "You are unsubscribed" in answer.text
    assert held() == [("ada@example.org", desk.table.id)]


def test_twice_is_as_once(anonymous: PageClient, desk: Desk) -> None:
    desk.launched()
    for _time in range(2):
        assert anonymous.post(f"/u/{link(desk)}").status_code == 200
    assert len(held()) == 1


@pytest.mark.parametrize("forged", ["x", "a" * 38, "é" * 38, "../../etc", "a" * 4000])
def test_a_forged_token_is_not_found(
    anonymous: PageClient, desk: Desk, forged: str
) -> None:
    desk.launched()
    for path in (f"/u/{forged}", f"/v/{forged}"):
        assert anonymous.get(path).status_code == 404
    assert anonymous.post(f"/u/{forged}").status_code == 404
    assert held() == []


def test_a_changed_or_foreign_token_is_not_found(
    anonymous: PageClient, desk: Desk
) -> None:
    desk.launched()
    token = link(desk)
    other = "b" if token[0] != "b" else "c"
    for wrong in (other + token[1:], token[:-1], link(desk, purpose=VIEW)):
        assert anonymous.post(f"/u/{wrong}").status_code == 404
    assert held() == []


def test_it_can_be_taken_back_for_a_while(anonymous: PageClient, desk: Desk) -> None:
    desk.launched()
    place = f"/u/{link(desk)}"
    anonymous.post(place)
    assert anonymous.submit(f"{place}/undo").status_code == 303
    assert held() == []
    anonymous.post(place)
    row = db.session.scalars(db.select(Suppression)).all()[-1]
    row.created_at = now() - timedelta(minutes=16)
    db.session.commit()
    assert anonymous.submit(f"{place}/undo").status_code == 409
    assert len(held()) == 1


def test_the_view_in_the_browser_can_do_nothing(
    anonymous: PageClient, desk: Desk
) -> None:
    desk.launched()
    page = anonymous.get(f"/v/{link(desk, purpose=VIEW)}")
    assert "Dear Ada" in page.text
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "sandbox" in policy
    assert "allow-scripts" not in policy
