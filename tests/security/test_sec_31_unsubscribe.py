"""SECURITY 31: unsubscribing needs the signed link and a POST, but no cookie."""

import re
from datetime import timedelta

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from tests.campaigns.conftest import Desk, desk_of
from tests.conftest import PageClient
from webapp.campaigns import message_tokens
from webapp.campaigns.letters import UNSUBSCRIBE, VIEW, token_key
from webapp.core.clock import now
from webapp.core.db import db
from webapp.core.ids import base32
from webapp.suppressions.models import Suppression

ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.fixture
def desk(app: Flask) -> Desk:
    """Three people and a campaign to them, launched."""
    del app
    desk = desk_of()
    desk.launched()
    return desk


@pytest.fixture
def place(desk: Desk) -> str:
    """The link in the first message."""
    return f"/u/{link(desk)}"


def link(desk: Desk, row: int = 0, purpose: str = UNSUBSCRIBE) -> str:
    """The token of a message's link."""
    return message_tokens.sign(token_key(), desk.messages()[row].public_id, purpose)


def held() -> list[tuple[str, int | None]]:
    """Whom we do not write to, and of which table."""
    db.session.rollback()
    rows = db.session.scalars(
        db.select(Suppression)
        .where(Suppression.undone_at.is_(None))
        .order_by(Suppression.id)
    )
    return [(row.address_key, row.recipient_table_id) for row in rows]


def undo_of(page: TestResponse) -> dict[str, str]:
    """What the button to take it back would post."""
    found = re.search(r'name="undo" value="(\w+)"', page.text)
    assert found is not None
    return {"undo": found[1]}


def grow_old() -> None:
    """Let a quarter of an hour pass for what was suppressed."""
    for row in db.session.scalars(db.select(Suppression)):
        row.created_at = now() - timedelta(minutes=16)
    db.session.commit()


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
@pytest.mark.parametrize("page", ["", "/choices"])
def test_a_scanner_that_follows_the_link_changes_nothing(
    anonymous: PageClient, place: str, method: str, page: str
) -> None:
    headers = {"Sec-Purpose": "prefetch", "Purpose": "prefetch"}
    for query in (
        "",
        "?from=everything",
        "?wish=nothing",
        "?List-Unsubscribe=One-Click",
    ):
        answer = anonymous.open(place + page + query, method=method, headers=headers)
        assert answer.status_code == 200
    assert held() == []


def test_the_page_shows_whose_link_it_is_and_not_all_of_the_address(
    anonymous: PageClient, place: str
) -> None:
    page = anonymous.get(place).text
    assert "a…@example.org" in page
    assert "ada@example.org" not in page
    assert "Harbour Library" in page


@pytest.mark.parametrize(
    "kind", ["application/x-www-form-urlencoded", "multipart/form-data"]
)
def test_one_click_from_a_mail_client_without_cookies(
    anonymous: PageClient, desk: Desk, place: str, kind: str
) -> None:
    answer = anonymous.post(place, data=ONE_CLICK, content_type=kind)
    assert answer.status_code == 200
    assert "You are unsubscribed" in answer.text
    assert held() == [("ada@example.org", desk.table.id)]


def test_twice_is_as_once(anonymous: PageClient, place: str) -> None:
    for _time in range(2):
        assert anonymous.post(place, data=ONE_CLICK).status_code == 200
    assert len(held()) == 1


def test_no_page_behind_the_link_sets_a_cookie(
    anonymous: PageClient, place: str
) -> None:
    pages = [anonymous.get(place), anonymous.post(place, data=ONE_CLICK)]
    pages += [
        anonymous.post(f"{place}/undo", data=undo_of(pages[1])),
        anonymous.get(f"{place}/choices"),
        anonymous.post(f"{place}/choices", data={"wish": "nothing"}),
        anonymous.post(f"{place}/choices", data={}),
    ]
    assert [page.status_code for page in pages] == [200, 200, 303, 200, 303, 422]
    assert not [page for page in pages if "Set-Cookie" in page.headers]


def test_from_everything(anonymous: PageClient, desk: Desk, place: str) -> None:
    page = anonymous.post(place, data={"from": "everything"})
    assert "gets no mailing from here any more" in page.text
    assert held() == [("ada@example.org", None)]
    assert desk.messages()[1].address_key != "ada@example.org"


@pytest.mark.parametrize("forged", ["x", "a" * 38, "é" * 38, "../../etc", "a" * 4000])
def test_a_forged_token_is_not_found(
    anonymous: PageClient, desk: Desk, forged: str
) -> None:
    del desk
    for path in (f"/u/{forged}", f"/v/{forged}", f"/u/{forged}/choices"):
        assert anonymous.get(path).status_code == 404
    for path in ("", "/undo", "/choices"):
        data = {**ONE_CLICK, "wish": "nothing", "undo": forged}
        assert anonymous.post(f"/u/{forged}{path}", data=data).status_code == 404
    assert held() == []


def test_a_changed_or_swapped_token_is_not_found(
    anonymous: PageClient, desk: Desk
) -> None:
    token = link(desk)
    other = "b" if token[0] != "b" else "c"
    swapped = link(desk, 1)[:27] + token[27:]  # another message, this one's MAC
    for wrong in (other + token[1:], token[:-1], link(desk, purpose=VIEW), swapped):
        assert anonymous.post(f"/u/{wrong}", data=ONE_CLICK).status_code == 404
    assert held() == []


def test_a_token_of_a_key_that_we_no_longer_have_is_not_found(
    anonymous: PageClient, desk: Desk
) -> None:
    public_id = desk.messages()[0].public_id
    old_key = message_tokens.sign(b"the key before", public_id, UNSUBSCRIBE)
    assert anonymous.post(f"/u/{old_key}", data=ONE_CLICK).status_code == 404
    body = base32(public_id) + "z"  # a key id that was never given
    forged = body + message_tokens._mac(token_key(), body, UNSUBSCRIBE)
    assert anonymous.post(f"/u/{forged}", data=ONE_CLICK).status_code == 404
    assert held() == []


def test_it_can_be_taken_back_for_a_while(anonymous: PageClient, place: str) -> None:
    undo = undo_of(anonymous.post(place, data=ONE_CLICK))
    assert anonymous.post(f"{place}/undo", data=undo).status_code == 303
    assert held() == []
    undo = undo_of(anonymous.post(place, data=ONE_CLICK))
    grow_old()
    assert anonymous.post(f"{place}/undo", data=undo).status_code == 409
    assert "undo" not in anonymous.get(place).text
    assert len(held()) == 1


def test_a_way_back_fits_once_and_to_one_link(
    anonymous: PageClient, desk: Desk, place: str
) -> None:
    undo = undo_of(anonymous.post(place, data=ONE_CLICK))
    zoe = f"/u/{link(desk, 1)}"
    anonymous.post(zoe, data=ONE_CLICK)
    assert anonymous.post(f"{zoe}/undo", data=undo).status_code == 409
    assert anonymous.post(f"{place}/undo", data={}).status_code == 409
    anonymous.post(f"{place}/undo", data=undo)
    anonymous.post(place, data=ONE_CLICK)
    assert anonymous.post(f"{place}/undo", data=undo).status_code == 409
    assert len(held()) == 2


def test_what_is_chosen_holds_and_nothing_else(
    anonymous: PageClient, desk: Desk, place: str
) -> None:
    table, ada = desk.table.id, "ada@example.org"
    for wish, then in (
        ("not-these", [(ada, table)]),
        ("nothing", [(ada, table), (ada, None)]),
        ("not-these", [(ada, table)]),
        ("all", []),
        ("nothing", [(ada, None)]),
        ("all", []),
    ):
        anonymous.post(f"{place}/choices", data={"wish": wish})
        assert held() == then
    assert anonymous.post(f"{place}/choices", data={"wish": "x"}).status_code == 422


def test_later_only_less_can_be_chosen(anonymous: PageClient, place: str) -> None:
    anonymous.post(f"{place}/choices", data={"wish": "not-these"})
    grow_old()
    for wish, status in (("all", 409), ("not-these", 303), ("nothing", 303)):
        answer = anonymous.post(f"{place}/choices", data={"wish": wish})
        assert answer.status_code == status
    assert len(held()) == 2
    assert "answer any message" in anonymous.get(f"{place}/choices").text


def test_the_view_in_the_browser_can_do_nothing(
    anonymous: PageClient, desk: Desk
) -> None:
    page = anonymous.get(f"/v/{link(desk, purpose=VIEW)}")
    assert "Dear Ada" in page.text
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "sandbox" in policy
    assert "allow-scripts" not in policy
    assert "Set-Cookie" not in page.headers
