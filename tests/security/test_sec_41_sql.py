"""SECURITY 41: what people type is bound, and their columns are never identifiers."""

import pytest
from flask import Flask
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect

from tests.conftest import ApiClient
from tests.recipients.factories import make_table
from webapp.core.db import db
from webapp.recipients import listing, service
from webapp.suppressions import service as suppressions

DIALECTS: list[Dialect] = [sqlite.dialect(), postgresql.dialect()]  # type: ignore[no-untyped-call]  # theirs
EVIL = "x'); DROP TABLE recipient; --"


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("q", [EVIL, f"first_name:{EVIL}", "first_name:x"])
def test_a_search_stands_beside_the_statement(
    app: Flask, dialect: Dialect, q: str
) -> None:
    del app
    query = listing.query_of(make_table(), listing.Wanted(q))
    compiled = query.compile(dialect=dialect)
    assert "DROP" not in str(compiled)
    assert "first_name" not in str(compiled)
    assert any(
        q.lower().split(":")[-1] in str(v).lower() for v in compiled.params.values()
    )


@pytest.mark.parametrize(
    "name", [EVIL, 'a"; --', "a b", "a.b", "$[0]", "a'", "id); --", "sélect"]
)
def test_such_a_name_is_no_column(api: ApiClient, name: str) -> None:
    body = {"name": "M", "columns": [{"name": name, "kind": "text"}]}
    assert api.post("/recipient-tables", body).status_code == 422


def test_evil_cells_names_and_searches_are_only_text(api: ApiClient) -> None:
    columns = [{"name": "select", "kind": "text"}, {"name": "email", "kind": "email"}]
    answer = api.post("/recipient-tables", {"name": EVIL, "columns": columns})
    path = f"/recipient-tables/{answer.get_json()['id']}/recipients"
    for _time in range(2):
        added = api.post(path, {"values": {"select": EVIL, "email": EVIL}})
        assert added.get_json()["values"]["select"] == EVIL
    for q in (EVIL, f"select:{EVIL}", "select:%", "'", '"', "\\", "%", "_"):
        assert api.get(path, query_string={"q": q}).status_code == 200
    found = api.get(path, query_string={"q": f"select:{EVIL}"}).get_json()["items"]
    assert len(found) == 2
    assert api.get(path, query_string={"q": "select:%"}).get_json()["items"] == []
    assert api.get("/suppressions", query_string={"q": EVIL}).status_code == 200
    assert len(list(db.session.scalars(suppressions.all_suppressions(EVIL)))) == 0
    assert len(list(db.session.scalars(service.all_tables()))) == 1


@pytest.mark.parametrize("cursor", [EVIL, "WyJ4Il0", "W10", "bnVsbA"])
def test_a_forged_cursor_is_refused(api: ApiClient, cursor: str) -> None:
    answer = api.get("/recipient-tables", query_string={"cursor": cursor})
    assert answer.status_code == 422
