"""The page of suppressions names recipient tables as people do."""

import io
import re

import sqlalchemy as sa

from tests.conftest import PageClient
from webapp.core.db import db
from webapp.recipients import service as recipients
from webapp.recipients.kinds import ColumnKind, ColumnSpec
from webapp.suppressions import service
from webapp.suppressions.models import Channel, Suppression

COLUMNS = [ColumnSpec("email", ColumnKind.EMAIL)]


def page_of(client: PageClient) -> str:
    """Return the page with its white space made one blank."""
    return re.sub(r"\s+", " ", client.get("/suppressions").text)


def test_a_table_is_chosen_and_shown_by_its_name(client: PageClient) -> None:
    table = recipients.create("Members 2026", COLUMNS)
    place = {"address": "ada@example.org", "recipient_table_id": table.id}
    option = rf'<option value="{table.id}" ?>Members 2026</option>'
    assert len(re.findall(option, page_of(client))) == 2
    answer = client.submit("/suppressions", {**place, "reason": "manual"})
    assert answer.status_code == 303
    link = f'<a href="/recipient-tables/{table.id}">Members 2026</a>'
    assert link in page_of(client)


def test_a_table_that_is_gone_has_no_link(client: PageClient) -> None:
    table = recipients.create("Members 2026", COLUMNS)
    service.suppress(Channel.EMAIL, "ada@example.org", table.id)
    recipients.delete(table.id)
    page = page_of(client)
    assert "A deleted table" in page
    assert f'href="/recipient-tables/{table.id}"' not in page


def test_with_no_table_it_holds_everywhere(client: PageClient) -> None:
    given = {"address": "ada@example.org", "reason": "manual"}
    client.submit("/suppressions", {**given, "recipient_table_id": ""})
    row = db.session.scalars(sa.select(Suppression)).one()
    assert row.recipient_table_id is None
    assert '<td role="cell"> Everywhere </td>' in page_of(client)


def test_the_table_stays_chosen_when_a_file_is_refused(
    client: PageClient,
) -> None:
    table_id = recipients.create("Members 2026", COLUMNS).id
    data = {"file": (io.BytesIO(b""), "x.csv"), "recipient_table_id": table_id}
    page = client.submit("/suppressions/import", data).get_data(as_text=True)
    assert "The file was not imported" in page
    assert f'<option value="{table_id}" selected>' in page.split('id="import-table"')[1]
