"""Rows that do not leave: suppressed since the launch, or not to be composed.

Both are written in the mark's transaction, on the same condition as the mark itself.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from webapp.campaigns import moves
from webapp.campaigns.models import Campaign, has_status
from webapp.campaigns.reasons import SkipClass
from webapp.campaigns.states import WAITING, State, Status
from webapp.composing.addresses import address_key
from webapp.core.batch import Batch
from webapp.core.db import db, db_now
from webapp.core.ids import uuid7
from webapp.delivery.plans import Plan
from webapp.delivery.preparing import Prepared, Ready, Refusal
from webapp.delivery.recording import MESSAGE, line, tell
from webapp.senders.replies import FAILURES, FailureClass
from webapp.suppressions.conditions import holds_for, suppressed
from webapp.suppressions.models import Reason, Suppression
from webapp.suppressions.service import suppressed_keys

CONTENT = FAILURES[FailureClass.CONTENT]

SUPPRESSED_WORDS = {
    Reason.UNSUBSCRIBED: "Suppressed since the launch: unsubscribed",
    Reason.HARD_BOUNCE: "Suppressed since the launch: the address bounced",
    Reason.COMPLAINT: "Suppressed since the launch: complained",
    Reason.MANUAL: "Suppressed since the launch: by an operator",
    Reason.ERASED: "Suppressed since the launch: erased",
}


# Rows as they were read, and what the first try fixes in them.
SEEN = Batch(
    "seen",
    id=MESSAGE.c.id.type,
    attempt=MESSAGE.c.attempt.type,
    dated_at=MESSAGE.c.dated_at.type,
    message_id_header=MESSAGE.c.message_id_header.type,
)

# The condition that the rows of `SEEN` wait as they did when they were read.
AS_SEEN = sa.and_(
    SEEN.is_at(MESSAGE.c.id),
    MESSAGE.c.attempt.is_not_distinct_from(SEEN["attempt"]),
    has_status(MESSAGE.c.status, *WAITING),
    MESSAGE.c.due_at <= db_now(),
    sa.or_(
        MESSAGE.c.campaign_id.is_(None),
        sa.select(Campaign.id)
        .where(Campaign.id == MESSAGE.c.campaign_id, Campaign.state == State.SENDING)
        .exists(),
    ),
)


def seen(rows: Sequence[Ready]) -> dict[str, Any]:
    """Return the parameter of `AS_SEEN`.

    In the order of their ids, so that no two writers wait for each other.
    """
    return {"seen": SEEN.rows(map(_seen, sorted(rows, key=lambda row: row.id)))}


def _seen(row: Ready) -> dict[str, Any]:
    dated_at = header = None
    if isinstance(row, Prepared) and row.is_first:
        dated_at = row.dated_at
        header = row.message_id_header if row.has_new_header else None
    return {
        "id": row.id,
        "attempt": row.seen,
        "dated_at": dated_at,
        "message_id_header": header,
    }


def skip_suppressed(plan: Plan, rows: Sequence[Prepared], at: datetime) -> None:
    """Skip those among a campaign's rows that were suppressed meanwhile."""
    key = MESSAGE.c.address_key
    _skip(rows, suppressed(key, plan.table_id), plan.table_id, at)


def without_suppressed(rows: Sequence[Prepared], at: datetime) -> list[Prepared]:
    """Return the single messages of which nobody was suppressed meanwhile.

    One of which somebody was waits: it is prepared again, without that address. One of
    which everybody was is skipped.
    """
    keys = {row.id: _keys(row.targets) for row in rows}
    everybody = {row.id: _keys(row.composed.rcpt_to) for row in rows}
    asked = set[str]().union(*keys.values(), *everybody.values())
    never = suppressed_keys(asked, transactional=True).keys()
    gone = [row for row in rows if everybody[row.id] <= never]
    if gone:
        _skip(gone, sa.true(), None, at)
    return [row for row in rows if not keys[row.id] & never]


def _keys(addresses: Iterable[str]) -> set[str]:
    return {address_key(addr) for addr in addresses}


def _skip(
    rows: Sequence[Prepared],
    condition: "sa.ColumnElement[bool]",
    table_id: int | None,
    at: datetime,
) -> None:
    connection = db.session.connection()
    skip = (
        sa.update(MESSAGE)
        .where(AS_SEEN, condition)
        .values(
            **moves.unsent(Status.SKIPPED),
            reason_class=SkipClass.SUPPRESSED.value,
            updated_at=at,
        )
        .returning(MESSAGE.c.id, MESSAGE.c.address_key, MESSAGE.c.status)
    )
    skipped = connection.execute(skip, seen(rows)).all()
    moves.unsent_addresses([one.id for one in skipped], Status.SKIPPED)
    for message_id, key, status in skipped:
        why = {"reason": _why(table_id, key)}
        if status is Status.SENT:  # only a copy was missing
            why = {"reason": "", "reason_class": ""}
        connection.execute(
            sa.update(MESSAGE).where(MESSAGE.c.id == message_id).values(**why)
        )
        words = why["reason"]
        tell([line(message_id, status.value, str(message_id), words=words)], at)


def _why(table_id: int | None, key: str) -> str:
    reason = db.session.scalar(
        sa.select(Suppression.reason)
        .where(
            Suppression.address_key.in_([key, key.rpartition("@")[2]]),
            Suppression.undone_at.is_(None),
            holds_for(table_id),
        )
        .limit(1)
    )
    return SUPPRESSED_WORDS.get(reason, "Suppressed") if reason else "Suppressed"


def refuse(rows: Sequence[Refusal], at: datetime) -> None:
    """Fail the rows that cannot be rendered or composed, each with its reason."""
    connection = db.session.connection()
    for row in rows:
        failed = connection.scalar(
            sa.update(MESSAGE)
            .where(AS_SEEN)
            .values(
                status=Status.FAILED,
                reason_class=CONTENT.failure_class.value,
                reason=CONTENT.words,
                reply=row.words[:1000],
                updated_at=at,
            )
            .returning(MESSAGE.c.id),
            seen([row]),
        )
        if failed is not None:
            key = f"{uuid7().hex}:{row.id}"
            tell([line(row.id, "failed", key, words=row.words)], at)
