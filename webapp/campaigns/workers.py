"""The worker processes, as far as campaigns ask: who beats, who is dead, what broke.

Delivery, which is above this feature, owns and writes those tables; here they are only
read.
"""

from datetime import timedelta

import sqlalchemy as sa

from webapp.core import queue
from webapp.core.clock import now
from webapp.core.db import UtcDateTime, db
from webapp.core.words import _

SILENT = timedelta(seconds=20)

workers = sa.table(
    "worker",
    sa.column("id", sa.Uuid()),
    sa.column("beat_at", UtcDateTime()),
    sa.column("stopped_at", UtcDateTime()),
)


troubles = sa.table(
    "ticket_trouble",
    sa.column("campaign_id", sa.Integer()),
    sa.column("failures", sa.Integer()),
    sa.column("reference", sa.String()),
)


def any_alive() -> bool:
    """Whether a worker has beaten within the last 20 seconds."""
    alive = sa.select(workers.c.id).where(
        workers.c.stopped_at.is_(None), workers.c.beat_at > now() - SILENT
    )
    return db.session.execute(alive.limit(1)).first() is not None


def trouble(campaign_id: int | None = None) -> str:
    """Return what keeps work from being done, in words; empty when nothing does."""
    if queue.depths() is None:
        return _("The queue does not answer; it goes on when the queue is back.")
    if not any_alive():
        return _("No worker is running; the campaign continues when one is back.")
    return _broken(campaign_id) if campaign_id else ""


def _broken(campaign_id: int) -> str:
    query = sa.select(troubles).where(troubles.c.campaign_id == campaign_id)
    found = db.session.execute(query).first()
    if found is None:
        return ""
    return _(
        "Something broke here while sending, %(n)s times so far. It is tried again by "
        "itself; the log says what under the reference %(reference)s.",
        n=found.failures,
        reference=found.reference,
    )
