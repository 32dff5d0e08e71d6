"""Troubles: what broke in a ticket is held back, more each time, and said with words.

An error that nobody foresaw would come again with the next ticket, two seconds later
and for ever. So each one is counted in a row of the campaign; until its time is over no
ticket is issued. After five the campaign is paused. A ticket that goes well ends it.

Single messages have no campaign: the number of their sender, made negative, stands for
it.
"""

import logging
import secrets
import traceback
from datetime import timedelta

import sqlalchemy as sa

from webapp.campaigns import moves
from webapp.core.db import db, db_now, reading
from webapp.core.words import _
from webapp.delivery.liveness import database_time
from webapp.delivery.models import TicketTrouble

log = logging.getLogger(__name__)

HOLD_SECONDS = (5, 15, 60, 300)
MOST = 5


def note(number: int, error: Exception) -> None:
    """Count what broke, and hold back what it broke in; owns its commit.

    The log gets the kind of error and its place: its words may hold addresses.
    """
    db.session.rollback()
    reference = secrets.token_hex(4)
    frame = traceback.extract_tb(error.__traceback__)[-1]
    log.error(
        "a ticket failed, reference %s: %s at %s:%s",
        reference,
        type(error).__name__,
        frame.filename,
        frame.lineno,
    )
    at = database_time()
    trouble = db.session.get(TicketTrouble, number, with_for_update=True)
    if trouble is None:
        trouble = TicketTrouble(campaign_id=number, failures=0)
        db.session.add(trouble)
    wait = HOLD_SECONDS[min(trouble.failures, len(HOLD_SECONDS) - 1)]
    trouble.failures += 1
    trouble.reference, trouble.at = reference, at
    trouble.until = at + timedelta(seconds=wait)
    is_paused = number > 0 and trouble.failures >= MOST
    if is_paused:
        db.session.delete(trouble)
    db.session.commit()
    if is_paused:
        words = _(
            "Something broke here %(n)s times in a row while sending. Nothing is lost; "
            "the log says what under the reference %(reference)s.",
            n=MOST,
            reference=reference,
        )
        moves.pause_for(number, words)


def forget(number: int) -> None:
    """Note that a ticket went well; owns its commit."""
    with reading():
        is_there = db.session.get(TicketTrouble, number) is not None
        db.session.rollback()
    if is_there:
        db.session.execute(
            sa.delete(TicketTrouble).where(TicketTrouble.campaign_id == number)
        )
        db.session.commit()


def held() -> frozenset[int]:
    """Return what is held back just now; reads within the caller's transaction."""
    query = sa.select(TicketTrouble.campaign_id)
    return frozenset(db.session.scalars(query.where(TicketTrouble.until > db_now())))
