"""Rows that do not leave: suppressed since the launch, or not to be composed.

Both are written in the mark's transaction, on the same condition as the mark itself.
"""

import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from webapp.campaigns.models import Campaign, Message
from webapp.campaigns.reasons import SkipClass
from webapp.campaigns.states import WAITING, State, Status
from webapp.composing.addresses import address_key
from webapp.core.db import db, db_now
from webapp.core.ids import uuid7
from webapp.delivery.plans import Plan
from webapp.delivery.preparing import Prepared, Ready, Refusal
from webapp.delivery.recording import MESSAGE, line, tell
from webapp.senders.replies import FAILURES, FailureClass
from webapp.suppressions.conditions import holds_for, suppressed
from webapp.suppressions.models import Reason, Suppression
from webapp.suppressions.service import suppressed_keys

NOBODY = uuid.UUID(int=0)
CONTENT = FAILURES[FailureClass.CONTENT]

LEFT_OUT_WORDS = "Suppressed since it was queued: this address gets nothing."
SUPPRESSED_WORDS = {
    Reason.UNSUBSCRIBED: "Suppressed since the launch: unsubscribed",
    Reason.HARD_BOUNCE: "Suppressed since the launch: the address bounced",
    Reason.COMPLAINT: "Suppressed since the launch: complained",
    Reason.MANUAL: "Suppressed since the launch: by an operator",
    Reason.ERASED: "Suppressed since the launch: erased",
}


def as_seen(rows: Sequence[Ready]) -> "sa.ColumnElement[bool]":
    """Return the condition that these rows wait as they did when they were read."""
    params = seen_params(rows)
    return _as_seen(params["of_ids"], params["of_pairs"])


def seen_params(rows: Sequence[Ready]) -> dict[str, Any]:
    """Return the parameters of `AS_SEEN`."""
    return {
        "of_ids": [row.id for row in rows],
        "of_pairs": [(row.id, row.seen or NOBODY) for row in rows],
    }


def _as_seen(ids: Any, pairs: Any) -> "sa.ColumnElement[bool]":
    attempt = sa.func.coalesce(
        Message.attempt, sa.literal(NOBODY, Message.attempt.type)
    )
    return sa.and_(
        # Said by itself, so that SQLite finds the rows by their key and does not read
        # all that are due: 25 microseconds for a mark instead of a second in a million.
        Message.id.in_(ids),
        sa.tuple_(
            Message.id, attempt, types=[Message.id.type, Message.attempt.type]
        ).in_(pairs),
        Message.status.in_(WAITING),
        Message.due_at <= db_now(),
        sa.or_(
            Message.campaign_id.is_(None),
            sa.select(Campaign.id)
            .where(Campaign.id == Message.campaign_id, Campaign.state == State.SENDING)
            .exists(),
        ),
    )


# The same condition with parameters, for a statement that is made once.
AS_SEEN = _as_seen(
    sa.bindparam("of_ids", expanding=True), sa.bindparam("of_pairs", expanding=True)
)


def skip_suppressed(plan: Plan, rows: Sequence[Prepared], at: datetime) -> None:
    """Skip those among a campaign's rows that were suppressed meanwhile."""
    key = Message.address_key
    _skip(sa.and_(as_seen(rows), suppressed(key, plan.table_id)), plan.table_id, at)


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
        _skip(as_seen(gone), None, at)
    return [row for row in rows if not keys[row.id] & never]


def _keys(addresses: Iterable[str]) -> set[str]:
    return {address_key(addr) for addr in addresses}


def _skip(
    condition: "sa.ColumnElement[bool]", table_id: int | None, at: datetime
) -> None:
    skipped = db.session.execute(
        sa.update(Message)
        .where(condition)
        .values(
            status=Status.SKIPPED,
            reason_class=SkipClass.SUPPRESSED.value,
            updated_at=at,
        )
        .returning(Message.id, Message.address_key)
        .execution_options(synchronize_session=False)
    ).all()
    for message_id, key in skipped:
        words = _why(table_id, key)
        db.session.execute(
            sa.update(MESSAGE).where(MESSAGE.c.id == message_id).values(reason=words)
        )
        tell([line(message_id, "skipped", at, str(message_id), words=words)])


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
    for row in rows:
        failed = db.session.scalar(
            sa.update(Message)
            .where(as_seen([row]))
            .values(
                status=Status.FAILED,
                reason_class=CONTENT.failure_class.value,
                reason=CONTENT.words,
                reply=row.words[:1000],
                updated_at=at,
            )
            .returning(Message.id)
            .execution_options(synchronize_session=False)
        )
        if failed is not None:
            key = f"{uuid7().hex}:{row.id}"
            tell([line(row.id, "failed", at, key, words=row.words)])
