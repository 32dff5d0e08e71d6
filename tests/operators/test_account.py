"""Profile, password, browsers and tokens of the one who is signed in."""

import re

import pytest
import sqlalchemy as sa

from tests.conftest import PASSWORD, ApiClient, PageClient
from webapp.core.db import db
from webapp.core.errors import Refused
from webapp.core.secrets import token_hash
from webapp.operators import passwords, service
from webapp.operators.models import ApiToken, Operator, OperatorSession, Role

PROFILE = {
    "name": "Ines C.",
    "email": "ines@example.org",
    "time_zone": "Europe/Lisbon",
    "theme": "dark",
}


def another_browser(operator: Operator) -> OperatorSession:
    row = OperatorSession(token_hash=token_hash("x"), operator_id=operator.id)
    db.session.add(row)
    db.session.commit()
    return row


def test_profile_is_saved_and_the_theme_comes_with_the_next_page(
    client: PageClient, operator: Operator
) -> None:
    assert client.submit("/account", PROFILE).status_code == 303
    assert 'data-theme="dark"' in client.get("/account").text
    db.session.refresh(operator)
    assert (operator.name, operator.time_zone) == ("Ines C.", "Europe/Lisbon")
    assert operator.shortcuts is False
    assert "data-shortcuts" not in client.get("/account").text


def test_the_theme_is_known_before_the_sign_in(client: PageClient) -> None:
    client.submit("/account", PROFILE)
    client.submit("/logout")
    assert 'data-theme="dark"' in client.get("/login").text
    client.set_cookie("theme", '"><script>')
    assert "data-theme" not in client.get("/login").text


def test_anothers_email_is_refused_beside_the_field(client: PageClient) -> None:
    service.create("Ada", "ada@example.org", PASSWORD)
    answer = client.submit("/account", {**PROFILE, "email": "ADA@example.org"})
    assert answer.status_code == 422
    assert "There is an operator with this e-mail already." in answer.text


def test_a_new_password_ends_the_other_browsers(
    client: PageClient, operator: Operator
) -> None:
    other = another_browser(operator)
    new = {"current": PASSWORD, "password": "another four good words"}
    assert client.submit("/account/password", new).status_code == 303
    db.session.refresh(other)
    db.session.refresh(operator)
    assert other.revoked_at is not None
    assert passwords.matches(operator.password_hash, "another four good words")
    assert client.get("/account").status_code == 200


@pytest.mark.parametrize(
    ("current", "new", "words"),
    [
        ("wrong", "another four good words", "This is not your current password."),
        (PASSWORD, "short", "at least 12 characters"),
        (PASSWORD, "Password1234", "Many people use this password"),
    ],
)
def test_a_password_is_not_changed_when(
    client: PageClient, operator: Operator, current: str, new: str, words: str
) -> None:
    answer = client.submit("/account/password", {"current": current, "password": new})
    assert answer.status_code == 422
    assert words in answer.text
    assert f'value="{new}"' not in answer.text
    db.session.refresh(operator)
    assert passwords.matches(operator.password_hash, PASSWORD)


def test_a_browser_can_be_signed_out(client: PageClient, operator: Operator) -> None:
    other = another_browser(operator)
    page = client.get("/account/sessions").text
    assert page.count("/end") >= 2
    assert "This one" in page
    assert client.submit(f"/account/sessions/{other.id}/end").status_code == 303
    db.session.refresh(other)
    assert other.revoked_at is not None


def test_all_others_can_be_signed_out_at_once(
    client: PageClient, operator: Operator
) -> None:
    other = another_browser(operator)
    client.submit("/account/sessions/end-others")
    db.session.refresh(other)
    assert other.revoked_at is not None
    assert client.get("/account").status_code == 200


def test_somebody_elses_browser_is_not_there(client: PageClient) -> None:
    row = another_browser(service.create("Ada", "ada@example.org", PASSWORD))
    assert client.submit(f"/account/sessions/{row.id}/end").status_code == 404
    db.session.refresh(row)
    assert row.revoked_at is None


def test_a_token_is_shown_once_and_works(client: PageClient, api: ApiClient) -> None:
    form = {"name": "shop", "scopes": ["read"], "days": "30"}
    page = client.submit("/account/tokens", form)
    found = re.search(r'value="(post_[^"]+)"', page.text)
    assert found
    text = found[1]
    assert text not in client.get("/account/tokens").text
    works = ApiClient(api.client, text)
    assert works.get("/status").status_code == 200
    stored = db.session.scalar(sa.select(ApiToken).where(ApiToken.name == "shop"))
    assert stored is not None
    assert stored.token_hash != text
    assert stored.scopes == ["read"]


def test_a_token_needs_a_scope_and_a_name(client: PageClient) -> None:
    answer = client.submit("/account/tokens", {"days": "30"})
    assert answer.status_code == 422
    assert "Tick at least one." in answer.text


def test_a_revoked_token_opens_nothing(client: PageClient, api: ApiClient) -> None:
    (token,) = db.session.scalars(sa.select(ApiToken)).all()
    assert client.submit(f"/account/tokens/{token.id}/revoke").status_code == 303
    assert api.get("/status").status_code == 401


def test_another_role_ends_the_sessions(client: PageClient, operator: Operator) -> None:
    service.create("Ada", "ada@example.org", PASSWORD)
    service.change_role(operator.id, Role.READER)
    assert client.get("/account").status_code == 303


def test_one_manager_has_to_stay(operator: Operator) -> None:
    with pytest.raises(Refused):
        service.change_role(operator.id, Role.READER)
