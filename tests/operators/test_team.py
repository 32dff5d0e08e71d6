"""The team's page: invite by a link that works once, roles, lock out and let in."""

import re
from datetime import timedelta

import pytest
import sqlalchemy as sa
from flask import Flask

from tests.conftest import PASSWORD, PageClient
from webapp.core.clock import now
from webapp.core.db import db
from webapp.core.errors import Refused
from webapp.operators import passwords, service, team
from webapp.operators.models import AuditEntry, OneTimeToken, Operator, Role

ADA = {"name": "Ada Byrne", "email": "ada@example.org", "role": "triage"}
NEW = "another four good words"


def invited(client: PageClient) -> str:
    """Invite Ada on the page and return the path of her link."""
    page = client.submit("/team", ADA).text
    found = re.search(r'value="https://post.example.org(/join\?token=[^"]+)"', page)
    assert found, page
    return found[1]


def ada() -> Operator:
    db.session.expire_all()
    return service.by_email("ada@example.org")


def test_an_invited_operator_chooses_a_password_and_is_in(
    app: Flask, client: PageClient
) -> None:
    path = invited(client)
    newcomer = PageClient(app)
    assert "Ada Byrne" in newcomer.get(path).text
    assert newcomer.submit(path, {"password": NEW}).status_code == 303
    assert newcomer.get("/campaigns").status_code == 200
    assert newcomer.get("/team").status_code == 403
    assert passwords.matches(ada().password_hash, NEW)
    assert ada().role is Role.TRIAGE


def test_a_link_works_once(app: Flask, client: PageClient) -> None:
    path = invited(client)
    assert PageClient(app).submit(path, {"password": NEW}).status_code == 303
    again = PageClient(app).submit(path, {"password": "yet another four words"})
    assert again.status_code == 404
    assert "Ask a manager" in again.text
    assert passwords.matches(ada().password_hash, NEW)


def test_a_weak_password_leaves_the_link_good(app: Flask, client: PageClient) -> None:
    path = invited(client)
    answer = PageClient(app).submit(path, {"password": "short"})
    assert answer.status_code == 422
    assert "at least 12 characters" in answer.text
    assert PageClient(app).get(path).status_code == 200


def test_a_newer_link_ends_the_older_one(app: Flask, client: PageClient) -> None:
    path = invited(client)
    page = client.submit(f"/team/{ada().id}/link").text
    assert "Hand this link to Ada Byrne now" in page
    assert PageClient(app).get(path).status_code == 404


def test_a_link_ends_after_three_days(app: Flask, client: PageClient) -> None:
    path = invited(client)
    late = now() - timedelta(seconds=1)
    db.session.execute(sa.update(OneTimeToken).values(expires_at=late))
    db.session.commit()
    assert PageClient(app).get(path).status_code == 404


def test_the_link_is_in_no_row_and_no_later_page(client: PageClient) -> None:
    token = invited(client).partition("token=")[2]
    row = db.session.scalars(sa.select(OneTimeToken)).one()
    assert token not in row.token_hash
    assert token not in client.get("/team").text
    told = db.session.scalars(sa.select(AuditEntry)).all()
    assert {"operator.created", "operator.link_made"} <= {one.action for one in told}
    assert not [one for one in told if token in str(one.detail)]


def test_what_is_wrong_is_said_beside_the_field(client: PageClient) -> None:
    answer = client.submit("/team", {**ADA, "email": "INES@example.org"})
    assert answer.status_code == 422
    assert 'id="email-error"' in answer.text
    assert "There is an operator with this e-mail already." in answer.text
    assert db.session.scalar(sa.select(sa.func.count(Operator.id))) == 1


def test_somebody_locked_out_is_signed_out_and_kept_out(
    app: Flask, client: PageClient
) -> None:
    path = invited(client)
    other = PageClient(app)
    other.submit(path, {"password": NEW})
    place = f"/team/{ada().id}"
    assert client.submit(f"{place}/lock-out").status_code == 303
    assert other.get("/campaigns").status_code in {302, 303, 401}
    who = {"email": "ada@example.org", "password": NEW}
    assert other.submit("/login", who).status_code == 422
    assert client.submit(f"{place}/link").status_code == 409
    assert client.submit(f"{place}/let-in").status_code == 303
    assert other.submit("/login", who).status_code == 303


def test_a_lock_out_ends_a_link_that_nobody_used(
    app: Flask, client: PageClient
) -> None:
    path = invited(client)
    client.submit(f"/team/{ada().id}/lock-out")
    assert PageClient(app).get(path).status_code == 404


def test_nobody_locks_themselves_out(client: PageClient, operator: Operator) -> None:
    service.create("Ada", "ada@example.org", PASSWORD)
    answer = client.submit(f"/team/{operator.id}/lock-out")
    assert answer.status_code == 409
    assert client.get("/team").status_code == 200


def test_the_last_manager_stays(app: Flask, operator: Operator) -> None:
    del app
    other = service.create("Ada", "ada@example.org", PASSWORD)
    team.lock_out(other.id, operator.id)
    with pytest.raises(Refused):
        team.lock_out(operator.id, other.id)


def test_a_role_is_changed_on_the_page(client: PageClient) -> None:
    invited(client)
    answer = client.submit(f"/team/{ada().id}/role", {"role": "reader"})
    assert answer.status_code == 303
    assert ada().role is Role.READER
    assert "Ada Byrne is a reader now." in client.get("/team").text


def test_a_role_that_is_none_changes_nothing(client: PageClient) -> None:
    invited(client)
    assert client.submit(f"/team/{ada().id}/role", {"role": "king"}).status_code == 422
    assert ada().role is Role.TRIAGE


def test_the_states_are_said_in_words(app: Flask, client: PageClient) -> None:
    path = invited(client)
    assert "Invited" in client.get("/team").text
    PageClient(app).submit(path, {"password": NEW})
    assert "Invited" not in client.get("/team").text
    client.submit(f"/team/{ada().id}/lock-out")
    assert "Let in again" in client.get("/team").text
