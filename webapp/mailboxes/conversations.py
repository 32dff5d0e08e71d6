"""Conversations over all folders of a mailbox, by References alone (RFC 5322 3.6.4).

A mail knows the one at which its conversation begins. The mails are met newest first,
so the answer often comes before what it answers: each new mail is joined both ways.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from webapp.core.db import db, reading
from webapp.mailboxes.headers import Headers, message_ids
from webapp.mailboxes.models import Folder, IndexedMail

LONGEST_ID = 500
#: Message-IDs that one statement names.
AT_ONCE = 500


def beginning(headers: Headers) -> str:
    """Return the Message-ID at which a conversation begins (RFC 5322 3.6.4)."""
    for name in ("references", "in-reply-to"):
        ids = message_ids(headers.first(name))
        if ids:
            return ids[0][:LONGEST_ID]
    return ""


def join(mailbox_id: int, fresh: Iterable[dict[str, object]]) -> None:
    """Join conversations: of whom a mail answers, and of those that answer it."""
    rows = list(fresh)
    ids = {str(row["message_id"]) for row in rows}
    known = _threads(mailbox_id, {str(row["thread"]) for row in rows} | ids)
    own = {
        str(row["message_id"]): str(row["thread"])
        for row in rows
        if row["message_id"] and row["message_id"] not in known
    }
    for row in rows:
        row["thread"] = _root(str(row["thread"]), {**own, **known})
    begun = _begun(mailbox_id, ids)
    for row in rows:
        if row["message_id"] in begun and row["thread"] != row["message_id"]:
            db.session.execute(
                sa.update(IndexedMail)
                .where(
                    IndexedMail.mailbox_id == mailbox_id,
                    IndexedMail.thread == row["message_id"],
                )
                .values(thread=row["thread"])
                .execution_options(synchronize_session=False)
            )


def _threads(mailbox_id: int, ids: set[str]) -> dict[str, str]:
    """Return the conversation of each mail that we have of these."""
    known: dict[str, str] = {}
    for some in _slices(ids):
        pairs = db.session.execute(
            sa.select(IndexedMail.message_id, IndexedMail.thread).where(
                IndexedMail.mailbox_id == mailbox_id, IndexedMail.message_id.in_(some)
            )
        )
        known.update((row.message_id, row.thread) for row in pairs)
    return known


def _begun(mailbox_id: int, ids: set[str]) -> set[str]:
    """Return those of these mails with which a conversation begins, as far as we knew.

    Most begin none, and one question for all is cheaper than a change for each.
    """
    begun: set[str] = set()
    for some in _slices(ids):
        query = sa.select(IndexedMail.thread).where(
            IndexedMail.mailbox_id == mailbox_id, IndexedMail.thread.in_(some)
        )
        begun.update(db.session.scalars(query.distinct()))
    return begun


def _slices(ids: set[str]) -> Iterable[list[str]]:
    wanted = sorted(ids - {""})
    return (wanted[at : at + AT_ONCE] for at in range(0, len(wanted), AT_ONCE))


def _root(thread: str, known: dict[str, str]) -> str:
    """Follow a conversation to where it begins; a circle ends where it is entered."""
    seen = {""}
    while thread not in seen:
        seen.add(thread)
        above = known.get(thread, thread)
        if above in seen:
            break
        thread = above
    return thread


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
