"""SECURITY 26: no exported cell is a formula, and an import gives it back as it was."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import ApiClient, PageClient
from tests.recipients.factories import make_table
from webapp.core.csv_cells import as_it_was, neutralised
from webapp.recipients import exports, import_service, jobs, row_service
from webapp.recipients.kinds import ColumnKind, ColumnSpec

DANGEROUS = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")


@settings(deadline=None)
@given(st.text())
def test_no_text_begins_like_a_formula_and_all_come_back(text: str) -> None:
    safe = neutralised(text)
    assert not safe.startswith(DANGEROUS)
    assert as_it_was(safe) == text


@pytest.mark.parametrize(
    "cell", ["=1+1", "+1", "-1", "@SUM(A1)", "=cmd|' /C calc'!A0", "'=1", "''=1"]
)
def test_an_exported_cell_is_no_formula(cell: str) -> None:
    assert not exports.cell_text(cell).startswith(DANGEROUS)


def test_the_columns_and_rejects_are_neutralised_too(client: PageClient) -> None:
    table = make_table("M", ColumnSpec("email", ColumnKind.EMAIL))
    content = b'email,"=HYPERLINK(1)"\n=1+1,x\na@example.org,y\n'
    found = import_service.upload(table.id, io.BytesIO(content), "=m.csv", {})
    import_service.prepare(found.id, {"0": "email"}, found.mode)
    import_service.check(found.id)
    jobs.run_import(found.id)
    answer = client.get(f"/recipient-tables/imports/{found.id}/rejects.csv")
    text = answer.get_data().decode("utf-8-sig")
    cells = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
    assert "'=1+1" in cells
    assert not any(cell.startswith(DANGEROUS) for cell in cells)


def test_export_then_import_gives_the_formula_text_back(api: ApiClient) -> None:
    columns = (
        ColumnSpec("email", ColumnKind.EMAIL),
        ColumnSpec("note", ColumnKind.TEXT),
    )
    table, other = make_table("A", *columns), make_table("B", *columns)
    notes = ["=1+1", "'=1+1", "-5", "@x", "it's"]
    row_service.add(
        table.id,
        [{"email": f"p{n}@example.org", "note": note} for n, note in enumerate(notes)],
    )
    ids = (table.id, other.id)
    text = "".join(exports.csv_lines(ids[0], ["email", "note"]))
    file = (io.BytesIO(text.encode()), "a.csv")
    answer = api.post(f"/recipient-tables/{ids[1]}/imports", data={"file": file})
    jobs.run_import(answer.get_json()["id"])
    rows = api.get(f"/recipient-tables/{ids[1]}/recipients").get_json()["items"]
    assert [row["values"]["note"] for row in rows] == notes
