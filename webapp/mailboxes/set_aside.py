"""How many mails lie set aside in each mailbox: those that could not be read."""

import sqlalchemy as sa

from webapp.core.db import db
from webapp.mailboxes.kinds import MailKind, MailState
from webapp.mailboxes.models import Mail

#: A mail that was set aside, and about which nobody has decided yet.
WAITS = (Mail.kind == MailKind.SET_ASIDE, Mail.state == MailState.OPEN)


def counts() -> dict[int, int]:
    """Return how many wait in each mailbox that has any."""
    rows = db.session.execute(
        sa.select(Mail.mailbox_id, sa.func.count())
        .where(*WAITS)
        .group_by(Mail.mailbox_id)
    )
    return {mailbox_id: number for mailbox_id, number in rows}  # noqa: C416 - a row is no pair for mypy
