"""What comes back proves that a message went, where nobody was sure of it.

A server that bounces a message had it, and so had whoever answers it, uses a link of
it, or complains: late truth beats *unknown*. A message that waits to be sent again,
because somebody decided so of an unknown one, is not sent a second time either. Rows
that a worker holds are never touched: its own record may still come, and a proof that
was faster is caught up with when the row becomes unknown.
"""

from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa

from webapp.campaigns import coming_back
from webapp.campaigns.coming_back import (
    AUTO_REPLIED,
    BOUNCED,
    COMPLAINED,
    REPLIED,
    UNSUBSCRIBED,
)
from webapp.campaigns.models import Attempt, Event, Message, MessageAddress
from webapp.campaigns.states import Status
from webapp.core.clock import now
from webapp.core.db import db

COPY_BOUNCED, NOTICE, VIEWED = "copy_bounced", "notice", "viewed"
#: What proves it, in the words of the timeline.
WORDS = {
    REPLIED: "A reply to it came back.",
    BOUNCED: "A bounce of it came back.",
    COPY_BOUNCED: "A bounce of it came back.",
    AUTO_REPLIED: "An automatic reply to it came back.",
    UNSUBSCRIBED: "Its link to unsubscribe was used.",
    COMPLAINED: "A complaint about it came back.",
    NOTICE: "A server on the way told of it.",
    VIEWED: "It was opened in the browser.",
}


def it_went(message: Message, by: str, at: datetime | None = None) -> bool:
    """Say that a message was sent, if that was unknown; in the caller's transaction.

    Parameters
    ----------
    by
        What proves it, one of `WORDS`.
    at
        When that became known; now, unless told.

    Returns
    -------
    bool
        Whether it was unknown until now.
    """
    if message.status not in {Status.UNKNOWN, Status.PENDING}:
        return False
    seen = now()
    changed = db.session.execute(
        sa.update(Message)
        .where(Message.id == message.id, _is_undecided())
        .values(
            status=Status.SENT,
            sent_at=sa.func.coalesce(Message.marked_at, seen),
            reason="",
            reason_class="",
            updated_at=seen,
        )
        .returning(Message.attempt)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    if changed is None:
        return False
    db.session.execute(
        sa.update(MessageAddress)
        .where(
            MessageAddress.message_id == message.id,
            MessageAddress.status.in_([Status.UNKNOWN, Status.PENDING]),
        )
        .values(status=Status.SENT)
        .execution_options(synchronize_session=False)
    )
    db.session.refresh(message)
    coming_back.tell(
        message, "proved", f"{changed.attempt}", at or seen, by=by, words=WORDS[by]
    )
    return True


def viewed(message: Message) -> None:
    """Take note that a message was opened in the browser, by its signed link."""
    it_went(message, VIEWED)
    db.session.commit()


def catch_up(message_ids: Collection[int]) -> None:
    """Say that messages were sent that have just become unknown after their proof.

    An answer can be faster than the silence of a worker. In the caller's transaction.
    """
    found = db.session.execute(
        sa.select(Message, Event.kind)
        .join(Event, Event.message_id == Message.id)
        .where(
            Message.id.in_(message_ids),
            Message.status == Status.UNKNOWN,
            Event.kind.in_(list(WORDS)),
        )
        .order_by(Message.id, Event.id)
        .execution_options(populate_existing=True)
    ).all()
    for message, kind in found:
        it_went(message, kind)


def _is_undecided() -> "sa.ColumnElement[bool]":
    """Whether nobody knows of the last try, and no worker holds the row."""
    of_a_silent_try = (
        sa.select(Attempt.id)
        .where(
            Attempt.id == Message.attempt,
            Attempt.message_id == Message.id,
            Attempt.outcome == "unknown",
        )
        .exists()
    )
    waits = sa.and_(Message.status == Status.PENDING, of_a_silent_try)
    return sa.or_(Message.status == Status.UNKNOWN, waits)
