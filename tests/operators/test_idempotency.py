"""Creating calls under an Idempotency-Key have their effect once."""

import io
import threading
import time
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Blueprint, Flask, jsonify, request

from tests.conftest import ApiClient
from webapp.core.clock import now
from webapp.core.db import db
from webapp.core.errors import Invalid
from webapp.operators import idempotency
from webapp.operators.access import Scope, requires
from webapp.operators.idempotency import idempotent
from webapp.operators.models import IdempotencyKey, Setting

PATH = "/things"
KEY = {"Idempotency-Key": "one"}


@pytest.fixture(autouse=True)
def things(app: Flask) -> None:
    """A creating call that commits its own effect, as services do."""
    bp = Blueprint("things", __name__, url_prefix="/api/v1")

    @bp.post("/things")
    @requires(Scope.WRITE)
    @idempotent
    def create_thing() -> Any:
        name = (request.get_json(silent=True) or request.form)["name"]
        if name == "bad":
            raise Invalid("Not this one.")
        if name == "slow":
            time.sleep(0.3)
        number = how_many() + 1
        db.session.add(Setting(key=f"thing{number}", value=name))
        db.session.commit()
        if name == "breaks":
            raise RuntimeError("after the effect")
        return jsonify(number=number), 201

    app.extensions["csrf"].exempt(bp)
    app.register_blueprint(bp)


def how_many() -> int:
    return db.session.scalar(sa.select(sa.func.count()).select_from(Setting)) or 0


def test_same_key_has_one_effect_and_the_same_answer(api: ApiClient) -> None:
    first = api.post(PATH, {"name": "a"}, headers=KEY)
    again = api.post(PATH, {"name": "a"}, headers=KEY)
    assert (again.status_code, again.json) == (201, first.json)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers
    assert how_many() == 1


def test_without_a_key_each_call_counts(api: ApiClient) -> None:
    api.post(PATH, {"name": "a"})
    api.post(PATH, {"name": "a"})
    assert how_many() == 2


def test_other_body_under_a_known_key_is_refused(api: ApiClient) -> None:
    api.post(PATH, {"name": "a"}, headers=KEY)
    answer = api.post(PATH, {"name": "b"}, headers=KEY)
    assert answer.status_code == 422
    assert "Idempotency-Key" in answer.text
    assert how_many() == 1


def test_what_was_refused_may_be_mended_under_the_same_key(api: ApiClient) -> None:
    assert api.post(PATH, {"name": "bad"}, headers=KEY).status_code == 422
    assert api.post(PATH, {"name": "good"}, headers=KEY).status_code == 201


def test_an_effect_whose_answer_is_missing_never_runs_again(api: ApiClient) -> None:
    assert api.post(PATH, {"name": "breaks"}, headers=KEY).status_code == 500
    assert api.post(PATH, {"name": "breaks"}, headers=KEY).status_code == 409
    assert how_many() == 1


def test_two_at_once_have_one_effect(app: Flask, api: ApiClient) -> None:
    db.session.remove()
    statuses = []

    def call() -> None:
        client = ApiClient(app.test_client(), api.headers["Authorization"][7:])
        statuses.append(client.post(PATH, {"name": "slow"}, headers=KEY).status_code)

    threads = [threading.Thread(target=call) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses in ([201, 201], [201, 409], [409, 201])
    assert how_many() == 1


def test_keys_are_forgotten_after_a_day(api: ApiClient) -> None:
    api.post(PATH, {"name": "a"}, headers=KEY)
    yesterday = now() - idempotency.KEPT
    db.session.execute(sa.update(IdempotencyKey).values(created_at=yesterday))
    db.session.commit()
    assert api.post(PATH, {"name": "a"}, headers=KEY).status_code == 201
    assert how_many() == 2


def test_files_count_and_boundaries_do_not(api: ApiClient) -> None:
    def upload(content: bytes) -> int:
        data = {"name": "a", "file": (io.BytesIO(content), "a.csv")}
        return api.post(PATH, data=data, headers=KEY).status_code

    assert [upload(b"x"), upload(b"x"), upload(b"y")] == [201, 201, 422]


@pytest.mark.parametrize("key", ["", "x" * 256, "caf\u00e9"])
def test_keys_that_are_none_are_said(api: ApiClient, key: str) -> None:
    answer = api.post(PATH, {"name": "a"}, headers={"Idempotency-Key": key})
    assert answer.status_code == 422
