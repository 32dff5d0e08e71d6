"""Imports in a browser without JavaScript: file, columns, check, import."""

import io
import re

import sqlalchemy as sa

from tests.conftest import PageClient
from tests.recipients.factories import make_rows, make_table
from webapp.core.db import db
from webapp.recipients import import_service, jobs, service
from webapp.recipients.models import Recipient, RecipientImport, RecipientTable

FILE = b"E-mail,First name,City\nada@example.org,Ada,Rome\nno,Bob,Oslo\n"


def send(client: PageClient, path: str, content: bytes = FILE, **data: str) -> str:
    """Upload a file; return where that leads, or the page that refuses it."""
    file = (io.BytesIO(content), "members.csv")
    answer = client.submit(path, {"file": file, **data})
    return answer.location or answer.text


def number_of(path: str) -> int:
    return int(path.rsplit("/", 1)[1])


def test_from_file_to_rows(client: PageClient) -> None:
    table = make_table()
    path = send(client, f"/recipient-tables/{table.id}/import")
    page = client.get(path).text
    assert "UTF-8" in page
    assert "separated by comma" in page
    assert "ada@example.org · no" in page
    assert re.search('value="email" selected', page)
    choices = {
        "column-0": "email",
        "column-1": "first_name",
        "column-2": "new:",
        "name-2": "town",
        "kind-2": "text",
        "mode": "add",
    }
    assert client.submit(f"{path}/check", choices).location == path
    assert "Checking members.csv" in client.get(path).text
    jobs.run_import(number_of(path))
    db.session.expire_all()
    page = client.get(path).text
    assert "This is what would happen" in page
    assert "Import 1 good row<" in page
    assert "There is no @" in page
    assert service.column_names(service.get(table.id)) == ["email", "first_name", "age"]
    client.submit(f"{path}/start")
    jobs.run_import(number_of(path))
    db.session.expire_all()
    assert "Imported members.csv" in client.get(path).text
    values = db.session.scalar(sa.select(Recipient.row_values))
    assert values == {"email": "ada@example.org", "first_name": "Ada", "town": "Rome"}
    assert "no@" not in client.get(f"{path}/rejects.csv").text
    assert client.get(f"{path}/status.json").get_json()["state"] == "finished"


def test_a_table_is_made_from_a_file(client: PageClient) -> None:
    path = send(client, "/recipient-tables/import", name="From a file")
    page = client.get(path).text
    assert 'value="e_mail"' in page
    assert page.count('value="new:" selected') == 3


def test_a_file_that_is_none_leaves_no_table(client: PageClient) -> None:
    page = send(client, "/recipient-tables/import", b"\x89PNG\r\n\x1a\n", name="X")
    assert "This is a PNG image" in page
    assert db.session.scalar(sa.select(sa.func.count(RecipientTable.id))) == 0


def test_without_a_file_the_page_says_so(client: PageClient) -> None:
    table = make_table()
    answer = client.submit(f"/recipient-tables/{table.id}/import", {})
    assert answer.status_code == 422
    assert "Choose a file first, or paste cells." in answer.text


def test_pasted_cells_are_a_file_too(client: PageClient) -> None:
    table = make_table()
    pasted = {"pasted": "E-mail\tFirst name\r\nada@example.org\tAda\r\n"}
    path = client.submit(f"/recipient-tables/{table.id}/import", pasted).location
    page = client.get(path).text
    assert "separated by tab" in page
    assert "ada@example.org" in page


def test_the_file_is_read_in_another_way(client: PageClient) -> None:
    table = make_table()
    content = "email;name\nzoe@example.se;Zoë\n".encode("cp1252")
    path = send(client, f"/recipient-tables/{table.id}/import", content)
    page = client.get(path).text
    assert "Windows-1252" in page
    assert "Zoë" in page
    form = {"encoding": "cp1251", "delimiter": ",", "header": "no"}
    client.submit(f"{path}/layout", form)
    page = client.get(path).text
    assert "separated by comma" in page
    assert "without a heading" in page
    assert "Zoл" in page


def test_an_impossible_choice_is_explained(client: PageClient) -> None:
    table = make_table()
    path = send(client, f"/recipient-tables/{table.id}/import")
    form = {"column-0": "email", "column-1": "email", "mode": "add"}
    answer = client.submit(f"{path}/check", form)
    assert answer.status_code == 422
    assert "Two columns of the file go to “email”." in answer.text
    new = {"column-0": "email", "column-1": "new:", "name-1": "1st", "mode": "add"}
    assert client.submit(f"{path}/check", new).status_code == 422


def test_replacing_asks_for_the_name(client: PageClient) -> None:
    table = make_table()
    make_rows(table, "old@example.org")
    path = send(client, f"/recipient-tables/{table.id}/import")
    form = {"column-0": "email", "mode": "replace", "typed_name": "Member"}
    answer = client.submit(f"{path}/check", form)
    assert answer.status_code == 422
    assert "This is not the name of the table." in answer.text
    form["typed_name"] = "Members"
    assert client.submit(f"{path}/check", form).status_code == 303


def test_stop_is_noted(client: PageClient) -> None:
    table = make_table()
    path = send(client, f"/recipient-tables/{table.id}/import")
    client.submit(f"{path}/check", {"column-0": "email", "mode": "add"})
    client.submit(f"{path}/stop")
    jobs.run_import(number_of(path))
    db.session.expire_all()
    found = db.session.get(RecipientImport, number_of(path))
    assert found is not None
    assert found.state == "stopped"


def test_columns_are_chosen_again_after_a_check(client: PageClient) -> None:
    table = make_table()
    path = send(client, f"/recipient-tables/{table.id}/import")
    client.submit(f"{path}/check", {"column-0": "email", "mode": "add"})
    jobs.run_import(number_of(path))
    client.submit(f"{path}/columns")
    assert "Where does each column go?" in client.get(path).text
    assert import_service.get(number_of(path)).mapping == {
        "0": "email",
        "1": "",
        "2": "",
    }
