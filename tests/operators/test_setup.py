"""The set-up link: once, half an hour, only the newest, only while nobody is there."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from flask import Flask

from webapp.core.clock import now
from webapp.core.db import db
from webapp.core.errors import NotFound
from webapp.operators import setup
from webapp.operators.models import OneTimeToken, Operator


def issued() -> str:
    token = setup.issue_token()
    assert token is not None
    return token


@pytest.mark.usefixtures("app")
def test_a_token_works_once() -> None:
    token = issued()
    setup.check_token(token)
    setup.use_token(token)
    db.session.commit()
    with pytest.raises(NotFound):
        setup.use_token(token)
    with pytest.raises(NotFound):
        setup.check_token(token)


@pytest.mark.usefixtures("app")
def test_looking_does_not_use_it_up() -> None:
    token = issued()
    setup.check_token(token)
    setup.check_token(token)


@pytest.mark.usefixtures("app")
def test_a_newer_token_ends_the_older_one() -> None:
    older = issued()
    newer = issued()
    setup.check_token(newer)
    with pytest.raises(NotFound):
        setup.check_token(older)


@pytest.mark.usefixtures("app")
def test_it_is_good_for_half_an_hour() -> None:
    token = issued()
    db.session.execute(
        sa.update(OneTimeToken).values(expires_at=now() - timedelta(seconds=1))
    )
    with pytest.raises(NotFound):
        setup.use_token(token)


@pytest.mark.usefixtures("app")
def test_another_token_opens_nothing() -> None:
    issued()
    with pytest.raises(NotFound):
        setup.use_token("guess")


@pytest.mark.usefixtures("app")
def test_the_database_holds_only_its_digest() -> None:
    token = issued()
    stored = db.session.scalars(sa.select(OneTimeToken.token_hash)).all()
    assert token not in stored


def test_there_is_none_once_somebody_can_sign_in(
    app: Flask, operator: Operator
) -> None:
    del app, operator
    assert setup.issue_token() is None


def test_the_kit_is_made_by_whoever_offers_it(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    monkeypatch.setattr(setup, "_kits", [])
    setup.offers_kit(lambda who: made.append(who.name))
    setup.make_kit(operator)
    assert made == [operator.name]
