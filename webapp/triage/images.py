"""Images of the web in mails: not loaded, unless once, or always from this sender.

A sender is remembered by the one address of From. That counts in a mail only where no
server on the way says that the sender failed a check, and never in a mail inside
another one, which nobody checked.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from webapp.composing.addresses import AddressError, address_key
from webapp.core.db import db
from webapp.core.errors import Invalid, NotFound
from webapp.core.words import _
from webapp.mailboxes import authentication
from webapp.mailboxes.opening import Opened
from webapp.mailboxes.scripts import imitates
from webapp.operators import audit
from webapp.triage.models import ImageSender

MOST = 1000


@dataclass(frozen=True)
class Images:
    """Whether images of the web are shown now, and whose may be remembered."""

    shown: bool = False
    address: str = ""
    remembered_id: int | None = None


def images_of(opened: Opened, operator_id: int, *, asked: bool) -> Images:
    """Return what becomes of a mail's images for an operator."""
    address = _proven_sender(opened)
    query = sa.select(ImageSender.id).where(
        ImageSender.operator_id == operator_id, ImageSender.address_key == address
    )
    remembered_id = db.session.scalar(query) if address else None
    return Images(asked or remembered_id is not None, address, remembered_id)


def _proven_sender(opened: Opened) -> str:
    """Return the key of the one sender, or nothing if something speaks against it."""
    headers = opened.mail.headers
    senders = headers.addresses("from")
    if opened.place or len(senders) != 1 or authentication.failed(headers):
        return ""
    try:
        key = address_key(senders[0].addr)
    except AddressError:
        return ""
    return "" if imitates(key.rpartition("@")[2]) else key


def remembered(operator_id: int) -> Sequence[ImageSender]:
    """Return the senders whose images an operator always sees, by address."""
    query = sa.select(ImageSender).where(ImageSender.operator_id == operator_id)
    return db.session.scalars(query.order_by(ImageSender.address_key)).all()


def remember(operator_id: int, address: str) -> ImageSender:
    """Show an operator the images in mails of an address always.

    Raises
    ------
    Invalid
        If it is none, or there are too many.
    """
    try:
        key = address_key(address)
    except AddressError as error:
        raise Invalid(error.words, {"address": [error.words]}) from error
    have = {one.address_key: one for one in remembered(operator_id)}
    if key in have:
        return have[key]
    if len(have) >= MOST:
        words = _("There can be %(n)s remembered senders at most.", n=MOST)
        raise Invalid(words, {"address": [words]})
    made = ImageSender(operator_id=operator_id, address_key=key)
    db.session.add(made)
    db.session.flush()
    audit.record("image_sender.remembered", "image_sender", made.id, key)
    db.session.commit()
    return made


def forget(operator_id: int, sender_id: int) -> str:
    """Ask again before images of a sender are shown; return the address.

    Raises
    ------
    NotFound
        If this operator has no such sender.
    """
    found = db.session.get(ImageSender, sender_id)
    if found is None or found.operator_id != operator_id:
        raise NotFound(_("There is no such remembered sender."))
    address = found.address_key
    db.session.delete(found)
    audit.record("image_sender.forgotten", "image_sender", sender_id, address)
    db.session.commit()
    return address
