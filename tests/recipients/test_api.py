"""Recipient tables and rows through the API: every verb."""

import time

import pytest

from tests.conftest import ApiClient
from webapp.recipients import service

COLUMNS = [
    {"name": "email", "kind": "email", "required": True, "unique": True},
    {"label": "First name", "kind": "text"},
    {"name": "joined", "kind": "date"},
]


@pytest.fixture
def table_id(api: ApiClient) -> int:
    answer = api.post("/recipient-tables", {"name": "Members", "columns": COLUMNS})
    assert answer.status_code == 201, answer.text
    return int(answer.get_json()["id"])


def test_a_new_table_shows_its_columns(api: ApiClient, table_id: int) -> None:
    table = api.get(f"/recipient-tables/{table_id}").get_json()
    assert [column["name"] for column in table["columns"]] == [
        "email",
        "first_name",
        "joined",
    ]
    assert table["address_column"] == "email"
    assert table["recipients_count"] == 0


def test_a_table_needs_a_name_of_its_own(api: ApiClient, table_id: int) -> None:
    del table_id
    again = api.post("/recipient-tables", {"name": "Members"})
    none = api.post("/recipient-tables", {"name": ""})
    assert (again.status_code, none.status_code) == (422, 422)
    assert "name" in again.get_json()["fields"]


@pytest.mark.parametrize("name", ["first name", "1st", "class", "loop", "é", "_x"])
def test_a_column_is_called_like_a_placeholder(api: ApiClient, name: str) -> None:
    columns = [{"name": name, "kind": "text"}]
    answer = api.post("/recipient-tables", {"name": "X", "columns": columns})
    assert answer.status_code == 422
    assert "columns.0.name" in answer.get_json()["fields"]


def test_a_column_is_there_once(api: ApiClient) -> None:
    columns = [{"name": "a", "kind": "text"}, {"name": "a", "kind": "date"}]
    answer = api.post("/recipient-tables", {"name": "X", "columns": columns})
    assert list(answer.get_json()["fields"]) == ["columns.1.name"]


def test_one_row_comes_back_typed(api: ApiClient, table_id: int) -> None:
    values = {"email": "Ada@Example.ORG", "joined": "30.11.2026"}
    answer = api.post(f"/recipient-tables/{table_id}/recipients", {"values": values})
    assert answer.status_code == 201
    assert answer.get_json()["values"] == {
        "email": "Ada@example.org",
        "first_name": None,
        "joined": "2026-11-30",
    }
    assert answer.get_json()["problems"] == {}
    shown = api.get(
        f"/recipient-tables/{table_id}/recipients/{answer.get_json()['id']}"
    )
    assert shown.get_json() == answer.get_json()


def test_a_bad_cell_is_kept_with_its_reason(api: ApiClient, table_id: int) -> None:
    values = {"email": "ada(at)example.org", "joined": "31.11.2026"}
    row = api.post(
        f"/recipient-tables/{table_id}/recipients", {"values": values}
    ).get_json()
    assert row["values"]["email"] == "ada(at)example.org"
    assert row["problems"]["joined"] == "Not a date: 31 November does not exist"
    assert row["address"] is None


def test_a_list_of_rows_is_added_at_once(api: ApiClient, table_id: int) -> None:
    rows = [{"values": {"email": f"p{n}@example.org"}} for n in range(1000)]
    began = time.process_time()
    answer = api.post(f"/recipient-tables/{table_id}/recipients", rows)
    took = time.process_time() - began
    assert len(answer.get_json()["items"]) == 1000
    assert took < 3
    assert (
        api.get(f"/recipient-tables/{table_id}").get_json()["recipients_count"] == 1000
    )


def test_a_unique_value_is_there_once(api: ApiClient, table_id: int) -> None:
    path = f"/recipient-tables/{table_id}/recipients"
    api.post(path, {"values": {"email": "ada@example.org"}})
    again = api.post(path, {"values": {"email": "ADA@example.org"}})
    twice = [{"values": {"email": "b@example.org"}}] * 2
    assert again.status_code == 422
    assert "values.email" in again.get_json()["fields"]
    assert "1.values.email" in api.post(path, twice).get_json()["fields"]
    assert api.get(f"/recipient-tables/{table_id}").get_json()["recipients_count"] == 1


def test_an_unknown_column_is_refused(api: ApiClient, table_id: int) -> None:
    path = f"/recipient-tables/{table_id}/recipients"
    answer = api.post(path, {"values": {"mail": "ada@example.org"}})
    assert answer.status_code == 422
    assert "values.mail" in answer.get_json()["fields"]


@pytest.mark.parametrize("body", [[], {}, {"values": 1}, [1], {"items": {}}, "x"])
def test_a_body_of_another_shape_is_refused(
    api: ApiClient, table_id: int, body: object
) -> None:
    answer = api.post(f"/recipient-tables/{table_id}/recipients", body)
    assert answer.status_code == 422


def test_patch_changes_only_what_it_names(api: ApiClient, table_id: int) -> None:
    path = f"/recipient-tables/{table_id}/recipients"
    values = {"email": "ada@example.org", "first_name": "Ada"}
    row = api.post(path, {"values": values}).get_json()
    changed = api.patch(f"{path}/{row['id']}", {"values": {"first_name": None}})
    assert changed.get_json()["values"]["first_name"] is None
    assert changed.get_json()["values"]["email"] == "ada@example.org"
    assert changed.get_json()["version"] == 2


def test_an_old_version_changes_nothing(api: ApiClient, table_id: int) -> None:
    path = f"/recipient-tables/{table_id}/recipients"
    row = api.post(path, {"values": {"email": "ada@example.org"}}).get_json()
    one = f"{path}/{row['id']}"
    seen = {"If-Match": '"1"'}
    first = api.patch(one, {"values": {"first_name": "Ada"}}, headers=seen)
    second = api.patch(one, {"values": {"first_name": "Eve"}}, headers=seen)
    assert (first.status_code, second.status_code) == (200, 409)
    assert "Somebody saved a newer version" in second.get_json()["detail"]
    assert api.get(one).get_json()["values"]["first_name"] == "Ada"


def test_rows_are_deleted_alone_and_together(api: ApiClient, table_id: int) -> None:
    path = f"/recipient-tables/{table_id}/recipients"
    rows = [{"values": {"email": f"p{n}@example.org"}} for n in range(4)]
    ids = [row["id"] for row in api.post(path, rows).get_json()["items"]]
    assert api.delete(f"{path}/{ids[0]}").status_code == 204
    assert api.delete(f"{path}/{ids[0]}").status_code == 404
    assert api.delete(f"{path}?id={ids[1]}&id={ids[2]}").get_json() == {"deleted": 2}
    assert [row["id"] for row in api.get(path).get_json()["items"]] == [ids[3]]
    assert api.get(f"/recipient-tables/{table_id}").get_json()["recipients_count"] == 1


def test_the_list_is_walked_by_cursor(api: ApiClient, table_id: int) -> None:
    path = f"/recipient-tables/{table_id}/recipients"
    rows = [{"values": {"email": f"p{n}@example.org"}} for n in range(5)]
    api.post(path, rows)
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = api.get(f"{path}?limit=2&cursor={cursor}").get_json()
        seen += [row["values"]["email"] for row in page["items"]]
        cursor = page["next"]
    assert seen == [f"p{n}@example.org" for n in range(5)]


def test_rows_are_searched(api: ApiClient, table_id: int) -> None:
    path = f"/recipient-tables/{table_id}/recipients"
    names = ["Ólafur", "Zoë", "100%"]
    for number, name in enumerate(names):
        values = {"email": f"p{number}@example.org", "first_name": name}
        api.post(path, {"values": values})

    def found(q: str) -> list[str]:
        items = api.get(path, query_string={"q": q}).get_json()["items"]
        return [row["values"]["first_name"] for row in items]

    assert found("ólaf") == ["Ólafur"]
    assert found("first_name:zo") == ["Zoë"]
    assert found("0%") == ["100%"]
    assert found("p_@") == []
    assert found("nobody:x") == []


def test_a_changed_kind_reads_the_rows_again(api: ApiClient, table_id: int) -> None:
    path = f"/recipient-tables/{table_id}/recipients"
    values = {"email": "ada@example.org", "first_name": "36"}
    row = api.post(path, {"values": values}).get_json()
    columns = [
        {"name": "email", "kind": "email"},
        {"name": "first_name", "kind": "number"},
    ]
    answer = api.patch(f"/recipient-tables/{table_id}", {"columns": columns})
    assert answer.status_code == 200
    again = api.get(f"{path}/{row['id']}").get_json()
    assert again["values"] == {"email": "ada@example.org", "first_name": 36}


def test_a_deleted_table_is_gone_and_its_name_free(
    api: ApiClient, table_id: int
) -> None:
    assert api.delete(f"/recipient-tables/{table_id}").status_code == 204
    assert api.get(f"/recipient-tables/{table_id}").status_code == 404
    assert api.get(f"/recipient-tables/{table_id}/recipients").status_code == 404
    assert api.get("/recipient-tables").get_json()["items"] == []
    assert api.post("/recipient-tables", {"name": "Members"}).status_code == 201


def test_rows_after_walks_a_table(api: ApiClient, table_id: int) -> None:
    path = f"/recipient-tables/{table_id}/recipients"
    rows = [{"values": {"email": f"p{n}@example.org"}} for n in range(3)]
    ids = [row["id"] for row in api.post(path, rows).get_json()["items"]]
    first = service.rows_after(table_id, 0, 2)
    assert [row.id for row in first] == ids[:2]
    assert [row.id for row in service.rows_after(table_id, ids[1], 2)] == ids[2:]
    assert service.values_for_template(first[0]) == {"email": "p0@example.org"}
