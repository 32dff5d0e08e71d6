"""Addresses, domains and phones that we never write to."""

from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from webapp.core.clock import now
from webapp.core.db import Base, enum_of


class Channel(StrEnum):
    """What kind of address it is."""

    EMAIL = "email"
    DOMAIN = "domain"
    PHONE = "phone"


class Reason(StrEnum):
    """Why we do not write."""

    UNSUBSCRIBED = "unsubscribed"
    HARD_BOUNCE = "hard_bounce"
    COMPLAINT = "complaint"
    MANUAL = "manual"
    ERASED = "erased"


class Suppression(Base):
    """One address, everywhere or from one recipient table, why and since when.

    `address_key` is case-folded, with the domain as A-labels; of an erased person it is
    a digest. `recipient_table_id` is null where the suppression holds everywhere.
    `undone_at` is set where it holds no more.
    """

    __tablename__ = "suppression"
    __table_args__ = (
        sa.Index("ix_suppression_lookup", "channel", "address_key", "undone_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    channel: Mapped[Channel] = mapped_column(enum_of(Channel), default=Channel.EMAIL)
    address_key: Mapped[str] = mapped_column(sa.String(320))
    address: Mapped[str] = mapped_column(sa.String(320), default="")
    recipient_table_id: Mapped[int | None] = mapped_column(index=True)
    reason: Mapped[Reason] = mapped_column(enum_of(Reason))
    source: Mapped[str] = mapped_column(sa.String(200), default="")
    created_at: Mapped[datetime] = mapped_column(default=now)
    undone_at: Mapped[datetime | None]
