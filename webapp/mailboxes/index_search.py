"""Find and sort mails by the local index: any folder size, no word from the server.

A query is answered here when the folder is indexed as a whole and every part of it is
known to the index: sender, recipients, subject, days, sizes, UIDs. Flags, which the
server alone knows, may stand beside it: then the index narrows, and the rows that the
server gives are looked at. Anything else goes to the server's own search.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from webapp.core.db import db, reading
from webapp.mailboxes import browsing, folders, index_rows
from webapp.mailboxes.browsing import Page, open_rows, rows_by_uid
from webapp.mailboxes.headers import Headers, parse_addresses
from webapp.mailboxes.imap import Connection
from webapp.mailboxes.index_conditions import (
    NotIndexed,
    condition,
    holds,
    narrowing,
    split,
)
from webapp.mailboxes.models import Folder, IndexedMail
from webapp.mailboxes.query import Query
from webapp.mailboxes.rows import MailRow

SEEN = frozenset({"\\Seen"})
#: Candidates that one page may look at for what the server alone knows.
MOST_LOOKED_AT = 2000


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
            if row is not None and (rest is None or holds(rest, row)):
                looked.rows.append(row)
            if len(looked.rows) == limit:
                return looked
    return looked


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
    narrowed = narrowing(query)
    if narrowed is not None:
        statement = statement.where(narrowed)
    return statement.order_by(order, IndexedMail.uid.desc())


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


def last_before(folder: Folder, instant: datetime) -> int | None:
    """Return the UID below which mails arrived before then; None if not indexed."""
    if not is_whole(folder):
        return None
    newer = sa.select(sa.func.min(IndexedMail.uid)).where(
        IndexedMail.folder_id == folder.id,
        IndexedMail.uidvalidity == folder.indexed_validity,
        IndexedMail.received_at >= instant,
    )
    with reading():
        found = db.session.scalar(newer)
        db.session.rollback()
    return int(found) if found is not None else (folder.uidnext or 1)
