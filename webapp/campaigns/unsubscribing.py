"""People who want no more of it: by the link of a message, with a way back for a while.

The link's token names one message, so it tells whom, of which recipient table. Looking
at the page changes nothing, because scanners of mail follow every link.
"""

from datetime import timedelta

import sqlalchemy as sa

from webapp.campaigns import message_tokens
from webapp.campaigns.letters import UNSUBSCRIBE, VIEW, token_key
from webapp.campaigns.models import Event, Message
from webapp.core.clock import now
from webapp.core.db import db
from webapp.core.errors import NotFound, Refused
from webapp.core.words import _
from webapp.suppressions import service as suppressions
from webapp.suppressions.models import Channel, Reason, Suppression

WAY_BACK = timedelta(minutes=15)


def message_of(token: str, purpose: str = UNSUBSCRIBE) -> Message:
    """Return the message whose link this is.

    Raises
    ------
    NotFound
        If the token is not one of ours, or its message is gone.
    """
    public_id = message_tokens.read(token_key(), token, purpose)
    message = None
    if public_id is not None:
        wanted = sa.select(Message).where(Message.public_id == public_id)
        message = db.session.scalar(wanted)
    if message is None:
        raise NotFound(
            _("This link is not valid. Copy all of it from the message, or answer it.")
        )
    return message


def message_to_view(token: str) -> Message:
    """Return the message that somebody wants to see in the browser.

    Raises
    ------
    NotFound
        If the token is not one of ours, or its message is gone.
    """
    return message_of(token, VIEW)


def suppression_of(message: Message) -> Suppression | None:
    """Return the suppression that this link made, while it holds."""
    return suppressions.find(
        Channel.EMAIL, message.address_key, _table_of(message), Reason.UNSUBSCRIBED
    )


def unsubscribe(message: Message) -> None:
    """Write to this address no more, of this recipient table; twice is as once."""
    table_id = _table_of(message)
    source = message.campaign.name if message.campaign else _("a single message")
    suppressions.suppress_within(
        Channel.EMAIL, message.address, table_id, Reason.UNSUBSCRIBED, source
    )
    key = f"unsubscribed:{message.id}"
    if db.session.scalar(sa.select(Event.id).where(Event.dedupe_key == key)) is None:
        db.session.add(
            Event(message_id=message.id, kind="unsubscribed", dedupe_key=key)
        )
    db.session.commit()


def take_back(message: Message) -> None:
    """Let the suppression of this link hold no more.

    Raises
    ------
    Refused
        If there is none, or it is older than 15 minutes.
    """
    row = suppression_of(message)
    if row is None or row.created_at < now() - WAY_BACK:
        raise Refused(_("This can be taken back for 15 minutes only."))
    suppressions.undo(row.id)


def masked(address: str) -> str:
    """Return an address that only its owner recognises.

    Examples
    --------
    >>> masked("ada.byrne@example.org"), masked("x@example.org")
    ('a…@example.org', 'x…@example.org')
    """
    local, at, domain = address.rpartition("@")
    return f"{local[:1]}…{at}{domain}"


def _table_of(message: Message) -> int | None:
    return message.campaign.recipient_table_id if message.campaign else None
