"""Limits: how many more messages may leave now, over all workers and restarts.

Each window of time (this second, minute, hour, day) of a sender has a row that counts
what was marked in it. It is locked, asked and raised in the mark's own transaction, so
a crash may waste some of the allowance and never exceeds it. Windows are those of the
clock, in UTC.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import cast

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from webapp.campaigns.models import Campaign
from webapp.core.db import db, db_now, reading
from webapp.delivery.liveness import database_time
from webapp.delivery.models import LimitUse
from webapp.delivery.plans import Plan
from webapp.senders.models import Sender

USE = cast(sa.Table, LimitUse.__table__)


@dataclass(frozen=True, slots=True)
class Window:
    """A span of time in which only so many messages may be marked."""

    name: str
    most: int
    until: datetime


@dataclass(frozen=True, slots=True)
class Allowance:
    """How many may be marked now, and where there are fewer, when there are more."""

    count: int
    windows: tuple[Window, ...] = ()
    wait: float = 0.0


def windows_of(plan: Plan, at: datetime) -> tuple[Window, ...]:
    """Return the windows that bind a plan at an instant, shortest first."""
    sender = plan.sender
    spans = [
        ("second", sender.per_second, 1),
        (f"minute-{plan.campaign_id}", plan.per_minute, 60),
        ("hour", sender.per_hour, 3600),
        ("day", sender.per_day, 86400),
    ]
    return tuple(
        _window(kind, most, seconds, at) for kind, most, seconds in spans if most > 0
    )


def _window(kind: str, most: int, seconds: int, at: datetime) -> Window:
    """Return the window of the clock in which an instant lies.

    Examples
    --------
    >>> at = datetime(2026, 11, 22, 7, 30, 12, 500000, UTC)
    >>> _window("hour", 9, 3600, at).until.isoformat()
    '2026-11-22T08:00:00+00:00'
    """
    number = math.floor(at.timestamp() / seconds)
    until = datetime.fromtimestamp((number + 1) * seconds, UTC)
    return Window(f"{kind}:{number}", most, until)


def ask(plan: Plan, wanted: int, at: datetime) -> Allowance:
    """Lock the windows of a plan, and say how many of those wanted may be marked."""
    allowed, wait = wanted, 0.0
    windows = windows_of(plan, at)
    for window in windows:
        left = max(0, window.most - _used(plan.sender.id, window))
        if left < allowed:
            allowed = left
            wait = max(wait, (window.until - at).total_seconds())
    return Allowance(allowed, windows, wait)


def _used(sender_id: int, window: Window) -> int:
    connection = db.session.connection()
    is_sqlite = connection.dialect.name == "sqlite"
    insert = sqlite.insert(USE) if is_sqlite else postgresql.insert(USE)
    fresh = {
        "sender_id": sender_id,
        "window": window.name,
        "domain": "",
        "used": 0,
        "until": window.until,
    }
    connection.execute(insert.values(**fresh).on_conflict_do_nothing())
    query = sa.select(USE.c.used).where(_is(sender_id, window)).with_for_update()
    return int(connection.execute(query).scalar_one())


def take(plan: Plan, windows: Sequence[Window], count: int) -> None:
    """Count what was marked."""
    for window in windows if count else ():
        db.session.connection().execute(
            sa.update(USE)
            .where(_is(plan.sender.id, window))
            .values(used=USE.c.used + count)
        )


def _is(sender_id: int, window: Window) -> "sa.ColumnElement[bool]":
    return sa.and_(
        USE.c.sender_id == sender_id,
        USE.c.window == window.name,
        USE.c.domain == "",
    )


def has_allowance(*, of_campaign: bool) -> "sa.ColumnElement[bool]":
    """Return the condition that a sender (and campaign) of a query may send just now.

    The window of a second is left out: a worker waits for it.
    """
    full = [
        _is_full(USE.c.window.startswith("hour:"), Sender.per_hour),
        _is_full(USE.c.window.startswith("day:"), Sender.per_day),
    ]
    if of_campaign:
        own = sa.literal("minute-") + sa.cast(Campaign.id, sa.String) + ":%"
        full.append(_is_full(USE.c.window.like(own), Campaign.throttle))
    return ~sa.exists(
        sa.select(sa.literal(1))
        .where(USE.c.sender_id == Sender.id, USE.c.until > db_now(), sa.or_(*full))
        .correlate_except(USE)
    )


def _is_full(
    which: "sa.ColumnElement[bool]", most: "sa.SQLColumnExpression[int]"
) -> "sa.ColumnElement[bool]":
    return sa.and_(which, most > 0, USE.c.used >= most)


def forget_old() -> None:
    """Drop the windows that have been over for a day."""
    with reading():
        past = database_time() - timedelta(days=1)
        found = db.session.scalar(
            sa.select(USE.c.sender_id).where(USE.c.until < past).limit(1)
        )
        db.session.rollback()
    if found is not None:
        db.session.execute(sa.delete(USE).where(USE.c.until < past))
        db.session.commit()
