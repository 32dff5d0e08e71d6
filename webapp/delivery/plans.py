"""What a ticket works by: what all its messages share, and their sender."""

from dataclasses import dataclass, replace
from datetime import timedelta

import sqlalchemy as sa

from webapp.campaigns import letters
from webapp.campaigns.letters import Stationery
from webapp.campaigns.models import Campaign
from webapp.campaigns.states import State
from webapp.campaigns.timing import may_send
from webapp.composing.addresses import address_key
from webapp.composing.letter import Address
from webapp.core.db import db, reading
from webapp.delivery.outcomes import RETRY_AFTER
from webapp.senders.choosing import choose
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
    own_id
        The sender that was chosen; `sender` stands in for it where they differ.
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
    own_id: int
    per_minute: int = 0

    @property
    def is_dry_run(self) -> bool:
        """Whether nothing leaves."""
        return self.sender.kind is TransportKind.DRY_RUN

    @property
    def retry_after(self) -> tuple[int, ...]:
        """The pauses after a 4xx, in seconds."""
        return tuple(60 * one for one in self.sender.retry_minutes) or RETRY_AFTER

    def by_sender(self, stationery: Stationery) -> Stationery:
        """Return stationery as the sender that is used puts it into the envelope.

        From stays: the recipients are written to by whom they know. Bounces come back
        to the address of the sender that is used, if it has one.
        """
        if self.sender.id == self.own_id or not self.sender.bounce_address:
            return stationery
        return replace(stationery, bounce_address=self.sender.bounce_address)


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
    choice = choose(campaign.sender_id)
    if choice is None or choice.used is None:
        return None
    if not may_send(campaign.windows, campaign.time_zone, choice.at):
        return None
    sender = choice.used
    stationery = letters.stationery_of(campaign)
    table_id = campaign.recipient_table_id
    stationery = replace(
        stationery,
        cc=allowed(stationery.cc, table_id),
        bcc=allowed(stationery.bcc, table_id),
    )
    kept = campaign.sender_snapshot.get("queue_lifetime", choice.own.queue_lifetime)
    plan = Plan(
        campaign_id=campaign_id,
        table_id=table_id,
        sender=_detached(sender),
        stationery=None,
        lifetime=timedelta(seconds=kept),
        generation=generation,
        probing=sender.breaker_failures > 0,
        own_id=choice.own.id,
        per_minute=campaign.throttle,
    )
    return replace(plan, stationery=plan.by_sender(stationery))


def of_sender(sender_id: int) -> Plan | None:
    """Return the plan of a sender's transactional messages."""
    with reading():
        try:
            choice = choose(sender_id)
            if choice is None or choice.used is None:
                return None
            lifetime = choice.own.queue_lifetime
            return _single(_detached(choice.used), sender_id, lifetime)
        finally:
            db.session.rollback()


def _single(sender: Sender, own_id: int, lifetime: int) -> Plan:
    return Plan(
        campaign_id=None,
        table_id=None,
        sender=sender,
        stationery=None,
        lifetime=timedelta(seconds=lifetime),
        generation=0,
        probing=sender.breaker_failures > 0,
        own_id=own_id,
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


def _detached(sender: Sender) -> Sender:
    db.session.refresh(sender)
    db.session.expunge(sender)
    return sender
