"""Days as an operator means them, for a server that knows only its own calendar.

IMAP compares days in whatever zone the server keeps (SINCE) or the sender wrote
(SENTSINCE), RFC 3501 6.4.4. Nobody is more than 26 hours from anybody else, so two
days away every calendar agrees; of the mails between, the instants are asked for, and
the comparison is written with their UIDs. What comes out is a query like any other, at
any place of the tree.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from webapp.mailboxes.headers import parse_date, parse_headers
from webapp.mailboxes.imap import Connection
from webapp.mailboxes.query import (
    And,
    Dated,
    Not,
    Or,
    Query,
    UidSpan,
    When,
    to_imap,
    uid_set,
)

APART = timedelta(days=2)
#: Where more mails lie around a midnight than this, the server's calendar decides.
MOST = 10_000
AT_ONCE = 1000
FIRST_YEAR, LAST_YEAR = 1900, 9000


@dataclass(frozen=True, slots=True)
class _Midnight:
    """Where a day begins; of the Date header, or of the time of arrival."""

    is_sent: bool
    day: date
    zone: str

    @property
    def instant(self) -> datetime:
        return begin_of(self.day, self.zone)

    def dated(self, *, since: bool, days: timedelta = timedelta(0)) -> Dated:
        """Return the comparison that the server itself can make."""
        when = _SINCE[self.is_sent] if since else _BEFORE[self.is_sent]
        return Dated(when, self.day + days)


_SINCE = {False: When.SINCE, True: When.SENT_SINCE}
_BEFORE = {False: When.BEFORE, True: When.SENT_BEFORE}


def begin_of(day: date, zone: str) -> datetime:
    """Return the instant at which a day begins somewhere.

    >>> begin_of(date(2026, 7, 1), "Europe/Lisbon").isoformat()
    '2026-07-01T00:00:00+01:00'
    """
    return datetime.combine(day, time(), ZoneInfo(zone))


def resolved(connection: Connection, query: Query) -> Query:
    """Return a query for the opened folder in which no day has a zone any more."""
    begun = {one: _begun(connection, one) for one in sorted(_midnights(query), key=str)}
    return _without_zones(query, begun)


def _midnights(query: Query) -> set[_Midnight]:
    match query:
        case And(parts) | Or(parts):
            return {one for part in parts for one in _midnights(part)}
        case Not(part):
            return _midnights(part)
        case Dated() if _is_zoned(query):
            edges = (query.day, query.day + timedelta(days=1))
            return {_midnight(query, day) for day in edges[: 1 + _is_one_day(query)]}
    return set()


def _is_zoned(dated: Dated) -> bool:
    return bool(dated.zone) and FIRST_YEAR <= dated.day.year <= LAST_YEAR


def _is_one_day(dated: Dated) -> bool:
    return dated.when in (When.ON, When.SENT_ON)


def _midnight(dated: Dated, day: date) -> _Midnight:
    return _Midnight(dated.when.value.startswith("SENT"), day, dated.zone)


def _without_zones(query: Query, begun: Mapping[_Midnight, Query]) -> Query:
    match query:
        case And(parts) | Or(parts):
            return type(query)(tuple(_without_zones(part, begun) for part in parts))
        case Not(part):
            return Not(_without_zones(part, begun))
        case Dated(when, day):
            zoned = _is_zoned(query)
            return _compared(query, begun) if zoned else Dated(when, day)
    return query


def _compared(dated: Dated, begun: Mapping[_Midnight, Query]) -> Query:
    first = _midnight(dated, dated.day)
    if _is_one_day(dated):
        after = begun[_midnight(dated, dated.day + timedelta(days=1))]
        return And((begun[first], Not(after)))
    if dated.when in (When.SINCE, When.SENT_SINCE):
        return begun[first]
    # A mail without a date was sent neither before a day nor after it.
    return And((first.dated(since=False, days=APART), Not(begun[first])))


def _begun(connection: Connection, midnight: _Midnight) -> Query:
    """Return what finds the mails at and after a midnight in the opened folder."""
    later_day = midnight.dated(since=True, days=APART)
    day_before = midnight.dated(since=True, days=-APART)
    near = And((day_before, midnight.dated(since=False, days=APART)))
    uids = connection.search(to_imap(near))
    if len(uids) > MOST:
        return midnight.dated(since=True)
    instants = _instants(connection, uids, is_sent=midnight.is_sent)
    # In the order of UIDs they are a run or two; what lies between is not near.
    runs = groupby(
        [uid for uid in uids if uid in instants],
        key=lambda uid: instants[uid] >= midnight.instant,
    )
    spans = tuple(_span(list(run)) for is_later, run in runs if is_later)
    return Or((later_day, And((day_before, Or(spans)))))


def _span(uids: Sequence[int]) -> Query:
    return UidSpan(uids[0], uids[-1])


def _instants(
    connection: Connection, uids: Sequence[int], *, is_sent: bool
) -> dict[int, datetime]:
    """Return when mails arrived or were sent, of those that say it."""
    what = b"BODY.PEEK[HEADER.FIELDS (DATE)]" if is_sent else b"INTERNALDATE"
    found: dict[int, datetime] = {}
    for at in range(0, len(uids), AT_ONCE):
        some = uid_set(uids[at : at + AT_ONCE])
        for uid, told in connection.fetch(some, b"(UID " + what + b")").items.items():
            instant = _sent(told) if is_sent else told.get(b"INTERNALDATE")
            if isinstance(instant, datetime):
                found[uid] = instant
    return found


def _sent(told: Mapping[bytes, Any]) -> datetime | None:
    for key, value in told.items():
        if key.upper().startswith(b"BODY[HEADER") and isinstance(value, bytes):
            return parse_date(parse_headers(value).first("date"))
    return None
