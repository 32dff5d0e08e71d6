"""Campaigns, their messages, each address, each try, and the lines of a timeline."""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from webapp.campaigns.states import State, Status
from webapp.core.clock import now
from webapp.core.db import Base, enum_of
from webapp.core.ids import uuid7
from webapp.message_templates.models import MessageTemplate, MessageTemplateVersion
from webapp.recipients.models import RecipientTable
from webapp.senders.models import Sender

SETTLED = (Status.SENT, Status.FAILED, Status.DEFERRED, Status.UNKNOWN)


def has_status(column: Any, *statuses: Status) -> "sa.ColumnElement[bool]":
    """Return the condition with the statuses written out, not bound.

    Only so does SQLite see that one of the partial indexes below serves.
    """
    words: list[Any] = [sa.literal_column(f"'{status.value}'") for status in statuses]
    found = column == words[0] if len(words) == 1 else column.in_(words)
    return cast("sa.ColumnElement[bool]", found)


def _index_of(name: str, statuses: Sequence[Status], *columns: str) -> sa.Index:
    """Return an index over the rows of some statuses; the others cost it nothing."""
    where = has_status(sa.literal_column("status"), *statuses)
    return sa.Index(name, *columns, sqlite_where=where, postgresql_where=where)


class Campaign(Base):
    """One message template, one recipient table, one sender; frozen at launch.

    `message_template_version_id`, `sender_snapshot` and `total` are set at launch.
    `launched_through` is the last recipient id that has its message row: a launch that
    was cut off goes on from there, and `prepared_at` says that it is complete.
    `generation` numbers the tickets.
    `left_out` holds the recipient ids that the operator left out at the check.
    `scheduled_at` is a wall time in `time_zone`, which is also that of the `windows`;
    `late_minutes` is how late it may still start by itself. `asks_since` says that it
    does not: somebody has to decide. `again_since` says when a finished campaign was
    made to send again.
    """

    __tablename__ = "campaign"

    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[uuid.UUID] = mapped_column(default=uuid7, unique=True)
    name: Mapped[str] = mapped_column(sa.String(200))
    state: Mapped[State] = mapped_column(
        enum_of(State), default=State.DRAFT, index=True
    )
    recipient_table_id: Mapped[int | None] = mapped_column(
        sa.ForeignKey("recipient_table.id"), index=True
    )
    recipient_table: Mapped[RecipientTable | None] = relationship()
    message_template_id: Mapped[int | None] = mapped_column(
        sa.ForeignKey("message_template.id"), index=True
    )
    message_template: Mapped[MessageTemplate | None] = relationship()
    message_template_version_id: Mapped[int | None] = mapped_column(
        sa.ForeignKey("message_template_version.id")
    )
    message_template_version: Mapped[MessageTemplateVersion | None] = relationship()
    sender_id: Mapped[int | None] = mapped_column(
        sa.ForeignKey("sender.id"), index=True
    )
    sender: Mapped[Sender | None] = relationship()
    sender_snapshot: Mapped[dict[str, Any]] = mapped_column(sa.JSON, default=dict)
    table_version: Mapped[int | None]
    filter: Mapped[str] = mapped_column(sa.String(500), default="")
    left_out: Mapped[list[Any]] = mapped_column(sa.JSON, default=list)
    cc: Mapped[list[Any]] = mapped_column(sa.JSON, default=list)
    bcc: Mapped[list[Any]] = mapped_column(sa.JSON, default=list)
    reply_to: Mapped[str] = mapped_column(sa.String(320), default="")
    headers: Mapped[dict[str, Any]] = mapped_column(sa.JSON, default=dict)
    attachments: Mapped[list[Any]] = mapped_column(sa.JSON, default=list)
    attachment_column: Mapped[str] = mapped_column(sa.String(200), default="")
    base_url: Mapped[str] = mapped_column(sa.String(500), default="")
    protection: Mapped[str] = mapped_column(sa.String(16), default="none")
    throttle: Mapped[int] = mapped_column(default=0)
    windows: Mapped[list[Any]] = mapped_column(sa.JSON, default=list)
    scheduled_at: Mapped[str] = mapped_column(sa.String(32), default="")
    time_zone: Mapped[str] = mapped_column(sa.String(64), default="UTC")
    late_minutes: Mapped[int] = mapped_column(default=60)
    hold_seconds: Mapped[int] = mapped_column(default=15)
    asks_since: Mapped[datetime | None]
    is_example: Mapped[bool] = mapped_column(default=False)
    version: Mapped[int] = mapped_column(default=1)
    check_result: Mapped[dict[str, Any]] = mapped_column(sa.JSON, default=dict)
    check_done: Mapped[int] = mapped_column(default=0)
    checked_at: Mapped[datetime | None]
    total: Mapped[int] = mapped_column(default=0)
    hold_until: Mapped[datetime | None]
    launched_through: Mapped[int] = mapped_column(default=0)
    generation: Mapped[int] = mapped_column(default=0)
    pause_reason: Mapped[str] = mapped_column(sa.String(500), default="")
    stop_reason: Mapped[str] = mapped_column(sa.String(500), default="")
    created_by: Mapped[int | None]
    launched_by: Mapped[str] = mapped_column(sa.String(200), default="")
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now, onupdate=now)
    launched_at: Mapped[datetime | None]
    prepared_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    again_since: Mapped[datetime | None]
    archived_at: Mapped[datetime | None]

    @property
    def is_dry_run(self) -> bool:
        """Whether nothing leaves: the sender is a dry run, or was one at launch."""
        kind = (self.sender_snapshot or {}).get("kind")
        return bool((kind or (self.sender and self.sender.kind)) == "dry_run")


class Message(Base):
    """What we send to one recipient: one row, one status.

    A transactional message has no campaign and keeps its own `bodies`. `row_values` is
    the snapshot of the recipient's cells at launch. `attempt` is the id of the try that
    holds the row while it is *sending*; `worker_id` and `worker_epoch` say whose it is.
    `row_number` counts the recipients of a campaign from 1. `attachments` lists the
    files that only this recipient gets.
    """

    __tablename__ = "message"
    __table_args__ = (
        sa.UniqueConstraint("campaign_id", "recipient_id"),
        sa.Index("ix_message_campaign_status", "campaign_id", "status", "id", "due_at"),
        _index_of("ix_message_settled", SETTLED, "campaign_id", "updated_at"),
        _index_of("ix_message_sending", (Status.SENDING,), "worker_id"),
        # And one of an expression, in migration 0004; see `addressed`.
        # Only what a dry run kept, and what is of no campaign: others cost nothing.
        *(
            sa.Index(
                f"ix_message_{name}",
                column,
                "id",
                sqlite_where=sa.text(which),
                postgresql_where=sa.text(which),
            )
            for name, column, which in (
                ("kept", "sender_id", "mime_sha256 != ''"),
                ("outbox", "is_dry_run", "mime_sha256 != ''"),
                ("single", "campaign_id", "campaign_id IS NULL"),
            )
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[uuid.UUID] = mapped_column(default=uuid7, unique=True)
    campaign_id: Mapped[int | None] = mapped_column(
        sa.ForeignKey("campaign.id", ondelete="CASCADE")
    )
    campaign: Mapped[Campaign | None] = relationship()
    sender_id: Mapped[int | None] = mapped_column(sa.ForeignKey("sender.id"))
    recipient_id: Mapped[int | None]
    recipient_version: Mapped[int] = mapped_column(default=0)
    row_number: Mapped[int] = mapped_column(default=0)
    name: Mapped[str] = mapped_column(sa.String(200), default="")
    address: Mapped[str] = mapped_column(sa.String(320), default="")
    address_key: Mapped[str] = mapped_column(sa.String(320), default="")
    row_values: Mapped[dict[str, Any]] = mapped_column(sa.JSON, default=dict)
    bodies: Mapped[dict[str, Any] | None] = mapped_column(sa.JSON)
    attachments: Mapped[list[Any] | None] = mapped_column(sa.JSON(none_as_null=True))
    status: Mapped[Status] = mapped_column(enum_of(Status), default=Status.PENDING)
    reason_class: Mapped[str] = mapped_column(sa.String(16), default="")
    reason: Mapped[str] = mapped_column(sa.String(500), default="")
    reply_code: Mapped[int | None]
    reply: Mapped[str] = mapped_column(sa.String(1000), default="")
    tries: Mapped[int] = mapped_column(default=0)
    attempt: Mapped[uuid.UUID | None]
    worker_id: Mapped[uuid.UUID | None]
    worker_epoch: Mapped[int | None]
    due_at: Mapped[datetime] = mapped_column(default=now)
    message_id_header: Mapped[str] = mapped_column(sa.String(255), default="")
    dated_at: Mapped[datetime | None]
    is_dry_run: Mapped[bool] = mapped_column(default=False)
    mime_sha256: Mapped[str] = mapped_column(sa.String(64), default="")
    created_at: Mapped[datetime] = mapped_column(default=now)
    marked_at: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]
    updated_at: Mapped[datetime] = mapped_column(default=now)


class MessageAddress(Base):
    """One envelope recipient of a message, with its own outcome.

    A message with only its `to` needs none of these: its own status is the outcome.
    """

    __tablename__ = "message_address"
    __table_args__ = (sa.UniqueConstraint("message_id", "kind", "address"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    message_id: Mapped[int] = mapped_column(
        sa.ForeignKey("message.id", ondelete="CASCADE")
    )
    kind: Mapped[str] = mapped_column(sa.String(3))
    address: Mapped[str] = mapped_column(sa.String(320))
    status: Mapped[Status] = mapped_column(enum_of(Status), default=Status.PENDING)
    reply_code: Mapped[int | None]
    reply: Mapped[str] = mapped_column(sa.String(1000), default="")


class Attempt(Base):
    """One try to hand a message to a server, with what it replied."""

    __tablename__ = "attempt"
    __table_args__ = (sa.Index("ix_attempt_message", "message_id", "number"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid7)
    message_id: Mapped[int] = mapped_column(
        sa.ForeignKey("message.id", ondelete="CASCADE"), primary_key=True
    )
    number: Mapped[int]
    sender_id: Mapped[int | None]
    worker_id: Mapped[uuid.UUID | None]
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    outcome: Mapped[str] = mapped_column(sa.String(16), default="")
    reply_code: Mapped[int | None]
    reply: Mapped[str] = mapped_column(sa.String(1000), default="")


class Event(Base):
    """One line of a timeline; `dedupe_key` makes a second telling harmless."""

    __tablename__ = "event"
    __table_args__ = (sa.Index("ix_event_message", "message_id", "at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    message_id: Mapped[int] = mapped_column(
        sa.ForeignKey("message.id", ondelete="CASCADE")
    )
    kind: Mapped[str] = mapped_column(sa.String(24))
    at: Mapped[datetime] = mapped_column(default=now)
    seen_at: Mapped[datetime] = mapped_column(default=now)
    dedupe_key: Mapped[str] = mapped_column(sa.String(100), unique=True)
    detail: Mapped[dict[str, Any]] = mapped_column(sa.JSON, default=dict)


class CameBack(Base):
    """That something of a kind came back of a message; once, however often it came.

    Counts and filters of a campaign ask this, never the events: an index holds it.
    """

    __tablename__ = "came_back"
    __table_args__ = (
        sa.Index("ix_came_back_campaign", "campaign_id", "kind", "message_id"),
    )

    message_id: Mapped[int] = mapped_column(
        sa.ForeignKey("message.id", ondelete="CASCADE"), primary_key=True
    )
    kind: Mapped[str] = mapped_column(sa.String(16), primary_key=True)
    campaign_id: Mapped[int | None] = mapped_column(
        sa.ForeignKey("campaign.id", ondelete="CASCADE")
    )
    at: Mapped[datetime] = mapped_column(default=now)


class CampaignEvent(Base):
    """One line of a campaign's history: launched, paused (why), resumed, cancelled."""

    __tablename__ = "campaign_event"

    id: Mapped[int] = mapped_column(primary_key=True)
    campaign_id: Mapped[int] = mapped_column(
        sa.ForeignKey("campaign.id", ondelete="CASCADE"), index=True
    )
    kind: Mapped[str] = mapped_column(sa.String(24))
    at: Mapped[datetime] = mapped_column(default=now)
    actor: Mapped[str] = mapped_column(sa.String(200), default="")
    words: Mapped[str] = mapped_column(sa.String(500), default="")


class WebhookOutbox(Base):
    """An event that some other system is to be told."""

    __tablename__ = "webhook_outbox"

    id: Mapped[int] = mapped_column(primary_key=True)
    message_id: Mapped[int | None]
    kind: Mapped[str] = mapped_column(sa.String(24))
    at: Mapped[datetime] = mapped_column(default=now)
    seen_at: Mapped[datetime] = mapped_column(default=now)
    dedupe_key: Mapped[str] = mapped_column(sa.String(100), unique=True)
    detail: Mapped[dict[str, Any]] = mapped_column(sa.JSON, default=dict)
    tries: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[datetime] = mapped_column(default=now, index=True)
    delivered_at: Mapped[datetime | None]


class Upload(Base):
    """A file that an operator or the API gave, to be attached.

    With a `campaign_id` it is one of those that cells of its recipients may name;
    `name_key` is its name as such a cell is compared with it.
    """

    __tablename__ = "upload"
    __table_args__ = (sa.Index("ix_upload_campaign_name", "campaign_id", "name_key"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[uuid.UUID] = mapped_column(default=uuid7, unique=True)
    file_name: Mapped[str] = mapped_column(sa.String(255))
    name_key: Mapped[str] = mapped_column(sa.String(255), default="")
    campaign_id: Mapped[int | None] = mapped_column(
        sa.ForeignKey("campaign.id", ondelete="CASCADE")
    )
    content_type: Mapped[str] = mapped_column(sa.String(128))
    sha256: Mapped[str] = mapped_column(sa.ForeignKey("blob.sha256"))
    size: Mapped[int]
    created_by: Mapped[int | None]
    created_at: Mapped[datetime] = mapped_column(default=now)
