"""The chart of sent and failed messages a day: from numbers to places. Pure."""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass

WIDTH, BASE, TOP, LEFT = 640.0, 170.0, 6.0, 40.0
GAP = 1.0
LEAST_SEEN = 2.5
LINES = 3
STEPS = (1, 2, 3, 4, 5, 8)


@dataclass(frozen=True)
class Bar:
    """One day: its numbers, and where its two rectangles stand."""

    day: datetime.date
    sent: int
    failed: int
    x: float
    width: float
    sent_y: float
    sent_height: float
    failed_y: float
    failed_height: float


@dataclass(frozen=True)
class DayChart:
    """What the page template needs to draw.

    Attributes
    ----------
    grid
        Height and figure of each line, from the axis up.
    labels
        Middle of a bar and its day, once a week.
    """

    bars: tuple[Bar, ...]
    grid: tuple[tuple[float, int], ...]
    labels: tuple[tuple[float, datetime.date], ...]
    sent: int
    failed: int

    @property
    def busiest(self) -> Bar:
        """Return the day with the most messages."""
        return max(self.bars, key=lambda bar: bar.sent + bar.failed)


def draw(
    today: datetime.date,
    days: int,
    sent: Mapping[datetime.date, int],
    failed: Mapping[datetime.date, int],
) -> DayChart:
    """Return the chart of so many days up to today.

    Examples
    --------
    >>> today = datetime.date(2026, 11, 22)
    >>> chart = draw(today, 30, {today: 655}, {today: 12})
    >>> len(chart.bars), chart.sent, chart.failed, chart.bars[-1].sent
    (30, 655, 12, 655)
    >>> [figure for _, figure in chart.grid]
    [0, 300, 600, 900]
    """
    dates = [today - datetime.timedelta(days=ago) for ago in range(days - 1, -1, -1)]
    highest = max(sent.get(day, 0) + failed.get(day, 0) for day in dates)
    step = nice_step(highest)
    scale = (BASE - TOP) / (step * LINES)
    pitch = (WIDTH - LEFT) / days
    bars = tuple(
        _bar(
            day, sent.get(day, 0), failed.get(day, 0), (LEFT + at * pitch, pitch), scale
        )
        for at, day in enumerate(dates)
    )
    return DayChart(
        bars=bars,
        grid=tuple(
            (round(BASE - line * step * scale, 1), line * step)
            for line in range(LINES + 1)
        ),
        labels=tuple(
            (round(bar.x + bar.width / 2, 1), bar.day) for bar in bars[-1::-7][::-1]
        ),
        sent=sum(bar.sent for bar in bars),
        failed=sum(bar.failed for bar in bars),
    )


def nice_step(highest: int) -> int:
    """Return the distance of the lines, so that three of them reach the highest bar.

    Examples
    --------
    >>> [nice_step(highest) for highest in (0, 3, 8, 667, 1050, 123456)]
    [1, 1, 3, 300, 400, 50000]
    """
    power = 1
    while True:
        for step in STEPS:
            if step * power * LINES >= highest:
                return step * power
        power *= 10


def _bar(
    day: datetime.date,
    sent: int,
    failed: int,
    place: tuple[float, float],
    scale: float,
) -> Bar:
    x, pitch = place
    sent_height = sent * scale
    failed_height = max(LEAST_SEEN, failed * scale) if failed else 0.0
    lifted = GAP if sent and failed else 0.0
    return Bar(
        day=day,
        sent=sent,
        failed=failed,
        x=round(x + pitch * 0.16, 1),
        width=round(pitch * 0.68, 1),
        sent_y=round(BASE - sent_height, 1),
        sent_height=round(sent_height, 1),
        failed_y=round(BASE - sent_height - lifted - failed_height, 1),
        failed_height=round(failed_height, 1),
    )
