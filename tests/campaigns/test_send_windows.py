"""Send windows and wall times: as the clock has it, also when it is changed."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from webapp.campaigns import send_windows, wall_time
from webapp.campaigns.send_windows import DAYS, Window, end_of, is_open, read
from webapp.campaigns.wall_time import Kind

# Europe changes its clocks at 01:00 UTC, Lord Howe by half an hour, Casablanca for
# a month, Apia once left out a day, Kathmandu and Chatham are quarters of an hour off.
ZONES = [
    ZoneInfo(name)
    for name in (
        "UTC",
        "Europe/Berlin",
        "America/New_York",
        "America/Havana",
        "Australia/Lord_Howe",
        "Africa/Casablanca",
        "Pacific/Apia",
        "Asia/Kathmandu",
        "Pacific/Chatham",
    )
]
CHANGES = [
    datetime(2027, 3, 28, 1, tzinfo=UTC),
    datetime(2026, 10, 25, 1, tzinfo=UTC),
    datetime(2027, 3, 14, 5, tzinfo=UTC),
    datetime(2026, 11, 1, 6, tzinfo=UTC),
    datetime(2026, 4, 4, 15, tzinfo=UTC),
    datetime(2026, 10, 3, 15, 30, tzinfo=UTC),
    datetime(2026, 2, 15, 2, tzinfo=UTC),
    datetime(2011, 12, 30, 10, tzinfo=UTC),
]
MINUTE = timedelta(minutes=1)
WEEK = 7 * 24 * 60

# Clocks are changed in the small hours, so many windows begin and end there.
minutes = st.one_of(st.integers(0, 240), st.integers(0, 1439))
windows = st.builds(
    Window,
    st.frozensets(st.integers(0, 6), min_size=1),
    minutes,
    st.one_of(minutes, st.just(1440)),
).filter(lambda one: one.since != one.until)
instants = st.builds(
    lambda change, minutes: change + minutes * MINUTE,
    st.sampled_from(CHANGES),
    st.integers(-3 * 24 * 60, 24 * 60),
)
EVERY_NIGHT = Window(frozenset(range(7)), 150, 160)


def by_minutes(some: list[Window], zone: ZoneInfo, at: datetime) -> datetime | None:
    """The next opening, found the slow way: asking every minute for two weeks."""
    for _ in range(2 * WEEK + 24 * 60):
        if is_open(some, zone, at):
            return at
        at += MINUTE
    return None


@settings(max_examples=60, deadline=None)
@given(st.lists(windows, min_size=1, max_size=3), st.sampled_from(ZONES), instants)
@example([EVERY_NIGHT], ZONES[1], CHANGES[0])
@example([EVERY_NIGHT], ZONES[1], CHANGES[1] - 20 * MINUTE)
@example([Window(frozenset({6}), 150, 300)], ZONES[1], CHANGES[0] - 60 * MINUTE)
@example([Window(frozenset({6}), 150, 160)], ZONES[1], CHANGES[0] - 60 * MINUTE)
def test_the_next_opening_is_the_first_open_minute(
    some: list[Window], zone: ZoneInfo, at: datetime
) -> None:
    assert send_windows.next_opening(some, zone, at) == by_minutes(some, zone, at)


@settings(max_examples=40, deadline=None)
@given(st.lists(windows, min_size=1, max_size=3), st.sampled_from(ZONES), instants)
def test_the_next_closing_is_the_first_minute_that_is_not_open(
    some: list[Window], zone: ZoneInfo, at: datetime
) -> None:
    found = send_windows.next_closing(some, zone, at)
    slow = at
    while is_open(some, zone, slow) and slow < at + 2 * WEEK * MINUTE:
        slow += MINUTE
    assert found == (None if is_open(some, zone, slow) else slow)


def test_a_window_over_midnight_belongs_to_the_day_it_begins_on() -> None:
    night = read([{"days": ["fri"], "from": "22:00", "to": "06:00"}])
    friday, zone = datetime(2026, 11, 27, 23, tzinfo=UTC), ZoneInfo("UTC")
    hours = [is_open(night, zone, friday + timedelta(hours=n)) for n in (-2, 0, 6, 7)]
    assert hours == [False, True, True, False]
    assert not is_open(night, zone, friday - timedelta(days=1))


def test_no_window_never_closes() -> None:
    at = CHANGES[0]
    assert send_windows.next_opening([], ZONES[0], at) == at
    assert send_windows.next_closing([], ZONES[0], at) is None


def test_the_end_counts_open_time_only() -> None:
    office = read([{"days": DAYS[:5], "from": "08:00", "to": "18:00"}])
    friday = datetime(2026, 11, 27, 16, tzinfo=UTC)
    end = end_of(3 * 3600, office, ZoneInfo("UTC"), friday)
    assert end == datetime(2026, 11, 30, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("wall", "kind", "instant"),
    [
        ("2027-03-28T02:30", Kind.NEVER, "2027-03-28T01:30:00+00:00"),
        ("2026-10-25T02:30", Kind.TWICE, "2026-10-25T00:30:00+00:00"),
        ("2026-10-25T03:00", Kind.ONCE, "2026-10-25T02:00:00+00:00"),
        ("2027-03-28T01:59", Kind.ONCE, "2027-03-28T00:59:00+00:00"),
    ],
)
def test_what_a_clock_skips_or_shows_twice(wall: str, kind: Kind, instant: str) -> None:
    berlin, found = ZoneInfo("Europe/Berlin"), wall_time.wall_of(wall)
    assert found is not None
    assert wall_time.kind_of(found, berlin) is kind
    assert wall_time.instant_of(found, berlin).isoformat() == instant
