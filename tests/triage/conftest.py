"""What the tests of answers share: a message that was sent, and a mailbox."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa

from tests.mailboxes.samples import put
from tests.support.dovecot import Dovecot
from webapp.campaigns import message_tokens
from webapp.campaigns.letters import MESSAGE_ID, token_key
from webapp.campaigns.models import Campaign, Message
from webapp.campaigns.states import Status
from webapp.core.clock import now
from webapp.core.db import db
from webapp.mailboxes.models import Mailbox
from webapp.recipients.models import RecipientTable
from webapp.suppressions.models import Suppression
from webapp.triage import receiving

Receive = Callable[..., None]
Send = Callable[[str], Message]


def token_of(message: Message, purpose: str = MESSAGE_ID) -> str:
    """Return a signed name of a message."""
    return message_tokens.sign(token_key(), message.public_id, purpose)


def suppressed() -> list[tuple[str, str, int | None]]:
    """Return whom we never write to: address, reason, recipient table."""
    db.session.rollback()
    query = sa.select(Suppression).where(Suppression.undone_at.is_(None))
    found = [
        (one.address_key, one.reason.value, one.recipient_table_id)
        for one in db.session.scalars(query.order_by(Suppression.id))
    ]
    db.session.rollback()
    return found


@pytest.fixture
def campaign(mailbox: Mailbox) -> Campaign:
    """A campaign; the mailbox is where its answers come."""
    del mailbox
    table = RecipientTable(name="Members", address_column="email")
    db.session.add(table)
    db.session.flush()
    campaign = Campaign(name="November newsletter", recipient_table_id=table.id)
    db.session.add(campaign)
    db.session.commit()
    return campaign


@pytest.fixture
def send(campaign: Campaign) -> Callable[[str], Message]:
    """Return a function that makes a message which was sent to an address."""
    campaign_id = campaign.id

    def sent_to(address: str) -> Message:
        message = Message(
            campaign_id=campaign_id,
            address=address,
            address_key=address,
            recipient_id=db.session.query(Message).count() + 1,
            status=Status.SENT,
            sent_at=now() - timedelta(minutes=1),
        )
        db.session.add(message)
        db.session.flush()
        message.message_id_header = f"<{token_of(message)}@desk.example>"
        db.session.commit()
        return message

    return sent_to


@pytest.fixture
def receive(campaign: Campaign, dovecot: Dovecot, login: str) -> Receive:
    """Return a function that delivers mails and has them read."""
    del campaign
    mailbox = db.session.query(Mailbox).one()
    mailbox_id = mailbox.id
    mailbox.connected_at = now() - timedelta(hours=1)
    db.session.commit()

    def deliver(*mails: bytes) -> None:
        db.session.rollback()
        put(dovecot, login, *mails)
        assert receiving.read_one(mailbox_id)
        db.session.rollback()

    return deliver
