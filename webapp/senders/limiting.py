"""Limits, warm-up, pauses and stand-ins of a sender: checked together and kept."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from webapp.core import clock
from webapp.core.db import db
from webapp.core.words import _
from webapp.senders.models import Fallback, Sender, TransportKind

PLAIN_FIELDS = (
    "max_connections",
    "per_second",
    "per_hour",
    "per_day",
    "per_domain",
    "warmup_start",
    "warmup_growth",
    "warmup_ceiling",
    "retry_minutes",
    "queue_lifetime",
)


def form_values(sender: Sender, stand_ins: Sequence[int]) -> dict[str, Any]:
    """Return what this part of the form of a sender holds."""
    day = sender.warmup_from
    return {
        **{name: getattr(sender, name) for name in PLAIN_FIELDS},
        "warmup_from": day.isoformat() if day else "",
        "fallback_ids": list(stand_ins),
    }


def fallback_ids(sender_id: int) -> list[int]:
    """Return which senders stand in for one, in order."""
    return fallbacks_of([sender_id])[sender_id]


def fallbacks_of(sender_ids: Iterable[int]) -> dict[int, list[int]]:
    """Return which senders stand in for each of these, in order."""
    found: dict[int, list[int]] = {one: [] for one in sender_ids}
    query = sa.select(Fallback.sender_id, Fallback.fallback_id)
    mine = query.where(Fallback.sender_id.in_(found)).order_by(Fallback.place)
    for row in db.session.execute(mine):
        found[row.sender_id].append(row.fallback_id)
    return found


def fill(sender: Sender, values: Mapping[str, Any]) -> None:
    """Put checked values into a sender."""
    for name in PLAIN_FIELDS:
        if values.get(name) is not None:
            setattr(sender, name, values[name])
    if "warmup_from" in values:
        sender.warmup_from = values["warmup_from"] or None
    if sender.warmup_start and sender.warmup_from is None:
        sender.warmup_from = clock.now().date()


def problems(
    sender: Sender, kind: TransportKind, values: Mapping[str, Any]
) -> dict[str, list[str]]:
    """Return what does not go together, by field."""
    found: dict[str, list[str]] = {}
    start = values.get("warmup_start") or 0
    if start and (values.get("warmup_ceiling") or 0) < start:
        words = _("Say up to how many a day it grows: no fewer than on the first day.")
        found["warmup_ceiling"] = [words]
    said = _of_stand_ins(sender, kind, values.get("fallback_ids") or ())
    if said:
        found["fallback_ids"] = [said]
    others = used_by(sender) if sender.id else []
    if any(one.kind is not kind for one in others):
        name = others[0].name
        words = _("It stands in for “%(name)s”, which goes another way.", name=name)
        found["kind"] = [words]
    return found


def used_by(sender: Sender) -> Sequence[Sender]:
    """Return the senders that one stands in for."""
    query = sa.select(Sender).join(Fallback, Fallback.sender_id == Sender.id)
    with db.session.no_autoflush:
        return db.session.scalars(
            query.where(Fallback.fallback_id == sender.id).order_by(Sender.id)
        ).all()


def names_of_stand_ins() -> dict[int, list[str]]:
    """Return who stands in for which sender, by name and in order."""
    found: dict[int, list[str]] = {}
    rows = db.session.execute(
        sa.select(Fallback.sender_id, Sender.name)
        .join(Sender, Sender.id == Fallback.fallback_id)
        .order_by(Fallback.sender_id, Fallback.place)
    )
    for sender_id, name in rows:
        found.setdefault(sender_id, []).append(name)
    return found


def candidates(sender: Sender | None, kind: str) -> Sequence[Sender]:
    """Return the senders that may be chosen to stand in for one of a kind."""
    query = sa.select(Sender).where(
        Sender.archived_at.is_(None), Sender.kind == TransportKind(kind)
    )
    if sender is not None:
        query = query.where(Sender.id != sender.id)
    return db.session.scalars(query.order_by(sa.func.lower(Sender.name))).all()


def set_stand_ins(sender: Sender, ids: Sequence[int] | None) -> bool:
    """Keep which senders stand in for one that has its row; say if that is new."""
    if ids is None or list(ids) == fallback_ids(sender.id):
        return False
    db.session.execute(sa.delete(Fallback).where(Fallback.sender_id == sender.id))
    for place, one in enumerate(ids):
        db.session.add(Fallback(sender_id=sender.id, place=place, fallback_id=one))
    db.session.flush()
    return True


def _of_stand_ins(sender: Sender, kind: TransportKind, ids: Sequence[int]) -> str:
    """Return why these cannot stand in; nothing where they can."""
    if ids and kind is TransportKind.DRY_RUN:
        return _("A dry run is never unwell, so nothing stands in for it.")
    if len(set(ids)) < len(ids):
        return _("A sender stands in once; choose another one.")
    with db.session.no_autoflush:
        for one in ids:
            if words := _of_stand_in(sender, kind, one):
                return words
    return ""


def _of_stand_in(sender: Sender, kind: TransportKind, fallback_id: int) -> str:
    if fallback_id == sender.id:
        return _("A sender cannot stand in for itself.")
    other = db.session.get(Sender, fallback_id)
    if other is None:
        return _("This sender does not exist.")
    words = ""
    if other.archived_at is not None:
        words = _("“%(name)s” is archived, so it cannot stand in.", name=other.name)
    elif other.kind is not kind:
        words = _("“%(name)s” goes another way: it cannot stand in.", name=other.name)
    elif sender.id in _reached_from(fallback_id):
        words = _(
            "This one stands in for “%(name)s” already; that would be a circle.",
            name=other.name,
        )
    return words


def _reached_from(sender_id: int) -> set[int]:
    """Return every sender that stands in for one, directly or not."""
    pairs: dict[int, list[int]] = {}
    for one, other in db.session.execute(
        sa.select(Fallback.sender_id, Fallback.fallback_id)
    ):
        pairs.setdefault(one, []).append(other)
    seen, todo = set[int](), [sender_id]
    while todo:
        for other in pairs.get(todo.pop(), []):
            if other not in seen:
                seen.add(other)
                todo.append(other)
    return seen
