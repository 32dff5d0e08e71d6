"""Recipient tables and rows in a browser without JavaScript: every verb."""

import csv
import io
import json
import re

from tests.conftest import PageClient
from tests.recipients.factories import make_rows, make_table
from webapp.core.db import db
from webapp.recipients import row_service, service
from webapp.recipients.models import RecipientTable
from webapp.suppressions import service as suppressions
from webapp.suppressions.models import Channel


def shown_rows(page: str) -> int:
    return len(re.findall('name="id" value="', page))


def test_without_tables_the_page_says_how_to_begin(client: PageClient) -> None:
    assert "No recipient tables yet." in client.get("/recipient-tables").text


def test_a_table_is_created_from_the_form(client: PageClient) -> None:
    form = {
        "name": "Members",
        "columns-0-label": "E-mail",
        "columns-0-kind": "email",
        "columns-0-unique": "y",
        "columns-1-label": "First name",
        "columns-1-kind": "text",
        "columns-2-label": "",
        "columns-2-kind": "text",
    }
    answer = client.submit("/recipient-tables/new", form)
    assert answer.status_code == 303
    table = db.session.query(RecipientTable).one()
    assert service.column_names(table) == ["e_mail", "first_name"]
    assert "No recipients yet." in client.get(answer.location).text
    assert "Members" in client.get("/recipient-tables").text


def test_what_is_wrong_stands_on_the_form(client: PageClient) -> None:
    form = {"name": "", "columns-0-name": "1st", "columns-0-kind": "text"}
    answer = client.submit("/recipient-tables/new", form)
    assert answer.status_code == 422
    assert "Give the table a name." in answer.text
    assert 'value="1st"' in answer.text


def test_more_lines_keep_what_was_typed(client: PageClient) -> None:
    form = {"name": "Mem", "columns-0-name": "a", "columns-0-kind": "text", "more": "1"}
    page = client.submit("/recipient-tables/new", form).text
    assert 'value="Mem"' in page
    assert "columns-3-name" in page


def test_columns_are_changed_and_rows_read_again(client: PageClient) -> None:
    table = make_table()
    (row,) = row_service.add(table.id, [{"email": "a@example.org", "first_name": "7"}])
    form = {
        "name": "Friends",
        "version": str(table.version),
        "columns-0-name": "email",
        "columns-0-kind": "email",
        "columns-1-name": "first_name",
        "columns-1-kind": "number",
    }
    answer = client.submit(f"/recipient-tables/{table.id}/columns", form)
    assert answer.status_code == 303
    db.session.expire_all()
    assert row_service.get(table.id, row.id).row_values["first_name"] == 7
    assert service.get(table.id).name == "Friends"


def test_columns_of_an_old_version_are_not_saved(client: PageClient) -> None:
    table = make_table()
    form = {
        "name": "X",
        "version": "7",
        "columns-0-name": "a",
        "columns-0-kind": "text",
    }
    answer = client.submit(f"/recipient-tables/{table.id}/columns", form)
    assert answer.status_code == 409
    assert "Somebody saved a newer version" in answer.text
    assert 'value="X"' in answer.text


def test_a_row_is_added_and_seen(client: PageClient) -> None:
    table = make_table()
    form = {"cell-email": "zoe@example.se", "cell-first_name": "Zoë", "cell-age": "41"}
    answer = client.submit(f"/recipient-tables/{table.id}/recipients/new", form)
    assert answer.location == f"/recipient-tables/{table.id}"
    page = client.get(answer.location).text
    assert "zoe<wbr>@example.se" in page
    assert "Zoë" in page
    assert "1 row added" in page


def test_a_bad_cell_stays_with_its_reason(client: PageClient) -> None:
    table = make_table()
    form = {"cell-email": "zoe(at)example.se", "cell-age": "many"}
    answer = client.submit(f"/recipient-tables/{table.id}/recipients/new", form)
    page = client.get(answer.location).text
    assert 'value="zoe(at)example.se"' in page
    assert "There is no @" in page
    assert "Not a number" in page
    grid = client.get(f"/recipient-tables/{table.id}").text
    assert "zoe(at)example.se" in grid
    assert "Invalid" in grid


def test_a_row_is_changed(client: PageClient) -> None:
    table = make_table()
    (row_id,) = make_rows(table, "zoe@example.se")
    path = f"/recipient-tables/{table.id}/recipients/{row_id}"
    form = {"cell-email": "zoe@example.se", "cell-first_name": "Zoë", "version": "1"}
    assert client.submit(path, form).status_code == 303
    assert 'value="Zoë"' in client.get(path).text


def test_who_came_to_mend_a_row_goes_back_to_where_they_were(
    client: PageClient,
) -> None:
    table = make_table()
    (row_id,) = make_rows(table, "ada@example.org")
    path = f"/recipient-tables/{table.id}/recipients/{row_id}"
    good = {"cell-email": "ada@example.com"}
    back = "/campaigns/7/check"
    assert f'href="{back}"' in client.get(f"{path}?next={back}").text
    assert client.submit(f"{path}?next={back}", good).location == back
    again = client.submit(f"{path}?next={back}", {"cell-email": "ada(at)"}).location
    assert again == f"{path}?next={back}"
    elsewhere = client.submit(f"{path}?next=//evil.example", good)
    assert elsewhere.location == f"/recipient-tables/{table.id}"


def test_two_people_on_one_row_lose_nothing(client: PageClient) -> None:
    table = make_table()
    (row_id,) = make_rows(table, "zoe@example.se")
    path = f"/recipient-tables/{table.id}/recipients/{row_id}"
    row_service.change(table.id, row_id, {"first_name": "Maria"}, None)
    form = {"cell-email": "zoe@example.se", "cell-first_name": "Mine", "version": "1"}
    answer = client.submit(path, form)
    assert answer.status_code == 409
    assert 'value="Mine"' in answer.text
    assert "Saved now: <b>Maria</b>" in answer.text
    assert row_service.get(table.id, row_id).row_values["first_name"] == "Maria"


def test_ticked_rows_are_deleted_and_come_back(client: PageClient) -> None:
    table = make_table()
    ids = make_rows(table, "a@example.org", "b@example.org", "c@example.org")
    before = row_service.get(table.id, ids[0]).public_id
    path = f"/recipient-tables/{table.id}/recipients"
    client.submit(f"{path}/delete", {"id": [str(ids[0]), str(ids[1])]})
    page = client.get(f"/recipient-tables/{table.id}").text
    assert "2 rows deleted" in page
    assert shown_rows(page) == 1
    batch = re.search('name="batch" value="([^"]+)"', page)
    assert batch
    client.submit(f"{path}/restore", {"batch": batch[1]})
    page = client.get(f"/recipient-tables/{table.id}").text
    assert shown_rows(page) == 3
    db.session.expire_all()
    assert service.get(table.id).recipients_count == 3
    assert row_service.get(table.id, ids[0]).public_id == before


def test_rows_come_back_once_and_only_to_their_table(client: PageClient) -> None:
    table, other = make_table(), make_table("Other")
    (row_id,) = make_rows(table, "a@example.org")
    batch, _gone = row_service.delete(table.id, [row_id])
    form = {"batch": str(batch)}
    path = "/recipient-tables/{}/recipients/restore"
    assert client.submit(path.format(other.id), form).status_code == 404
    assert client.submit(path.format(table.id), form).status_code == 303
    assert client.submit(path.format(table.id), form).status_code == 404


def test_rows_of_another_table_are_not_deleted(client: PageClient) -> None:
    table, other = make_table(), make_table("Other")
    (row_id,) = make_rows(table, "a@example.org")
    path = f"/recipient-tables/{other.id}/recipients"
    client.submit(f"{path}/delete", {"id": str(row_id)})
    assert client.get(f"{path}/{row_id}").status_code == 404
    assert row_service.get(table.id, row_id).address == "a@example.org"


def test_filters_show_invalid_duplicate_and_suppressed(client: PageClient) -> None:
    table = make_table()
    make_rows(table, "a@example.org", "A@example.org", "b@example.org", "no address")
    suppressions.suppress(Channel.EMAIL, "b@example.org")
    path = f"/recipient-tables/{table.id}"
    found = {
        only: client.get(f"{path}?only={only}").text
        for only in ("invalid", "duplicate", "suppressed")
    }
    assert {only: shown_rows(page) for only, page in found.items()} == {
        "invalid": 1,
        "duplicate": 1,
        "suppressed": 1,
    }
    assert "A<wbr>@example.org" in found["duplicate"]
    assert "b<wbr>@example.org" in found["suppressed"]
    assert client.get(f"{path}?only=nobody").status_code == 422


def test_ticked_rows_are_suppressed(client: PageClient) -> None:
    table = make_table()
    ids = make_rows(table, "a@example.org", "b@example.org", "no address")
    path = f"/recipient-tables/{table.id}/recipients/suppress"
    client.submit(path, {"id": [str(ids[0]), str(ids[2])]})
    page = client.get(f"/recipient-tables/{table.id}?only=suppressed").text
    assert "a<wbr>@example.org" in page
    assert shown_rows(page) == 1
    assert "this address" in page
    client.submit(path, {"id": str(ids[2])})
    assert "Nobody was suppressed" in client.get(f"/recipient-tables/{table.id}").text


def test_pages_go_on_and_back(client: PageClient) -> None:
    table = make_table()
    make_rows(table, *(f"p{n:03}@example.org" for n in range(120)))
    page = client.get(f"/recipient-tables/{table.id}").text
    seen = [page]
    while link := re.search('href="([^"]+after=[^"]+)"', page):
        page = client.get(link[1].replace("&amp;", "&")).text
        seen.append(page)
    assert [shown_rows(one) for one in seen] == [50, 50, 20]
    back = re.search('href="([^"]+before=[^"]+)"', page)
    assert back
    page = client.get(back[1].replace("&amp;", "&")).text
    assert "p050<wbr>" in page
    assert "p099<wbr>" in page


def test_csv_export_is_safe_in_a_spreadsheet(client: PageClient) -> None:
    table = make_table()
    cells = {"email": "a@example.org", "first_name": '=HYPERLINK("x")', "age": "-5"}
    row_service.add(table.id, [cells])
    answer = client.get(f"/recipient-tables/{table.id}/export.csv")
    text = answer.get_data().decode("utf-8-sig")
    assert list(csv.reader(io.StringIO(text, newline=""))) == [
        ["email", "first_name", "age"],
        ["a@example.org", '\'=HYPERLINK("x")', "-5"],
    ]
    assert "attachment; filename=members-" in answer.headers["Content-Disposition"]


def test_json_export_is_raw(client: PageClient) -> None:
    table = make_table()
    row_service.add(table.id, [{"email": "a@example.org", "first_name": "=1"}])
    lines = client.get(f"/recipient-tables/{table.id}/export.jsonl").text.splitlines()
    assert [json.loads(line) for line in lines] == [
        {"email": "a@example.org", "first_name": "=1", "age": None}
    ]


def test_a_table_goes_only_with_its_name_typed(client: PageClient) -> None:
    table = make_table()
    make_rows(table, "a@example.org")
    path = f"/recipient-tables/{table.id}/delete"
    assert "Type the name of the table" in client.get(path).text
    assert client.submit(path, {"name": "members"}).status_code == 422
    assert client.get(f"/recipient-tables/{table.id}").status_code == 200
    assert client.submit(path, {"name": "Members"}).status_code == 303
    assert client.get(f"/recipient-tables/{table.id}").status_code == 404
    client.submit(f"/recipient-tables/{table.id}/restore")
    assert shown_rows(client.get(f"/recipient-tables/{table.id}").text) == 1
