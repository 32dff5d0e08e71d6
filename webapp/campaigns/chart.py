"""The chart of a campaign, as numbers: which bars stand where. Pure.

The page template only writes these into an SVG; the same numbers stand below it as a
table.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

WIDTH, HEIGHT = 460, 180
LEFT, TOP, BASE = 40.0, 6.0, 160.0
MAX_BARS = 48
GRID_LINES = 3
GAP = 1.0
INTERVALS = (1, 5, 10, 15, 30, 60, 300, 900, 1800, 3600, 10800, 43200, 86400)


@dataclass(frozen=True, slots=True)
class Bar:
    """One interval: its numbers, and its two rectangles."""

    at: datetime
    sent: int
    failed: int
    x: float
    width: float
    sent_y: float
    sent_height: float
    failed_y: float
    failed_height: float


@dataclass(frozen=True, slots=True)
class Chart:
    """All that the SVG needs.

    Attributes
    ----------
    grid
        Height and figure of each line.
    labels
        Place, instant and anchor of each time on the axis.
    """

    interval: int
    bars: Sequence[Bar]
    grid: Sequence[tuple[float, int]]
    labels: Sequence[tuple[float, datetime, str]]
    sent: int
    failed: int


def interval_for(seconds: float) -> int:
    """Return the length of an interval so that all fit into one chart.

    Examples
    --------
    >>> interval_for(20), interval_for(126), interval_for(3600)
    (1, 5, 300)
    """
    fits = (one for one in INTERVALS if seconds / one <= MAX_BARS - 1)
    return next(fits, INTERVALS[-1])


def draw(
    interval: int, sent: Mapping[int, int], failed: Mapping[int, int]
) -> Chart | None:
    """Return the chart of the numbers by interval; None where there are none.

    Parameters
    ----------
    sent, failed
        Number of messages by interval, counted from the epoch.

    Examples
    --------
    >>> chart = draw(5, {10: 6, 12: 3}, {12: 1})
    >>> [(bar.sent, bar.failed) for bar in chart.bars], chart.grid[-1]
    ([(6, 0), (0, 0), (3, 1)], (6.0, 6))
    """
    places = {*sent, *failed}
    if not places:
        return None
    first = max(min(places), max(places) - MAX_BARS + 1)
    slots = range(first, max(places) + 1)
    highest = max(sent.get(at, 0) + failed.get(at, 0) for at in slots)
    step = -(-highest // GRID_LINES) or 1
    top = step * GRID_LINES
    pitch = (WIDTH - LEFT) / max(len(slots), MAX_BARS // 2)
    scale = (BASE - TOP) / top
    bars = [
        _bar(at * interval, sent.get(at, 0), failed.get(at, 0), (place, pitch, scale))
        for place, at in enumerate(slots)
    ]
    return Chart(
        interval=interval,
        bars=bars,
        grid=[
            (round(BASE - n * step * scale, 1), n * step) for n in range(GRID_LINES + 1)
        ],
        labels=_labels(bars),
        sent=sum(bar.sent for bar in bars),
        failed=sum(bar.failed for bar in bars),
    )


def _bar(at: int, sent: int, failed: int, geometry: tuple[int, float, float]) -> Bar:
    place, pitch, scale = geometry
    sent_height = sent * scale
    failed_height = max(0.0, failed * scale - (GAP if sent else 0))
    return Bar(
        at=datetime.fromtimestamp(at, UTC),
        sent=sent,
        failed=failed,
        x=round(LEFT + place * pitch + pitch * 0.16, 1),
        width=round(pitch * 0.68, 1),
        sent_y=round(BASE - sent_height, 1),
        sent_height=round(sent_height, 1),
        failed_y=round(BASE - (sent + failed) * scale, 1),
        failed_height=round(failed_height, 1),
    )


def _labels(bars: Sequence[Bar]) -> list[tuple[float, datetime, str]]:
    chosen = [(bars[0], "start")]
    if len(bars) > MAX_BARS // 4:
        chosen.append((bars[len(bars) // 2], "middle"))
    if len(bars) > MAX_BARS // 8:
        chosen.append((bars[-1], "end"))
    shift = {"start": 0.0, "middle": 0.5, "end": 1.0}
    return [
        (round(bar.x + bar.width * shift[anchor], 1), bar.at, anchor)
        for bar, anchor in chosen
    ]
