"""Addresses that a server refused for good while the message was handed over.

They count as bounced like those of which a notification comes later, and are written
to no more. A refusal by policy, a full mailbox or a large letter is none of these.
"""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from webapp.campaigns import coming_back
from webapp.campaigns.models import Campaign, Message
from webapp.campaigns.states import Status
from webapp.core.db import db
from webapp.senders.replies import FailureClass, names_a_dead_address
from webapp.suppressions import service as suppressions
from webapp.suppressions.models import Reason


def note(attempts: Mapping[int, UUID], at: datetime) -> None:
    """Count these messages and suppress their addresses, if their tries ended so.

    Within the caller's transaction, after the outcomes were written.

    Parameters
    ----------
    attempts
        Message and the try that was refused; a newer one is not touched.
    """
    if not attempts:
        return
    rows = db.session.execute(
        sa.select(
            Message.id,
            Message.campaign_id,
            Message.attempt,
            Message.address,
            Message.address_key,
            Message.reply,
            Campaign.name,
        )
        .outerjoin(Campaign, Campaign.id == Message.campaign_id)
        .where(
            Message.id.in_(attempts),
            Message.status == Status.FAILED,
            Message.reason_class == FailureClass.ADDRESS.value,
        )
    ).all()
    dead = [
        row
        for row in rows
        if row.attempt == attempts[row.id] and names_a_dead_address(row.reply)
    ]
    bounced = coming_back.BOUNCED
    coming_back.count([(row.id, row.campaign_id, bounced) for row in dead], at)
    suppressions.suppress_many(
        [
            (row.address_key, row.address, row.name or coming_back.name_of(None))
            for row in dead
            if row.address_key
        ],
        Reason.HARD_BOUNCE,
        at,
    )
