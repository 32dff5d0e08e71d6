"""The condition that marking a message hangs on."""

import pytest
import sqlalchemy as sa
from flask import Flask

from webapp.core.db import db
from webapp.recipients.models import Recipient, RecipientTable
from webapp.suppressions.conditions import not_suppressed, suppressed
from webapp.suppressions.models import Channel, Reason, Suppression


@pytest.fixture
def table(app: Flask) -> RecipientTable:
    del app
    table = RecipientTable(name="Members")
    db.session.add(table)
    db.session.flush()
    for key in ("ada@example.org", "bob@example.org", "cyd@example.net"):
        db.session.add(
            Recipient(recipient_table_id=table.id, row_values={}, address_key=key)
        )
    db.session.commit()
    return table


def stop(key: str, channel: Channel = Channel.EMAIL, **values: object) -> Suppression:
    values.setdefault("reason", Reason.MANUAL)
    row = Suppression(channel=channel, address_key=key, **values)
    db.session.add(row)
    db.session.commit()
    return row


def marked(table_id: int | None, *, transactional: bool = False) -> list[str]:
    """Mark with an UPDATE as delivery does, and say which rows were ours."""
    won = db.session.execute(
        sa.update(Recipient)
        .where(
            not_suppressed(Recipient.address_key, table_id, transactional=transactional)
        )
        .values(version=2)
        .returning(Recipient.address_key)
    )
    keys = sorted(won.scalars())
    db.session.rollback()
    return keys


ALL = ["ada@example.org", "bob@example.org", "cyd@example.net"]


def test_nobody_is_suppressed(table: RecipientTable) -> None:
    assert marked(table.id) == ALL


def test_a_suppressed_address_is_not_marked(table: RecipientTable) -> None:
    stop("ada@example.org")
    assert marked(table.id) == ALL[1:]
    assert marked(None) == ALL[1:]


def test_a_suppressed_domain_stops_all_its_addresses(table: RecipientTable) -> None:
    stop("example.org", Channel.DOMAIN)
    assert marked(table.id) == ["cyd@example.net"]


def test_a_domain_does_not_stop_one_that_only_ends_like_it(
    table: RecipientTable,
) -> None:
    stop("ample.org", Channel.DOMAIN)
    assert marked(table.id) == ALL


def test_a_suppression_of_another_table_does_not_count(table: RecipientTable) -> None:
    stop("ada@example.org", recipient_table_id=table.id + 1)
    assert marked(table.id) == ALL
    assert marked(None) == ALL
    assert marked(table.id + 1) == ALL[1:]


def test_an_undone_suppression_does_not_count(table: RecipientTable) -> None:
    row = stop("ada@example.org")
    row.undone_at = row.created_at
    db.session.commit()
    assert marked(table.id) == ALL


def test_unsubscribing_does_not_stop_transactional_mail(table: RecipientTable) -> None:
    stop("ada@example.org", reason=Reason.UNSUBSCRIBED)
    stop("bob@example.org", reason=Reason.HARD_BOUNCE)
    assert marked(table.id) == ["cyd@example.net"]
    assert marked(None, transactional=True) == ["ada@example.org", "cyd@example.net"]


def test_a_phone_is_looked_up_among_phones(table: RecipientTable) -> None:
    del table
    stop("+4930123", Channel.PHONE)
    asked = [
        not_suppressed("+4930123", channel=Channel.PHONE),
        not_suppressed("+4930123"),
    ]
    assert [db.session.scalar(sa.select(one)) for one in asked] == [False, True]


def test_suppressed_is_the_opposite(table: RecipientTable) -> None:
    stop("ada@example.org")
    query = sa.select(Recipient.address_key).where(
        suppressed(Recipient.address_key, table.id)
    )
    assert list(db.session.scalars(query)) == ["ada@example.org"]
