"""Limits: how many more messages may leave now, over all workers and restarts.

Each window of time of a sender (this second, hour, day), of a campaign's pace and of a
recipient domain has a row that counts what was marked in it. The rows are locked, asked
and raised in the mark's own transaction, always in the same order; so a crash may waste
some of the allowance and never exceeds it. What was marked and never offered to a
server is given back in the transaction that records so: a server that is down all day
uses up nothing.

A message to a domain that is at its limit is not held in a worker: it is given the time
at which the domain's window ends, and so are more of its kind that are due. Others are
found past them, and nobody looks at them before.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from webapp.campaigns.models import Message
from webapp.campaigns.states import WAITING
from webapp.composing.addresses import address_key
from webapp.core.db import db, reading
from webapp.delivery.due import of_plan
from webapp.delivery.liveness import database_time
from webapp.delivery.plans import Plan
from webapp.delivery.preparing import Prepared
from webapp.delivery.recording import ATTEMPT, Settled
from webapp.senders.allowance import (
    PACE,
    USE,
    Window,
    domain_windows,
    throttle_window,
    windows_of,
)

# How many more messages to a domain at its limit are put off at once.
PUT_OFF = 1000
# Outcomes of attempts in which no server was asked to take the message.
NEVER_OFFERED = frozenset({"not tried", "unwell"})


@dataclass(frozen=True, slots=True)
class Allowance:
    """What may be marked now.

    Attributes
    ----------
    granted
        These may.
    left
        These have to wait for a window of the sender or the campaign …
    wait
        … for so many seconds.
    held
        These go to a domain at its limit, which ends then.
    windows
        That count what is marked.
    """

    granted: tuple[Prepared, ...] = ()
    left: tuple[Prepared, ...] = ()
    wait: float = 0.0
    held: tuple[tuple[Prepared, Window], ...] = ()
    windows: tuple[Window, ...] = ()


@dataclass
class _Room:
    """What is left of windows, while rows are granted one by one."""

    left: dict[Window, int]
    shared: list[Window] = field(init=False)

    def __post_init__(self) -> None:
        self.shared = [one for one in self.left if not one.domain]

    def has_shared(self) -> bool:
        return all(self.left[one] > 0 for one in self.shared)

    def closed_to(self, domains: frozenset[str]) -> Window | None:
        """Return the window of these domains that is full, longest first."""
        found = [w for w, n in self.left.items() if w.domain in domains and n <= 0]
        return max(found, key=lambda one: one.until, default=None)

    def take(self, domains: frozenset[str]) -> None:
        for one in self.left:
            if not one.domain or one.domain in domains:
                self.left[one] -= 1


def ask(plan: Plan, wanted: Sequence[Prepared], at: datetime) -> Allowance:
    """Lock the windows of a plan, and say which of those wanted may be marked."""
    sender = plan.sender
    of_row = {row.id: domains_of(plan, row) for row in wanted}
    windows = windows_of(sender, at)
    if plan.per_minute and plan.campaign_id is not None:
        windows.append(throttle_window(plan.campaign_id, plan.per_minute, at))
    windows += domain_windows(sender, {d for some in of_row.values() for d in some}, at)
    if not windows or not wanted:
        return Allowance(granted=tuple(wanted))
    windows.sort()
    used = _lock(plan, windows)
    room = _Room({one: one.most - used[one.key] for one in windows})
    granted, left, held = [], [], []
    for row in wanted:
        full = room.closed_to(of_row[row.id])
        if full is not None:
            held.append((row, full))
        elif room.has_shared():
            room.take(of_row[row.id])
            granted.append(row)
        else:
            left.append(row)
    waits = [
        (one.until - at).total_seconds() for one in room.shared if room.left[one] <= 0
    ]
    return Allowance(
        granted=tuple(granted),
        left=tuple(left),
        wait=max(waits, default=0.0) if left else 0.0,
        held=tuple(held),
        windows=tuple(windows),
    )


def domains_of(plan: Plan, row: Prepared) -> frozenset[str]:
    """Return the domains that a message goes to, where they have limits."""
    if not plan.sender.per_domain:
        return frozenset()
    return frozenset(address_key(addr).rpartition("@")[2] for addr in row.targets)


def _owner(plan: Plan, window: Window) -> int:
    """Return the sender whose row a window is: a campaign's pace knows no stand-in."""
    return plan.own_id if window.kind == PACE else plan.sender.id


def _lock(plan: Plan, windows: Sequence[Window]) -> dict[tuple[str, str], int]:
    """Make sure that the windows have rows, lock them, and return what they say."""
    connection = db.session.connection()
    is_sqlite = connection.dialect.name == "sqlite"
    insert = sqlite.insert(USE) if is_sqlite else postgresql.insert(USE)
    fresh = [
        {
            "sender_id": _owner(plan, one),
            "window": one.name,
            "domain": one.domain,
            "used": 0,
            "until": one.until,
        }
        for one in windows
    ]
    connection.execute(insert.on_conflict_do_nothing(), fresh)
    keys = [(_owner(plan, one), *one.key) for one in windows]
    query = (
        sa.select(USE.c.window, USE.c.domain, USE.c.used)
        .where(sa.tuple_(USE.c.sender_id, USE.c.window, USE.c.domain).in_(keys))
        .order_by(USE.c.domain, USE.c.window)
        .with_for_update()
    )
    return {(row.window, row.domain): row.used for row in connection.execute(query)}


def take(plan: Plan, asked: Allowance, won: set[int]) -> None:
    """Count what was marked."""
    rows = [domains_of(plan, row) for row in asked.granted if row.id in won]
    raised = [
        {
            "of_sender": _owner(plan, one),
            "of_window": one.name,
            "of_domain": one.domain,
            "more": sum(not one.domain or one.domain in domains for domains in rows),
        }
        for one in asked.windows
    ]
    raised = [one for one in raised if one["more"]]
    if raised:
        db.session.connection().execute(
            sa.update(USE)
            .where(
                USE.c.sender_id == sa.bindparam("of_sender"),
                USE.c.window == sa.bindparam("of_window"),
                USE.c.domain == sa.bindparam("of_domain"),
            )
            .values(used=USE.c.used + sa.bindparam("more")),
            raised,
        )


def spent(
    plan: Plan | None, asked: Allowance, row: Prepared
) -> tuple[tuple[int, str, str], ...]:
    """Return which windows the mark of a row has raised."""
    if plan is None or not asked.windows:
        return ()
    domains = domains_of(plan, row)
    return tuple(
        (_owner(plan, one), one.name, one.domain)
        for one in asked.windows
        if not one.domain or one.domain in domains
    )


def never_offered(settled: Sequence[Settled]) -> "Counter[tuple[int, str, str]]":
    """Return what was spent on messages that no server was ever offered.

    Their attempts must be open still: an outcome that is recorded for the second time,
    or too late, gives nothing back.
    """
    back = [
        one.handed
        for one in settled
        if one.handed.spent and one.verdict.outcome in NEVER_OFFERED
    ]
    if not back:
        return Counter()
    is_open = sa.select(ATTEMPT.c.message_id, ATTEMPT.c.id).where(
        ATTEMPT.c.message_id.in_([one.prepared.id for one in back]),
        ATTEMPT.c.outcome == "",
    )
    found = {(row.message_id, row.id) for row in db.session.execute(is_open)}
    return Counter(
        key
        for one in back
        if (one.prepared.id, one.attempt) in found
        for key in one.spent
    )


def give_back(unspent: "Counter[tuple[int, str, str]]") -> None:
    """Take back what was spent on nothing, in the transaction that records it."""
    for (sender_id, name, domain), count in sorted(unspent.items()):
        db.session.connection().execute(
            sa.update(USE)
            .where(
                USE.c.sender_id == sender_id,
                USE.c.window == name,
                USE.c.domain == domain,
                USE.c.used >= count,
            )
            .values(used=USE.c.used - count)
        )


def put_off(plan: Plan, asked: Allowance, at: datetime) -> None:
    """Let what goes to domains at their limits be due when their windows end."""
    for full in sorted({full for _row, full in asked.held}):
        ids = [row.id for row, of_it in asked.held if of_it == full]
        alike = (
            sa.select(Message.id)
            .where(
                *of_plan(plan),
                Message.status.in_(WAITING),
                Message.due_at <= at,
                Message.address_key.endswith("@" + full.domain, autoescape=True),
            )
            .order_by(Message.id)
            .limit(PUT_OFF)
            .with_for_update(skip_locked=True)
        )
        ids += db.session.scalars(alike)
        db.session.execute(
            sa.update(Message)
            .where(
                Message.id.in_(ids),
                Message.status.in_(WAITING),
                Message.due_at <= at,
            )
            .values(due_at=full.until)
            .execution_options(synchronize_session=False)
        )


def forget_old() -> None:
    """Drop the windows that have been over for a day."""
    with reading():
        past = database_time() - timedelta(days=1)
        found = db.session.scalar(
            sa.select(USE.c.sender_id).where(USE.c.until < past).limit(1)
        )
        db.session.rollback()
    if found is not None:
        db.session.execute(sa.delete(USE).where(USE.c.until < past))
        db.session.commit()
