"""Message templates and their versions."""

import uuid
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from webapp.core.clock import now
from webapp.core.db import Base, enum_of
from webapp.core.ids import uuid7


class Format(StrEnum):
    """How the body is written."""

    MARKDOWN = "markdown"
    HTML = "html"
    MJML = "mjml"
    TEXT = "text"


class MessageTemplate(Base):
    """Subject and bodies with placeholders; the newest version is the one shown."""

    __tablename__ = "message_template"

    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[uuid.UUID] = mapped_column(default=uuid7, unique=True)
    name: Mapped[str] = mapped_column(sa.String(200), unique=True)
    is_example: Mapped[bool] = mapped_column(default=False)
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now, onupdate=now)
    archived_at: Mapped[datetime | None]
    versions: Mapped[list["MessageTemplateVersion"]] = relationship(
        order_by="MessageTemplateVersion.number.desc()", cascade="all, delete-orphan"
    )


class MessageTemplateVersion(Base):
    """What was written at one time; a campaign is frozen on one of these.

    `html` holds HTML, MJML or Markdown, by `format`; `text` may be empty, then it is
    made from the HTML. `attachments` go along with every message that is written so.
    """

    __tablename__ = "message_template_version"
    __table_args__ = (sa.UniqueConstraint("message_template_id", "number"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    message_template_id: Mapped[int] = mapped_column(
        sa.ForeignKey("message_template.id", ondelete="CASCADE")
    )
    message_template: Mapped[MessageTemplate] = relationship(back_populates="versions")
    number: Mapped[int]
    format: Mapped[Format] = mapped_column(enum_of(Format))
    subject: Mapped[str] = mapped_column(sa.Text, default="")
    preview_text: Mapped[str] = mapped_column(sa.Text, default="")
    html: Mapped[str] = mapped_column(sa.Text, default="")
    text: Mapped[str] = mapped_column(sa.Text, default="")
    language: Mapped[str] = mapped_column(sa.String(35), default="en")
    attachments: Mapped[list[Any]] = mapped_column(sa.JSON, default=list)
    created_by: Mapped[int | None]
    created_at: Mapped[datetime] = mapped_column(default=now)
