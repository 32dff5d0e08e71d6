"""Whose turn it is to read a mailbox: one process at a time, each mailbox in its time.

The lease is a row's epoch and an end. Whoever takes it raises the epoch, and each
transaction that stores something asks for the epoch in its first statement: a process
that slept through its lease stores nothing any more, and misses nothing, because the
cursor is stored with the mails.
"""

from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa

from webapp.core.db import db, db_now, reading
from webapp.mailboxes.models import Mailbox, MailboxState

EVERY = timedelta(seconds=60)
#: The practice servers are on this machine, and somebody watches.
PRACTICE_EVERY = timedelta(seconds=2)
LEASE = timedelta(seconds=120)


class LeaseLost(Exception):
    """Somebody else reads this mailbox by now, or its settings changed."""


@dataclass(frozen=True)
class Round:
    """The right to read one mailbox."""

    mailbox_id: int
    epoch: int


def take(mailbox_id: int | None = None) -> Round | None:
    """Take the lease of a mailbox whose time has come; None if there is none.

    Parameters
    ----------
    mailbox_id
        This one alone, whenever its time is; for a person who cannot wait.
    """
    with reading():
        at = db.session.scalar(sa.select(db_now()))
        assert at is not None
        free = [
            Mailbox.deleted_at.is_(None),
            Mailbox.state != MailboxState.NEEDS_ATTENTION,
            sa.or_(Mailbox.retry_at.is_(None), Mailbox.retry_at <= at),
            sa.or_(Mailbox.sync_until.is_(None), Mailbox.sync_until < at),
        ]
        if mailbox_id is None:
            free.append(Mailbox.next_sync_at <= at)
        else:
            free.append(Mailbox.id == mailbox_id)
        query = sa.select(Mailbox.id).where(*free).order_by(Mailbox.next_sync_at)
        found = db.session.scalar(query.limit(1))
        db.session.rollback()
    if found is None:
        return None
    epoch = db.session.scalar(
        sa.update(Mailbox)
        .where(Mailbox.id == found, *free)
        .values(
            sync_epoch=Mailbox.sync_epoch + 1,
            sync_until=at + LEASE,
            updated_at=Mailbox.updated_at,
        )
        .returning(Mailbox.sync_epoch)
        .execution_options(synchronize_session=False)
    )
    db.session.commit()
    return None if epoch is None else Round(found, epoch)


def keep(held: Round) -> None:
    """Go on with a lease, in the caller's transaction, before anything is stored.

    Raises
    ------
    LeaseLost
        If it is not ours any more.
    """
    at = db.session.scalar(sa.select(db_now()))
    assert at is not None
    if not _write(held, sync_until=at + LEASE):
        raise LeaseLost


def end(held: Round, *, more: bool) -> None:
    """Give a lease back; `more` asks for the next round at once."""
    at = db.session.scalar(sa.select(db_now()))
    assert at is not None
    every = sa.case((Mailbox.is_practice, at + PRACTICE_EVERY), else_=at + EVERY)
    _write(held, sync_until=None, synced_at=at, next_sync_at=at if more else every)
    db.session.commit()


def give_up(held: Round) -> None:
    """Give a lease back after trouble; when to try again is the mailbox's state."""
    at = db.session.scalar(sa.select(db_now()))
    assert at is not None
    _write(held, sync_until=None, next_sync_at=at + PRACTICE_EVERY)
    db.session.commit()


def _write(held: Round, **values: object) -> bool:
    """Change the mailbox if the lease is still ours."""
    found = db.session.scalar(
        sa.update(Mailbox)
        .where(
            Mailbox.id == held.mailbox_id,
            Mailbox.sync_epoch == held.epoch,
            Mailbox.deleted_at.is_(None),
        )
        .values(**values, updated_at=Mailbox.updated_at)
        .returning(Mailbox.id)
        .execution_options(synchronize_session=False)
    )
    return found is not None
