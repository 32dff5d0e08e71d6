"""SECURITY 24: closed unless a view says to whom it is open; foreign ids are 404."""

from typing import Any

import pytest
from flask import Flask

from tests.conftest import PASSWORD, ApiClient, PageClient
from tests.security.test_sec_17_csrf import address
from webapp.core.db import db
from webapp.core.http import API
from webapp.operators import service, tokens
from webapp.operators.access import SCOPES_OF, Scope
from webapp.operators.models import Operator, Role

# What is open to everybody, on purpose. Each new one is a decision.
PUBLIC = {
    "operators.sign_in",
    "operators.do_sign_in",
    "team.ask_password",
    "team.join",
    "pages.set_up",
    "pages.do_set_up",
    "pages.healthz",
    "pages_api.openapi_document",
    "public.unsubscribe",
    "public.do_unsubscribe",
    "public.undo",
    "public.choices",
    "public.choose",
    "public.view",
}


def test_what_is_public_is_a_known_short_list(app: Flask) -> None:
    public = {
        name for name, view in app.view_functions.items() if hasattr(view, "public")
    }
    assert public <= PUBLIC


def test_a_view_that_declares_nothing_is_not_there(
    app: Flask, client: PageClient
) -> None:
    @app.get("/forgotten")
    def forgotten() -> Any:
        return "open"

    assert client.get("/forgotten").status_code == 404


def test_every_closed_page_sends_strangers_to_the_sign_in(
    app: Flask, anonymous: PageClient
) -> None:
    for rule in app.url_map.iter_rules():
        view = app.view_functions[rule.endpoint]
        if rule.endpoint == "static" or hasattr(view, "public"):
            continue
        for method in (rule.methods or set()) & {"GET", "POST", "PATCH", "DELETE"}:
            path = address(app, rule, method)
            answer = anonymous.open(path, method=method)
            speaks_json = rule.rule.startswith(API) or rule.rule.endswith(".json")
            allowed = {401} if speaks_json else {303, 400}
            assert answer.status_code in allowed, rule


@pytest.mark.parametrize("role", list(Role))
def test_a_role_opens_its_scopes_and_no_other(
    app: Flask, client: PageClient, operator: Operator, role: Role
) -> None:
    service.create("Ada", "ada@example.org", PASSWORD)
    operator.role = role
    db.session.commit()
    for rule in app.url_map.iter_rules():
        scope: Scope | None = getattr(app.view_functions[rule.endpoint], "scope", None)
        readable = "GET" in (rule.methods or set()) and not rule.rule.startswith(API)
        if scope is None or not readable or rule.arguments:
            continue
        refused = client.get(rule.rule).status_code == 403
        assert refused == (scope not in SCOPES_OF[role]), rule


def test_a_reader_changes_nothing(
    app: Flask, client: PageClient, operator: Operator
) -> None:
    service.create("Ada", "ada@example.org", PASSWORD)
    operator.role = Role.READER
    db.session.commit()
    for rule in app.url_map.iter_rules():
        view = app.view_functions[rule.endpoint]
        scope: Scope | None = getattr(view, "scope", None)
        closed = scope is not None and scope is not Scope.READ
        page = "POST" in (rule.methods or set()) and not rule.rule.startswith(API)
        if closed and page:
            assert client.submit(address(app, rule)).status_code == 403, rule


def test_changing_views_need_more_than_read(app: Flask) -> None:
    """Beside what concerns only the one who acts: the account, and reading helpers."""
    own = ("operators.",)
    for rule in app.url_map.iter_rules():
        view = app.view_functions[rule.endpoint]
        changes = (rule.methods or set()) & {"PUT", "PATCH", "DELETE"}
        if changes and not rule.endpoint.startswith(own):
            assert getattr(view, "scope", None) in {
                Scope.WRITE,
                Scope.SEND,
                Scope.MANAGE,
            }, rule


@pytest.mark.parametrize(
    "path",
    [
        "/campaigns/999999",
        "/recipient-tables/999999",
        "/senders/999999",
        "/mailboxes/999999",
        "/message-templates/999999",
    ],
)
def test_ids_that_are_not_there_are_404(api: ApiClient, path: str) -> None:
    assert api.get(path).status_code == 404


def test_somebody_elses_token_is_404(client: PageClient) -> None:
    ada = service.create("Ada", "ada@example.org", PASSWORD)
    token, _text = tokens.create(ada, "t", ["read"])
    assert client.submit(f"/account/tokens/{token.id}/revoke").status_code == 404
    db.session.refresh(token)
    assert token.revoked_at is None
