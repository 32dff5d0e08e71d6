"""Warm-up: the day's limit of a new sender, which grows from day to day."""

from datetime import date

from webapp.senders.models import Sender


def cap_on(start: int, growth: int, ceiling: int, since: date | None, day: date) -> int:
    """Return how many messages a ramp allows on a day.

    Parameters
    ----------
    start
        On the first day, and before it; 0 means that there is no ramp.
    growth
        By how many per cent more each day; the result is cut to a whole number.
    ceiling
        What it never exceeds.

    Returns
    -------
    int
        0 where there is no ramp, and so no limit of it.

    Examples
    --------
    >>> first = date(2026, 11, 1)
    >>> [cap_on(50, 50, 300, first, date(2026, 11, day)) for day in (1, 2, 3, 6, 30)]
    [50, 75, 112, 300, 300]
    >>> cap_on(0, 50, 300, first, first)
    0
    """
    if start <= 0:
        return 0
    days = max(0, (day - since).days) if since else 0
    up, down = start, 1
    for _day in range(days if growth > 0 else 0):
        if up >= ceiling * down:
            break
        up, down = up * (100 + growth), down * 100
    return min(ceiling, up // down)


def day_limit(sender: Sender, day: date) -> tuple[int, bool]:
    """Return the limit of a day, and whether it is the ramp's; 0 means no limit."""
    ramp = cap_on(
        sender.warmup_start,
        sender.warmup_growth,
        sender.warmup_ceiling,
        sender.warmup_from,
        day,
    )
    if ramp and (not sender.per_day or ramp < sender.per_day):
        return ramp, True
    return sender.per_day, False
