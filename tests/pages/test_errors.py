"""Error pages: what happened, what is safe, what to do, and a reference."""

import re
from typing import Any

import pytest
from flask import Flask, abort

from tests.conftest import ApiClient, PageClient
from webapp.core.errors import Unavailable
from webapp.operators.access import Scope, requires


@pytest.fixture(autouse=True)
def breaking(app: Flask) -> None:
    """Views that end in each kind of error."""

    @app.get("/break/<int:status>")
    @app.get("/api/v1/break/<int:status>", endpoint="break_api")
    @requires(Scope.READ)
    def broken(status: int) -> Any:
        if status == 500:
            raise RuntimeError("secret detail")
        if status == 503:
            raise Unavailable("The queue does not answer just now.")
        abort(status)


@pytest.mark.parametrize("status", [400, 403, 404, 413, 429, 500, 503])
def test_a_page_says_what_happened_and_what_is_safe(
    client: PageClient, status: int
) -> None:
    answer = client.get(f"/break/{status}")
    assert answer.status_code == status
    assert re.search(r"<code>[0-9a-f]{8}</code>", answer.text)
    assert re.search(r"Nothing was|Nothing is|reference|is safe", answer.text)
    assert "Back to the dashboard" in answer.text
    assert "secret" not in answer.text


def test_the_reference_is_in_the_log(
    client: PageClient, caplog: pytest.LogCaptureFixture
) -> None:
    page = client.get("/break/500").text
    found = re.search(r"<code>([0-9a-f]{8})</code>", page)
    assert found
    assert found[1] in caplog.text


@pytest.mark.parametrize("status", [404, 500, 503])
def test_the_api_answers_in_problem_json(api: ApiClient, status: int) -> None:
    answer = api.get(f"/break/{status}")
    assert answer.content_type == "application/problem+json"
    assert answer.json is not None
    assert answer.json["status"] == status
    assert "secret" not in answer.text


def test_text_of_an_ended_session_comes_back(anonymous: PageClient) -> None:
    answer = anonymous.post(
        "/account", data={"name": "Long text", "password": "not this"}
    )
    assert answer.status_code == 400
    assert "Your text is below" in answer.text
    assert "Long text" in answer.text
    assert "not this" not in answer.text
