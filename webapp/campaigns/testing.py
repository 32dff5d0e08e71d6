"""Send one row of a campaign to the operator, before anybody else gets it."""

from typing import Any

import sqlalchemy as sa

from webapp.campaigns import moves, own_files
from webapp.campaigns.attachments import all_attachments
from webapp.campaigns.audience import audience_of, batches
from webapp.campaigns.checking import obstacles, row_for
from webapp.campaigns.letters import message_id_of, stationery_of, token_key, values_of
from webapp.campaigns.models import Campaign, Message
from webapp.campaigns.own_files import Own
from webapp.campaigns.service import get
from webapp.composing.addresses import address_key
from webapp.core import queue
from webapp.core.db import db, db_now
from webapp.core.errors import NotFound, Refused
from webapp.core.ids import uuid7
from webapp.core.words import _
from webapp.message_templates.rendering import RenderFailure, shared_pool
from webapp.operators import audit
from webapp.operators.models import Operator
from webapp.recipients.models import Recipient
from webapp.senders.models import TransportKind

MARK = "[Test]"


def send_to(
    operator: Operator, campaign_id: int, recipient_id: int | None = None
) -> Message:
    """Send what one recipient would get to the operator; it is counted nowhere.

    Parameters
    ----------
    recipient_id
        A row of the campaign's recipient table; the first one if None.

    Raises
    ------
    Refused
        If something is not chosen yet, or the row cannot be rendered.
    """
    campaign = get(campaign_id)
    for words in obstacles(campaign):
        raise Refused(words)
    assert campaign.sender is not None
    bodies = _rendered(campaign, recipient_id)
    public_id = uuid7()
    message = Message(
        public_id=public_id,
        sender_id=campaign.sender_id,
        name=operator.name,
        address=operator.email,
        address_key=address_key(operator.email),
        bodies=bodies,
        due_at=db.session.scalar(sa.select(db_now())),
        message_id_header=message_id_of(
            token_key(), public_id, campaign.sender.from_address
        ),
        is_dry_run=campaign.sender.kind == TransportKind.DRY_RUN,
    )
    db.session.add(message)
    db.session.flush()
    moves.note(campaign_id, "tested")
    audit.record("campaign.tested", "campaign", campaign_id, campaign.name)
    db.session.commit()
    queue.wake("delivery.message", message.id, lane=queue.Lane.TRANSACTIONAL)
    return message


def _rendered(campaign: Campaign, recipient_id: int | None) -> dict[str, Any]:
    """Return what one recipient would get, files and all."""
    table = campaign.recipient_table
    assert table is not None
    after = (recipient_id or 1) - 1
    wanted = db.session.get(Recipient, recipient_id) if recipient_id else None
    if recipient_id and (wanted is None or wanted.recipient_table_id != table.id):
        raise NotFound(_("There is no such row in this recipient table."))
    batch = next(batches(audience_of(campaign, table), after), None)
    if batch is None:
        raise Refused(_("The recipient table has no row yet."))
    stationery = stationery_of(campaign)
    assert stationery.source is not None
    values = values_of(stationery, row_for(batch[0]))
    made = shared_pool().render_many(stationery.source, [values], stationery.base_url)
    if isinstance(made[0], RenderFailure):
        raise Refused(made[0].words)
    own = own_files.of_people(campaign, batch[:1]).get(batch[0].id, Own())
    if own.words:
        raise Refused(own.words)
    return {
        "subject": f"{MARK} {made[0].subject}",
        "text": made[0].text,
        "html": made[0].html,
        "attachments": [*all_attachments(campaign), *own.files],
    }
