"""The first operator, from the printed link to the open desk."""

from collections.abc import Callable

import pytest
import sqlalchemy as sa

from tests.conftest import PASSWORD, PageClient
from webapp.core.db import db
from webapp.operators import service, setup
from webapp.operators.models import Operator

FORM = {
    "name": "Ines",
    "email": "ines@example.org",
    "password": PASSWORD,
    "time_zone": "Europe/Lisbon",
}


@pytest.fixture
def link(anonymous: PageClient) -> str:
    """The link as the start prints it."""
    del anonymous
    return f"/setup?token={setup.issue_token()}"


@pytest.fixture
def kits(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[Operator], None]]:
    """The practice kits on offer: none."""
    found: list[Callable[[Operator], None]] = []
    monkeypatch.setattr(setup, "_kits", found)
    return found


def operators() -> int:
    return db.session.scalar(sa.select(sa.func.count()).select_from(Operator)) or 0


@pytest.mark.usefixtures("kits")
def test_one_page_and_the_desk_is_open(anonymous: PageClient, link: str) -> None:
    page = anonymous.get(link).text
    assert "Set up a practice mailbox" in page
    answer = anonymous.submit(link, FORM)
    assert (answer.status_code, answer.location) == (303, "/")
    assert anonymous.get("/account").status_code == 200
    assert anonymous.submit(link, FORM).status_code == 404
    assert operators() == 1


def test_the_practice_kit_is_ready_when_the_desk_opens(
    anonymous: PageClient, link: str, kits: list[Callable[[Operator], None]]
) -> None:
    made: list[str] = []
    kits.append(lambda operator: made.append(operator.name))
    anonymous.submit(link, {**FORM, "practice": "y"})
    assert made == ["Ines"]


def test_without_the_tick_there_is_no_kit(
    anonymous: PageClient, link: str, kits: list[Callable[[Operator], None]]
) -> None:
    made: list[str] = []
    kits.append(lambda operator: made.append(operator.name))
    anonymous.submit(link, FORM)
    assert made == []


def test_a_broken_kit_does_not_close_the_desk(
    anonymous: PageClient, link: str, kits: list[Callable[[Operator], None]]
) -> None:
    def broken(operator: Operator) -> None:
        raise RuntimeError(operator.name)

    kits.append(broken)
    assert anonymous.submit(link, {**FORM, "practice": "y"}).status_code == 303
    assert "could not be laid out" in anonymous.get("/account").text


@pytest.mark.usefixtures("kits")
def test_a_weak_password_costs_nothing(anonymous: PageClient, link: str) -> None:
    answer = anonymous.submit(link, {**FORM, "password": "short"})
    assert answer.status_code == 422
    assert "at least 12 characters" in answer.text
    assert 'value="Ines"' in answer.text
    assert operators() == 0
    assert anonymous.submit(link, FORM).status_code == 303


def test_there_is_no_set_up_once_somebody_can_sign_in(
    anonymous: PageClient, link: str
) -> None:
    service.create("Ada", "ada@example.org", PASSWORD)
    assert anonymous.get(link).status_code == 404
    assert anonymous.submit(link, FORM).status_code == 404
    assert operators() == 1


def test_the_sign_in_page_says_where_to_begin(anonymous: PageClient) -> None:
    assert "set-up link" in anonymous.get("/login").text
    service.create("Ada", "ada@example.org", PASSWORD)
    assert "set-up link" not in anonymous.get("/login").text
