"""Who has a mail open right now. It passes by itself, within seconds."""

from collections.abc import Sequence
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from webapp.core.clock import now
from webapp.core.db import db
from webapp.operators.models import Operator
from webapp.triage.models import MailPresence

#: A page says so every two seconds; it is written only when half of this has passed.
LASTS = timedelta(seconds=12)
LONGEST = 48
Looking = dict[str, list[str]]


def look(operator_id: int, place: str) -> None:
    """Say that an operator has this mail open; a trouble with it is none.

    Two statements in a transaction of their own, and the first one writes, so that a
    page which only reads can do it without an upgrade of its lock.
    """
    if len(place) > LONGEST:
        return
    at = now()
    insert = (
        postgresql.insert if db.engine.dialect.name == "postgresql" else sqlite.insert
    )
    row = insert(MailPresence).values(
        operator_id=operator_id, place=place, until=at + LASTS
    )
    row = row.on_conflict_do_update(
        index_elements=[MailPresence.operator_id, MailPresence.place],
        set_={"until": at + LASTS},
    )
    gone = sa.delete(MailPresence).where(MailPresence.until < at)
    db.session.rollback()
    try:
        with Session(db.engine) as session:
            session.execute(row)
            session.execute(gone)
            session.commit()
    except DBAPIError:
        return


def is_fresh(operator_id: int, place: str) -> bool:
    """Whether this is known well enough, and needs not be written again."""
    query = sa.select(MailPresence.until).where(
        MailPresence.operator_id == operator_id, MailPresence.place == place
    )
    until = db.session.scalar(query)
    return until is not None and until > now() + LASTS / 2


def keep(operator_id: int, place: str) -> None:
    """Say that an operator has this mail open, if that is not known well enough."""
    if place and not is_fresh(operator_id, place):
        look(operator_id, place)


def others(operator_id: int, places: Sequence[str] = ()) -> Looking:
    """Return who else looks at which mail, by the place of the mail."""
    query = (
        sa.select(MailPresence.place, Operator.name)
        .join(Operator, Operator.id == MailPresence.operator_id)
        .where(MailPresence.until > now(), MailPresence.operator_id != operator_id)
        .order_by(Operator.name)
    )
    if places:
        query = query.where(MailPresence.place.in_(places))
    found: Looking = {}
    for place, name in db.session.execute(query):
        found.setdefault(place, []).append(name)
    return found
