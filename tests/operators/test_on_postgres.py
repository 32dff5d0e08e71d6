"""What SQLite's one writer would hide: two at once on PostgreSQL."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Blueprint, Flask, jsonify

import config
from tests.conftest import PASSWORD, ApiClient
from tests.support.application import make_app
from webapp.core.db import db
from webapp.core.errors import NotFound
from webapp.operators import audit, service, setup, tokens
from webapp.operators.access import Scope, requires
from webapp.operators.idempotency import idempotent
from webapp.operators.models import Operator, Setting
from webapp.pages import attention, checklist, overview


@pytest.fixture
def app(postgres_settings: config.Settings) -> Iterator[Flask]:
    """The application on PostgreSQL, outside of its context."""
    app = make_app(postgres_settings)
    yield app
    with app.app_context():
        db.engine.dispose()


def at_once(app: Flask, act: Callable[[int], Any], times: int = 6) -> list[Any]:
    """Do something in several threads, each with its own connection."""
    results: list[Any] = []
    gate = threading.Barrier(times)

    def run(number: int) -> None:
        with app.app_context():
            gate.wait()
            results.append(act(number))

    threads = [threading.Thread(target=run, args=[n]) for n in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_the_audit_log_stays_one_chain(app: Flask) -> None:
    def append(number: int) -> None:
        audit.record("thing.made", "thing", number)
        time.sleep(0.01)
        db.session.commit()

    at_once(app, append)
    with app.app_context():
        assert audit.first_broken() is None


def test_one_set_up_link_makes_one_operator(app: Flask) -> None:
    with app.app_context():
        token = setup.issue_token()
        assert token

    def set_up(number: int) -> bool:
        who = {"name": "x", "email": f"{number}@example.org", "password": PASSWORD}
        try:
            setup.create_first(token, **who)
        except NotFound:
            return False
        return True

    assert sorted(at_once(app, set_up)) == [False] * 5 + [True]
    with app.app_context():
        assert db.session.scalar(sa.select(sa.func.count(Operator.id))) == 1


def test_one_idempotency_key_has_one_effect(app: Flask) -> None:
    bp = Blueprint("things", __name__, url_prefix="/api/v1")

    @bp.post("/things")
    @requires(Scope.WRITE)
    @idempotent
    def create_thing() -> Any:
        number = db.session.scalar(sa.select(sa.func.count()).select_from(Setting))
        time.sleep(0.05)
        db.session.add(Setting(key=f"thing{number}-{time.monotonic_ns()}", value=1))
        db.session.commit()
        return jsonify(done=True), 201

    app.extensions["csrf"].exempt(bp)
    app.register_blueprint(bp)
    with app.app_context():
        operator = service.create("Ada", "ada@example.org", PASSWORD)
        _row, text = tokens.create(operator, "t", ["write"])

    def call(number: int) -> int:
        del number
        client = ApiClient(app.test_client(), text)
        key = {"Idempotency-Key": "one"}
        return client.post("/things", {"a": 1}, headers=key).status_code

    assert set(at_once(app, call)) <= {201, 409}
    with app.app_context():
        things = sa.select(sa.func.count()).select_from(Setting)
        assert db.session.scalar(things) == 1


def test_the_dashboard_counts(app: Flask) -> None:
    with app.test_request_context():
        assert [one.key for one in attention.everything()] == ["workers"]
        assert overview.running() == []
        assert overview.last_days().sent == 0
        assert overview.why_failed() == []
        assert overview.unread() == []
        assert not any(step.done for step in checklist.steps())
