"""How many messages of a campaign are in each status, without counting them.

Triggers of the database (migration 0002) keep these numbers in the transaction that
changes a message, whoever changes it, so they are never ahead of the rows and never
behind. `differences` counts the rows and says where the two disagree.

`shard` keeps writers apart: on PostgreSQL it is the backend's process id, so that no
two transactions wait for one number; on SQLite, with its one writer, it is 0. One shard
may be below zero; the sum over them is the number.
"""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, mapped_column

from webapp.campaigns.chart import MAX_BARS, interval_for
from webapp.campaigns.models import Campaign, Message
from webapp.campaigns.states import State, Status
from webapp.core.clock import now
from webapp.core.db import Base, db, reading

QUARTER = 15 * 60  # seconds; every zone is a whole number of quarters off UTC
FRESH = timedelta(minutes=10)
# How long a campaign has been sending, and how wide its older slots may be then.
WIDER = (
    (timedelta(minutes=MAX_BARS), 1, 60),
    (timedelta(minutes=15 * MAX_BARS), 60, QUARTER),
)


class CampaignTally(Base):
    """How many messages of a campaign are in each status."""

    __tablename__ = "campaign_tally"

    campaign_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    shard: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    pending: Mapped[int]
    sending: Mapped[int]
    deferred: Mapped[int]
    sent: Mapped[int]
    failed: Mapped[int]
    unknown: Mapped[int]
    skipped: Mapped[int]
    cancelled: Mapped[int]


class FailureTally(Base):
    """How many messages of a campaign have failed, by class of reasons."""

    __tablename__ = "failure_tally"

    campaign_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    reason_class: Mapped[str] = mapped_column(sa.String(16), primary_key=True)
    shard: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    failed: Mapped[int]


class Pace(Base):
    """How many messages of a campaign were sent and failed, and when.

    A slot begins at so many seconds since the epoch and is `width` seconds wide: one,
    until `fold` makes wider ones of those of a long campaign. What failed and was sent
    later is in both of its slots, for both took place.
    """

    __tablename__ = "pace"

    campaign_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    width: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    slot: Mapped[int] = mapped_column(
        sa.BigInteger, primary_key=True, autoincrement=False
    )
    shard: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    sent: Mapped[int]
    failed: Mapped[int]


class QuarterTally(Base):
    """How many messages, of campaigns or not, were sent or failed in a quarter hour.

    What a dry run kept was not sent.
    """

    __tablename__ = "quarter_tally"

    quarter: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    reason_class: Mapped[str] = mapped_column(sa.String(16), primary_key=True)
    shard: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    sent: Mapped[int]
    failed: Mapped[int]


COLUMNS: Mapping[Status, Any] = {
    status: getattr(CampaignTally, status.value) for status in Status
}


def counts(campaign_id: int) -> dict[Status, int]:
    """Return how many messages of a campaign are in each status."""
    return counts_of([campaign_id]).get(campaign_id, dict.fromkeys(Status, 0))


def counts_of(campaign_ids: Collection[int]) -> dict[int, dict[Status, int]]:
    """Return the counts of several campaigns, in one query."""
    sums = [sa.func.sum(column) for column in COLUMNS.values()]
    rows = db.session.execute(
        sa.select(CampaignTally.campaign_id, *sums)
        .where(CampaignTally.campaign_id.in_(campaign_ids))
        .group_by(CampaignTally.campaign_id)
    )
    return {row[0]: dict(zip(COLUMNS, map(int, row[1:]), strict=True)) for row in rows}


def unknown() -> "sa.Subquery":
    """Return the campaigns that have unknown messages: `campaign_id`, `unknown`."""
    number = sa.func.sum(CampaignTally.unknown)
    return (
        sa.select(CampaignTally.campaign_id, number.label("unknown"))
        .group_by(CampaignTally.campaign_id)
        .having(number > 0)
        .subquery()
    )


def failures(campaign_id: int) -> list[tuple[str, int]]:
    """Return the classes of reasons of failed messages, the most frequent first."""
    number = sa.func.sum(FailureTally.failed)
    rows = db.session.execute(
        sa.select(FailureTally.reason_class, number)
        .where(FailureTally.campaign_id == campaign_id)
        .group_by(FailureTally.reason_class)
        .having(number > 0)
        .order_by(number.desc(), FailureTally.reason_class)
    )
    return [(kind, int(failed)) for kind, failed in rows]


def seconds(campaign_id: int, since: datetime) -> dict[int, int]:
    """Return how many messages were sent or failed in each second since then."""
    done = sa.func.sum(Pace.sent + Pace.failed)
    rows = db.session.execute(
        sa.select(Pace.slot, done)
        .where(
            Pace.campaign_id == campaign_id,
            Pace.width == 1,
            Pace.slot >= int(since.timestamp()),
        )
        .group_by(Pace.slot)
    )
    return {int(slot): int(number) for slot, number in rows}


def by_interval(
    campaign_id: int, elapsed: float
) -> tuple[int, dict[int, int], dict[int, int]]:
    """Return the length of an interval, and what was sent and what failed in each.

    Intervals are counted from the epoch. None is shorter than the widest slot.
    """
    widest = sa.select(sa.func.max(Pace.width)).where(Pace.campaign_id == campaign_id)
    interval = max(interval_for(elapsed), db.session.scalar(widest) or 1)
    place = Pace.slot // interval
    rows = db.session.execute(
        sa.select(place, sa.func.sum(Pace.sent), sa.func.sum(Pace.failed))
        .where(Pace.campaign_id == campaign_id)
        .group_by(place)
    ).all()
    sent = {int(at): int(number) for at, number, _failed in rows if number}
    failed = {int(at): int(number) for at, _sent, number in rows if number}
    return interval, sent, failed


def by_quarter(since: datetime) -> list[tuple[datetime, int, int]]:
    """Return what was sent and what failed in each quarter of an hour since then."""
    rows = db.session.execute(
        sa.select(
            QuarterTally.quarter,
            sa.func.sum(QuarterTally.sent),
            sa.func.sum(QuarterTally.failed),
        )
        .where(QuarterTally.quarter >= int(since.timestamp()) // QUARTER)
        .group_by(QuarterTally.quarter)
    )
    zone = since.tzinfo
    return [
        (datetime.fromtimestamp(quarter * QUARTER, zone), int(sent), int(failed))
        for quarter, sent, failed in rows
    ]


def why_failed(since: datetime, limit: int) -> list[tuple[str, int]]:
    """Return why messages have failed since then, the most frequent reason first."""
    number = sa.func.sum(QuarterTally.failed)
    rows = db.session.execute(
        sa.select(QuarterTally.reason_class, number)
        .where(QuarterTally.quarter >= int(since.timestamp()) // QUARTER)
        .group_by(QuarterTally.reason_class)
        .having(number > 0)
        .order_by(number.desc(), QuarterTally.reason_class)
        .limit(limit)
    )
    return [(kind, int(failed)) for kind, failed in rows]


def fold() -> None:
    """Make wider slots of the older ones of long campaigns; owns its commits.

    So a chart reads some thousand rows at most, whether a campaign takes a minute or
    a month.
    """
    at = now()
    before = int((at - FRESH).timestamp())
    for age, narrow, wide in WIDER:
        old = sa.select(Campaign.id).where(
            Campaign.state == State.SENDING, Campaign.prepared_at < at - age
        )
        with reading():
            campaign_ids = db.session.scalars(old).all()
            db.session.rollback()
        for campaign_id in campaign_ids:
            _fold(campaign_id, narrow, wide, before - before % wide)


def _fold(campaign_id: int, narrow: int, wide: int, before: int) -> None:
    mine = (
        Pace.campaign_id == campaign_id,
        Pace.width == narrow,
        Pace.slot < before,
    )
    with reading():
        is_there = db.session.scalar(sa.select(Pace.slot).where(*mine).limit(1))
        db.session.rollback()
    if is_there is None:
        return
    gone = db.session.execute(
        sa.delete(Pace)
        .where(*mine)
        .returning(Pace.slot, Pace.sent, Pace.failed)
        .execution_options(synchronize_session=False)
    ).all()
    wider: dict[int, list[int]] = {}
    for slot, sent, failed in gone:
        numbers = wider.setdefault(slot - slot % wide, [0, 0])
        numbers[0] += sent
        numbers[1] += failed
    if wider:
        _add(campaign_id, wide, wider)
    db.session.commit()


def _add(campaign_id: int, width: int, slots: Mapping[int, Collection[int]]) -> None:
    is_sqlite = db.session.get_bind().dialect.name == "sqlite"
    insert = sqlite.insert(Pace) if is_sqlite else postgresql.insert(Pace)
    rows = [
        dict(
            zip(
                ("campaign_id", "width", "shard", "slot", "sent", "failed"),
                (campaign_id, width, 0, slot, *numbers),
                strict=True,
            )
        )
        for slot, numbers in sorted(slots.items())
    ]
    added = insert.on_conflict_do_update(
        index_elements=["campaign_id", "width", "slot", "shard"],
        set_={
            "sent": Pace.sent + insert.excluded.sent,
            "failed": Pace.failed + insert.excluded.failed,
        },
    )
    db.session.execute(added, rows)


def differences() -> list[str]:
    """Count all rows, and return where a number kept beside them is another one."""
    number = sa.func.count()
    of_campaign = Message.campaign_id.is_not(None)
    statuses = sa.select(Message.campaign_id, Message.status, number).where(of_campaign)
    counted = {
        (campaign_id, status.value): count
        for campaign_id, status, count in db.session.execute(
            statuses.group_by(Message.campaign_id, Message.status)
        )
    }
    ids = db.session.scalars(sa.select(CampaignTally.campaign_id).distinct()).all()
    kept = {
        (campaign_id, status.value): count
        for campaign_id, found in counts_of(ids).items()
        for status, count in found.items()
        if count
    }
    classes = sa.select(Message.campaign_id, Message.reason_class, number).where(
        of_campaign, Message.status == Status.FAILED
    )
    failed = {
        (campaign_id, f"failed: {kind}"): count
        for campaign_id, kind, count in db.session.execute(
            classes.group_by(Message.campaign_id, Message.reason_class)
        )
    }
    kept_failed = {
        (campaign_id, f"failed: {kind}"): count
        for campaign_id in ids
        for kind, count in failures(campaign_id)
    }
    return [
        *_differences(counted, kept),
        *_differences(failed, kept_failed),
    ]


def _differences(
    counted: Mapping[tuple[Any, str], int], kept: Mapping[tuple[Any, str], int]
) -> list[str]:
    return [
        f"campaign {key[0]}, {key[1]}: {counted.get(key, 0)} rows, "
        f"but {kept.get(key, 0)} kept"
        for key in sorted({*counted, *kept})
        if counted.get(key, 0) != kept.get(key, 0)
    ]
