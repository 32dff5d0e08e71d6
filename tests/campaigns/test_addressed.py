"""The messages to an address are found in every block of the index, by the index."""

from typing import Any

import pytest
import sqlalchemy as sa

from tests.support.queries import asking, scans
from webapp.campaigns import addressed, messages
from webapp.campaigns.models import Campaign, Message
from webapp.campaigns.states import State
from webapp.core.db import db

BLOCK = 1 << 14


@pytest.fixture(params=["app", "on_postgres"])
def database(request: pytest.FixtureRequest) -> Any:
    """SQLite, then PostgreSQL."""
    return request.getfixturevalue(request.param)


def write_to(*ids: int, key: str = "ada@example.org") -> None:
    """Write messages with these ids to an address."""
    db.session.add_all(Message(id=one, address_key=key) for one in ids)
    db.session.commit()


def found(*keys: str) -> list[int]:
    """Return the ids of what goes to any of these keys."""
    query = sa.select(Message.id).where(addressed.to_any(keys)).order_by(Message.id)
    return list(db.session.scalars(query))


@pytest.mark.usefixtures("database")
def test_they_are_found_in_each_block_and_at_its_ends() -> None:
    ids = [1, BLOCK - 1, BLOCK, 2 * BLOCK - 1, 5 * BLOCK, 5 * BLOCK + 7]
    write_to(*ids)
    write_to(2, 5 * BLOCK + 1, key="zoe@example.org")
    assert found("ada@example.org") == ids
    assert found("zoe@example.org", "nobody@example.org") == [2, 5 * BLOCK + 1]
    db.session.rollback()


@pytest.mark.usefixtures("database")
def test_the_first_block_need_not_be_there() -> None:
    assert found("ada@example.org") == []
    write_to(40 * BLOCK, 41 * BLOCK)
    assert found("ada@example.org") == [40 * BLOCK, 41 * BLOCK]
    assert found() == []
    db.session.rollback()


@pytest.mark.usefixtures("app")
def test_the_index_serves() -> None:
    campaign = Campaign(name="Spring", state=State.SENDING)
    db.session.add(campaign)
    db.session.flush()
    query, key, _window = messages.listing(campaign.id, words="ada@example.org")
    with asking() as seen:
        found("ada@example.org")
        db.session.scalars(query.order_by(key).limit(51)).all()
    db.session.rollback()
    assert len(seen) == 2
    assert scans(seen, "message", "message_1") == []
    text, values = seen[1]
    plan = db.session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", values)
    assert "ix_message_address (<expr>=? AND address_key=?)" in str(plan.all())
    db.session.rollback()
