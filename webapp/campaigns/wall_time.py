"""A wall time in a zone, and the one instant that it means.

A schedule is kept as people say it, for a zone may change its rules meanwhile: then the
clock on the wall counts. What a clock skips or shows twice is taken as in RFC 5545
(section 3.3.5): a skipped time as if the clock had not been changed, one that comes
twice the first time.
"""

import re
from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum

WRITTEN = re.compile(r"(2\d{3}-\d\d-\d\d)[T ](\d\d:\d\d)(?::00)?", re.ASCII)


class Kind(StrEnum):
    """How often a wall time comes."""

    ONCE = "once"
    NEVER = "never"
    TWICE = "twice"


def wall_of(text: str) -> datetime | None:
    """Return a wall time, to the minute, from its text; nothing if it is none.

    Examples
    --------
    >>> wall_of("2026-11-23T08:00").isoformat()
    '2026-11-23T08:00:00'
    >>> wall_of("2026-11-23T08:00Z"), wall_of("2026-02-30T08:00"), wall_of("")
    (None, None, None)
    """
    found = WRITTEN.fullmatch(text.strip())
    if found is None:
        return None
    try:
        return datetime.fromisoformat(f"{found[1]}T{found[2]}")
    except ValueError:
        return None


def written(wall: datetime) -> str:
    """Return the text of a wall time, as a page's field and the API have it."""
    return wall.strftime("%Y-%m-%dT%H:%M")


def instant_of(wall: datetime, zone: tzinfo) -> datetime:
    """Return the instant, in UTC, that a wall time means.

    Examples
    --------
    >>> from zoneinfo import ZoneInfo
    >>> berlin = ZoneInfo("Europe/Berlin")
    >>> instant_of(datetime(2026, 11, 23, 8, 0), berlin).isoformat()
    '2026-11-23T07:00:00+00:00'

    On 28 March 2027 the clock jumps from 02:00 to 03:00, so this is 03:30:

    >>> instant_of(datetime(2027, 3, 28, 2, 30), berlin).isoformat()
    '2027-03-28T01:30:00+00:00'
    """
    return wall.replace(tzinfo=zone, fold=0).astimezone(UTC)


def kind_of(wall: datetime, zone: tzinfo) -> Kind:
    """Return whether a wall time comes once, never, or twice.

    Examples
    --------
    >>> from zoneinfo import ZoneInfo
    >>> berlin = ZoneInfo("Europe/Berlin")
    >>> for month, day in ((3, 28), (10, 31), (11, 1)):
    ...     print(kind_of(datetime(2027, month, day, 2, 30), berlin))
    never
    twice
    once
    """
    first, second = (wall.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    if first.utcoffset() == second.utcoffset():
        return Kind.ONCE
    back = first.astimezone(UTC).astimezone(zone).replace(tzinfo=None)
    return Kind.TWICE if back == wall else Kind.NEVER


def offset_of(instant: datetime, zone: tzinfo) -> str:
    """Return what the clock of a zone is ahead of UTC at an instant.

    Examples
    --------
    >>> from zoneinfo import ZoneInfo
    >>> offset_of(datetime(2026, 7, 1, tzinfo=UTC), ZoneInfo("Asia/Kolkata"))
    'UTC+05:30'
    """
    minutes = int((instant.astimezone(zone).utcoffset() or timedelta()).total_seconds())
    sign = "-" if minutes < 0 else "+"
    hours, rest = divmod(abs(minutes) // 60, 60)
    return f"UTC{sign}{hours:02}:{rest:02}"
