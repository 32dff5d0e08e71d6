"""SECURITY 44: who set this up holds a printed token, on this machine, once."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from tests.conftest import PASSWORD, PageClient
from webapp.core.clock import now
from webapp.core.db import db
from webapp.operators import setup
from webapp.operators.models import OneTimeToken, Operator

FORM = {
    "name": "Mallory",
    "email": "m@example.org",
    "password": PASSWORD,
    "time_zone": "UTC",
}


@pytest.fixture
def token(anonymous: PageClient) -> str:
    del anonymous
    made = setup.issue_token()
    assert made
    return made


def operators() -> int:
    return db.session.scalar(sa.select(sa.func.count(Operator.id))) or 0


def test_there_is_nobody_at_first_and_no_default_password(
    anonymous: PageClient,
) -> None:
    assert operators() == 0
    for password in ("", "admin", "password", "postroom"):
        form = {"email": "admin", "password": password}
        assert anonymous.submit("/login", form).status_code == 422


@pytest.mark.parametrize("guess", ["", "guess", "0" * 32])
def test_without_the_token_there_is_nothing(
    anonymous: PageClient, token: str, guess: str
) -> None:
    assert guess != token
    assert anonymous.get(f"/setup?token={guess}").status_code == 404
    assert anonymous.submit(f"/setup?token={guess}", FORM).status_code == 404
    assert anonymous.submit("/setup", {**FORM, "token": token}).status_code == 404
    assert operators() == 0


@pytest.mark.parametrize("address", ["192.0.2.1", "10.0.0.2", "2001:db8::1"])
def test_from_elsewhere_even_the_token_is_no_use(
    anonymous: PageClient, token: str, address: str
) -> None:
    anonymous.environ_base["REMOTE_ADDR"] = address
    assert anonymous.get(f"/setup?token={token}").status_code == 403
    assert anonymous.submit(f"/setup?token={token}", FORM).status_code == 403
    assert operators() == 0


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP"])
def test_what_a_proxy_passes_on_is_from_elsewhere(
    anonymous: PageClient, token: str, header: str
) -> None:
    answer = anonymous.get(f"/setup?token={token}", headers={header: "127.0.0.1"})
    assert answer.status_code == 403


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::1"])
def test_on_this_machine_it_opens(
    anonymous: PageClient, token: str, address: str
) -> None:
    anonymous.environ_base["REMOTE_ADDR"] = address
    assert anonymous.get(f"/setup?token={token}").status_code == 200


def test_it_ends_after_half_an_hour(anonymous: PageClient, token: str) -> None:
    half_an_hour = timedelta(minutes=30)
    assert half_an_hour >= setup.LIFETIME
    db.session.execute(sa.update(OneTimeToken).values(expires_at=now()))
    db.session.commit()
    assert anonymous.get(f"/setup?token={token}").status_code == 404
    assert anonymous.submit(f"/setup?token={token}", FORM).status_code == 404


def test_only_its_digest_is_stored(token: str) -> None:
    row = db.session.scalar(sa.select(OneTimeToken))
    assert row is not None
    assert token not in row.token_hash
    assert len(token) >= 32


def test_it_makes_one_operator_and_no_second(anonymous: PageClient, token: str) -> None:
    assert anonymous.submit(f"/setup?token={token}", FORM).status_code == 303
    again = {**FORM, "email": "second@example.org"}
    assert anonymous.submit(f"/setup?token={token}", again).status_code == 404
    assert operators() == 1
