"""Which messages are due: of a campaign, or the single ones of a sender. Reads only."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from webapp.campaigns.models import Message
from webapp.campaigns.states import WAITING, Status
from webapp.core.db import db, db_now, reading
from webapp.delivery.plans import Plan

# A campaign with more left is begun at so many places, so that workers seldom meet.
SPREAD_ROWS = 500
PLACES = 16

_MESSAGE = Message.__table__.c
_NO_END = 2**31 - 1


def _due_where(*own: sa.ColumnElement[bool]) -> sa.Select[Any]:
    """Return the statement for due rows of one status, in order."""
    columns = (
        *("id", "public_id", "status", "name", "address", "row_values", "bodies"),
        *("attachments", "tries", "attempt", "message_id_header", "dated_at"),
    )
    return (
        sa.select(*[_MESSAGE[name] for name in columns])
        .where(
            *own,
            _MESSAGE.status == sa.bindparam("of_status"),
            _MESSAGE.due_at <= db_now(),
            _MESSAGE.id > sa.bindparam("after"),
            _MESSAGE.id < sa.bindparam("before"),
        )
        .order_by(_MESSAGE.id)
        .limit(sa.bindparam("count"))
    )


# Made once, and of the table instead of the model: reading a row takes 9 µs, not 13.
_DUE_OF_CAMPAIGN = _due_where(_MESSAGE.campaign_id == sa.bindparam("of_campaign"))
_DUE_SINGLES = _due_where(
    _MESSAGE.campaign_id.is_(None), _MESSAGE.sender_id == sa.bindparam("of_sender")
)


def of_plan(plan: Plan) -> "tuple[sa.ColumnElement[bool], ...]":
    """Return the condition that a message belongs to a plan."""
    if plan.campaign_id is None:
        return (Message.campaign_id.is_(None), Message.sender_id == plan.own_id)
    return (Message.campaign_id == plan.campaign_id,)


def start_of(plan: Plan) -> int:
    """Return the row id where this ticket begins; few rows are begun at the first."""
    with reading():
        # Two statements: asked for both at once, SQLite reads every pending row.
        waiting = (*of_plan(plan), Message.status == Status.PENDING)
        low, high = (
            db.session.scalar(sa.select(end(Message.id)).where(*waiting)) or 0
            for end in (sa.func.min, sa.func.max)
        )
        db.session.rollback()
    if high - low < SPREAD_ROWS:
        return 0
    place = plan.generation % PLACES
    return int(low + (high - low) * place // PLACES)


def rows_due(plan: Plan, last: int, high: int | None, count: int) -> Sequence[Any]:
    """Return due rows after an id, in order.

    One statement for each status: only so does an index give them in this order.
    """
    given: dict[str, object] = {
        "after": last,
        "before": _NO_END if high is None else high,
        "count": count,
    }
    if plan.campaign_id is None:
        query, given["of_sender"] = _DUE_SINGLES, plan.own_id
    else:
        query, given["of_campaign"] = _DUE_OF_CAMPAIGN, plan.campaign_id
    rows: list[Any] = []
    with reading():
        for status in WAITING:
            rows += db.session.execute(query, {**given, "of_status": status}).all()
        db.session.rollback()
    return sorted(rows, key=lambda row: row.id)[:count]
