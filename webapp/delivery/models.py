"""Worker processes, as the database knows them."""

import uuid
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from webapp.core.clock import now
from webapp.core.db import Base
from webapp.core.ids import uuid7


class Worker(Base):
    """One worker process.

    It beats every few seconds. `epoch` rises when it was silent for too long: then what
    it marked becomes *unknown*, and what it still records is late truth.
    """

    __tablename__ = "worker"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid7)
    epoch: Mapped[int] = mapped_column(default=1)
    host: Mapped[str] = mapped_column(sa.String(255), default="")
    pid: Mapped[int] = mapped_column(default=0)
    started_at: Mapped[datetime] = mapped_column(default=now)
    beat_at: Mapped[datetime] = mapped_column(default=now, index=True)
    stopped_at: Mapped[datetime | None]
    sent: Mapped[int] = mapped_column(default=0)


class TicketTrouble(Base):
    """What broke while a ticket was worked on; gone as soon as one went well.

    `campaign_id` is a sender's id, made negative, for single messages. Until `until` no
    ticket is issued.
    """

    __tablename__ = "ticket_trouble"

    campaign_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    failures: Mapped[int] = mapped_column(default=0)
    reference: Mapped[str] = mapped_column(sa.String(16), default="")
    at: Mapped[datetime] = mapped_column(default=now)
    until: Mapped[datetime] = mapped_column(default=now)
