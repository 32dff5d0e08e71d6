"""How the parts are: database, Redis, workers, queues, mailboxes."""

from dataclasses import dataclass, field
from datetime import timedelta

import sqlalchemy as sa

from webapp.core import queue
from webapp.core.clock import now
from webapp.core.db import db
from webapp.delivery.models import Worker
from webapp.mailboxes.models import Mailbox

SILENT_AFTER = timedelta(seconds=20)


@dataclass(frozen=True)
class Health:
    """What was found; `queues` maps lane to jobs, `mailboxes` state to number."""

    database: bool
    redis: bool
    workers: int = 0
    queues: dict[str, int] = field(default_factory=dict)
    mailboxes: dict[str, int] = field(default_factory=dict)

    @property
    def is_serving(self) -> bool:
        """Whether pages and API can do their work."""
        return self.database and self.redis

    @property
    def is_sending(self) -> bool:
        """Whether what is queued gets done."""
        return self.is_serving and self.workers > 0


def look() -> Health:
    """Ask every part; one that does not answer is an answer too."""
    depths = queue.depths()
    try:
        return Health(
            database=True,
            redis=depths is not None,
            workers=workers_beating(),
            queues=depths or {},
            mailboxes=_mailboxes(),
        )
    except sa.exc.OperationalError:
        db.session.rollback()
        return Health(database=False, redis=depths is not None, queues=depths or {})


def workers_beating() -> int:
    """Return how many workers were heard of in the last seconds."""
    beating = sa.select(sa.func.count()).where(
        Worker.stopped_at.is_(None), Worker.beat_at > now() - SILENT_AFTER
    )
    return db.session.scalar(beating) or 0


def _mailboxes() -> dict[str, int]:
    states = (
        sa.select(Mailbox.state, sa.func.count())
        .where(Mailbox.deleted_at.is_(None))
        .group_by(Mailbox.state)
    )
    return {state.value: number for state, number in db.session.execute(states)}
