"""The first steps, ticked by what really happened."""

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from webapp.campaigns.models import Campaign, Message
from webapp.campaigns.states import Status
from webapp.core.db import db
from webapp.core.presentation import figure
from webapp.core.words import _
from webapp.mailboxes.models import Folder, Mail, Mailbox
from webapp.recipients.models import RecipientTable
from webapp.senders.models import Sender, TransportKind


@dataclass(frozen=True)
class Step:
    """One step; `done` says in words what happened, empty while it has not."""

    key: str
    title: str
    done: str


def steps() -> list[Step]:
    """Return the four first steps."""
    return [
        Step("send", _("Send the example"), _example_sent()),
        Step("arrive", _("See it arrive"), _arrived()),
        Step("import", _("Import your own list"), _imported()),
        Step("connect", _("Connect your own mail server"), _connected()),
    ]


def _example_sent() -> str:
    examples = sa.select(Campaign.id).where(Campaign.is_example)
    sent = _count(
        sa.select(sa.func.count(Message.id)).where(
            Message.campaign_id.in_(examples), Message.status == Status.SENT
        )
    )
    return _("Done, %(n)s messages", n=figure(sent)) if sent else ""


def _arrived() -> str:
    counted = _count(
        sa.select(sa.func.sum(Folder.total))
        .join(Mailbox, Mailbox.id == Folder.mailbox_id)
        .where(Mailbox.is_practice, Mailbox.deleted_at.is_(None))
    )
    known = _count(
        sa.select(sa.func.count(Mail.id))
        .join(Mailbox, Mailbox.id == Mail.mailbox_id)
        .where(Mailbox.is_practice)
    )
    number = max(counted, known)
    return _("Done, %(n)s mails in the mailbox", n=figure(number)) if number else ""


def _imported() -> str:
    number = _count(
        sa.select(sa.func.sum(RecipientTable.recipients_count)).where(
            RecipientTable.is_example.is_(False), RecipientTable.deleted_at.is_(None)
        )
    )
    return _("Done, %(n)s recipients", n=figure(number)) if number else ""


def _connected() -> str:
    name = db.session.scalar(
        sa.select(Sender.name).where(
            Sender.kind == TransportKind.SMTP,
            Sender.last_ok_at.is_not(None),
            Sender.archived_at.is_(None),
        )
    )
    return _("Done: %(name)s", name=name) if name else ""


def _count(query: sa.Select[Any]) -> int:
    return int(db.session.scalar(query) or 0)
