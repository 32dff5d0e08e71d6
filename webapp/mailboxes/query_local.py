"""What a query means, without a server: the counterpart of IMAP's SEARCH.

Pure. A property test holds it to what a real server finds.
"""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from webapp.mailboxes.query import (
    And,
    Contains,
    Dated,
    Flagged,
    Header,
    Larger,
    Not,
    Or,
    Query,
    Smaller,
    Uids,
    UidSpan,
    Where,
)


@dataclass(frozen=True, slots=True)
class Facts:
    """What the local evaluator must know of one mail; texts are decoded."""

    uid: int
    flags: frozenset[str]
    size: int
    received: datetime
    sent: datetime | None
    headers: tuple[tuple[str, str], ...]
    body: str


def matches(query: Query, mail: Facts) -> bool:
    r"""Say whether the mail is found by the query, as a server would.

    Examples
    --------
    >>> mail = Facts(7, frozenset({"\\Seen"}), 900, datetime(2026, 11, 2), None,
    ...              (("From", "Ada <ada@example.com>"),), "Hello")
    >>> matches(Contains(Where.FROM, "ADA"), mail)
    True
    >>> matches(Not(Flagged("\\Seen")), mail)
    False
    """
    match query:
        case And(parts):
            return all(matches(part, mail) for part in parts)
        case Or(parts):
            return any(matches(part, mail) for part in parts)
        case Not(part):
            return not matches(part, mail)
        case _:
            return _holds(query, mail)


def _holds(query: Query, mail: Facts) -> bool:
    match query:
        case Contains(where, value):
            return any(_inside(value, text) for text in _texts(where, mail))
        case Header(name, value):
            return any(_inside(value, text) for text in _values(name, mail))
        case Flagged(flag):
            return flag.casefold() in {have.casefold() for have in mail.flags}
        case Dated():
            return _on_day(query, mail)
        case _:
            return _measures(query, mail)


def _measures(query: Query, mail: Facts) -> bool:
    match query:
        case Larger(octets):
            return mail.size > octets
        case Smaller(octets):
            return mail.size < octets
        case Uids(uids):
            return mail.uid in uids
        case UidSpan(first, last):
            return first <= mail.uid <= last
    return False


def _inside(needle: str, text: str) -> bool:
    return needle.casefold() in text.casefold()


def _values(name: str, mail: Facts) -> list[str]:
    return [text for key, text in mail.headers if key.casefold() == name.casefold()]


def _texts(where: Where, mail: Facts) -> list[str]:
    if where is Where.BODY:
        return [mail.body]
    if where is Where.TEXT:
        return [*(f"{name}: {text}" for name, text in mail.headers), mail.body]
    return _values(where.value, mail)


def _on_day(query: Dated, mail: Facts) -> bool:
    name = query.when.value
    at = mail.sent if name.startswith("SENT") else mail.received
    if at is None:
        return False
    mine = (at.astimezone(ZoneInfo(query.zone)) if query.zone else at).date()
    match name.removeprefix("SENT"):
        case "SINCE":
            return mine >= query.day
        case "BEFORE":
            return mine < query.day
        case _:
            return mine == query.day
