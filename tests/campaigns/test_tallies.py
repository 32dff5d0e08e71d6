"""The numbers kept beside the messages are those of the rows, whatever moves them."""

import random
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from tests.campaigns.conftest import Desk, MakeDesk
from webapp.campaigns import live, steering, tallies
from webapp.campaigns.models import Campaign, Message
from webapp.campaigns.states import State, Status
from webapp.core.clock import now
from webapp.core.db import db

CLASSES = ("address", "content", "policy")


@pytest.fixture(params=["app", "on_postgres"])
def database(request: pytest.FixtureRequest) -> Any:
    """SQLite, then PostgreSQL."""
    return request.getfixturevalue(request.param)


def campaign_of(count: int, **values: Any) -> Campaign:
    campaign = Campaign(name="Spring", **{"state": State.SENDING, **values})
    db.session.add(campaign)
    db.session.flush()
    rows = [{"campaign_id": campaign.id, "recipient_id": n} for n in range(count)]
    db.session.execute(sa.insert(Message), rows)
    db.session.commit()
    return campaign


def a_move(chance: random.Random) -> None:
    """Bring some messages to another status, in one statement or one by one."""
    status = chance.choice(list(Status))
    at = now() - timedelta(minutes=chance.randrange(100))
    values: dict[str, Any] = {"status": status, "updated_at": at}
    if status is Status.FAILED:
        values["reason_class"] = chance.choice(CLASSES)
    if status is Status.SENT:
        values |= {"sent_at": at, "is_dry_run": chance.random() < 0.3}
    change = sa.update(Message).values(**values)
    if chance.random() < 0.5:
        picked = Message.id % 5 == chance.randrange(5)
        db.session.execute(
            change.where(picked).execution_options(synchronize_session=False)
        )
        return
    ids = db.session.scalars(sa.select(Message.id)).all()
    for one in chance.sample(list(ids), 3):
        db.session.get_one(Message, one).status = status


def quarters() -> tuple[Counter[int], Counter[int]]:
    """Count the rows by quarter, as the dashboard would have to."""
    sent: Counter[int] = Counter()
    failed: Counter[int] = Counter()
    for row in db.session.scalars(sa.select(Message)):
        if row.status is Status.SENT and not row.is_dry_run:
            sent[int((row.sent_at or row.updated_at).timestamp()) // 900] += 1
        elif row.status is Status.FAILED:
            failed[int(row.updated_at.timestamp()) // 900] += 1
    return sent, failed


@pytest.mark.usefixtures("database")
def test_they_agree_after_any_moves() -> None:
    chance = random.Random(7)  # noqa: S311 - no secret
    first, second = campaign_of(40), campaign_of(11)
    single = Message(status=Status.PENDING)
    db.session.add(single)
    db.session.commit()
    for step in range(60):
        a_move(chance)
        if step % 10 == 9:
            one = db.session.scalars(sa.select(Message.id).limit(1)).one()
            db.session.execute(sa.delete(Message).where(Message.id == one))
        db.session.rollback() if step % 7 == 6 else db.session.commit()
        db.session.expire_all()
        assert tallies.differences() == []
    long_ago = now() - timedelta(days=1)
    kept = tallies.by_quarter(long_ago)
    sent, failed = quarters()
    by_time = {int(at.timestamp()) // 900: (one, two) for at, one, two in kept}
    assert {at: n for at, (n, _) in by_time.items() if n} == dict(sent)
    assert {at: n for at, (_, n) in by_time.items() if n} == dict(failed)
    assert sum(n for _, n in tallies.why_failed(long_ago, 9)) == failed.total()
    for campaign in (first, second):
        db.session.delete(db.session.get_one(Campaign, campaign.id))
    db.session.commit()
    assert tallies.counts_of([first.id, second.id]) == {}


@pytest.mark.usefixtures("database")
def test_what_was_done_when_is_kept_by_seconds_and_folded() -> None:
    campaign = campaign_of(6, prepared_at=now() - timedelta(hours=2))
    old = (now() - timedelta(hours=1)).replace(second=10, microsecond=0)
    times = [old, old + timedelta(seconds=7), old + timedelta(seconds=7), now()]
    for number, at in enumerate(times):
        row = {"status": Status.SENT, "sent_at": at, "updated_at": at}
        where = Message.recipient_id == number
        db.session.execute(sa.update(Message).where(where).values(**row))
    db.session.commit()
    assert sum(tallies.seconds(campaign.id, old).values()) == 4
    tallies.fold()
    tallies.fold()
    assert sum(tallies.seconds(campaign.id, old).values()) == 1
    interval, sent, failed = tallies.by_interval(campaign.id, 20)
    assert (interval, sorted(sent.values()), failed) == (60, [1, 3], {})
    campaign.state = State.FINISHED
    db.session.commit()


@pytest.mark.usefixtures("database")
def test_a_number_that_is_wrong_is_found() -> None:
    campaign = campaign_of(5)
    db.session.execute(sa.update(tallies.CampaignTally).values(sent=2, pending=4))
    db.session.commit()
    assert tallies.differences() == [
        f"campaign {campaign.id}, pending: 5 rows, but 4 kept",
        f"campaign {campaign.id}, sent: 0 rows, but 2 kept",
    ]


def test_counts_sum_to_the_total_through_a_campaign(make_desk: MakeDesk) -> None:
    people = [{"email": f"p{n}@example.org", "first_name": "P"} for n in range(8)]
    desk: Desk = make_desk([*people, people[0]])
    desk.launched()
    moves = [Status.SENT, Status.FAILED, Status.UNKNOWN, Status.DEFERRED]
    for row, status in enumerate(moves):
        desk.set(row, status, reason_class="server" if row == 1 else "")
        found = live.status_of(desk.fresh())
        assert sum(found["counts"].values()) == found["total"] == 9
        assert tallies.differences() == []
    steering.resolve_unknown(desk.campaign.id, steering.Decision.WENT)
    steering.cancel(desk.campaign.id)
    found = live.status_of(desk.fresh())
    assert found["counts"] == {
        **dict.fromkeys([one.value for one in Status], 0),
        "sent": 2,
        "failed": 1,
        "cancelled": 5,
        "skipped": 1,
    }
    assert (found["percent"], found["failures"][0]["count"]) == (100.0, 1)
    assert tallies.differences() == []
