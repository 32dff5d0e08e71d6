"""Appointments in mails (RFC 5545, 6047), as much of them as a reader needs.

Pure, and bounded before the library sees a line: so many octets, lines, events and
attendees, and only the properties that are shown. Recurrence is said and never
expanded. The sender's own rules of time zones are left out (they can name every second
of a century): a zone is known by its name, or by its one offset, or its wall time is
shown as it is.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Any

from icalendar import Calendar
from icalendar.cal.component import Component

from webapp.core.one_line import one_line
from webapp.mailboxes.mime import Parsed, Part

TYPES = frozenset({"text/calendar", "application/ics", "text/x-vcalendar"})
OCTETS = 256 * 1024
MOST_LINES = 5000
LONGEST_LINE = 4000
MOST_EVENTS = 10
MOST_ATTENDEES = 200
MOST_PARTS = 3
OLDEST_YEAR, NEWEST_YEAR = 1971, 2100

_KEPT = frozenset(
    {
        "SUMMARY",
        "LOCATION",
        "DTSTART",
        "DTEND",
        "DURATION",
        "ORGANIZER",
        "ATTENDEE",
        "STATUS",
        "COMMENT",
    }
)
_REPEATS = frozenset({"RRULE", "RDATE", "RECURRENCE-ID"})
_NAME = re.compile(r"([A-Z-]{1,40})([:;])", re.IGNORECASE)
_OFFSET = re.compile(r"([+-])([01]\d|2[0-3])([0-5]\d)(?:\d\d)?")
_IN_EVENT = ["VCALENDAR", "VEVENT"]


@dataclass(frozen=True, slots=True)
class When:
    """An instant, a day, or the wall time of a zone that nobody here knows.

    `instant` is None for the last two; `wall` is as the sender wrote it.
    """

    wall: datetime
    zone: str
    instant: datetime | None
    is_day: bool


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody in an appointment; `answer` is theirs, such as ``ACCEPTED``."""

    name: str
    address: str
    answer: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """One appointment; `method` is what the mail wants with it (RFC 5546 1.4)."""

    method: str
    summary: str
    location: str
    comment: str
    start: When | None
    end: When | None
    organiser: Person | None
    people: tuple[Person, ...]
    is_cancelled: bool
    repeats: bool


@dataclass(slots=True)
class _Lines:
    """What is kept of a calendar for the library, and what is known without it."""

    method: str = ""
    kept: list[str] = field(default_factory=list)
    repeats: list[bool] = field(default_factory=list)
    offsets: dict[str, set[str]] = field(default_factory=dict)
    inside: list[str] = field(default_factory=list)
    zone: str = ""
    people: int = 0

    def take(self, line: str) -> None:
        """Keep a line if it is shown, or note what it says."""
        name = _NAME.match(line)
        word = name[1].upper() if name else ""
        value = line.partition(":")[2].strip()
        if word == "BEGIN":
            self.inside.append(value.upper()[:40])
            self._edge(line, begins=True)
        elif word == "END":
            self._edge(line, begins=False)
            del self.inside[-1:]
        elif self.inside == _IN_EVENT:
            self._of_event(word, line)
        elif self.inside == _IN_EVENT[:1] and word == "METHOD":
            self.method = one_line(value.upper(), 20)
        elif self.inside[1:2] == ["VTIMEZONE"]:
            self.zone = value if word == "TZID" else self.zone
            if word == "TZOFFSETTO":
                self.offsets.setdefault(self.zone, set()).add(value)

    def _edge(self, line: str, *, begins: bool) -> None:
        if self.inside == _IN_EVENT:
            self.repeats += [False] if begins else []
            self.kept.append(line.strip())

    def _of_event(self, word: str, line: str) -> None:
        self.repeats[-1] |= word in _REPEATS
        self.people += word == "ATTENDEE"
        if word in _KEPT and self.people <= MOST_ATTENDEES:
            self.kept.append(line)

    def source(self) -> str:
        """Return a calendar of what was kept."""
        end = ["END:VEVENT"] if self.inside[:2] == _IN_EVENT else []
        lines = ["BEGIN:VCALENDAR", *self.kept, *end, "END:VCALENDAR", ""]
        return "\r\n".join(lines)


def is_calendar(part: Part) -> bool:
    """Say whether a part holds appointments."""
    named = part.file_name.lower().endswith((".ics", ".ical"))
    return part.mime_type in TYPES or (
        named and part.mime_type == "application/octet-stream"
    )


def events_of(mail: Parsed) -> list[Event]:
    """Return the appointments of a mail; two parts that say the same are one."""
    parts = [part for part in mail.attachments() if is_calendar(part)][:MOST_PARTS]
    found = [event for part in parts for event in read(part.text()[:OCTETS])]
    return [one for at, one in enumerate(found) if one not in found[:at]][:MOST_EVENTS]


def read(text: str) -> list[Event]:
    r"""Read a calendar; what is none has no events.

    >>> [one] = read("BEGIN:VCALENDAR\nMETHOD:CANCEL\nBEGIN:VEVENT\nSUMMARY:Tea\n"
    ...     "DTSTART:20261201T090000Z\nEND:VEVENT\nEND:VCALENDAR")
    >>> one.method, one.summary, one.start.instant.isoformat()
    ('CANCEL', 'Tea', '2026-12-01T09:00:00+00:00')
    """
    lines = _Lines()
    for line in _unfolded(text):
        if len(lines.repeats) == MOST_EVENTS and lines.inside == _IN_EVENT[:1]:
            break
        lines.take(line)
    if not lines.repeats:
        return []
    try:
        events = Calendar.from_ical(lines.source()).walk("VEVENT")
        pairs = zip(events, lines.repeats, strict=False)
        return [_event(one, lines, repeats=repeats) for one, repeats in pairs]
    except Exception:  # noqa: BLE001 - the library raises a dozen kinds on strangers' lines
        return []


def _unfolded(text: str) -> Iterator[str]:
    """Yield the content lines (RFC 5545 3.1), each cut where no reader follows."""
    line = ""
    for _, piece in zip(range(MOST_LINES), re.split(r"\r\n|\n|\r", text), strict=False):
        if piece[:1] in (" ", "\t"):
            line += piece[1:] if len(line) < LONGEST_LINE else ""
            continue
        yield line[:LONGEST_LINE]
        line = piece
    yield line[:LONGEST_LINE]


def _event(one: Component, lines: _Lines, *, repeats: bool) -> Event:
    start = _when(one, "DTSTART", lines)
    return Event(
        method=lines.method,
        summary=_text(one, "SUMMARY", 300),
        location=_text(one, "LOCATION", 300),
        comment=_text(one, "COMMENT", 300),
        start=start,
        end=_end(one, start, lines),
        organiser=next(iter(_people(one, "ORGANIZER")), None),
        people=tuple(_people(one, "ATTENDEE")),
        is_cancelled=_text(one, "STATUS", 20).upper() == "CANCELLED",
        repeats=repeats,
    )


def _all(one: Component, name: str) -> Sequence[Any]:
    value = one.get(name)
    if value is None:
        return ()
    return value if isinstance(value, list) else (value,)


def _text(one: Component, name: str, longest: int) -> str:
    return one_line(str(next(iter(_all(one, name)), "")), longest)


def _when(one: Component, name: str, lines: _Lines) -> When | None:
    value = next(iter(_all(one, name)), None)
    if value is None:
        return None
    try:
        found, zone = value.dt, str(value.params.get("TZID", ""))
    except ValueError:
        return None
    if not isinstance(found, date) or not OLDEST_YEAR <= found.year <= NEWEST_YEAR:
        return None
    if not isinstance(found, datetime):
        return When(datetime.combine(found, time(), UTC), "", None, is_day=True)
    if found.tzinfo is None:
        found = found.replace(tzinfo=_fixed(lines.offsets.get(zone, set())))
    wall = found.replace(tzinfo=UTC)
    instant = found.astimezone(UTC) if found.tzinfo else None
    return When(wall, one_line(zone, 80), instant, is_day=False)


def _fixed(offsets: set[str]) -> timezone | None:
    """Return the zone of a single offset; one with summer time is not guessed at."""
    found = _OFFSET.fullmatch(next(iter(offsets))) if len(offsets) == 1 else None
    if not found:
        return None
    away = timedelta(hours=int(found[2]), minutes=int(found[3]))
    return timezone(-away if found[1] == "-" else away)


def _end(one: Component, start: When | None, lines: _Lines) -> When | None:
    """Return when it ends; of days, the last one, for their end is outside."""
    end = _when(one, "DTEND", lines)
    if end and end.is_day:
        end = replace(end, wall=end.wall - timedelta(days=1))
    if end or not start:
        return end
    lasts = next(iter(_all(one, "DURATION")), None)
    try:
        long = lasts.dt if lasts is not None else None
    except ValueError:
        return None
    if not isinstance(long, timedelta) or not timedelta() < long < timedelta(days=366):
        return None
    instant = start.instant + long if start.instant else None
    return replace(start, wall=start.wall + long, instant=instant)


def _people(one: Component, name: str) -> Iterator[Person]:
    for value in _all(one, name):
        address = re.sub("^mailto:", "", str(value), flags=re.IGNORECASE)
        params = getattr(value, "params", {})
        yield Person(
            one_line(str(params.get("CN", "")), 200),
            one_line(address, 320),
            one_line(str(params.get("PARTSTAT", "")), 20).upper(),
        )
