"""Fill the local index of headers: newest mails first, then back to the oldest.

A folder's index is a range of UIDs, `indexed_low` to `indexed_high`, that grows at both
ends by slices; a slice and the range are stored together, so that a process that is cut
off anywhere goes on where it was. A new numbering (UIDVALIDITY) empties it. A mail that
cannot be read has a row with its reason; the rest goes on. A mail that has left the
folder is forgotten when a search meets it and the server no longer has it.
"""

import logging
import threading
import time
from collections.abc import Sequence
from datetime import timedelta

import sqlalchemy as sa
from flask import Flask
from sqlalchemy.exc import DBAPIError

from webapp.core.db import db, db_now, reading
from webapp.mailboxes import folders, service
from webapp.mailboxes.browsing import open_folder
from webapp.mailboxes.imap import Connection
from webapp.mailboxes.imap_errors import ImapError, ServerRefused, Unreachable
from webapp.mailboxes.imap_selected import Selected
from webapp.mailboxes.index_rows import Span, Turn, empty, store
from webapp.mailboxes.models import Folder, Mailbox, MailboxState
from webapp.mailboxes.query import LARGEST_NUMBER, uid_set
from webapp.mailboxes.rows import MailRow, fetch_items, placeholder, row_of

log = logging.getLogger(__name__)

#: Mails that are fetched and stored at once; what is in memory at a time.
SLICE = 500
#: So long one folder is worked on before another one has its turn.
SECONDS = 5.0
LOOK_SECONDS = 1.0
LEASE = timedelta(seconds=60)


def keep_on(app: Flask, stopping: threading.Event) -> None:
    """Index whatever lacks it, until told to stop; for a thread of its own."""
    while not stopping.wait(LOOK_SECONDS):
        with app.app_context():
            try:
                while not stopping.is_set() and index_next():
                    db.session.rollback()
            except DBAPIError as error:
                log.debug("the database: %s", type(error.orig).__name__)
            finally:
                db.session.remove()


def index_next(seconds: float = SECONDS) -> bool:
    """Work on the folder that needs it most; say whether there was one."""
    turn = take()
    if turn is None:
        return False
    try:
        fill(turn, seconds)
    except ImapError:
        db.session.rollback()
        return False
    return True


def take() -> Turn | None:
    """Take the lease of a folder of which something is not indexed; None if none is."""
    with reading():
        at = db.session.scalar(sa.select(db_now()))
        assert at is not None
        found = db.session.scalar(_lacking().where(_is_free(at)).limit(1))
        db.session.rollback()
    if found is None:
        return None
    taken = db.session.execute(
        sa.update(Folder)
        .where(Folder.id == found, _is_free(at))
        .values(indexed_until=at + LEASE)
        .returning(
            Folder.id,
            Folder.mailbox_id,
            Folder.indexed_validity,
            Folder.indexed_low,
            Folder.indexed_high,
        )
        .execution_options(synchronize_session=False)
    ).one_or_none()
    db.session.commit()
    return Turn(*taken) if taken else None


def _lacking() -> sa.Select[int]:
    """Return folders whose index is not whole: inboxes first, then the small ones."""
    lacks = sa.or_(
        Folder.indexed_validity.is_(None),
        Folder.indexed_validity != Folder.uidvalidity,
        Folder.indexed_high < Folder.uidnext - 1,
        Folder.indexed_low > 1,
    )
    return (
        sa.select(Folder.id)
        .join(Mailbox, Mailbox.id == Folder.mailbox_id)
        .where(
            Mailbox.deleted_at.is_(None),
            Mailbox.state == MailboxState.OK,
            Folder.gone_at.is_(None),
            Folder.selectable,
            Folder.uidnext.is_not(None),
            Folder.total > 0,
            lacks,
        )
        .order_by(Folder.role != "inbox", Folder.total)
    )


def _is_free(at: object) -> sa.ColumnElement[bool]:
    return sa.or_(Folder.indexed_until.is_(None), Folder.indexed_until < at)


def fill(turn: Turn, seconds: float = SECONDS) -> bool:
    """Index some slices of a folder; say whether something is left of it."""
    until = time.monotonic() + seconds
    span, size = Span(turn.validity or 0, turn.low, turn.high), SLICE
    left = True
    try:
        while left and time.monotonic() < until:
            try:
                span, left = _step(turn, span, size)
                size = min(SLICE, max(size, 1) * 2)
            except _TooHard:
                size = size // 4  # of one mail alone, 0: it is set aside
    finally:
        _give_back(turn.folder_id)
    return left


class _TooHard(Exception):
    """The connection broke over the headers of these mails."""


def _step(turn: Turn, span: Span, size: int) -> tuple[Span, bool]:
    """Index one slice; return what is indexed now, and whether something is left.

    Parameters
    ----------
    size
        Mails of the slice; 0 sets the next one aside without a look.
    """
    with reading():
        folder = folders.get(turn.folder_id)
        raw, mailbox = folders.raw_of(folder), service.get(turn.mailbox_id)
        db.session.rollback()
    with folders.line_to(mailbox) as connection:
        selected = open_folder(connection, raw)
        if selected.uidvalidity != span.validity:
            span = Span(selected.uidvalidity, 0, 0)
            empty(turn.folder_id, span)
        uids, after = _slice(connection, selected, span, max(size, 1))
        rows = _fetched(connection, uids) if size else [placeholder(u) for u in uids]
    store(turn, after, rows)
    last = (selected.uidnext or after.high + 1) - 1
    return after, after.low > 1 or after.high < last


def _slice(
    connection: Connection, selected: Selected, span: Span, size: int
) -> tuple[list[int], Span]:
    """Return the UIDs of the next slice, and what is indexed when it is stored."""
    last = (selected.uidnext or LARGEST_NUMBER) - 1
    if not selected.exists:
        return [], Span(span.validity, 1, last)
    if span.high and span.high < last:
        found = connection.search([b"UID %d:*" % (span.high + 1)])
        uids = [uid for uid in found if uid > span.high][:size]
        high = uids[-1] if len(uids) == size else max([last, *uids])
        return uids, Span(span.validity, span.low, high)
    top = span.low - 1 if span.high else last
    uids, low = _below(connection, top, size)
    return uids, Span(span.validity, low, span.high or max([last, *uids]))


def _below(connection: Connection, top: int, size: int) -> tuple[list[int], int]:
    """Return the last UIDs up to one, and how far down that looked."""
    width = size
    while top >= 1:
        low = max(1, top - width + 1)
        found = connection.search([b"UID %d:%d" % (low, top)])
        uids = sorted(uid for uid in found if low <= uid <= top)
        if len(uids) > size:
            uids = uids[-size:]
            return uids, uids[0]
        if uids or low == 1:
            return uids, low
        width = min(width * 8, 1_000_000)
        top = low - 1
    return [], 1


def _fetched(connection: Connection, uids: Sequence[int]) -> list[MailRow]:
    """Fetch headers; raises `_TooHard` if the connection breaks over them."""
    if not uids:
        return []
    wanted = set(uids)
    try:
        fetched = connection.fetch(uid_set(uids), fetch_items(with_text=False))
    except ServerRefused:
        if connection.broken:
            raise
        items = fetch_items(partial=False, with_text=False)
        fetched = connection.fetch(uid_set(uids), items)
    except Unreachable as error:
        raise _TooHard from error
    rows = [row_of(uid, items) for uid, items in fetched.items.items() if uid in wanted]
    return rows + [placeholder(uid) for uid in fetched.unreadable if uid in wanted]


def _give_back(folder_id: int) -> None:
    db.session.rollback()
    db.session.execute(
        sa.update(Folder).where(Folder.id == folder_id).values(indexed_until=None)
    )
    db.session.commit()
