"""Lists of suppressions in and out, by page and API."""

import io
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import ApiClient, PageClient
from webapp.core.clock import now
from webapp.core.db import db
from webapp.core.errors import Invalid
from webapp.operators.models import AuditEntry
from webapp.suppressions import files, lists, service
from webapp.suppressions.models import Channel, Reason, Suppression

LIST = b"""email,reason
Ada@Example.org,bounced
"bo@example.net",spam
example.com,
+49 30 901820,unsubscribe
nobody here,bounced
"""


def held() -> set[tuple[str, str, str]]:
    db.session.rollback()
    rows = db.session.scalars(sa.select(Suppression).order_by(Suppression.id))
    found = {(row.address_key, row.channel.value, row.reason.value) for row in rows}
    db.session.rollback()
    return found


def test_a_list_of_another_tool_is_taken_as_it_is(app: Flask) -> None:
    del app
    done = lists.import_file(LIST, None, "list.csv")
    assert (done.added, done.already) == (4, 0)
    assert [(one.number, one.text) for one in done.rejects] == [(6, "nobody here")]
    assert held() == {
        ("ada@example.org", "email", "hard_bounce"),
        ("bo@example.net", "email", "complaint"),
        ("example.com", "domain", "manual"),
        ("+4930901820", "phone", "unsubscribed"),
    }
    again = lists.import_file(LIST, None, "list.csv")
    assert (again.added, again.already) == (0, 4)
    assert len(held()) == 4


def test_an_import_is_one_line_of_the_audit(app: Flask) -> None:
    del app
    lists.import_file(LIST, None, "list.csv")
    entries = list(db.session.scalars(sa.select(AuditEntry.action)))
    assert entries == ["suppression.imported"]


def test_of_one_recipient_table_only(app: Flask) -> None:
    del app
    lists.import_file(b"ada@example.org", 7, "list.csv")
    assert service.is_suppressed("ada@example.org", 7)
    assert not service.is_suppressed("ada@example.org", 8)


@pytest.mark.parametrize(
    "data",
    [b"", b"\x89PNG\r\n\x1a\n\0\0", b"no,address,here\n", b"a@b.example\n" * 60_000],
)
def test_what_is_no_list_is_refused(app: Flask, data: bytes) -> None:
    del app
    with pytest.raises(Invalid):
        lists.import_file(data, None, "x")
    assert held() == set()


@given(st.lists(st.sampled_from("=+-ab'"), min_size=1, max_size=6).map("".join))
def test_what_is_exported_is_imported_as_it_was(local: str) -> None:
    address = f"{local}@example.org"
    rows = iter([(address, "email", "complaint", None, "=1+1", "")])
    text = "".join(files.lines_of(rows))
    assert not any(line.startswith(("=", "+", "-", "@")) for line in text.splitlines())
    lines, rejects = files.read(text.encode())
    kept = [(line.address, line.reason) for line in lines]
    assert (kept, rejects) == ([(address, Reason.COMPLAINT)], [])


def whole() -> set[tuple[Any, ...]]:
    """Return all that holds, with its table, source and day."""
    db.session.rollback()
    query = sa.select(Suppression).where(Suppression.undone_at.is_(None))
    names = ("address_key", "channel", "reason", "recipient_table_id", "source")
    found = {
        (*(getattr(one, name) for name in names), one.created_at.replace(microsecond=0))
        for one in db.session.scalars(query)
    }
    db.session.rollback()
    return found


def test_our_own_export_comes_back_as_it_was(app: Flask) -> None:
    del app
    service.suppress(Channel.EMAIL, "ada@example.org", 7, Reason.UNSUBSCRIBED, "=Ünï")
    service.suppress(Channel.EMAIL, "ada@example.org", None, Reason.COMPLAINT, "A mail")
    service.suppress(Channel.PHONE, "+4930901820", None, Reason.MANUAL, "Called, twice")
    service.suppress(Channel.DOMAIN, "example.net", 8, Reason.HARD_BOUNCE, "A list")
    ago = now() - timedelta(days=40)
    db.session.execute(sa.update(Suppression).values(created_at=ago))
    db.session.commit()
    before, text = whole(), "".join(files.lines_of(lists.exported()))
    db.session.execute(sa.delete(Suppression))
    db.session.commit()
    lists.import_file(text.encode(), None, "backup.csv")
    assert whole() == before


def test_a_line_from_the_future_holds_since_now(app: Flask) -> None:
    del app
    lists.import_file(b"address,since\na@example.org,2999-01-01T00:00:00Z\n", 3, "x")
    [row] = whole()
    assert row[3] == 3
    assert row[5] <= now()


def test_what_spreadsheets_call_unicode_is_read() -> None:
    text = "Email\tReason\nJürgen@example.org\tspam\n"
    [line] = files.read(text.encode("utf-16"))[0]
    assert (line.key, line.reason) == ("jürgen@example.org", Reason.COMPLAINT)


def test_import_and_export_by_page(client: PageClient) -> None:
    data = {"file": (io.BytesIO(LIST), "list.csv"), "recipient_table_id": ""}
    page = client.submit("/suppressions/import", data).get_data(as_text=True)
    assert "4 added, 0 were there." in page
    assert "1 line names nobody" in page
    assert "nobody here" in page
    exported = client.get("/suppressions/export.csv")
    text = exported.get_data(as_text=True)
    assert "attachment" in exported.headers["Content-Disposition"]
    assert "ada@example.org,email,hard_bounce" in text
    assert "'+4930901820" in text, "no spreadsheet takes it for a formula"


def test_only_one_reason(client: PageClient) -> None:
    service.suppress(Channel.EMAIL, "ada@example.org", None, Reason.COMPLAINT)
    service.suppress(Channel.EMAIL, "bo@example.org", None, Reason.MANUAL)
    page = client.get("/suppressions?reason=complaint").get_data(as_text=True)
    assert "ada@example.org" in page
    assert "bo@example.org" not in page


def test_adding_one_that_holds_says_since_when(client: PageClient) -> None:
    for _time in range(2):
        client.submit("/suppressions", {"address": "ada@example.org"})
    assert "is suppressed since" in client.get("/suppressions").get_data(as_text=True)


def test_import_by_api(api: ApiClient) -> None:
    data = {"file": (io.BytesIO(LIST), "list.csv")}
    answer = api.post("/suppressions/imports", data=data)
    assert answer.status_code == 200
    assert answer.get_json()["added"] == 4
    assert answer.get_json()["rejects"][0]["line"] == 6
    [one] = api.get("/suppressions?reason=complaint").get_json()["items"]
    assert one["address"] == "bo@example.net"
