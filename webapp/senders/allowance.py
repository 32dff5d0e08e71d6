"""Allowance: how many messages a sender may still send, window by window.

Each window of time (this second, hour, day) of a sender, and of each recipient domain
that has a limit, has a row that counts what was marked in it. Windows are those of the
clock, in UTC. Delivery raises the rows inside the mark; here they are only read.
"""

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

import sqlalchemy as sa

from webapp.core.clock import now
from webapp.core.db import db
from webapp.senders.domains import SPANS, limits_of
from webapp.senders.models import LimitUse, Sender
from webapp.senders.warming import day_limit

USE = cast(sa.Table, LimitUse.__table__)
PACE = "pace"
Uses = Mapping[tuple[str, str], int]


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """A span of time in which only so many messages may be marked.

    Attributes
    ----------
    domain
        Of the recipients that it is about; empty for all.
    kind
        ``second``, ``minute``, ``hour``, ``day``, ``warm-up`` where the day's limit is
        the ramp's, or ``pace`` for a campaign's own minute.
    """

    domain: str
    name: str
    most: int
    seconds: int
    until: datetime
    kind: str

    @property
    def key(self) -> tuple[str, str]:
        """Name the window among those of its sender."""
        return self.name, self.domain


def window(
    kind: str,
    most: int,
    seconds: int,
    at: datetime,
    *,
    name: str = "",
    domain: str = "",
) -> Window:
    """Return the window of the clock in which an instant lies.

    Examples
    --------
    >>> at = datetime(2026, 11, 22, 7, 30, 12, 500000, UTC)
    >>> window("hour", 9, 3600, at).until.isoformat()
    '2026-11-22T08:00:00+00:00'
    """
    number = math.floor(at.timestamp() / seconds)
    until = datetime.fromtimestamp((number + 1) * seconds, UTC)
    return Window(domain, f"{name or kind}:{number}", most, seconds, until, kind)


def windows_of(sender: Sender, at: datetime) -> list[Window]:
    """Return the windows of a sender at an instant, shortest first."""
    a_day, is_ramp = day_limit(sender, at.date())
    found = [
        window("second", sender.per_second, 1, at),
        window("hour", sender.per_hour, 3600, at),
        window("warm-up" if is_ramp else "day", a_day, 86400, at, name="day"),
    ]
    return [one for one in found if one.most > 0]


def throttle_window(campaign_id: int, per_minute: int, at: datetime) -> Window:
    """Return the window of a campaign's own pace."""
    return window(PACE, per_minute, 60, at, name=f"minute-{campaign_id}")


def domain_windows(
    sender: Sender, domains: Iterable[str], at: datetime
) -> list[Window]:
    """Return the windows of recipient domains, for those that have limits."""
    return [
        window(span, limits[f"per_{span}"], seconds, at, domain=domain)
        for domain in sorted(set(domains))
        if (limits := limits_of(sender.per_domain, domain))
        for span, seconds in SPANS.items()
        if f"per_{span}" in limits
    ]


def uses_of(sender_ids: Iterable[int], at: datetime) -> dict[int, Uses]:
    """Return what was used of the windows of senders that are not over yet."""
    ids = list(sender_ids)
    found: dict[int, dict[tuple[str, str], int]] = {one: {} for one in ids}
    query = sa.select(USE).where(USE.c.sender_id.in_(ids), USE.c.until > at)
    for row in db.session.execute(query.where(USE.c.domain == "")):
        found[row.sender_id][row.window, row.domain] = row.used
    return cast(dict[int, Uses], found)


def full(windows: Iterable[Window], uses: Uses) -> list[Window]:
    """Return the windows of which nothing is left, the one that lasts longest first."""
    found = [one for one in windows if uses.get(one.key, 0) >= one.most]
    return sorted(found, key=lambda one: one.until, reverse=True)


def may_begin(sender: Sender, uses: Uses, at: datetime) -> bool:
    """Whether a worker that takes a ticket now can mark something soon.

    The window of a second is left out: a worker waits for it.
    """
    lasting = [one for one in windows_of(sender, at) if one.kind != "second"]
    return not full(lasting, uses)


@dataclass(frozen=True, slots=True)
class Today:
    """How much of today's allowance is used; `most` is 0 where there is no limit."""

    used: int
    most: int
    is_warmup: bool
    until: datetime


def todays(senders: Collection[Sender]) -> dict[int, Today]:
    """Return what each sender may send on this day (UTC), and what was marked of it."""
    at = now()
    limits = {one.id: day_limit(one, at.date()) for one in senders}
    of_day = window("day", 0, 86400, at)
    rows = db.session.execute(
        sa.select(USE.c.sender_id, USE.c.used).where(
            USE.c.sender_id.in_(limits),
            USE.c.window == of_day.name,
            USE.c.domain == "",
        )
    )
    used = {row.sender_id: row.used for row in rows}
    return {
        id_: Today(used.get(id_, 0), most, is_ramp, of_day.until)
        for id_, (most, is_ramp) in limits.items()
    }


def today(sender: Sender) -> Today:
    """Return what one sender may send on this day, and what was marked of it."""
    return todays([sender])[sender.id]


def cap_today(sender: Sender) -> tuple[int, bool]:
    """Return today's limit (UTC), and whether it is the ramp's; 0 means no limit."""
    return day_limit(sender, now().date())
