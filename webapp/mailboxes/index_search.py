"""Find and sort mails by the local index: any folder size, no word from the server.

A query is answered here when the folder is indexed as a whole and every part of it is
known to the index: sender, recipients, subject, days, sizes, UIDs. Flags, which the
server alone knows, may stand beside it: then the index narrows, and the rows that the
server gives are looked at. Anything else goes to the server's own search.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from webapp.core.db import db, reading
from webapp.mailboxes import browsing, folders, index_rows
from webapp.mailboxes.browsing import Page, open_rows, rows_by_uid
from webapp.mailboxes.headers import Headers, parse_addresses
from webapp.mailboxes.imap import Connection
from webapp.mailboxes.models import Folder, IndexedMail
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
    When,
    Where,
)
from webapp.mailboxes.rows import MailRow

SEEN = frozenset({"\\Seen"})
#: Letters that the index of letters needs at least.
TRIGRAM = 3
#: Candidates that one page may look at for what the server alone knows.
MOST_LOOKED_AT = 2000

COLUMNS = {
    Where.FROM: IndexedMail.sender,
    Where.TO: IndexedMail.recipients,
    Where.CC: IndexedMail.copies,
    Where.SUBJECT: IndexedMail.subject,
}


class Sort(StrEnum):
    """Orders of a list; arrival is the server's own, the others are of the index."""

    ARRIVAL = "arrival"
    DATE = "date"
    SENDER = "from"
    SUBJECT = "subject"
    SIZE = "size"


KEYS: dict[Sort, Any] = {
    Sort.ARRIVAL: IndexedMail.uid,
    Sort.DATE: sa.func.coalesce(IndexedMail.sent_at, IndexedMail.received_at),
    Sort.SENDER: IndexedMail.sender,
    Sort.SUBJECT: IndexedMail.topic,
    Sort.SIZE: IndexedMail.size,
}
#: Orders that begin with the smallest.
ASCENDING = {Sort.SENDER, Sort.SUBJECT}


class NotIndexed(Exception):
    """The index cannot answer this: the server has to."""


@dataclass(frozen=True)
class Asked:
    """What is asked of the index: which mails, in which order, and from where on.

    In the order of arrival a page goes on below a UID, in the others after so many.
    """

    query: Query
    sort: Sort = Sort.ARRIVAL
    below: int | None = None
    skip: int = 0
    limit: int = browsing.PAGE


def is_whole(folder: Folder) -> bool:
    """Whether the index holds every mail of a folder that we know of."""
    known = (folder.uidnext or 1) - 1
    return (
        folder.indexed_validity is not None
        and folder.indexed_validity == folder.uidvalidity
        and folder.indexed_low <= 1
        and folder.indexed_high >= known
    )


def page(folder: Folder, asked: Asked) -> tuple[Page, int | None]:
    """Return mails of a folder by the index, and how many to skip for the next page.

    The rows come from the server: one round trip to open the folder, one to fetch them.

    Raises
    ------
    NotIndexed
        If the folder is not indexed as a whole, or the query is none for the index.
    """
    if not is_whole(folder):
        raise NotIndexed
    folder_id, validity = folder.id, folder.indexed_validity or 0
    known, rest = split(asked.query)
    limit = asked.limit if rest is None else MOST_LOOKED_AT
    statement = _statement(folder_id, validity, known, asked.sort)
    if asked.below is not None:
        statement = statement.where(IndexedMail.uid < asked.below)
    with reading():
        found = list(db.session.scalars(statement.offset(asked.skip).limit(limit + 1)))
        db.session.rollback()
    with folders.opened(folders.get(folder_id)) as (connection, raw):
        first = found[: min(limit, browsing.PAGE)]
        selected, rows = open_rows(connection, raw, first, validity)
        looked = _looked_at(connection, found[:limit], rows, rest, asked.limit)
    if looked.gone:
        index_rows.forget(folder_id, validity, looked.gone)
    more = looked.taken < len(found)
    following = asked.skip + looked.taken - len(looked.gone) if more else None
    older = found[looked.taken - 1] if more and looked.taken else None
    shown = Page(looked.rows, selected.uidvalidity, selected.exists, older)
    return shown, following


@dataclass
class _Looked:
    """Rows that hold, how many candidates were looked at, and those that are gone."""

    rows: list[MailRow]
    gone: list[int]
    taken: int = 0


def _looked_at(
    connection: Connection,
    uids: Sequence[int],
    rows: Sequence[MailRow],
    rest: Query | None,
    limit: int,
) -> _Looked:
    """Go through rows in the order of their UIDs here, until a page is full.

    Those of the first UIDs are here already; the others are fetched when it is their
    turn.
    """
    looked = _Looked([], [])
    for at in range(0, len(uids), browsing.PAGE):
        some = uids[at : at + browsing.PAGE]
        given = rows_by_uid(connection, list(some)) if at else rows
        by_uid = {row.uid: row for row in given}
        looked.gone += [uid for uid in some if uid not in by_uid]
        for uid in some:
            looked.taken += 1
            row = by_uid.get(uid)
            if row is not None and (rest is None or _holds(rest, row)):
                looked.rows.append(row)
            if len(looked.rows) == limit:
                return looked
    return looked


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
        case Dated() | Larger() | Smaller() | Uids():
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


def _holds(query: Query, row: MailRow) -> bool:
    match query:
        case And(parts):
            return all(_holds(part, row) for part in parts)
        case Or(parts):
            return any(_holds(part, row) for part in parts)
        case Not(part):
            return not _holds(part, row)
        case Flagged(flag):
            return flag.casefold() in {have.casefold() for have in row.flags}
    return False


def _statement(
    folder_id: int, validity: int, query: Query, sort: Sort
) -> sa.Select[int]:
    key = KEYS[sort]
    order = key.asc() if sort in ASCENDING else key.desc()
    statement = sa.select(IndexedMail.uid).where(
        IndexedMail.folder_id == folder_id,
        IndexedMail.uidvalidity == validity,
        condition(query),
    )
    narrowed = _narrowed(query)
    if narrowed is not None:
        statement = statement.where(narrowed)
    return statement.order_by(order, IndexedMail.uid.desc())


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
        case Dated(when, day):
            return _day(when, day)
    raise NotIndexed


def _day(when: When, day: date) -> sa.ColumnElement[bool]:
    of_header = when.value.startswith("SENT")
    column = IndexedMail.sent_at if of_header else IndexedMail.received_at
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    if when.value.endswith("SINCE"):
        found: sa.ColumnElement[bool] = column >= start
    elif when.value.endswith("BEFORE"):
        found = column < start
    else:
        found = sa.and_(column >= start, column < start + timedelta(days=1))
    return sa.and_(column.is_not(None), found)


def _narrowed(query: Query) -> sa.ColumnElement[bool] | None:
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


def last_seen(folder: Folder, below: int | None = None) -> Page | None:
    """Return a page of what the index has seen of a folder, without its server.

    Flags are not in it: the rows say that every mail was read. None if nothing is.
    """
    validity = folder.indexed_validity
    query = sa.select(IndexedMail).where(
        IndexedMail.folder_id == folder.id, IndexedMail.uidvalidity == validity
    )
    if below is not None:
        query = query.where(IndexedMail.uid < below)
    query = query.order_by(IndexedMail.uid.desc()).limit(browsing.PAGE + 1)
    with reading():
        found = [_row_of(one) for one in db.session.scalars(query)]
        db.session.rollback()
    if validity is None or not found:
        return None
    shown = found[: browsing.PAGE]
    older = shown[-1].uid if len(found) > len(shown) else None
    return Page(shown, validity, folder.total or 0, older)


def _row_of(one: IndexedMail) -> MailRow:
    address = next((a.addr for a in parse_addresses(one.sender)), "")
    fields = {
        "from": f'"{one.who.replace(chr(34), "")}" <{address}>',
        "subject": one.subject,
        "message-id": one.message_id,
    }
    headers = Headers(tuple(fields.items()))
    return MailRow(one.uid, SEEN, one.received_at, one.size, headers)


@dataclass(frozen=True)
class Member:
    """A mail of a conversation, and where it lies."""

    mailbox_id: int
    folder_id: int
    uidvalidity: int
    uid: int
    message_id: str
    who: str
    received_at: datetime | None


def of_thread(mailbox_id: int, message_id: str, limit: int = 100) -> list[Member]:
    """Return the conversation of a mail, oldest first, over all folders."""
    if not message_id:
        return []
    thread = sa.select(IndexedMail.thread).where(
        IndexedMail.mailbox_id == mailbox_id, IndexedMail.message_id == message_id
    )
    query = (
        sa.select(
            IndexedMail.mailbox_id,
            IndexedMail.folder_id,
            IndexedMail.uidvalidity,
            IndexedMail.uid,
            IndexedMail.message_id,
            IndexedMail.who,
            IndexedMail.received_at,
        )
        .join(Folder, Folder.id == IndexedMail.folder_id)
        .where(
            IndexedMail.mailbox_id == mailbox_id,
            IndexedMail.thread.in_(thread),
            IndexedMail.uidvalidity == Folder.indexed_validity,
        )
        .order_by(IndexedMail.received_at, IndexedMail.id)
    )
    with reading():
        found = [Member(*row) for row in db.session.execute(query.limit(limit))]
        db.session.rollback()
    return found


def last_before(folder: Folder, day: date) -> int | None:
    """Return the UID below which mails arrived before a day; None if not indexed."""
    if not is_whole(folder):
        return None
    at = datetime(day.year, day.month, day.day, tzinfo=UTC)
    newer = sa.select(sa.func.min(IndexedMail.uid)).where(
        IndexedMail.folder_id == folder.id,
        IndexedMail.uidvalidity == folder.indexed_validity,
        IndexedMail.received_at >= at,
    )
    with reading():
        found = db.session.scalar(newer)
        db.session.rollback()
    return int(found) if found is not None else (folder.uidnext or 1)
