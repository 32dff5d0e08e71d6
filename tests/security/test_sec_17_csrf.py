"""SECURITY 17: nothing changes without the token of the session, and never by a GET."""

import uuid
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from flask import Flask
from werkzeug.routing import Rule
from werkzeug.routing.converters import NumberConverter, UUIDConverter

from tests.conftest import ApiClient, PageClient
from webapp.core.db import Base, db
from webapp.core.http import API
from webapp.operators.models import OperatorSession

# A one-click unsubscribe comes from a mail client without cookies (RFC 8058, 3); the
# pages behind that link have none either: the signed link is what nobody can forge.
EXEMPT = {"/u/<token>", "/u/<token>/undo", "/u/<token>/choices"}


def page_posts(app: Flask) -> Iterator[Rule]:
    for rule in app.url_map.iter_rules():
        changes = (rule.methods or set()) & {"POST", "PUT", "PATCH", "DELETE"}
        if changes and not rule.rule.startswith(API) and rule.rule not in EXEMPT:
            yield rule


def address(app: Flask, rule: Rule, method: str = "POST") -> str:
    """Fill the rule with something that its converters take."""
    values: dict[str, object] = {}
    for name in rule.arguments:
        converter = rule._converters[name]
        if isinstance(converter, NumberConverter):
            values[name] = 1
        elif isinstance(converter, UUIDConverter):
            values[name] = uuid.UUID(int=1)
        else:
            values[name] = next(iter(getattr(converter, "items", ["x"])))
    adapter = app.url_map.bind("localhost")
    return adapter.build(rule.endpoint, values, method=method)


def rows() -> dict[str, int]:
    count = sa.func.count()
    return {
        table.name: db.session.scalar(sa.select(count).select_from(table)) or 0
        for table in Base.metadata.sorted_tables
    }


def test_there_are_posts_to_attack(app: Flask) -> None:
    assert len(list(page_posts(app))) > 5


@pytest.mark.parametrize("token", [None, "", "forged", "0" * 40])
def test_a_forged_post_changes_nothing_anywhere(
    app: Flask, client: PageClient, token: str | None
) -> None:
    before = rows()
    data = {} if token is None else {"csrf_token": token}
    for rule in page_posts(app):
        answer = client.post(address(app, rule), data=data)
        assert answer.status_code == 400, rule
        assert "Session ended" in answer.text
    assert rows() == before


def test_anothers_token_does_not_fit(app: Flask, client: PageClient) -> None:
    stranger = app.test_client()
    page = stranger.get("/login").text
    token = page.split('name="csrf_token" value="')[1].split('"')[0]
    answer = client.post("/logout", data={"csrf_token": token})
    assert answer.status_code == 400
    assert client.get("/account").status_code == 200


def test_the_session_cookie_is_not_sent_along_and_not_readable(
    app: Flask, anonymous: PageClient
) -> None:
    app.config["SESSION_COOKIE_SECURE"] = True
    cookie = anonymous.get("/login").headers["Set-Cookie"]
    assert "SameSite=Lax" in cookie
    assert "HttpOnly" in cookie
    assert "Secure" in cookie


def test_signing_out_is_no_get(client: PageClient) -> None:
    assert client.get("/logout").status_code == 405
    assert client.get("/account").status_code == 200


def test_reading_every_page_changes_nothing(app: Flask, client: PageClient) -> None:
    before = rows()
    for rule in app.url_map.iter_rules():
        readable = "GET" in (rule.methods or set()) and not rule.arguments
        if readable and rule.endpoint != "static" and not rule.rule.startswith(API):
            client.get(rule.rule)
    assert rows() == before


def test_the_cookie_of_a_page_opens_no_api(client: PageClient) -> None:
    assert client.get("/api/v1/status").status_code == 401
    assert client.post("/api/v1/campaigns", json={"name": "x"}).status_code == 401


def test_a_token_opens_no_page(api: ApiClient) -> None:
    answer = api.client.get("/account", headers=api.headers)
    assert answer.status_code == 303


def test_a_simple_form_post_to_the_api_is_refused(api: ApiClient) -> None:
    """What a foreign page can send without a preflight is no JSON."""
    sent = api.client.post(
        "/api/v1/campaigns",
        data='{"name": "x"}',
        content_type="text/plain",
        headers=api.headers,
    )
    assert sent.status_code in {415, 422}
    assert db.session.scalar(sa.select(sa.func.count(OperatorSession.id))) == 0
