"""Imports of files: what gets in, what is left out and why, stop, resume."""

import csv
import io
from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa

from tests.conftest import ApiClient
from tests.recipients.factories import make_table
from webapp.core import queue
from webapp.core.clock import now
from webapp.core.db import db
from webapp.core.errors import Invalid, Unavailable
from webapp.recipients import import_run, import_service, jobs, row_service, service
from webapp.recipients.kinds import ColumnKind, ColumnSpec
from webapp.recipients.models import (
    DeletedRecipient,
    ImportMode,
    ImportState,
    Recipient,
    RecipientImport,
    RecipientTable,
)

FILE = """E-mail;First name;Age
ada@example.org;Ada;36
bob(at)example.org;Bob;40
;Nobody;1
ADA@example.org;Ada again;37
cyd@example.org;Cyd;old
"eve@example.org";"Eve;
the second";20
"""


@pytest.fixture
def table(api: ApiClient) -> RecipientTable:
    del api
    return make_table(
        "Members",
        ColumnSpec("email", ColumnKind.EMAIL, "E-mail", required=True, unique=True),
        ColumnSpec("first_name", ColumnKind.LONG_TEXT, "First name"),
        ColumnSpec("age", ColumnKind.NUMBER, "Age"),
    )


@pytest.fixture
def table_id(table: RecipientTable) -> int:
    """The table, with no transaction open that a call would wait for."""
    found = table.id
    db.session.rollback()
    return found


def upload(table: RecipientTable, text: str | bytes = FILE) -> RecipientImport:
    content = text if isinstance(text, bytes) else text.encode()
    return import_service.upload(table.id, io.BytesIO(content), "members.csv", {})


def imported(
    table: RecipientTable,
    text: str = FILE,
    mode: ImportMode = ImportMode.ADD,
    key: str = "",
) -> RecipientImport:
    found = upload(table, text)
    import_service.prepare(found.id, found.mapping, mode, key)
    import_service.start(found.id)
    jobs.run_import(found.id)
    db.session.expire_all()
    return import_service.get(found.id)


def rows_of(table: RecipientTable | int) -> list[dict[str, object]]:
    table_id = table if isinstance(table, int) else table.id
    query = sa.select(Recipient.row_values).where(
        Recipient.recipient_table_id == table_id
    )
    rows = list(db.session.scalars(query.order_by(Recipient.id)))
    db.session.rollback()
    return rows


def counts(found: RecipientImport) -> dict[str, int]:
    names = ("rows_read", "added", "updated", "unchanged", "rejected")
    more = ("duplicates", "duplicates_in_table", "bad_addresses", "missing_required")
    return {
        name: getattr(found, name) for name in (*names, *more) if getattr(found, name)
    }


@pytest.mark.parametrize("encoding", ["utf-32", "utf-32-le"])
def test_utf_32_is_named_and_not_read_as_something_else(
    table: RecipientTable, encoding: str
) -> None:
    content = ("\ufeff" * (encoding != "utf-32") + FILE).encode(encoding)
    with pytest.raises(Invalid, match="UTF-32"):
        upload(table, content)


def test_a_mapping_nested_without_end_is_refused(api: ApiClient, table_id: int) -> None:
    file = (io.BytesIO(FILE.encode()), "members.csv")
    data = {"file": file, "mapping": "[" * 100_000}
    answer = api.post(f"/recipient-tables/{table_id}/imports", data=data)
    assert answer.status_code == 422
    assert "JSON object" in answer.get_json()["detail"]
    assert db.session.scalar(sa.select(sa.func.count(RecipientImport.id))) == 0


def test_good_rows_get_in_and_bad_ones_are_named(table: RecipientTable) -> None:
    found = imported(table)
    assert found.state is ImportState.FINISHED
    assert counts(found) == {
        "rows_read": 6,
        "added": 2,
        "rejected": 3,
        "duplicates": 1,
        "bad_addresses": 1,
        "missing_required": 1,
    }
    assert rows_of(table) == [
        {"email": "ada@example.org", "first_name": "Ada", "age": 36},
        {"email": "eve@example.org", "first_name": "Eve;\nthe second", "age": 20},
    ]
    rejects = import_service.rejects_after(found.id, 0, 100)
    assert [(one.row_number, one.reason) for one in rejects] == [
        (3, "There is no @ in “bob(at)example.org”"),
        (4, "Required and empty"),
        (5, "Already in row 2 of this file"),
        (6, "Not a number"),
    ]
    assert service.get(table.id).recipients_count == 2


def test_a_check_counts_the_same_and_changes_nothing(table: RecipientTable) -> None:
    found = upload(table)
    import_service.prepare(found.id, found.mapping, ImportMode.ADD)
    import_service.check(found.id)
    jobs.run_import(found.id)
    db.session.expire_all()
    checked = counts(import_service.get(found.id))
    assert found.state is ImportState.CHECKED
    assert rows_of(table) == []
    import_service.start(found.id)
    jobs.run_import(found.id)
    db.session.expire_all()
    assert counts(import_service.get(found.id)) == checked


def test_adding_leaves_out_who_is_there(table: RecipientTable) -> None:
    row_service.add(table.id, [{"email": "ada@example.org", "first_name": "Old"}])
    found = imported(table, "email,age\nADA@example.org,1\nzoe@example.org,2\n")
    assert counts(found) == {"rows_read": 2, "added": 1, "duplicates_in_table": 1}
    assert rows_of(table)[0] == {"email": "ada@example.org", "first_name": "Old"}


def test_updating_changes_only_what_the_file_fills(table: RecipientTable) -> None:
    old = [
        {"email": "ada@example.org", "first_name": "Ada", "age": 1},
        {"email": "bob@example.org", "first_name": "Bob", "age": 2},
    ]
    row_service.add(table.id, old)
    text = "email,age\nada@example.org,36\nbob@example.org,\nzoe@example.org,4\n"
    found = imported(table, text, ImportMode.UPDATE, "email")
    assert counts(found) == {"rows_read": 3, "added": 1, "updated": 1, "unchanged": 1}
    assert rows_of(table) == [
        {"email": "ada@example.org", "first_name": "Ada", "age": 36},
        {"email": "bob@example.org", "first_name": "Bob", "age": 2},
        {"email": "zoe@example.org", "age": 4},
    ]


def test_updating_by_another_unique_column(api: ApiClient) -> None:
    del api
    number = ColumnSpec("number", ColumnKind.TEXT, "No.", unique=True)
    email = ColumnSpec("email", ColumnKind.EMAIL, "E-mail")
    table = make_table("Members", number, email)
    row_service.add(table.id, [{"number": "A1", "email": "old@example.org"}])
    found = imported(
        table, "number,email\na1,new@example.org\n", ImportMode.UPDATE, "number"
    )
    assert counts(found) == {"rows_read": 1, "updated": 1}
    assert db.session.scalar(sa.select(Recipient.address_key)) == "new@example.org"


def test_replacing_keeps_the_old_rows_aside(table: RecipientTable) -> None:
    row_service.add(table.id, [{"email": "old@example.org"}])
    found = imported(table, "email\nada@example.org\n", ImportMode.REPLACE)
    assert counts(found) == {"rows_read": 1, "added": 1}
    assert rows_of(table) == [{"email": "ada@example.org"}]
    assert db.session.scalar(sa.select(sa.func.count(DeletedRecipient.id))) == 1
    assert service.get(table.id).recipients_count == 1


def test_a_check_of_replacing_counts_all_rows_as_new(table: RecipientTable) -> None:
    row_service.add(table.id, [{"email": "ada@example.org"}])
    found = upload(table, "email\nada@example.org\nbob@example.org\n")
    import_service.prepare(found.id, found.mapping, ImportMode.REPLACE)
    import_service.check(found.id)
    jobs.run_import(found.id)
    db.session.expire_all()
    assert counts(found) == {"rows_read": 2, "added": 2}
    assert rows_of(table) == [{"email": "ada@example.org"}]


def test_a_ragged_row_is_named(table: RecipientTable) -> None:
    text = "email,age\nada@example.org\nbob@example.org,1,2\ncyd@example.org,3,\n"
    found = imported(table, text)
    reasons = [one.reason for one in import_service.rejects_after(found.id, 0, 9)]
    assert reasons == [
        "Has 1 cell; the heading has 2",
        "Has 3 cells; the heading has 2",
    ]
    assert found.added == 1


def test_blank_lines_are_no_rows_but_are_counted_as_lines(
    table: RecipientTable,
) -> None:
    found = imported(table, "email\n\nada@example.org\n\nno\n")
    assert found.rows_read == 2
    assert import_service.rejects_after(found.id, 0, 9)[0].row_number == 5


def test_a_new_table_takes_its_columns_from_the_file(api: ApiClient) -> None:
    del api
    table = service.create("From a file", [])
    found = imported(table, "E-Mail Address,Joined,2nd\na@example.org,2026-01-02,x\n")
    assert found.state is ImportState.FINISHED
    specs = service.specs(service.get(table.id))
    assert [(spec.name, spec.kind.value) for spec in specs] == [
        ("e_mail_address", "email"),
        ("joined", "date"),
        ("column_2nd", "text"),
    ]
    assert service.get(table.id).address_column == "e_mail_address"
    assert db.session.scalar(sa.select(Recipient.address)) == "a@example.org"


def test_headings_are_found_whatever_their_spelling(table: RecipientTable) -> None:
    found = upload(table, "E-MAIL,first-name,unknown\na@example.org,x,y\n")
    assert found.mapping == {"0": "email", "1": "first_name", "2": ""}


@pytest.mark.parametrize(
    ("mapping", "words"),
    [
        ({"0": ""}, "All columns of the file are left out."),
        ({"0": "nothing"}, "The table has no column “nothing”."),
        ({"0": "email", "1": "email"}, "Two columns of the file go to “email”."),
        ({"0": "age"}, "“email” is required"),
        ({"0": "email", "7": "age"}, "The file has fewer columns."),
    ],
)
def test_an_impossible_mapping_is_refused(
    table: RecipientTable, mapping: dict[str, str], words: str
) -> None:
    found = upload(table)
    with pytest.raises(Invalid) as error:
        import_service.prepare(found.id, mapping, ImportMode.ADD)
    assert words in " ".join(error.value.fields["mapping"])


def test_a_stopped_import_keeps_what_is_in(
    table: RecipientTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_run, "ROWS_A_COMMIT", 2)
    stop_after(monkeypatch, 2, import_service.stop)
    text = "email\n" + "".join(f"p{n}@example.org\n" for n in range(10))
    found = imported(table, text)
    assert found.state is ImportState.STOPPED
    assert found.rows_read == found.added == len(rows_of(table)) == 4
    assert service.get(table.id).recipients_count == 4


def test_a_killed_import_goes_on_where_it_was(
    table: RecipientTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_run, "ROWS_A_COMMIT", 2)

    def die(_import_id: int) -> None:
        raise SystemExit

    stop_after(monkeypatch, 3, die)
    lines = [f"p{n}@example.org\n" for n in range(9)] + ["p1@example.org\n"]
    found = upload(table, "email\n" + "".join(lines))
    import_service.prepare(found.id, found.mapping, ImportMode.ADD)
    import_service.start(found.id)
    with pytest.raises(SystemExit):
        jobs.run_import(found.id)
    db.session.rollback()
    monkeypatch.undo()
    jobs.run_import(found.id)
    assert len(rows_of(table)) == 6, "the other worker may still be alive"
    queue.connection().flushdb()
    db.session.execute(
        sa.update(RecipientImport).values(beat_at=now() - timedelta(minutes=2))
    )
    db.session.commit()
    assert service.resume_stale_imports() == 1
    assert len(queue.queue(queue.Lane.IMPORTS)) == 1
    jobs.run_import(found.id)
    db.session.expire_all()
    assert found.state is ImportState.FINISHED
    assert counts(found) == {"rows_read": 10, "added": 9, "duplicates": 1}
    assert len(rows_of(table)) == service.get(table.id).recipients_count == 9


def stop_after(
    monkeypatch: pytest.MonkeyPatch, batches: int, act: Callable[[int], object]
) -> None:
    """Do something when that many batches are committed."""
    real, done = import_run._commit, []

    def commit(batch: object, *rest: object) -> None:
        real(batch, *rest)  # type: ignore[arg-type]  # passed through
        done.append(batch)
        if len(done) == batches:
            act(getattr(batch, "import_id", 0))

    monkeypatch.setattr(import_run, "_commit", commit)


def test_the_api_imports_a_file(api: ApiClient, table_id: int) -> None:
    answer = api.post(
        f"/recipient-tables/{table_id}/imports",
        data={"file": (io.BytesIO(FILE.encode()), "m.csv"), "mode": "add"},
    )
    assert answer.status_code == 202, answer.text
    assert answer.get_json()["state"] == "running"
    path = f"/imports/{answer.get_json()['id']}"
    jobs.run_import(answer.get_json()["id"])
    done = api.get(path).get_json()
    assert (done["state"], done["added"], done["rejected"], done["duplicates"]) == (
        "finished",
        2,
        3,
        1,
    )
    assert (done["percent"], done["stop"]) == (100.0, True)
    text = api.get(f"{path}/rejects.csv").get_data().decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert rows[0] == ["row", "reason", "E-mail", "First name", "Age"]
    assert rows[1][:3] == [
        "3",
        "E-mail: There is no @ in “bob(at)example.org”",
        "bob(at)example.org",
    ]


def test_the_api_takes_a_mapping_by_heading(api: ApiClient, table_id: int) -> None:
    def post(mapping: str) -> int:
        file = (io.BytesIO(b"who,years\nada@example.org,36\n"), "m.csv")
        data = {"file": file, "mapping": mapping, "check_only": "y"}
        path = f"/recipient-tables/{table_id}/imports"
        return api.post(path, data=data).status_code

    assert post('{"who": "email", "years": "age"}') == 202
    assert post('{"nobody": "email"}') == 422
    assert post("[]") == 422
    assert post('{"who": 7}') == 422


def test_the_api_checks_first_and_starts_later(api: ApiClient, table_id: int) -> None:
    answer = api.post(
        f"/recipient-tables/{table_id}/imports",
        data={"file": (io.BytesIO(FILE.encode()), "m.csv"), "check_only": "y"},
    )
    import_id = answer.get_json()["id"]
    assert api.post(f"/imports/{import_id}/start").status_code == 409
    jobs.run_import(import_id)
    assert api.get(f"/imports/{import_id}").get_json()["state"] == "checked"
    assert api.post(f"/imports/{import_id}/start").status_code == 202
    jobs.run_import(import_id)
    assert len(rows_of(table_id)) == 2
    assert api.post(f"/imports/{import_id}/start").status_code == 409


def test_without_a_queue_nothing_is_half_done(
    api: ApiClient, table_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(*_args: object, **_kw: object) -> bool:
        raise Unavailable("The queue does not answer just now.")

    monkeypatch.setattr(import_service, "enqueue", silent)
    answer = api.post(
        f"/recipient-tables/{table_id}/imports",
        data={"file": (io.BytesIO(FILE.encode()), "m.csv")},
    )
    assert answer.status_code == 503
    assert "The queue does not answer" in answer.get_json()["detail"]
    assert db.session.scalar(sa.select(sa.func.count(RecipientImport.id))) == 0
    assert rows_of(table_id) == []
