"""Secrets of mailboxes, sealed anew when the installation's secret key is rotated."""

from collections.abc import Iterator

import sqlalchemy as sa

from webapp.core.db import db
from webapp.core.secrets import CannotUnseal, is_sealed_anew
from webapp.mailboxes.models import Mailbox
from webapp.mailboxes.reach import sealed, unsealed

SEALED = frozenset({"mailbox.password_sealed"})


def reseal() -> Iterator[tuple[str, bool]]:
    """Seal what an older key sealed with the one in use; the caller commits.

    Yields
    ------
    tuple
        What it was, in words, and whether it opened.
    """
    for mailbox in db.session.scalars(sa.select(Mailbox).order_by(Mailbox.id)):
        secret = mailbox.password_sealed
        if not secret or is_sealed_anew(secret):
            continue
        try:
            plain = unsealed(mailbox)
        except CannotUnseal:
            yield f"password of the mailbox {mailbox.name}", False
            continue
        mailbox.password_sealed = sealed(mailbox.id, mailbox.host, plain)
        yield f"password of the mailbox {mailbox.name}", True
