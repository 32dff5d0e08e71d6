"""What ties a mail to the message that it answers, and what people note about it."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from webapp.core.clock import now
from webapp.core.db import Base, enum_of
from webapp.mailboxes.kinds import MailKind


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


class MailLabel(Base):
    """A label of ours for mails; `colour` is one of the colours of states."""

    __tablename__ = "mail_label"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(40), unique=True)
    colour: Mapped[str] = mapped_column(sa.String(16), default="accent")
    created_at: Mapped[datetime] = mapped_column(default=now)


class MailLabelled(Base):
    """That a mail has a label."""

    __tablename__ = "mail_labelled"

    label_id: Mapped[int] = mapped_column(
        sa.ForeignKey("mail_label.id", ondelete="CASCADE"), primary_key=True
    )
    mail_id: Mapped[int] = mapped_column(
        sa.ForeignKey("mail.id", ondelete="CASCADE"), primary_key=True, index=True
    )


class MailRule(Base):
    """What is done about a new mail by itself: label, assign, done, and no more.

    Every condition that is set has to hold; the rules run in the order of `position`.
    """

    __tablename__ = "mail_rule"

    id: Mapped[int] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(index=True)
    kind: Mapped[MailKind | None] = mapped_column(enum_of(MailKind))
    sender: Mapped[str] = mapped_column(sa.String(200), default="")
    subject: Mapped[str] = mapped_column(sa.String(200), default="")
    mailbox_id: Mapped[int | None] = mapped_column(
        sa.ForeignKey("mailbox.id", ondelete="CASCADE")
    )
    label_id: Mapped[int | None] = mapped_column(
        sa.ForeignKey("mail_label.id", ondelete="CASCADE")
    )
    assignee_id: Mapped[int | None] = mapped_column(
        sa.ForeignKey("operator.id", ondelete="SET NULL")
    )
    done: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(default=now)


class ImageSender(Base):
    """That an operator sees the images of the web in mails of an address.

    It is one operator's choice: to load them tells the sender when, and from which
    address of the network, this person reads.
    """

    __tablename__ = "image_sender"
    __table_args__ = (sa.UniqueConstraint("operator_id", "address_key"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    operator_id: Mapped[int] = mapped_column(
        sa.ForeignKey("operator.id", ondelete="CASCADE")
    )
    address_key: Mapped[str] = mapped_column(sa.String(320))
    created_at: Mapped[datetime] = mapped_column(default=now)


class MailPresence(Base):
    """That an operator has a mail open; it passes within seconds.

    `place` names the mail as a checkbox does, so that no row of the mail is needed.
    """

    __tablename__ = "mail_presence"

    operator_id: Mapped[int] = mapped_column(
        sa.ForeignKey("operator.id", ondelete="CASCADE"), primary_key=True
    )
    place: Mapped[str] = mapped_column(sa.String(48), primary_key=True)
    until: Mapped[datetime] = mapped_column(index=True)
