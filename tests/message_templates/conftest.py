"""Message templates and recipient tables to work with."""

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from webapp.core.db import db
from webapp.message_templates import service
from webapp.message_templates.models import MessageTemplate
from webapp.recipients.kinds import ColumnKind
from webapp.recipients.models import Recipient, RecipientColumn, RecipientTable

ROWS: list[dict[str, Any]] = [
    {"email": "ada@example.org", "first_name": "Ada", "born": "1990-12-01"},
    {"email": "bo@example.org", "first_name": "", "born": "1991-01-02"},
    {"email": "cy@example.org", "first_name": "Cy <i>", "born": "1992-03-04"},
]


@pytest.fixture
def template(app: Flask) -> MessageTemplate:
    """A message template in Markdown."""
    del app
    return service.create(
        "Welcome",
        format="markdown",
        subject="Hello {{ first_name }}",
        html="Dear **{{ first_name }}**, [come in](/hall).\n\n"
        "[Stop]({{ unsubscribe_url }})",
    )


@pytest.fixture
def make_table(app: Flask) -> Callable[..., RecipientTable]:
    """Makes a recipient table with the columns email, first_name and born."""
    del app

    def make(
        name: str = "People", rows: list[dict[str, Any]] | None = None
    ) -> RecipientTable:
        kinds = {
            "email": ColumnKind.EMAIL,
            "first_name": ColumnKind.TEXT,
            "born": ColumnKind.DATE,
        }
        table = RecipientTable(name=name, address_column="email")
        table.columns = [
            RecipientColumn(name=column, kind=kind, position=at)
            for at, (column, kind) in enumerate(kinds.items())
        ]
        db.session.add(table)
        db.session.flush()
        rows = ROWS if rows is None else rows
        for row in rows:
            db.session.add(
                Recipient(
                    recipient_table_id=table.id, row_values=row, address=row["email"]
                )
            )
        table.recipients_count = len(rows)
        db.session.commit()
        return table

    return make


@pytest.fixture
def table(make_table: Callable[..., RecipientTable]) -> RecipientTable:
    """A table of three people; the second has no first name."""
    return make_table()


@pytest.fixture
def template_id(template: MessageTemplate) -> int:
    """The id of the message template, with no transaction left open."""
    found = template.id
    db.session.rollback()
    return found


@pytest.fixture
def table_id(table: RecipientTable) -> int:
    """The id of the table, with no transaction left open."""
    found = table.id
    db.session.rollback()
    return found


@pytest.fixture
def people(table_id: int) -> list[int]:
    """The ids of the three people, with no transaction left open."""
    query = sa.select(Recipient.id).where(Recipient.recipient_table_id == table_id)
    found = list(db.session.scalars(query.order_by(Recipient.id)))
    db.session.rollback()
    return found
