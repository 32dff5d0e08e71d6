"""Versions, and rows worth looking at, on PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import config
import webapp
from tests.message_templates.conftest import ROWS
from tests.support.postgres import Cluster
from webapp.campaigns.models import Campaign
from webapp.core import schema
from webapp.core.db import db
from webapp.core.errors import Invalid, Refused
from webapp.message_templates import previewing, service
from webapp.message_templates.source import Source
from webapp.recipients.kinds import ColumnKind
from webapp.recipients.models import Recipient, RecipientColumn, RecipientTable

SOURCE = Source("text", "s", "{{ first_name }}")


@pytest.fixture
def on_postgres(
    postgres_cluster: Cluster, redis_address: str, tmp_path: Path
) -> Iterator[RecipientTable]:
    """A recipient table on PostgreSQL."""
    settings = config.read(
        {
            "DATA_DIR": str(tmp_path / "data"),
            "DATABASE_URL": postgres_cluster.new_database(),
            "REDIS_URL": redis_address,
            "SECRET_KEY": "test " * 8,
        }
    )
    schema.upgrade(settings.database_url)
    app = webapp.create_app(settings)
    with app.app_context():
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
        db.session.remove()
        db.engine.dispose()


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
