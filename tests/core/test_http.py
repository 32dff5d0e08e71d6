"""Lists by cursor, and errors as problem JSON."""

import base64
import contextlib
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import ApiClient, PageClient
from webapp.core import http
from webapp.core.db import db
from webapp.core.errors import Invalid
from webapp.operators.models import SignInFailure

ROWS = 7
LARGEST = 2**63 - 1


@pytest.fixture
def rows(app: Flask) -> None:
    """Seven rows to page through."""
    del app
    db.session.add_all(SignInFailure(key=str(n)) for n in range(ROWS))
    db.session.commit()


def page(app: Flask, query: str = "", **more: Any) -> http.Page:
    with app.test_request_context(f"/?{query}"):
        show = more.pop("show", lambda row: int(row.key))
        chosen = sa.select(SignInFailure)
        return http.page_of(chosen, SignInFailure.id, show=show, **more)


@pytest.mark.usefixtures("rows")
@pytest.mark.parametrize("descending", [True, False])
def test_pages_cover_all_rows_once(app: Flask, descending: bool) -> None:
    seen: list[int] = []
    query = "limit=3"
    while True:
        got = page(app, query, descending=descending)
        seen += got.items
        if got.next is None:
            break
        query = f"limit=3&cursor={got.next}"
    assert seen == sorted(range(ROWS), reverse=descending)


@pytest.mark.usefixtures("rows")
def test_rows_that_come_meanwhile_shift_nothing(app: Flask) -> None:
    first = page(app, "limit=3")
    db.session.add(SignInFailure(key="99"))
    db.session.commit()
    assert page(app, f"limit=3&cursor={first.next}").items == [3, 2, 1]


@pytest.mark.usefixtures("rows")
def test_the_last_page_that_is_just_full_has_no_next(app: Flask) -> None:
    assert page(app, f"limit={ROWS}").next is None


@pytest.mark.parametrize(
    "limit", ["0", "501", "-1", "x", "", "1e2", "²", "0000019999", "9" * 5000]
)
def test_limits_that_are_none(app: Flask, limit: str) -> None:
    with pytest.raises(Invalid, match="limit"):
        page(app, f"limit={limit}")


@pytest.mark.parametrize(
    "cursor", ["x", "%%%", "WyJ4Il0", "e30", "WzEsMl0", "é", "HUGE", "DEEP"]
)
def test_cursors_that_are_none(app: Flask, cursor: str) -> None:
    if cursor == "HUGE":
        cursor = http.encode_cursor(2**63)
    if cursor == "DEEP":
        cursor = base64.urlsafe_b64encode(b"[" * 9_000).decode()
    with pytest.raises(Invalid, match="cursor"):
        page(app, f"cursor={cursor}")


@given(st.lists(st.integers(-LARGEST, LARGEST) | st.text(), max_size=4))
def test_a_cursor_comes_back_as_it_was(values: list[int | str]) -> None:
    text = http.encode_cursor(*values)
    assert http.decode_cursor(text, *(type(v) for v in values)) == tuple(values)


@given(st.text(max_size=40))
def test_any_text_is_a_cursor_or_a_word_about_it(text: str) -> None:
    with contextlib.suppress(Invalid):
        http.decode_cursor(text, int)


def test_problem_details_have_their_parts(api: ApiClient) -> None:
    answer = api.get("/campaigns?limit=0")
    assert answer.status_code == 422
    assert answer.content_type == "application/problem+json"
    found = answer.json
    assert found is not None
    assert set(found) == {"type", "title", "status", "detail", "reference", "fields"}
    assert list(found["fields"]) == ["limit"]


@pytest.mark.parametrize("number", ["0", "9" * 18, str(2**63), "9" * 40, "9" * 5000])
@pytest.mark.parametrize(
    "path", ["/campaigns/%s", "/imports/%s", "/mailboxes/%s/folders"]
)
def test_an_id_that_no_database_holds_is_nobodys(
    api: ApiClient, path: str, number: str
) -> None:
    assert api.get(path % number).status_code == 404


def test_a_number_that_no_database_holds_is_refused_in_words(
    api: ApiClient, client: PageClient
) -> None:
    table = api.post(
        "/recipient-tables",
        {
            "name": "Readers",
            "columns": [{"name": "email", "kind": "email"}],
            "address_column": "email",
        },
    ).json
    assert table is not None
    answer = client.get(f"/recipient-tables/{table['id']}?after={10**30}")
    assert answer.status_code == 422
    assert "beyond what can be kept" in answer.text


@pytest.mark.parametrize(
    ("method", "path", "title"),
    [("get", "/nowhere", "Not found"), ("delete", "/team", "Not possible this way")],
)
def test_refusals_are_titled_in_plain_words(
    client: PageClient, method: str, path: str, title: str
) -> None:
    answer = client.open(path, method=method)
    assert f'<h1 id="what">{title}</h1>' in answer.get_data(as_text=True)


def test_a_wrong_method_says_which_are_right(api: ApiClient) -> None:
    answer = api.delete("/status")
    assert answer.status_code == 405
    assert "GET" in answer.headers["Allow"]


def test_next_is_only_a_path_of_this_site(app: Flask) -> None:
    def target(text: str) -> str | None:
        with app.test_request_context("/", query_string={"next": text}):
            return http.local_target()

    assert target("/campaigns/7?x=1") == "/campaigns/7?x=1"
    hostile = [
        "//e.example",
        "/\\e.example",
        "https://e.example",
        "e",
        "",
        "javascript:1",
    ]
    assert [target(text) for text in hostile] == [None] * len(hostile)
