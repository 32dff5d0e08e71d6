"""When a snoozed mail comes back: words of a button, or a day. Pure."""

from datetime import UTC, date, datetime, time, timedelta

MORNING = time(8)
EVENING = time(18)
CHOICES = ("later", "tomorrow", "week")
LATER = timedelta(hours=3)
MONDAY = 7


def until(choice: str, day: str, local: datetime) -> datetime | None:
    """Return the instant, in the zone of `local`, which is now; None if it is none.

    Later is three hours from now, but this evening if that is sooner; tomorrow, next
    week (its Monday) and a day begin at eight.

    Examples
    --------
    >>> noon = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
    >>> f"{until('later', '', noon):%d %H:%M}", f"{until('week', '', noon):%d %H:%M}"
    ('20 15:00', '23 08:00')
    >>> f"{until('day', '2026-12-24', noon):%d %H:%M}", until("day", "soon", noon)
    ('24 08:00', None)
    """
    if choice == "later":
        evening = datetime.combine(local.date(), EVENING, local.tzinfo)
        # Hours that pass, not those of a clock that may be put on or back meanwhile.
        later = (local.astimezone(UTC) + LATER).astimezone(local.tzinfo)
        return evening if local < evening < later else later
    target = _day(choice, day, local.date())
    return datetime.combine(target, MORNING, local.tzinfo) if target else None


def _day(choice: str, day: str, today: date) -> date | None:
    if choice == "tomorrow":
        return today + timedelta(days=1)
    if choice == "week":
        return today + timedelta(days=MONDAY - today.weekday())
    try:
        return date.fromisoformat(day)
    except ValueError:
        return None
