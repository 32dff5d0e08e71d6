"""What ties a mail to the message that it answers, and what people note about it."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from webapp.core.clock import now
from webapp.core.db import Base


class Answer(Base):
    """The tie between a mail and the message that it answers.

    `matched_by` says what proves it; a *suggestion* proves nothing and has no effect
    until a person (`confirmed_by`) says yes.
    """

    __tablename__ = "answer"
    __table_args__ = (sa.UniqueConstraint("mail_id", "message_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    mail_id: Mapped[int] = mapped_column(sa.ForeignKey("mail.id", ondelete="CASCADE"))
    message_id: Mapped[int] = mapped_column(
        sa.ForeignKey("message.id", ondelete="CASCADE"), index=True
    )
    kind: Mapped[str] = mapped_column(sa.String(16))
    matched_by: Mapped[str] = mapped_column(sa.String(16))
    detail: Mapped[dict[str, Any]] = mapped_column(sa.JSON, default=dict)
    confirmed_by: Mapped[int | None]
    created_at: Mapped[datetime] = mapped_column(default=now)


class MailNote(Base):
    """What an operator noted about a mail."""

    __tablename__ = "mail_note"

    id: Mapped[int] = mapped_column(primary_key=True)
    mail_id: Mapped[int] = mapped_column(
        sa.ForeignKey("mail.id", ondelete="CASCADE"), index=True
    )
    operator_id: Mapped[int | None]
    text: Mapped[str] = mapped_column(sa.Text)
    created_at: Mapped[datetime] = mapped_column(default=now)
