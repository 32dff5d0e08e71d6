"""All that went to one address, and all that came back from it."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from webapp.campaigns import addressed
from webapp.campaigns.models import Message
from webapp.composing.addresses import AddressError, address_key
from webapp.core.db import db
from webapp.core.errors import NotFound
from webapp.core.words import _
from webapp.mailboxes.models import Mail
from webapp.triage.effects import SUGGESTION
from webapp.triage.models import Answer


def key_of(address: str) -> str:
    """Return the key of an address.

    Raises
    ------
    NotFound
        If it is none.
    """
    try:
        return address_key(address)
    except AddressError as error:
        raise NotFound(_("This is no address.")) from error


def messages_to(key: str) -> "sa.Select[Any]":
    """Return the query of the messages to an address; page it by `Message.id`."""
    return sa.select(Message).where(addressed.to_any([key]))


def answers_to(messages: Sequence[Message]) -> dict[int, list[Mail]]:
    """Return the mails that are proven to answer each of these messages, in order."""
    found: dict[int, list[Mail]] = {}
    rows = db.session.execute(
        sa.select(Answer.message_id, Mail)
        .join(Mail, Mail.id == Answer.mail_id)
        .where(
            Answer.message_id.in_([one.id for one in messages]),
            Answer.matched_by != SUGGESTION,
        )
        .order_by(Mail.received_at, Mail.id)
    )
    for message_id, mail in rows:
        found.setdefault(message_id, []).append(mail)
    return found
