"""Which limit binds a campaign just now, in words, and when it lets more go."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa

from webapp.campaigns.models import Campaign, Message
from webapp.campaigns.progress import Held
from webapp.campaigns.states import WAITING
from webapp.core.clock import now
from webapp.core.db import db
from webapp.core.presentation import day, figure, zone
from webapp.core.words import _
from webapp.senders import allowance
from webapp.senders.allowance import USE, Window
from webapp.senders.choosing import is_well, stand_ins
from webapp.senders.domains import SPANS, limits_of
from webapp.senders.models import ConnectionLease, Sender

MOST_COUNTED = 100_000
MOST_DOMAINS = 200
FRESH = timedelta(seconds=6)


def held_by(campaign: Campaign, left: int, at: datetime) -> Held | None:
    """Return what holds messages of a campaign that is *sending*.

    Parameters
    ----------
    left
        How many are not sent yet.
    """
    own = campaign.sender
    if own is None or not left:
        return None
    if is_well(own, at):
        return _of_sender(campaign, own, left, at)
    others = [one for one in stand_ins(own.id) if one.kind is own.kind]
    used = _first_well(others, at)
    if used is None:
        until = min(one.breaker_until or at for one in (own, *others))
        words = _(
            "“%(name)s” is unwell; it is tried again at %(time)s",
            name=own.name,
            time=_clock(until),
        )
        return Held(words)
    words = _(
        "“%(name)s” is unwell; “%(other)s” sends instead",
        name=own.name,
        other=used.name,
    )
    more = _of_sender(campaign, used, left, at)
    if more is None:
        return Held(words)
    return Held(f"{words}. {more.words}", more.seconds)


def _first_well(others: Sequence[Sender], at: datetime) -> Sender | None:
    """Return the stand-in that is used; where all are at their limits, the first."""
    well = [one for one in others if is_well(one, at)]
    uses = allowance.uses_of([one.id for one in well], at) if well else {}
    free = (one for one in well if allowance.may_begin(one, uses[one.id], at))
    return next(free, well[0] if well else None)


def _of_sender(
    campaign: Campaign, sender: Sender, left: int, at: datetime
) -> Held | None:
    windows = [w for w in allowance.windows_of(sender, at) if w.kind != "second"]
    if windows:
        full = allowance.full(windows, allowance.uses_of([sender.id], at)[sender.id])
        if full:
            window = full[0]
            seconds = seconds_left(left, window.most, window.seconds, window.until - at)
            return Held(_window_words(window), seconds)
    if sender.per_domain:
        held = _of_domains(campaign, sender, at)
        if held is not None:
            return held
    return _of_connections(sender, at)


def seconds_left(left: int, most: int, span: int, wait: timedelta) -> int:
    """Return how long messages take of which so many may go in a span.

    Examples
    --------
    >>> seconds_left(100, 100, 3600, timedelta(seconds=60))
    60
    >>> seconds_left(250, 100, 3600, timedelta(seconds=60))
    7260
    """
    return round(wait.total_seconds()) + span * max(0, -(-left // most) - 1)


def _window_words(window: Window) -> str:
    values = {"n": figure(window.most), "time": _clock(window.until)}
    if window.kind == "warm-up":
        words = _("Held by the warm-up: %(n)s today; goes on at %(time)s", **values)
    elif window.kind == "day":
        words = _("Held by the limit of %(n)s a day; goes on at %(time)s", **values)
    else:
        words = _("Held by the limit of %(n)s an hour; goes on at %(time)s", **values)
    return words


def _of_domains(campaign: Campaign, sender: Sender, at: datetime) -> Held | None:
    """Return which recipient domains are at their limit, and hold rows of ours."""
    full = _full_domains(sender, at)
    for until in sorted({one.until for one in full}, reverse=True):
        count = _waiting_until(campaign.id, until)
        if not count:
            continue
        those = [one for one in full if one.until == until]
        window = those[0]
        seconds = seconds_left(
            count, sum(one.most for one in those), window.seconds, until - at
        )
        values = {"n": figure(count), "domain": window.domain, "time": _clock(until)}
        if len(those) > 1:
            more = len({one.domain for one in those}) - 1
            words = _(
                "%(domain)s and %(more)s other domains are at their limits; "
                "%(n)s messages wait until %(time)s",
                more=figure(more),
                **values,
            )
        else:
            words = _(
                "%(domain)s is at its limit of %(most)s %(span)s; "
                "%(n)s messages wait until %(time)s",
                most=figure(window.most),
                span=_span(window.kind),
                **values,
            )
        return Held(words, seconds)
    return None


def _full_domains(sender: Sender, at: datetime) -> Sequence[Window]:
    least = min(n for limits in sender.per_domain.values() for n in limits.values())
    rows = db.session.execute(
        sa.select(USE)
        .where(
            USE.c.sender_id == sender.id,
            USE.c.domain != "",
            USE.c.until > at,
            USE.c.used >= least,
        )
        .limit(MOST_DOMAINS)
    )
    return [one for row in rows for one in _full(sender, row)]


def _full(sender: Sender, row: sa.Row[tuple[object, ...]]) -> Iterable[Window]:
    span = row.window.partition(":")[0]
    most = limits_of(sender.per_domain, row.domain).get(f"per_{span}")
    if most and row.used >= most:
        seconds = SPANS[span]
        yield Window(row.domain, row.window, most, seconds, row.until, span)


def _waiting_until(campaign_id: int, until: datetime) -> int:
    rows = (
        sa.select(Message.id)
        .where(
            Message.campaign_id == campaign_id,
            Message.status.in_(WAITING),
            Message.due_at == until,
        )
        .limit(MOST_COUNTED)
        .subquery()
    )
    return db.session.scalar(sa.select(sa.func.count()).select_from(rows)) or 0


def _of_connections(sender: Sender, at: datetime) -> Held | None:
    """Say so when workers have use for more connections than there may be."""
    rows = db.session.scalars(
        sa.select(ConnectionLease).where(
            ConnectionLease.sender_id == sender.id,
            ConnectionLease.asked_at > at - FRESH,
        )
    ).all()
    lacking = any(one.wanted > one.held for one in rows)
    if not lacking or sum(one.held for one in rows) < sender.max_connections:
        return None
    n = sender.max_connections
    if n == 1:
        return Held(_("The one connection to the server is in use"), slows=True)
    words = _("All %(n)s connections to the server are in use", n=n)
    return Held(words, slows=True)


def _span(kind: str) -> str:
    return {"minute": _("a minute"), "hour": _("an hour"), "day": _("a day")}[kind]


def _clock(until: datetime) -> str:
    """Return a time to come, with its day where that is not today."""
    local, today = until.astimezone(zone()), now().astimezone(zone()).date()
    spoken = f"{local:%H:%M:%S}" if local.second else f"{local:%H:%M}"
    if local.date() == today:
        return spoken
    return f"{spoken} ({day(local.date(), today.year)})"
