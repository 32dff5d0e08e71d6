"""What a ticket works by: what all its messages share, and their sender."""

from dataclasses import dataclass, replace
from datetime import timedelta

import sqlalchemy as sa

from webapp.campaigns import letters
from webapp.campaigns.letters import Stationery
from webapp.campaigns.models import Campaign
from webapp.campaigns.states import State
from webapp.composing.addresses import address_key
from webapp.composing.letter import Address
from webapp.core.db import db, db_now, reading
from webapp.senders.models import Sender, TransportKind
from webapp.suppressions.conditions import suppressed


@dataclass(frozen=True, slots=True)
class Plan:
    """What all messages of a ticket share.

    Attributes
    ----------
    campaign_id
        ``None`` for transactional messages, which have their own stationery each.
    sender
        Detached from the database: threads read it.
    generation
        Of the ticket; spreads the workers over a large campaign.
    per_minute
        How many messages of the campaign may leave in a minute; 0 means any number.
    probing
        Whether the sender was unwell: then one message goes ahead of the others.
    """

    campaign_id: int | None
    table_id: int | None
    sender: Sender
    stationery: Stationery | None
    lifetime: timedelta
    generation: int
    probing: bool
    per_minute: int = 0

    @property
    def is_dry_run(self) -> bool:
        """Whether nothing leaves."""
        return self.sender.kind is TransportKind.DRY_RUN


def of_campaign(campaign_id: int, generation: int) -> Plan | None:
    """Return the plan of a campaign; nothing where it may not be sent just now."""
    with reading():
        try:
            return _of_campaign(campaign_id, generation)
        finally:
            db.session.rollback()


def _of_campaign(campaign_id: int, generation: int) -> Plan | None:
    campaign = db.session.get(Campaign, campaign_id, populate_existing=True)
    if campaign is None or campaign.state is not State.SENDING:
        return None
    sender = _usable(campaign.sender_id)
    if sender is None:
        return None
    stationery = letters.stationery_of(campaign)
    table_id = campaign.recipient_table_id
    stationery = replace(
        stationery,
        cc=allowed(stationery.cc, table_id),
        bcc=allowed(stationery.bcc, table_id),
    )
    lifetime = campaign.sender_snapshot.get("queue_lifetime", sender.queue_lifetime)
    return Plan(
        campaign_id=campaign_id,
        table_id=table_id,
        sender=_detached(sender),
        stationery=stationery,
        lifetime=timedelta(seconds=lifetime),
        generation=generation,
        probing=sender.breaker_failures > 0,
        per_minute=campaign.throttle,
    )


def of_sender(sender_id: int) -> Plan | None:
    """Return the plan of a sender's transactional messages."""
    with reading():
        try:
            sender = _usable(sender_id)
            return None if sender is None else _single(_detached(sender))
        finally:
            db.session.rollback()


def _single(sender: Sender) -> Plan:
    return Plan(
        campaign_id=None,
        table_id=None,
        sender=sender,
        stationery=None,
        lifetime=timedelta(seconds=sender.queue_lifetime),
        generation=0,
        probing=sender.breaker_failures > 0,
    )


def allowed(
    boxes: tuple[Address, ...], table_id: int | None, *, transactional: bool = False
) -> tuple[Address, ...]:
    """Leave out the further recipients that are suppressed."""
    return tuple(
        box
        for box in boxes
        if not db.session.scalar(
            sa.select(
                suppressed(address_key(box.addr), table_id, transactional=transactional)
            )
        )
    )


def _usable(sender_id: int | None) -> Sender | None:
    """Return the sender, unless nobody asks it just now."""
    found: Sender | None = db.session.scalar(
        sa.select(Sender)
        .where(Sender.id == sender_id, closed_breaker())
        .execution_options(populate_existing=True)
    )
    return found


def closed_breaker() -> "sa.ColumnElement[bool]":
    """Return the condition that a sender may be asked."""
    return sa.or_(Sender.breaker_until.is_(None), Sender.breaker_until <= db_now())


def _detached(sender: Sender) -> Sender:
    db.session.refresh(sender)
    db.session.expunge(sender)
    return sender
