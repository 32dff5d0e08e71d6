"""Send windows: days and hours on the clock of a zone in which messages may leave.

A window is "on these days, from then to then". One whose end is not after its start
goes over midnight, into the day after each of its days. The clock on the wall decides,
minute by minute: an hour that it shows twice counts twice, one that it skips never was.
No window at all means that messages may leave at any time.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import Any

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
MIDNIGHT = "24:00"
# Two weeks and a day: a week whose only window the clock skips is not the last one.
AHEAD = 16
MINUTES_OF_DAY = 24 * 60


@dataclass(frozen=True, slots=True)
class Window:
    """Days (0 is Monday), and minutes of the day from which and before which.

    `until` may be 1440, the end of the day; over midnight it is not above `since`.
    """

    days: frozenset[int]
    since: int
    until: int

    def is_open(self, wall: datetime) -> bool:
        """Whether a clock that shows this is inside."""
        minute = wall.hour * 60 + wall.minute
        today, yesterday = wall.weekday(), (wall.weekday() - 1) % 7
        if self.since < self.until:
            return today in self.days and self.since <= minute < self.until
        late = today in self.days and minute >= self.since
        return late or (yesterday in self.days and minute < self.until)


def read(listed: Sequence[Mapping[str, Any]]) -> tuple[Window, ...]:
    """Return windows from what a campaign keeps.

    Examples
    --------
    >>> read([{"days": ["mon", "tue"], "from": "08:00", "to": "24:00"}])
    (Window(days=frozenset({0, 1}), since=480, until=1440),)
    """
    return tuple(
        Window(
            frozenset(DAYS.index(day) for day in one["days"]),
            minute_of(one["from"]),
            minute_of(one["to"]),
        )
        for one in listed
    )


def minute_of(text: str) -> int:
    """Return the minute of the day that a text such as ``08:30`` or ``24:00`` means.

    Raises
    ------
    ValueError
        If it means none.

    Examples
    --------
    >>> minute_of("08:30"), minute_of("24:00")
    (510, 1440)
    """
    if text == MIDNIGHT:
        return MINUTES_OF_DAY
    if len(text) != len(MIDNIGHT) or text[2] != ":":
        raise ValueError(text)
    found = time.fromisoformat(text)
    return found.hour * 60 + found.minute


def is_open(windows: Sequence[Window], zone: tzinfo, at: datetime) -> bool:
    """Whether messages may leave at an instant."""
    wall = at.astimezone(zone)
    return not windows or any(window.is_open(wall) for window in windows)


def next_opening(
    windows: Sequence[Window], zone: tzinfo, at: datetime
) -> datetime | None:
    """Return the first instant, from this one on, at which messages may leave.

    Examples
    --------
    >>> from zoneinfo import ZoneInfo
    >>> office = read([{"days": DAYS[:5], "from": "08:00", "to": "18:00"}])
    >>> saturday = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
    >>> next_opening(office, ZoneInfo("Europe/Berlin"), saturday).isoformat()
    '2026-11-23T07:00:00+00:00'
    """
    return _next(windows, zone, at, wanted=True)


def next_closing(
    windows: Sequence[Window], zone: tzinfo, at: datetime
) -> datetime | None:
    """Return the first instant, from this one on, at which none may."""
    return _next(windows, zone, at, wanted=False)


def end_of(
    seconds: float, windows: Sequence[Window], zone: tzinfo, at: datetime
) -> datetime | None:
    """Return when so many seconds of open windows are over; nothing beyond a year.

    Examples
    --------
    >>> from zoneinfo import ZoneInfo
    >>> hour = read([{"days": DAYS, "from": "08:00", "to": "09:00"}])
    >>> begun = datetime(2026, 11, 21, 8, 30, tzinfo=UTC)
    >>> end_of(3600, hour, ZoneInfo("UTC"), begun).isoformat()
    '2026-11-22T08:30:00+00:00'
    """
    left, last = timedelta(seconds=min(seconds, 366 * 86400.0)), at + 366 * DAY
    while at < last:
        opened = next_opening(windows, zone, at)
        if opened is None:
            return None
        closed = next_closing(windows, zone, opened)
        if closed is None or closed - opened >= left:
            return opened + left
        left -= closed - opened
        at = closed
    return None


def _next(
    windows: Sequence[Window], zone: tzinfo, at: datetime, *, wanted: bool
) -> datetime | None:
    if is_open(windows, zone, at) is wanted:
        return at
    for instant in _edges(windows, zone, at):
        if instant > at and is_open(windows, zone, instant) is wanted:
            return instant
    return None


def _edges(windows: Sequence[Window], zone: tzinfo, at: datetime) -> Iterator[datetime]:
    """Yield, in order, every instant after which a clock may be in another window."""
    today = at.astimezone(zone).replace(tzinfo=None, hour=0, minute=0, second=0)
    today = today.replace(microsecond=0)
    minutes = {0} | {m for one in windows for m in (one.since, one.until)}
    days = [today + number * DAY for number in range(-1, AHEAD)]
    walls = [day + minute * MINUTE for day in days for minute in minutes]
    both = [wall.replace(tzinfo=zone, fold=fold) for wall in walls for fold in (0, 1)]
    # All at once: a change of the clock late in one day is after edges of the next.
    changes = _changes(zone, days[0].replace(tzinfo=UTC) - DAY)
    yield from sorted({*(one.astimezone(UTC) for one in both), *changes})


def _changes(zone: tzinfo, start: datetime) -> Iterator[datetime]:
    """Yield the instants at which a zone's clock is changed, as far as edges go."""
    for hour in range((AHEAD + 4) * 24):
        before = start + hour * HOUR
        if before.astimezone(zone).utcoffset() == (
            (before + HOUR).astimezone(zone).utcoffset()
        ):
            continue
        for minute in range(1, 61):
            one = before + minute * MINUTE
            if (
                one.astimezone(zone).utcoffset()
                != (one - MINUTE).astimezone(zone).utcoffset()
            ):
                yield one
