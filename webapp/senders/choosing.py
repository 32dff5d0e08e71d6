"""Which sender is used just now: the one that was chosen, or one that stands in for it.

A sender may name others. While its breaker is open the first of them is used that is
well and has some allowance left; as soon as its breaker closes it is used again itself.
Only the one's own list counts, never the lists of those that stand in.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from webapp.core.db import db, db_now
from webapp.senders import allowance
from webapp.senders.models import Fallback, Sender


@dataclass(frozen=True, slots=True)
class Choice:
    """What may be used of a sender and those that stand in for it.

    Attributes
    ----------
    own
        The sender that was chosen.
    used
        The one to use; ``None`` where nothing may go.
    at
        The database's time.
    """

    own: Sender
    used: Sender | None
    at: datetime

    @property
    def is_stand_in(self) -> bool:
        """Whether another one is used than was chosen."""
        return self.used is not None and self.used.id != self.own.id


def closed_breaker() -> "sa.ColumnElement[bool]":
    """Return the condition that a sender may be asked."""
    return sa.or_(Sender.breaker_until.is_(None), Sender.breaker_until <= db_now())


def is_well(sender: Sender, at: datetime) -> bool:
    """Whether the breaker of a sender is closed at an instant."""
    return sender.breaker_until is None or sender.breaker_until <= at


def stand_ins(sender_id: int) -> Sequence[Sender]:
    """Return those that stand in for a sender, in order."""
    return db.session.scalars(
        sa.select(Sender)
        .join(Fallback, Fallback.fallback_id == Sender.id)
        .where(Fallback.sender_id == sender_id, Sender.archived_at.is_(None))
        .order_by(Fallback.place)
        .execution_options(populate_existing=True)
    ).all()


def choose(sender_id: int | None) -> Choice | None:
    """Return which sender is used now for one that was chosen; reads the database."""
    own = db.session.scalar(
        sa.select(Sender)
        .where(Sender.id == sender_id)
        .execution_options(populate_existing=True)
    )
    if own is None:
        return None
    at = db.session.scalar(sa.select(db_now()))
    assert at is not None
    if is_well(own, at):
        uses = allowance.uses_of([own.id], at)[own.id]
        return Choice(own, own if allowance.may_begin(own, uses, at) else None, at)
    others = [one for one in stand_ins(own.id) if one.kind is own.kind]
    found = allowance.uses_of([one.id for one in others], at) if others else {}
    usable = (
        one
        for one in others
        if is_well(one, at) and allowance.may_begin(one, found[one.id], at)
    )
    return Choice(own, next(usable, None), at)
