"""Senders: a way out, with its From identity, server and limits."""

import uuid
from datetime import date, datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from webapp.composing.dkim import Algorithm, record_name, record_text
from webapp.core.clock import now
from webapp.core.db import Base, enum_of
from webapp.core.ids import uuid7
from webapp.senders.server import Security

RETRY_MINUTES = (1, 5, 15, 60, 180)


class TransportKind(StrEnum):
    """How it leaves."""

    SMTP = "smtp"
    PRACTICE = "practice"
    DRY_RUN = "dry_run"


class Sender(Base):
    """A way out.

    `password_sealed` opens only for this row, column and host. `breaker_*` say whether
    the server is unwell, and until when nobody asks it. Limits are numbers of messages;
    0 means no limit. `queue_lifetime` is in seconds. `dns_findings` is what DNS said
    about the From domain at `dns_asked_at`.

    `per_domain` maps a recipient domain, or ``*`` for each other one, to its limits:
    ``{"gmail.com": {"per_hour": 100}}``. `warmup_*` raise the day's limit day by day.
    `retry_minutes` are the pauses after a 4xx. `server_size` is the largest message
    that the server said it takes, in octets; 0 while that is not known.
    """

    __tablename__ = "sender"

    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[uuid.UUID] = mapped_column(default=uuid7, unique=True)
    name: Mapped[str] = mapped_column(sa.String(200), unique=True)
    kind: Mapped[TransportKind] = mapped_column(
        enum_of(TransportKind), default=TransportKind.SMTP
    )
    from_name: Mapped[str] = mapped_column(sa.String(200), default="")
    from_address: Mapped[str] = mapped_column(sa.String(320))
    reply_to: Mapped[str] = mapped_column(sa.String(320), default="")
    bounce_address: Mapped[str] = mapped_column(sa.String(320), default="")
    host: Mapped[str] = mapped_column(sa.String(255), default="")
    port: Mapped[int] = mapped_column(default=587)
    security: Mapped[Security] = mapped_column(
        enum_of(Security), default=Security.STARTTLS
    )
    ca_pem: Mapped[str] = mapped_column(sa.Text, default="")
    login: Mapped[str] = mapped_column(sa.String(320), default="")
    password_sealed: Mapped[str] = mapped_column(sa.Text, default="")
    password_saved_at: Mapped[datetime | None]
    is_system: Mapped[bool] = mapped_column(default=False)
    is_example: Mapped[bool] = mapped_column(default=False)
    max_connections: Mapped[int] = mapped_column(default=4)
    per_second: Mapped[int] = mapped_column(default=0)
    per_hour: Mapped[int] = mapped_column(default=0)
    per_day: Mapped[int] = mapped_column(default=0)
    per_domain: Mapped[dict[str, Any]] = mapped_column(sa.JSON, default=dict)
    warmup_start: Mapped[int] = mapped_column(default=0)
    warmup_growth: Mapped[int] = mapped_column(default=50)
    warmup_ceiling: Mapped[int] = mapped_column(default=0)
    warmup_from: Mapped[date | None]
    retry_minutes: Mapped[list[Any]] = mapped_column(
        sa.JSON, default=lambda: list(RETRY_MINUTES)
    )
    queue_lifetime: Mapped[int] = mapped_column(default=5 * 24 * 3600)
    server_size: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    version: Mapped[int] = mapped_column(default=1)
    breaker_failures: Mapped[int] = mapped_column(default=0)
    breaker_until: Mapped[datetime | None]
    breaker_words: Mapped[str] = mapped_column(sa.String(500), default="")
    last_ok_at: Mapped[datetime | None]
    last_error_at: Mapped[datetime | None]
    last_error: Mapped[str] = mapped_column(sa.String(500), default="")
    dns_asked_at: Mapped[datetime | None]
    dns_findings: Mapped[list[Any]] = mapped_column(sa.JSON, default=list)
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now, onupdate=now)
    archived_at: Mapped[datetime | None]


class KeyState(StrEnum):
    """Whether a key signs: not yet, now, or no more."""

    WAITING = "waiting"
    ACTIVE = "active"
    RETIRED = "retired"


class DkimKey(Base):
    """A key that signs what leaves from a domain, by whichever sender.

    `private_sealed` opens only for this row and the name of its DNS record. It signed
    from `activated_at` to `retired_at`.
    """

    __tablename__ = "dkim_key"
    __table_args__ = (sa.UniqueConstraint("domain", "selector"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[uuid.UUID] = mapped_column(default=uuid7, unique=True)
    domain: Mapped[str] = mapped_column(sa.String(255))
    selector: Mapped[str] = mapped_column(sa.String(63))
    algorithm: Mapped[Algorithm] = mapped_column(enum_of(Algorithm))
    private_sealed: Mapped[str] = mapped_column(sa.Text)
    public: Mapped[str] = mapped_column(sa.Text)
    state: Mapped[KeyState] = mapped_column(enum_of(KeyState), default=KeyState.WAITING)
    created_at: Mapped[datetime] = mapped_column(default=now)
    activated_at: Mapped[datetime | None]
    retired_at: Mapped[datetime | None]

    @property
    def record_name(self) -> str:
        """The name of its TXT record."""
        return record_name(self.domain, self.selector)

    @property
    def record_text(self) -> str:
        """What its TXT record says."""
        return record_text(self.algorithm, self.public)


class Fallback(Base):
    """One sender that stands in for another while that one is unwell, in order."""

    __tablename__ = "sender_fallback"

    sender_id: Mapped[int] = mapped_column(
        sa.ForeignKey("sender.id", ondelete="CASCADE"), primary_key=True
    )
    place: Mapped[int] = mapped_column(primary_key=True)
    fallback_id: Mapped[int] = mapped_column(sa.ForeignKey("sender.id"), index=True)


class LimitUse(Base):
    """How much of a sender's allowance one window of time has used.

    `domain` is empty for all messages of the sender together.
    """

    __tablename__ = "limit_use"

    sender_id: Mapped[int] = mapped_column(
        sa.ForeignKey("sender.id", ondelete="CASCADE"), primary_key=True
    )
    window: Mapped[str] = mapped_column(sa.String(32), primary_key=True)
    domain: Mapped[str] = mapped_column(sa.String(255), primary_key=True, default="")
    used: Mapped[int] = mapped_column(default=0)
    until: Mapped[datetime] = mapped_column(index=True)


class ConnectionLease(Base):
    """How many connections to a sender's server one worker may have open.

    `wanted` is how many it could use, as of `asked_at`; 0 when it has nothing to send.
    """

    __tablename__ = "connection_lease"

    sender_id: Mapped[int] = mapped_column(
        sa.ForeignKey("sender.id", ondelete="CASCADE"), primary_key=True
    )
    worker_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    epoch: Mapped[int]
    held: Mapped[int] = mapped_column(default=0)
    wanted: Mapped[int] = mapped_column(default=0)
    asked_at: Mapped[datetime] = mapped_column(default=now)
