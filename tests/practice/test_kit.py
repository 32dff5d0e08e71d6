"""The practice kit has the flaws that it is to teach, and is made once."""

from collections import Counter

import pytest
import sqlalchemy as sa

from tests.conftest import PageClient
from webapp.core.db import db
from webapp.mailboxes.models import Mailbox
from webapp.message_templates.lint import check_source
from webapp.message_templates.models import MessageTemplate
from webapp.message_templates.source import Source
from webapp.operators import setup
from webapp.operators.models import Operator
from webapp.practice import kit
from webapp.recipients.models import Recipient, RecipientTable
from webapp.senders.models import Sender, TransportKind


def people() -> list[Recipient]:
    return list(db.session.scalars(sa.select(Recipient).order_by(Recipient.id)))


def test_ten_people_have_the_four_flaws(operator: Operator) -> None:
    kit.create(operator)
    rows = people()
    assert len(rows) == 10
    assert [row.row_values["first_name"] for row in rows if row.has_problems] == [
        "Fatima"
    ]
    keys = Counter(row.address_key for row in rows if row.address_key)
    assert [key for key, count in keys.items() if count > 1] == ["ada@example.com"]
    assert [row.row_values["first_name"] for row in rows if "city" not in row.row_values
            ] == ["Dora"]  # fmt: skip
    assert not all(row.row_values["first_name"].isascii() for row in rows)
    assert all(row.address.lower().endswith("@example.com") for row in rows[:3])


def test_the_linter_finds_the_link_and_the_image(operator: Operator) -> None:
    kit.create(operator)
    version = db.session.scalars(sa.select(MessageTemplate)).one().versions[0]
    source = Source("html", version.subject, html=version.html)
    columns = [column.name for column in kit.COLUMNS]
    found = check_source(source, columns, "http://127.0.0.1:8000")
    assert {"A01", "L03"} <= {finding.code for finding in found}
    assert [finding for finding in found if finding.severity == "error"] == []


def test_everything_stays_on_the_practice_servers(operator: Operator) -> None:
    kit.create(operator)
    sender = db.session.scalars(sa.select(Sender)).one()
    assert (sender.kind, sender.host) == (TransportKind.PRACTICE, "")
    assert db.session.scalars(sa.select(Mailbox)).one().is_practice


def test_a_second_time_adds_nothing_and_changes_nothing(operator: Operator) -> None:
    kit.create(operator)
    table = db.session.scalars(sa.select(RecipientTable)).one()
    table.name = "Mine now"
    db.session.commit()
    kit.create(operator)
    assert db.session.scalars(sa.select(RecipientTable)).one().name == "Mine now"
    assert len(people()) == 10
    for model in (MessageTemplate, Sender, Mailbox):
        assert db.session.scalar(sa.select(sa.func.count()).select_from(model)) == 1


def test_a_kit_that_was_cut_off_is_completed(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(kit, "_make_sender", lambda: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            kit.create(operator)
    kit.create(operator)
    assert len(people()) == 10
    assert db.session.scalars(sa.select(Sender)).one().is_example


def test_set_up_lays_the_kit_out(anonymous: PageClient) -> None:
    token = setup.issue_token()
    answer = anonymous.submit(
        f"/setup?token={token}",
        {
            "name": "Ines Carvalho",
            "email": "ines@example.org",
            "password": "four words are good enough",
            "time_zone": "Europe/Lisbon",
            "practice": "y",
        },
    )
    assert answer.status_code == 303
    assert len(people()) == 10


def test_without_the_tick_there_is_no_kit(anonymous: PageClient) -> None:
    token = setup.issue_token()
    anonymous.submit(
        f"/setup?token={token}",
        {
            "name": "Ines Carvalho",
            "email": "ines@example.org",
            "password": "four words are good enough",
            "time_zone": "Europe/Lisbon",
        },
    )
    assert people() == []
