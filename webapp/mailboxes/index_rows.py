"""What the local index keeps of a mail, stored slice by slice with their range."""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from webapp.core.db import db, db_now
from webapp.mailboxes import conversations
from webapp.mailboxes.conversations import LONGEST_ID
from webapp.mailboxes.headers import Headers
from webapp.mailboxes.models import Folder, IndexedMail
from webapp.mailboxes.rows import MailRow

#: How much of a text is kept, and of a subject to sort by.
LONGEST_TEXT = 2000
LONGEST_TOPIC = 200
PREFIXES = ("re:", "fwd:", "fw:", "aw:", "wg:", "sv:", "vs:", "tr:", "rv:", "antw:")
WORDS_TROUBLE = "The server's answer for this mail cannot be read."
#: UIDs that one statement names.
AT_ONCE = 500


@dataclass(frozen=True)
class Turn:
    """The right to fill the index of one folder, and what it holds already."""

    folder_id: int
    mailbox_id: int
    validity: int | None
    low: int
    high: int


@dataclass(frozen=True)
class Span:
    """UIDs of a numbering that are indexed after a step."""

    validity: int
    low: int
    high: int


def store(turn: Turn, span: Span, rows: Sequence[MailRow]) -> None:
    """Store a slice and the range that it makes, in one transaction."""
    found = [_columns(turn, span.validity, row) for row in rows]
    moved = db.session.scalar(
        sa.update(Folder)
        .where(Folder.id == turn.folder_id)
        .values(
            indexed_validity=span.validity,
            indexed_low=span.low,
            indexed_high=span.high,
            indexed_until=db_now() if not rows else Folder.indexed_until,
        )
        .returning(Folder.id)
        .execution_options(synchronize_session=False)
    )
    if moved is None or not found:
        db.session.commit()
        return
    have = set(
        db.session.scalars(
            sa.select(IndexedMail.uid).where(
                IndexedMail.folder_id == turn.folder_id,
                IndexedMail.uidvalidity == span.validity,
                IndexedMail.uid.in_([one["uid"] for one in found]),
            )
        )
    )
    fresh = [one for one in found if one["uid"] not in have]
    conversations.join(turn.mailbox_id, fresh)
    if fresh:
        db.session.execute(sa.insert(IndexedMail), fresh)
    db.session.commit()


def _columns(turn: Turn, validity: int, row: MailRow) -> dict[str, object]:
    headers = row.headers
    return {
        "mailbox_id": turn.mailbox_id,
        "folder_id": turn.folder_id,
        "uidvalidity": validity,
        "uid": row.uid,
        "received_at": row.received,
        "sent_at": row.created,
        "size": row.size or 0,
        "message_id": row.message_id[:LONGEST_ID],
        "thread": conversations.beginning(headers) or row.message_id[:LONGEST_ID],
        "sender": _folded(headers, "from"),
        "recipients": _folded(headers, "to"),
        "copies": _folded(headers, "cc"),
        "subject": _folded(headers, "subject"),
        "who": row.sender.shown[:LONGEST_TOPIC] if row.sender else "",
        "topic": topic_of(headers.text("subject")),
        "trouble": "" if row.readable else WORDS_TROUBLE,
    }


def _folded(headers: Headers, name: str) -> str:
    return headers.text(name).casefold()[:LONGEST_TEXT].replace("\0", " ")


def topic_of(subject: str) -> str:
    """Return a subject to sort by: folded, without the prefixes of answers.

    >>> topic_of("Re: AW: [list] Grüße "), topic_of("Re:")
    ('[list] grüsse', '')
    """
    text = subject.casefold().strip()
    while True:
        prefix = next((one for one in PREFIXES if text.startswith(one)), "")
        if not prefix:
            return text[:LONGEST_TOPIC]
        text = text[len(prefix) :].strip()


def empty(folder_id: int, span: Span) -> None:
    """Forget a numbering that means nothing any more."""
    db.session.execute(
        sa.delete(IndexedMail).where(
            IndexedMail.folder_id == folder_id,
            IndexedMail.uidvalidity != span.validity,
        )
    )
    db.session.execute(
        sa.update(Folder)
        .where(Folder.id == folder_id)
        .values(indexed_validity=span.validity, indexed_low=0, indexed_high=0)
        .execution_options(synchronize_session=False)
    )
    db.session.commit()


def forget(folder_id: int, validity: int, uids: Sequence[int]) -> None:
    """Take mails out of the index: they are no longer on the server."""
    for at in range(0, len(uids), AT_ONCE):
        db.session.execute(
            sa.delete(IndexedMail).where(
                IndexedMail.folder_id == folder_id,
                IndexedMail.uidvalidity == validity,
                IndexedMail.uid.in_(uids[at : at + AT_ONCE]),
            )
        )
    db.session.commit()
