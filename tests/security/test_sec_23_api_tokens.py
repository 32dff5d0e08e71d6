"""SECURITY 23: tokens are shown once, kept as digests, scoped, ending, not in URLs."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from flask import Flask

from tests.conftest import ApiClient, PageClient
from webapp.core.clock import now
from webapp.core.db import db
from webapp.core.errors import Invalid
from webapp.operators import tokens
from webapp.operators.models import ApiToken, Operator, Role


def token(app: Flask, operator: Operator, *scopes: str, **more: object) -> ApiClient:
    _row, text = tokens.create(operator, "t", scopes, **more)  # type: ignore[arg-type]  # expires_at
    return ApiClient(app.test_client(), text)


def test_the_database_does_not_know_the_token(app: Flask, operator: Operator) -> None:
    client = token(app, operator, "read")
    text = client.headers["Authorization"].removeprefix("Bearer ")
    row = db.session.scalar(sa.select(ApiToken))
    assert row is not None
    stored = " ".join(str(value) for value in vars(row).values())
    assert text not in stored
    assert len(text) >= 40


def test_it_may_only_what_it_was_made_for(app: Flask, operator: Operator) -> None:
    reader = token(app, operator, "read")
    assert reader.get("/campaigns").status_code == 200
    assert reader.post("/campaigns", {"name": "x"}).status_code == 403
    writer = token(app, operator, "write")
    assert writer.get("/campaigns").status_code == 403


def test_it_may_never_more_than_its_operator(app: Flask, operator: Operator) -> None:
    client = token(app, operator, *tokens.SCOPES)
    operator.role = Role.READER
    db.session.commit()
    assert client.get("/campaigns").status_code == 200
    assert client.post("/campaigns", {"name": "x"}).status_code == 403


def test_it_ends(app: Flask, operator: Operator) -> None:
    client = token(app, operator, "read", expires_at=now() + timedelta(hours=1))
    assert client.get("/status").status_code == 200
    db.session.execute(sa.update(ApiToken).values(expires_at=now()))
    db.session.commit()
    assert client.get("/status").status_code == 401


def test_it_ends_with_its_operator(app: Flask, operator: Operator) -> None:
    client = token(app, operator, "read")
    operator.disabled_at = now()
    db.session.commit()
    assert client.get("/status").status_code == 401


def test_it_can_be_revoked(app: Flask, operator: Operator) -> None:
    client = token(app, operator, "read")
    row = db.session.scalar(sa.select(ApiToken.id))
    assert row is not None
    tokens.revoke(operator.id, row)
    assert client.get("/status").status_code == 401


def test_it_counts_in_the_header_only(app: Flask, operator: Operator) -> None:
    client = token(app, operator, "read")
    text = client.headers["Authorization"].removeprefix("Bearer ")
    for path in (f"?token={text}", f"?access_token={text}", f"?api_key={text}"):
        assert app.test_client().get(f"/api/v1/status{path}").status_code == 401
    client.headers["Authorization"] = f"Basic {text}"
    assert client.get("/status").status_code == 401


@pytest.mark.parametrize("scopes", [[], ["manage"], ["read", "root"]])
def test_there_are_no_other_scopes(operator: Operator, scopes: list[str]) -> None:
    with pytest.raises(Invalid):
        tokens.create(operator, "t", scopes)


def test_a_page_with_a_token_is_not_kept(client: PageClient) -> None:
    form = {"name": "t", "scopes": ["read"], "days": "30"}
    answer = client.submit("/account/tokens", form)
    assert "post_" in answer.text
    assert answer.headers["Cache-Control"] == "no-store"
