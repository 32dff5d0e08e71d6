"""Recipient tables for tests."""

from webapp.recipients import row_service, service
from webapp.recipients.kinds import ColumnKind, ColumnSpec
from webapp.recipients.models import RecipientTable

COLUMNS = (
    ColumnSpec("email", ColumnKind.EMAIL, "E-mail", required=True),
    ColumnSpec("first_name", ColumnKind.TEXT, "First name"),
    ColumnSpec("age", ColumnKind.NUMBER, "Age"),
)


def make_table(name: str = "Members", *columns: ColumnSpec) -> RecipientTable:
    """A table with an address, a name and an age, or these columns."""
    return service.create(name, columns or COLUMNS)


def make_rows(table: RecipientTable, *emails: str) -> list[int]:
    """Add a row for each address; return their ids."""
    return [row.id for row in row_service.add(table.id, [{"email": e} for e in emails])]
