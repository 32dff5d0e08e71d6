"""Texts that operators keep for replies: list, add, delete."""

from collections.abc import Sequence

import sqlalchemy as sa

from webapp.core.db import db
from webapp.core.errors import Invalid, NotFound
from webapp.core.words import _
from webapp.operators import audit
from webapp.triage.reply_models import SavedReply

MOST = 200


def everything() -> Sequence[SavedReply]:
    """Return the saved replies, by name."""
    return db.session.scalars(sa.select(SavedReply).order_by(SavedReply.name)).all()


def get(saved_id: int) -> SavedReply:
    """Return a saved reply.

    Raises
    ------
    NotFound
        If there is none.
    """
    found = db.session.get(SavedReply, saved_id)
    if found is None:
        raise NotFound(_("There is no such saved reply."))
    return found


def add(name: str, text: str) -> SavedReply:
    """Save a reply under a name; that of another one cannot be taken.

    Raises
    ------
    Invalid
        If there is one of this name, or there are too many.
    """
    known = {one.name.casefold() for one in everything()}
    words = ""
    if name.casefold() in known:
        words = _("There is a saved reply of this name already.")
    elif len(known) >= MOST:
        words = _("There can be %(n)s saved replies at most.", n=MOST)
    if words:
        raise Invalid(words, {"name": [words]})
    made = SavedReply(name=name, text=text)
    db.session.add(made)
    db.session.flush()
    audit.record("saved_reply.created", "saved_reply", made.id, name)
    db.session.commit()
    return made


def delete(saved_id: int) -> SavedReply:
    """Delete a saved reply, and return what it was, for an undo."""
    found = get(saved_id)
    gone = SavedReply(name=found.name, text=found.text)
    db.session.delete(found)
    audit.record("saved_reply.deleted", "saved_reply", saved_id, gone.name)
    db.session.commit()
    return gone
