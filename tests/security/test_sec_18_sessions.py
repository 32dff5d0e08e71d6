"""SECURITY 18: sessions are kept here, can be revoked, and are new at each sign-in."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from tests.conftest import PASSWORD, PageClient
from webapp.core.clock import now
from webapp.core.db import db
from webapp.core.secrets import token_hash
from webapp.operators import service, sessions
from webapp.operators.models import Operator, OperatorSession, Role


def sign_in(browser: PageClient, operator: Operator) -> str:
    browser.submit("/login", {"email": operator.email, "password": PASSWORD})
    with browser.session_transaction() as session:
        return str(session["sid"])


def is_open(browser: PageClient) -> bool:
    return browser.get("/account").status_code == 200


def test_each_sign_in_is_a_new_session_and_ends_the_old(
    anonymous: PageClient, operator: Operator
) -> None:
    first = sign_in(anonymous, operator)
    second = sign_in(anonymous, operator)
    assert first != second
    with anonymous.session_transaction() as session:
        session["sid"] = first
    assert not is_open(anonymous)


def test_a_planted_session_is_not_adopted(
    anonymous: PageClient, operator: Operator
) -> None:
    with anonymous.session_transaction() as session:
        session["sid"] = "planted"
    assert sign_in(anonymous, operator) != "planted"


def test_signing_out_ends_it_here_and_not_in_the_browser_only(
    anonymous: PageClient, operator: Operator
) -> None:
    token = sign_in(anonymous, operator)
    anonymous.submit("/logout")
    with anonymous.session_transaction() as session:
        session["sid"] = token
    assert not is_open(anonymous)


def test_only_the_digest_is_stored(anonymous: PageClient, operator: Operator) -> None:
    token = sign_in(anonymous, operator)
    stored = db.session.scalars(sa.select(OperatorSession.token_hash)).all()
    assert stored == [token_hash(token)]
    assert token not in stored


@pytest.mark.parametrize(
    ("column", "age"),
    [("last_seen_at", sessions.IDLE), ("created_at", sessions.LIFETIME)],
)
def test_a_session_ends_by_itself(
    client: PageClient, column: str, age: timedelta
) -> None:
    assert is_open(client)
    db.session.execute(sa.update(OperatorSession).values({column: now() - age}))
    db.session.commit()
    assert not is_open(client)


def test_a_new_password_ends_the_others(
    anonymous: PageClient, client: PageClient, operator: Operator
) -> None:
    sign_in(anonymous, operator)
    form = {"current": PASSWORD, "password": "another four good words"}
    client.submit("/account/password", form)
    assert is_open(client)
    assert not is_open(anonymous)


def test_another_role_ends_all(client: PageClient, operator: Operator) -> None:
    service.create("Ada", "ada@example.org", PASSWORD)
    service.change_role(operator.id, Role.READER)
    assert not is_open(client)


def test_who_is_disabled_is_out_at_once(client: PageClient, operator: Operator) -> None:
    operator.disabled_at = now()
    db.session.commit()
    assert not is_open(client)
