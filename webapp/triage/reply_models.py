"""Replies that operators write to mails, and texts that they keep for them."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from webapp.campaigns.models import Message
from webapp.core.clock import now
from webapp.core.db import Base


class Reply(Base):
    r"""A message of ours that answers a mail, and what is still to be done about it.

    Once the message is *sent*, a copy goes into the Sent folder (`copied_at`) and the
    mail becomes ``\Answered`` (`flagged_at`); `done_at` says that nothing is left to be
    done. Whoever does it moves `due_at` on first, so that nobody else does it too.
    `answers_id` is the message of ours that the mail answers.
    """

    __tablename__ = "reply"
    __table_args__ = (
        sa.Index("ix_reply_open", "done_at", "due_at"),
        sa.Index("ix_reply_mail", "mailbox_id", "message_id_header"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    message_id: Mapped[int] = mapped_column(
        sa.ForeignKey("message.id", ondelete="CASCADE"), unique=True
    )
    message: Mapped[Message] = relationship(foreign_keys=[message_id])
    answers_id: Mapped[int | None] = mapped_column(
        sa.ForeignKey("message.id", ondelete="SET NULL")
    )
    mailbox_id: Mapped[int] = mapped_column(
        sa.ForeignKey("mailbox.id", ondelete="CASCADE")
    )
    mail_id: Mapped[int | None] = mapped_column(
        sa.ForeignKey("mail.id", ondelete="SET NULL")
    )
    folder_id: Mapped[int | None] = mapped_column(
        sa.ForeignKey("folder.id", ondelete="SET NULL")
    )
    uidvalidity: Mapped[int] = mapped_column(sa.BigInteger)
    uid: Mapped[int] = mapped_column(sa.BigInteger)
    message_id_header: Mapped[str] = mapped_column(sa.String(1000), default="")
    due_at: Mapped[datetime] = mapped_column(default=now)
    tries: Mapped[int] = mapped_column(default=0)
    copied_at: Mapped[datetime | None]
    flagged_at: Mapped[datetime | None]
    done_at: Mapped[datetime | None]
    words: Mapped[str] = mapped_column(sa.String(500), default="")
    created_by: Mapped[int | None]
    created_at: Mapped[datetime] = mapped_column(default=now)


class SavedReply(Base):
    """A text that operators put into replies again and again."""

    __tablename__ = "saved_reply"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(100), unique=True)
    text: Mapped[str] = mapped_column(sa.Text)
    created_at: Mapped[datetime] = mapped_column(default=now)
