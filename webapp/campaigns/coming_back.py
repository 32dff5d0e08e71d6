"""What comes back of messages after they were sent: told once, counted once.

Replies, bounces, complaints, automatic replies and goodbyes are events of a message,
not new statuses. A second telling changes nothing; the count of a campaign is read from
one small row for each message and kind, which an index holds.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from webapp.campaigns.models import CameBack, Campaign, Event, Message
from webapp.core.clock import now
from webapp.core.db import db
from webapp.core.words import _l

EVENT = cast(sa.Table, Event.__table__)
CAME_BACK = cast(sa.Table, CameBack.__table__)

BOUNCED, REPLIED, AUTO_REPLIED = "bounced", "replied", "auto_replied"
UNSUBSCRIBED, COMPLAINED = "unsubscribed", "complained"
#: Kinds in the order in which pages and the API name them, with their words.
KINDS = {
    REPLIED: _l("replied"),
    BOUNCED: _l("bounced"),
    AUTO_REPLIED: _l("auto-replied"),
    UNSUBSCRIBED: _l("unsubscribed"),
    COMPLAINED: _l("complained"),
}


def tell(
    message: Message, kind: str, key: str, at: datetime | None = None, **detail: Any
) -> bool:
    """Add a line to a message's timeline, and count it; in the caller's transaction.

    Parameters
    ----------
    key
        What makes this telling one and the same; a second one changes nothing.

    Returns
    -------
    bool
        Whether it was new.
    """
    seen = now()
    # What comes back cannot be older than what it answers; servers' clocks differ.
    when = max(filter(None, (at or seen, message.sent_at)))
    told = insert_once(
        EVENT,
        [
            {
                "message_id": message.id,
                "kind": kind,
                "at": when,
                "seen_at": seen,
                "dedupe_key": f"{kind}:{message.id}:{key}"[:100],
                "detail": {name: value for name, value in detail.items() if value},
            }
        ],
    )
    if kind in KINDS:
        count([(message.id, message.campaign_id, kind)], when)
    return told > 0


def count(rows: Iterable[tuple[int, int | None, str]], at: datetime) -> None:
    """Count messages of which something came back, each kind once."""
    insert_once(
        CAME_BACK,
        [
            {"message_id": one, "campaign_id": campaign_id, "kind": kind, "at": at}
            for one, campaign_id, kind in rows
        ],
    )


def forget(message: Message, kind: str) -> None:
    """Count a kind no more, because somebody took it back; the timeline keeps it."""
    db.session.execute(
        sa.delete(CameBack).where(
            CameBack.message_id == message.id, CameBack.kind == kind
        )
    )


def insert_once(table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> int:
    """Insert rows; those that are there already stay. Return how many were new."""
    if not rows:
        return 0
    is_sqlite = db.session.get_bind().dialect.name == "sqlite"
    insert = (sqlite if is_sqlite else postgresql).insert(table)
    before = insert.values(list(rows)).on_conflict_do_nothing()
    done = db.session.execute(before.returning(sa.literal(1)))
    return len(done.all())


def counts_of(campaign_id: int) -> dict[str, int]:
    """Return of how many messages of a campaign each kind came back."""
    rows = db.session.execute(
        sa.select(CameBack.kind, sa.func.count())
        .where(CameBack.campaign_id == campaign_id)
        .group_by(CameBack.kind)
    )
    found = {kind: number for kind, number in rows}  # noqa: C416 - a row is no pair for mypy
    return {kind: found.get(kind, 0) for kind in KINDS}


def kinds_of(message_ids: Sequence[int]) -> dict[int, list[str]]:
    """Return what came back of each of these messages, in the order of `KINDS`."""
    found: dict[int, list[str]] = {}
    if message_ids:
        rows = db.session.execute(
            sa.select(CameBack.message_id, CameBack.kind).where(
                CameBack.message_id.in_(message_ids)
            )
        )
        for message_id, kind in rows:
            found.setdefault(message_id, []).append(kind)
    order = list(KINDS)
    return {one: sorted(kinds, key=order.index) for one, kinds in found.items()}


def with_kind(campaign_id: int, kind: str) -> "sa.Select[Any]":
    """Return the query of a campaign's messages of which a kind came back.

    Page it by `CameBack.message_id`: the index has campaign and kind before that.
    """
    return (
        sa.select(Message)
        .join(CameBack, CameBack.message_id == Message.id)
        .where(CameBack.campaign_id == campaign_id, CameBack.kind == kind)
    )


def name_of(campaign: Campaign | None) -> str:
    """Return what a suppression says about where it comes from."""
    return campaign.name if campaign else "A single message"
