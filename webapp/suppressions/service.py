"""What can be done with suppressions: suppress, undo, ask.

Who marks messages asks in the same statement; see `webapp.suppressions.conditions`.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

import sqlalchemy as sa

from webapp.composing.addresses import AddressError
from webapp.core.clock import now
from webapp.core.db import db
from webapp.core.errors import Invalid, NotFound
from webapp.core.one_line import one_line
from webapp.operators import audit
from webapp.suppressions.conditions import STOPS_EVERYTHING, holds_for, suppressed
from webapp.suppressions.keys import channel_of, suppression_key
from webapp.suppressions.models import Channel, Reason, Suppression

AT_ONCE = 400


def suppress(
    channel: Channel,
    address: str,
    table_id: int | None = None,
    reason: Reason = Reason.MANUAL,
    source: str = "",
) -> Suppression:
    """Never write to an address, domain or phone again.

    Parameters
    ----------
    table_id
        The recipient table that it is about; ``None`` means everywhere.
    source
        Where it comes from, for a person: a campaign, a mail, an operator.

    Raises
    ------
    Invalid
        If it is no address of this channel.
    """
    row = suppress_within(channel, address, table_id, reason, source)
    db.session.commit()
    return row


def standing(
    channel: Channel,
    address: str,
    table_id: int | None = None,
    reason: Reason = Reason.MANUAL,
    source: str = "",
) -> Suppression | None:
    """Return what these arguments of `suppress` would find there already.

    Raises
    ------
    Invalid
        If it is no address of this channel.
    """
    del source
    return find(channel, _key(channel, address), table_id, reason)


def suppress_within(
    channel: Channel,
    address: str,
    table_id: int | None = None,
    reason: Reason = Reason.MANUAL,
    source: str = "",
) -> Suppression:
    """Do as `suppress`, within the caller's transaction.

    One that holds already for the same reason is returned as it is.

    Raises
    ------
    Invalid
        If it is no address of this channel.
    """
    key = _key(channel, address)
    known = find(channel, key, table_id, reason)
    if known is not None:
        return known
    row = Suppression(
        channel=channel,
        address_key=key,
        address=address.strip()[:320],
        recipient_table_id=table_id,
        reason=reason,
        source=source[:200],
    )
    db.session.add(row)
    db.session.flush()
    audit.record("suppression.added", "suppression", row.id, key, reason=reason.value)
    return row


def suppress_many(
    rows: Sequence[tuple[str, str, str]],
    reason: Reason,
    at: datetime,
    scope: tuple[Channel, int | None] = (Channel.EMAIL, None),
    since: Mapping[str, datetime] | None = None,
) -> list[str]:
    """Suppress many addresses, in the caller's transaction, without an audit entry.

    Whoever calls writes one for all of them.

    Parameters
    ----------
    rows
        Address key, address and source of each.
    scope
        Their channel, and the recipient table that it is about.
    since
        Since when those hold, by key, that did so before `at`.

    Returns
    -------
    list of str
        The keys that are new: one that holds already for this reason stays as it is.
    """
    channel, table_id = scope
    keys = list({key for key, _address, _source in rows})
    held: set[str] = set()
    for first in range(0, len(keys), AT_ONCE):
        held.update(
            db.session.scalars(
                sa.select(Suppression.address_key).where(
                    Suppression.channel == channel,
                    Suppression.address_key.in_(keys[first : first + AT_ONCE]),
                    Suppression.recipient_table_id.is_(None)
                    if table_id is None
                    else Suppression.recipient_table_id == table_id,
                    Suppression.reason == reason,
                    Suppression.undone_at.is_(None),
                )
            )
        )
    new = {key: (address, source) for key, address, source in rows if key not in held}
    if new:
        db.session.execute(
            sa.insert(Suppression),
            [
                {
                    "channel": channel,
                    "recipient_table_id": table_id,
                    "address_key": key,
                    "address": address[:320],
                    "reason": reason,
                    "source": source[:200],
                    "created_at": (since or {}).get(key, at),
                }
                for key, (address, source) in new.items()
            ],
        )
    return list(new)


def undo(suppression_id: int, why: str = "") -> Suppression:
    """Let a suppression hold no more.

    Parameters
    ----------
    why
        What a person says about it, for the audit log.

    Raises
    ------
    NotFound
        If there is none, or it was undone already.
    """
    row = undo_within(suppression_id, why)
    db.session.commit()
    return row


def undo_within(suppression_id: int, why: str = "") -> Suppression:
    """Do as `undo`, within the caller's transaction.

    Raises
    ------
    NotFound
        If there is none, or it was undone already.
    """
    row = get(suppression_id)
    # Two who suppressed at the same moment made two of it: none may stay behind.
    db.session.execute(
        sa.update(Suppression)
        .where(
            Suppression.channel == row.channel,
            Suppression.address_key == row.address_key,
            Suppression.recipient_table_id.is_not_distinct_from(row.recipient_table_id),
            Suppression.reason == row.reason,
            Suppression.undone_at.is_(None),
        )
        .values(undone_at=now())
    )
    detail = {"why": one_line(why, 200)} if why.strip() else {}
    audit.record("suppression.undone", "suppression", row.id, row.address_key, **detail)
    return row


def redo(suppression_id: int) -> Suppression:
    """Take an undoing back; where the same holds again already, return that one.

    Raises
    ------
    NotFound
        If there is no such suppression.
    """
    row = db.session.get(Suppression, suppression_id)
    if row is None:
        raise NotFound("There is no such suppression.")
    again = find(row.channel, row.address_key, row.recipient_table_id, row.reason)
    if again is not None:
        return again
    row.undone_at = None
    audit.record("suppression.added", "suppression", row.id, row.address_key)
    db.session.commit()
    return row


def get(suppression_id: int) -> Suppression:
    """Return a suppression that holds.

    Raises
    ------
    NotFound
        If there is none, or it was undone.
    """
    row = db.session.get(Suppression, suppression_id)
    if row is None or row.undone_at is not None:
        raise NotFound("There is no such suppression, or it was removed.")
    return row


def find(
    channel: Channel, key: str, table_id: int | None, reason: Reason | None = None
) -> Suppression | None:
    """Return the suppression of exactly this key and table, if one holds."""
    query = all_suppressions().where(
        Suppression.channel == channel,
        Suppression.address_key == key,
        Suppression.recipient_table_id.is_(None)
        if table_id is None
        else Suppression.recipient_table_id == table_id,
    )
    if reason is not None:
        query = query.where(Suppression.reason == reason)
    row: Suppression | None = db.session.scalar(query.limit(1))
    return row


def window_of(q: str, reason: str = "") -> "sa.Select[Any] | None":
    """Return the query of all that is searched in; none where nothing is searched."""
    return all_suppressions() if q.strip() or reason else None


def all_suppressions(q: str = "", reason: str = "") -> "sa.Select[Any]":
    """Return the query for those that hold, with a text in the address."""
    query = sa.select(Suppression).where(Suppression.undone_at.is_(None))
    if reason in set(Reason):
        query = query.where(Suppression.reason == Reason(reason))
    if q.strip():
        text = q.strip().casefold()
        query = query.where(Suppression.address_key.contains(text, autoescape=True))
    return query


def of_exactly(text: str) -> "sa.Select[Any]":
    """Return the query of what stops mail to one address, domain or phone itself."""
    try:
        key = suppression_key(channel_of(text), text)
    except AddressError:
        return all_suppressions().where(sa.false())
    return all_suppressions().where(Suppression.address_key == key)


def is_suppressed(
    address_key: str, table_id: int | None = None, *, transactional: bool = False
) -> bool:
    """Say whether mail to this address key is stopped."""
    condition = suppressed(address_key, table_id, transactional=transactional)
    return bool(db.session.scalar(sa.select(condition)))


def suppressed_keys(
    keys: Iterable[str], table_id: int | None = None, *, transactional: bool = False
) -> dict[str, Reason]:
    """Return those of many address keys to which mail is stopped, and why.

    The whole check of a campaign asks so, some hundred keys at a time.
    """
    found: dict[str, Reason] = {}
    rest = iter(keys)
    while some := list(islice(rest, AT_ONCE)):
        found.update(_suppressed(some, table_id, transactional))
    return found


def _suppressed(
    keys: list[str], table_id: int | None, transactional: bool
) -> dict[str, Reason]:
    domains = {key.rpartition("@")[2] for key in keys}
    query = sa.select(
        Suppression.channel, Suppression.address_key, Suppression.reason
    ).where(
        Suppression.undone_at.is_(None),
        holds_for(table_id),
        sa.or_(
            sa.and_(
                Suppression.channel == Channel.EMAIL, Suppression.address_key.in_(keys)
            ),
            sa.and_(
                Suppression.channel == Channel.DOMAIN,
                Suppression.address_key.in_(domains),
            ),
        ),
    )
    if transactional:
        query = query.where(Suppression.reason.in_(STOPS_EVERYTHING))
    why = {
        (row.channel, row.address_key): row.reason for row in db.session.execute(query)
    }
    reasons = {
        key: why.get((Channel.EMAIL, key))
        or why.get((Channel.DOMAIN, key.rpartition("@")[2]))
        for key in keys
    }
    return {key: reason for key, reason in reasons.items() if reason is not None}


def _key(channel: Channel, address: str) -> str:
    try:
        return suppression_key(channel, address)
    except AddressError as error:
        raise Invalid(error.words, {"address": [error.words]}) from error
