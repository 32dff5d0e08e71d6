"""Tables, filters, imports and restoring on PostgreSQL."""

import io
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

import config
from tests.support.application import running_app
from webapp.core.db import db
from webapp.core.errors import Invalid
from webapp.recipients import (
    import_run,
    import_service,
    listing,
    row_service,
    service,
)
from webapp.recipients.kinds import ColumnKind, ColumnSpec
from webapp.recipients.listing import Only, Wanted
from webapp.recipients.models import ImportMode, ImportState, Recipient, RecipientTable
from webapp.suppressions import service as suppressions
from webapp.suppressions.models import Channel

COLUMNS = (
    ColumnSpec("email", ColumnKind.EMAIL, unique=True),
    ColumnSpec("city", ColumnKind.TEXT),
    ColumnSpec("age", ColumnKind.NUMBER),
)


@pytest.fixture
def table(postgres_settings: config.Settings) -> Iterator[RecipientTable]:
    """A table on PostgreSQL."""
    with running_app(postgres_settings):
        yield service.create("Members", COLUMNS)


def run(table: RecipientTable, text: str, mode: ImportMode) -> list[int]:
    file = io.BytesIO(text.encode())
    found = import_service.upload(table.id, file, "m.csv", {})
    import_service.prepare(found.id, found.mapping, mode)
    import_service.start(found.id)
    import_run.work(found.id)
    db.session.expire_all()
    assert found.state is ImportState.FINISHED, found.words
    names = ("added", "updated", "unchanged", "rejected", "duplicates")
    return [getattr(found, name) for name in names]


def cities(table: RecipientTable, wanted: Wanted) -> list[object]:
    rows = listing.page(table, wanted).rows
    return [row.row_values.get("city") for row in rows]


def test_rows_are_added_found_deleted_and_restored(table: RecipientTable) -> None:
    cells = [
        {"email": "a@example.org", "city": "Ólafsvík", "age": "7"},
        {"email": "b@example.org", "city": "100%"},
        {"email": "no address", "city": "a\0b"},
    ]
    rows = row_service.add(table.id, cells)
    with pytest.raises(Invalid):
        row_service.add(table.id, [{"email": "A@example.org"}])
    suppressions.suppress(Channel.DOMAIN, "example.org")
    assert cities(table, Wanted("ólafs")) == ["Ólafsvík"]
    assert cities(table, Wanted("city:ÓLAFS")) == ["Ólafsvík"]
    assert cities(table, Wanted("0%")) == ["100%"]
    assert cities(table, Wanted("age:7")) == ["Ólafsvík"]
    assert listing.counts(table) == {
        Only.INVALID: 1,
        Only.DUPLICATE: 0,
        Only.SUPPRESSED: 2,
    }
    batch, gone = row_service.delete(table.id, [row.id for row in rows])
    assert gone == 3
    assert row_service.restore(table.id, batch) == 3
    db.session.expire_all()
    assert service.get(table.id).recipients_count == 3


def test_an_import_adds_updates_and_replaces(table: RecipientTable) -> None:
    text = "email,city\na@example.org,Rome\nA@example.org,x\nb@example.org,Oslo\nno,y\n"
    assert run(table, text, ImportMode.ADD) == [2, 0, 0, 1, 1]
    text = "email,city\na@example.org,Bonn\nb@example.org,Oslo\nc@example.org,Bern\n"
    assert run(table, text, ImportMode.UPDATE) == [1, 1, 1, 0, 0]
    assert run(table, "email\nd@example.org\n", ImportMode.REPLACE) == [1, 0, 0, 0, 0]
    addresses = list(db.session.scalars(sa.select(Recipient.address_key)))
    assert addresses == ["d@example.org"]
