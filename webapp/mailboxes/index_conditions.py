"""What a query means in the local index, as conditions of SQL.

Every part is known to the index (sender, recipients, subject, days, sizes, UIDs), or
left to the rows that the server gives (flags), or for the server's own search alone.
"""

from datetime import datetime, timedelta

import sqlalchemy as sa

from webapp.core.db import db
from webapp.mailboxes.models import IndexedMail
from webapp.mailboxes.query import (
    And,
    Contains,
    Dated,
    Flagged,
    Larger,
    Not,
    Or,
    Query,
    Smaller,
    Uids,
    UidSpan,
    When,
    Where,
)
from webapp.mailboxes.rows import MailRow
from webapp.mailboxes.zoned_days import begin_of

#: Letters that the index of letters needs at least.
TRIGRAM = 3
ONE_DAY = timedelta(days=1)

COLUMNS = {
    Where.FROM: IndexedMail.sender,
    Where.TO: IndexedMail.recipients,
    Where.CC: IndexedMail.copies,
    Where.SUBJECT: IndexedMail.subject,
}


class NotIndexed(Exception):
    """The index cannot answer this: the server has to."""


def split(query: Query) -> tuple[Query, Query | None]:
    """Return the part that the index answers, and what is left to look at in rows.

    Raises
    ------
    NotIndexed
        If the query holds something that neither knows, such as words of a body.

    Examples
    --------
    >>> split(And((Contains(Where.FROM, "ada"), Flagged("x"))))[1]
    And(parts=(Flagged(flag='x'),))
    """
    if is_known(query):
        return query, None
    parts = query.parts if isinstance(query, And) else (query,)
    known = tuple(part for part in parts if is_known(part))
    rest = tuple(part for part in parts if not is_known(part))
    if not known or not all(_is_of_rows(part) for part in rest):
        raise NotIndexed
    return And(known), And(rest)


def is_known(query: Query) -> bool:
    """Whether the index alone can answer a query."""
    match query:
        case And(parts) | Or(parts):
            return all(is_known(part) for part in parts)
        case Not(part):
            return is_known(part)
        case Contains(where, value):
            # The quotation marks of an address stand in its header alone.
            is_plain = where is Where.SUBJECT or not set('"\\') & set(value)
            return where in COLUMNS and is_plain
        case Dated() | Larger() | Smaller() | Uids() | UidSpan():
            return True
    return False


def _is_of_rows(query: Query) -> bool:
    match query:
        case And(parts) | Or(parts):
            return all(_is_of_rows(part) for part in parts)
        case Not(part):
            return _is_of_rows(part)
        case Flagged():
            return True
    return False


def holds(query: Query, row: MailRow) -> bool:
    """Say whether what is left of a query holds for a row of the server."""
    match query:
        case And(parts):
            return all(holds(part, row) for part in parts)
        case Or(parts):
            return any(holds(part, row) for part in parts)
        case Not(part):
            return not holds(part, row)
        case Flagged(flag):
            return flag.casefold() in {have.casefold() for have in row.flags}
    return False


def condition(query: Query) -> sa.ColumnElement[bool]:
    """Return what holds in the index for the mails that a query finds."""
    match query:
        case And(parts):
            return sa.and_(sa.true(), *(condition(part) for part in parts))
        case Or(parts):
            return sa.or_(sa.false(), *(condition(part) for part in parts))
        case Not(part):
            return sa.not_(condition(part))
        case Contains(where, value):
            return COLUMNS[where].contains(value.casefold(), autoescape=True)
    return _measure(query)


def _measure(query: Query) -> sa.ColumnElement[bool]:
    match query:
        case Larger(octets):
            return IndexedMail.size > octets
        case Smaller(octets):
            return IndexedMail.size < octets
        case Uids(uids):
            return IndexedMail.uid.in_(sorted(uids))
        case UidSpan(first, last):
            return IndexedMail.uid.between(first, last)
        case Dated(when, day, zone):
            start = begin_of(day, zone or "UTC")
            return _day(when, start, begin_of(day + ONE_DAY, zone or "UTC"))
    raise NotIndexed


def _day(when: When, start: datetime, end: datetime) -> sa.ColumnElement[bool]:
    of_header = when.value.startswith("SENT")
    column = IndexedMail.sent_at if of_header else IndexedMail.received_at
    if when.value.endswith("SINCE"):
        found: sa.ColumnElement[bool] = column >= start
    elif when.value.endswith("BEFORE"):
        found = column < start
    else:
        found = sa.and_(column >= start, column < end)
    return sa.and_(column.is_not(None), found)


def narrowing(query: Query) -> sa.ColumnElement[bool] | None:
    """Return the same texts as a search of trigrams, on SQLite; it finds them at once.

    Only what every hit must hold can narrow: the texts of the query's outermost "and".
    """
    if db.engine.dialect.name != "sqlite":
        return None  # its indexes of letters answer the conditions themselves
    parts = query.parts if isinstance(query, And) else (query,)
    terms = [
        f'{COLUMNS[part.where].key} : "{_quoted(part.value)}"'
        for part in parts
        if isinstance(part, Contains) and _can_narrow(part.value)
    ]
    if not terms:
        return None
    words = sa.table("indexed_mail_words", sa.column("rowid"))
    text = " AND ".join(terms)
    matching = sa.literal_column("indexed_mail_words").op("MATCH")(text)
    return IndexedMail.id.in_(sa.select(words.c.rowid).where(matching))


def _can_narrow(value: str) -> bool:
    return len(value.casefold()) >= TRIGRAM and "\0" not in value


def _quoted(value: str) -> str:
    return value.casefold().replace('"', '""')
