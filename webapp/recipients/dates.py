"""Dates as people write them, read without guessing.

Where day and month could change places, nothing is guessed: the reason says
what to write.
"""

import re
from datetime import date, datetime

from webapp.recipients.reasons import CellProblem

_MONTHS = (
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
)
_MONTH = "(?P<word>[A-Za-z]{3,9})\\.?"
_DAY = "(?P<day>[0-9]{1,2})(?:st|nd|rd|th)?\\.?"
_YEAR = "(?P<year>[0-9]{4})"
_NUMBER = "(?P<month>[0-9]{1,2})"
_FORMS = tuple(
    re.compile(form)
    for form in (
        f"{_YEAR}([-/.]){_NUMBER}\\2(?P<day>[0-9]{{1,2}})",
        f"(?P<day>[0-9]{{1,2}})\\.\\s?{_NUMBER}\\.\\s?{_YEAR}",
        f"{_DAY}[\\s-]{_MONTH},?[\\s-]{_YEAR}",
        f"{_MONTH}\\s{_DAY},?\\s{_YEAR}",
    )
)
_SLASHED = re.compile("([0-9]{1,2})([/-])([0-9]{1,2})\\2([0-9]{4})")
_MONTHS_A_YEAR = 12


def parse_date(text: str) -> str:
    """Return a date in ISO 8601.

    Raises
    ------
    CellProblem
        If it is no date, or could be two.

    Examples
    --------
    >>> [parse_date(text) for text in ("2026-11-30", "30.11.2026", "Nov 30, 2026")]
    ['2026-11-30', '2026-11-30', '2026-11-30']
    >>> parse_date("31 November 2026")
    Traceback (most recent call last):
        ...
    webapp.recipients.reasons.CellProblem: Not a date: 31 November does not exist
    >>> parse_date("04/05/2026")
    Traceback (most recent call last):
        ...
    webapp.recipients.reasons.CellProblem: 4 May or 5 April? Write it as 2026-05-04
    """
    text = _without_midnight(" ".join(text.split()))
    slashed = _SLASHED.fullmatch(text)
    if slashed:
        return _slashed(int(slashed[1]), int(slashed[3]), int(slashed[4]))
    for form in _FORMS:
        found = form.fullmatch(text)
        if found:
            parts = found.groupdict()
            month = _month(parts.get("word")) or int(parts.get("month") or 0)
            return _checked(int(parts["year"]), month, int(parts["day"]))
    raise CellProblem("Not a date; write it like 2026-11-30")


def _without_midnight(text: str) -> str:
    """Return the date of a spreadsheet's instant, if that is the start of a day."""
    if "00:00" not in text:
        return text
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return text
    whole = (instant.hour, instant.minute, instant.second, instant.microsecond)
    return instant.date().isoformat() if not any(whole) else text


def _month(word: str | None) -> int | None:
    for number, name in enumerate(_MONTHS, 1):
        if word and name.startswith(word.lower()):
            return number
    return None


def _slashed(first: int, second: int, year: int) -> str:
    if first == second or second > _MONTHS_A_YEAR:
        return _checked(year, first, second)
    if first > _MONTHS_A_YEAR:
        return _checked(year, second, first)
    names = [name.capitalize() for name in ("", *_MONTHS)]
    raise CellProblem(
        f"{first} {names[second]} or {second} {names[first]}? "
        f"Write it as {year}-{second:02}-{first:02}"
    )


def _checked(year: int, month: int, day: int) -> str:
    try:
        return date(year, month, day).isoformat()
    except ValueError:
        pass
    if 1 <= month <= _MONTHS_A_YEAR:
        name = _MONTHS[month - 1].capitalize()
        raise CellProblem(f"Not a date: {day} {name} does not exist")
    raise CellProblem("Not a date; write it like 2026-11-30")
