"""Addresses that a server refused for good while the message was handed over.

They count as bounced like those of which a notification comes later, and are written
to no more. A refusal by policy, a full mailbox or a large letter is none of these, and
a bare 550 neither (`webapp.senders.hardness`).

The audit log is a chain, for which one transaction waits for the other. So a worker
writes its entry when a ticket is done, and not while it records outcomes: one entry for
all the addresses of that time. The suppressions themselves are in the outcome's own
transaction, and say whence they are.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from webapp.campaigns import coming_back
from webapp.campaigns.models import Campaign, Message
from webapp.composing.addresses import address_key
from webapp.core.db import db
from webapp.core.words import _
from webapp.operators import audit
from webapp.suppressions import service as suppressions
from webapp.suppressions.models import Channel, Reason, Suppression

AT_ONCE = 400
#: Keys that this process suppressed, and of which the audit log does not know yet.
_not_noted: set[str] = set()


def note(refused: Mapping[int, tuple[UUID, Sequence[str]]], at: datetime) -> None:
    """Suppress the addresses of which a server said that they do not exist.

    Within the caller's transaction. A message whose own address is among them counts as
    bounced; one of which a copy was refused does not.

    Parameters
    ----------
    refused
        By message: the try, and the addresses. A newer try is not touched.
    """
    if not refused:
        return
    rows = db.session.execute(
        sa.select(
            Message.id,
            Message.campaign_id,
            Message.attempt,
            Message.address,
            Message.address_key,
            Campaign.name,
        )
        .outerjoin(Campaign, Campaign.id == Message.campaign_id)
        .where(Message.id.in_(refused))
    ).all()
    dead = [
        (row, address_key(addr), addr)
        for row in rows
        if row.attempt == refused[row.id][0]
        for addr in refused[row.id][1]
    ]
    bounced = coming_back.BOUNCED
    own = [row for row, key, _addr in dead if key == row.address_key]
    coming_back.count([(row.id, row.campaign_id, bounced) for row in own], at)
    _not_noted.update(
        suppressions.suppress_many(
            [
                (
                    key,
                    row.address if key == row.address_key else addr,
                    row.name or coming_back.name_of(None),
                )
                for row, key, addr in dead
            ],
            Reason.HARD_BOUNCE,
            at,
        )
    )


def write_audit() -> None:
    """Write the audit entry of what this worker has suppressed since the last time."""
    if not _not_noted:
        return
    keys = sorted(_not_noted)
    for first in range(0, len(keys), AT_ONCE):
        _write(keys[first : first + AT_ONCE])
    db.session.commit()
    _not_noted.difference_update(keys)


def _write(keys: Sequence[str]) -> None:
    """Write one entry for those of these addresses that are suppressed by now."""
    rows = db.session.execute(
        sa.select(Suppression.id, Suppression.address_key)
        .where(
            Suppression.channel == Channel.EMAIL,
            Suppression.address_key.in_(keys),
            Suppression.recipient_table_id.is_(None),
            Suppression.reason == Reason.HARD_BOUNCE,
            Suppression.undone_at.is_(None),
        )
        .order_by(Suppression.id)
    ).all()
    if rows:
        found = [row.address_key for row in rows]
        name = found[0] if len(found) == 1 else _("%(n)s addresses", n=len(found))
        reason = Reason.HARD_BOUNCE.value
        more = {"reason": reason, "addresses": found}
        audit.record("suppression.added", "suppression", rows[0].id, name, **more)
