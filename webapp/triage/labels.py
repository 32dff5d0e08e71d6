"""Labels for mails: our own, with a colour; several on a mail."""

from collections.abc import Sequence

import sqlalchemy as sa

from webapp.core.db import db
from webapp.core.errors import Invalid, NotFound, Refused
from webapp.core.one_line import one_line
from webapp.core.words import _
from webapp.operators import audit
from webapp.triage.models import MailLabel, MailLabelled

#: The colours of the house that a label may have.
COLOURS = ("accent", "sent", "sending", "deferred", "failed", "skipped")
MOST = 100
LONGEST = 40


def all_labels() -> list[MailLabel]:
    """Return the labels by name."""
    return list(db.session.scalars(sa.select(MailLabel).order_by(MailLabel.name)))


def get(label_id: int) -> MailLabel:
    """Return a label.

    Raises
    ------
    NotFound
        If there is none.
    """
    found = db.session.get(MailLabel, label_id)
    if found is None:
        raise NotFound(_("There is no such label."))
    return found


def create(name: str, colour: str = "accent") -> MailLabel:
    """Make a label.

    Raises
    ------
    Invalid
        If the name is empty, too long or taken, or there is no such colour.
    Refused
        If there are too many already.
    """
    name = _checked(name, colour)
    if len(all_labels()) >= MOST:
        raise Refused(_("There are %(n)s labels already.", n=MOST))
    made = MailLabel(name=name, colour=colour)
    db.session.add(made)
    db.session.flush()
    audit.record("label.created", "label", made.id, name)
    db.session.commit()
    return made


def change(label_id: int, name: str, colour: str) -> MailLabel:
    """Give a label another name or colour; the mails that have it keep it.

    Raises
    ------
    NotFound
        If there is none.
    Invalid
        As `create` does.
    """
    found = get(label_id)
    found.name, found.colour = _checked(name, colour, label_id), colour
    audit.record("label.changed", "label", label_id, found.name)
    db.session.commit()
    return found


def _checked(name: str, colour: str, label_id: int | None = None) -> str:
    """Return the name as it is kept, if no other label has it."""
    name = one_line(name).strip()
    taken = sa.select(MailLabel.id).where(
        MailLabel.name == name, MailLabel.id != (label_id or 0)
    )
    fields = {}
    if not name or len(name) > LONGEST:
        fields["name"] = [_("Enter a name of at most %(n)s letters.", n=LONGEST)]
    elif db.session.scalar(taken):
        fields["name"] = [_("There is a label of this name already.")]
    if colour not in COLOURS:
        fields["colour"] = [_("There is no such colour.")]
    if fields:
        raise Invalid(next(iter(fields.values()))[0], fields)
    return name


def delete(label_id: int) -> str:
    """Delete a label from all mails and rules that have it; return its name.

    Raises
    ------
    NotFound
        If there is none.
    """
    found = get(label_id)
    name = found.name
    audit.record("label.deleted", "label", label_id, name)
    db.session.delete(found)
    db.session.commit()
    return name


def count(label_id: int) -> int:
    """Return how many mails have a label."""
    query = sa.select(sa.func.count()).where(MailLabelled.label_id == label_id)
    return db.session.scalar(query) or 0


def having(mail_ids: Sequence[int], label_id: int) -> set[int]:
    """Return which of these mails have a label."""
    query = sa.select(MailLabelled.mail_id).where(
        MailLabelled.label_id == label_id, MailLabelled.mail_id.in_(mail_ids)
    )
    return set(db.session.scalars(query))


def put(mail_id: int, label_id: int, *, on: bool = True) -> None:
    """Put a label on a mail or take it off, in the caller's transaction."""
    known = db.session.get(MailLabelled, (label_id, mail_id))
    if on and known is None:
        db.session.add(MailLabelled(label_id=label_id, mail_id=mail_id))
    elif not on and known is not None:
        db.session.delete(known)
    db.session.flush()


def of_mails(mail_ids: Sequence[int]) -> dict[int, list[MailLabel]]:
    """Return the labels of each mail, by name, with one question."""
    found: dict[int, list[MailLabel]] = {}
    if not mail_ids:
        return found
    pairs = db.session.execute(
        sa.select(MailLabelled.mail_id, MailLabel)
        .join(MailLabel, MailLabel.id == MailLabelled.label_id)
        .where(MailLabelled.mail_id.in_(mail_ids))
        .order_by(MailLabel.name)
    )
    for mail_id, one in pairs:
        found.setdefault(mail_id, []).append(one)
    return found
