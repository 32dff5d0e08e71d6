"""Versions, and rows worth looking at, on PostgreSQL."""

from collections.abc import Iterator

import pytest

import config
from tests.message_templates.conftest import ROWS
from tests.support.application import running_app
from webapp.campaigns.models import Campaign
from webapp.core.db import db
from webapp.core.errors import Invalid, Refused
from webapp.message_templates import previewing, service
from webapp.message_templates.source import Source
from webapp.recipients.kinds import ColumnKind
from webapp.recipients.models import Recipient, RecipientColumn, RecipientTable

SOURCE = Source("text", "s", "{{ first_name }}")


@pytest.fixture
def on_postgres(postgres_settings: config.Settings) -> Iterator[RecipientTable]:
    """A recipient table on PostgreSQL."""
    with running_app(postgres_settings):
        table = RecipientTable(name="People", address_column="email")
        table.columns = [
            RecipientColumn(name="email", kind=ColumnKind.EMAIL),
            RecipientColumn(name="first_name", kind=ColumnKind.TEXT),
        ]
        table.recipients_count = len(ROWS)
        db.session.add(table)
        db.session.flush()
        for row in ROWS:
            one = Recipient(recipient_table_id=table.id, row_values=row)
            one.address = row["email"]
            db.session.add(one)
        db.session.commit()
        yield table


def test_rows_worth_looking_at(on_postgres: RecipientTable) -> None:
    assert previewing.find_row(on_postgres, "missing", SOURCE) == 2
    assert previewing.find_row(on_postgres, "longest", SOURCE) == 3
    assert previewing.find_row(on_postgres, "search", SOURCE, "1991") == 2
    assert previewing.find_row(on_postgres, "search", SOURCE, "nobody") is None
    assert previewing.count_missing(on_postgres, SOURCE) == 1
    (finding,) = previewing.missing_findings(on_postgres, SOURCE)
    assert finding.message.endswith("row 2")


def test_names_versions_and_use(on_postgres: RecipientTable) -> None:
    assert on_postgres.id
    one = service.create("N", format="text", subject="s", text="t")
    with pytest.raises(Invalid):
        service.create("N", format="text", subject="s", text="t")
    one = service.get(one.id)
    service.edit(one.id, {"text": "u"}, 1)
    with pytest.raises(Refused):
        service.edit(one.id, {"text": "v"}, 1)
    db.session.rollback()
    db.session.add(Campaign(name="C", message_template_id=one.id))
    db.session.commit()
    assert service.campaigns_by_template() == {one.id: 1}
    with pytest.raises(Refused):
        service.delete(one.id)
