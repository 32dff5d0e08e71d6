"""Rows written in bulk have the ids that their unique values are tied to."""

import pytest
import sqlalchemy as sa

from tests.recipients.factories import make_table
from webapp.core.db import db
from webapp.recipients.kinds import ColumnKind, ColumnSpec
from webapp.recipients.models import Recipient, RecipientKey
from webapp.recipients.rows import read_row
from webapp.recipients.store import insert_rows

COLUMNS = [ColumnSpec("email", ColumnKind.EMAIL, unique=True)]


@pytest.mark.usefixtures("app")
def test_ids_are_those_of_the_rows_also_after_the_last_one_was_deleted() -> None:
    table_id = make_table().id

    def insert(*names: str) -> list[int]:
        cells = [{"email": f"{name}@example.org"} for name in names]
        return insert_rows(table_id, [read_row(COLUMNS, "email", one) for one in cells])

    first = insert("ada", "zoe", "kofi")
    db.session.execute(sa.delete(Recipient).where(Recipient.id == first[-1]))
    second = insert("mei", "ida")
    assert second == [first[-1] + 1, first[-1] + 2]
    pairs = db.session.execute(
        sa.select(Recipient.address_key, RecipientKey.key).join(
            RecipientKey, RecipientKey.recipient_id == Recipient.id
        )
    ).all()
    assert len(pairs) == 4
    assert all(address == key for address, key in pairs)
    db.session.rollback()
