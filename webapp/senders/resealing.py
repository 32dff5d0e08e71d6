"""Secrets of senders, sealed anew when the installation's secret key is rotated."""

from collections.abc import Iterator

import sqlalchemy as sa

from webapp.core.db import db
from webapp.core.secrets import CannotUnseal, is_sealed_anew
from webapp.senders.models import DkimKey, Sender
from webapp.senders.signing import sealed_key, unsealed_key
from webapp.senders.transports import seal_password, unsealed_password

SEALED = frozenset({"sender.password_sealed", "dkim_key.private_sealed"})


def reseal() -> Iterator[tuple[str, bool]]:
    """Seal what an older key sealed with the one in use; the caller commits.

    Yields
    ------
    tuple
        What it was, in words, and whether it opened.
    """
    for sender in db.session.scalars(sa.select(Sender).order_by(Sender.id)):
        if sender.password_sealed and not is_sealed_anew(sender.password_sealed):
            yield f"password of the sender {sender.name}", _password(sender)
    for key in db.session.scalars(sa.select(DkimKey).order_by(DkimKey.id)):
        if not is_sealed_anew(key.private_sealed):
            yield f"key {key.record_name}", _private(key)


def _password(sender: Sender) -> bool:
    try:
        sender.password_sealed = seal_password(sender, unsealed_password(sender) or "")
    except CannotUnseal:
        return False
    return True


def _private(key: DkimKey) -> bool:
    try:
        key.private_sealed = sealed_key(key, unsealed_key(key))
    except CannotUnseal:
        return False
    return True
