"""IMAP accounts, their folders, and our own row for a mail that we know about."""

import uuid
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from webapp.core.clock import now
from webapp.core.db import Base, enum_of
from webapp.core.ids import uuid7
from webapp.mailboxes.kinds import MailKind


class MailboxState(StrEnum):
    """How the account is."""

    NEW = "new"
    OK = "ok"
    RETRYING = "retrying"
    NEEDS_ATTENTION = "needs_attention"


class MailboxSecurity(StrEnum):
    """How the connection is protected."""

    TLS = "tls"
    STARTTLS = "starttls"
    NONE = "none"


class SyncFolders(StrEnum):
    """Which folders are read for answers."""

    USUAL = "usual"
    ALL = "all"


class Mailbox(Base):
    """An IMAP account; `password_sealed` opens only for this row, column and host.

    Mails that came before `connected_at` are history: nothing is done about them by
    itself. One process at a time reads it: it holds `sync_epoch` until `sync_until`.

    `auth` is ``password`` or ``xoauth2``; with the latter, client secret and refresh
    token are what is sealed.
    """

    __tablename__ = "mailbox"

    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[uuid.UUID] = mapped_column(default=uuid7, unique=True)
    name: Mapped[str] = mapped_column(sa.String(200), unique=True)
    address: Mapped[str] = mapped_column(sa.String(320), default="")
    is_practice: Mapped[bool] = mapped_column(default=False)
    host: Mapped[str] = mapped_column(sa.String(255), default="")
    port: Mapped[int] = mapped_column(default=993)
    security: Mapped[MailboxSecurity] = mapped_column(
        enum_of(MailboxSecurity), default=MailboxSecurity.TLS
    )
    ca_pem: Mapped[str] = mapped_column(sa.Text, default="")
    login: Mapped[str] = mapped_column(sa.String(320), default="")
    auth: Mapped[str] = mapped_column(sa.String(16), default="password")
    password_sealed: Mapped[str] = mapped_column(sa.Text, default="")
    password_saved_at: Mapped[datetime | None]
    oauth_token_url: Mapped[str] = mapped_column(sa.String(500), default="")
    oauth_client_id: Mapped[str] = mapped_column(sa.String(500), default="")
    oauth_scope: Mapped[str] = mapped_column(sa.String(500), default="")
    folder_map: Mapped[dict[str, Any]] = mapped_column(sa.JSON, default=dict)
    state: Mapped[MailboxState] = mapped_column(
        enum_of(MailboxState), default=MailboxState.NEW
    )
    state_words: Mapped[str] = mapped_column(sa.String(500), default="")
    retry_at: Mapped[datetime | None]
    failures: Mapped[int] = mapped_column(default=0)
    last_ok_at: Mapped[datetime | None]
    last_error_at: Mapped[datetime | None]
    connected_at: Mapped[datetime] = mapped_column(default=now)
    sync_folders: Mapped[SyncFolders] = mapped_column(
        enum_of(SyncFolders), default=SyncFolders.USUAL
    )
    next_sync_at: Mapped[datetime] = mapped_column(default=now)
    sync_epoch: Mapped[int] = mapped_column(default=0)
    sync_until: Mapped[datetime | None]
    synced_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now, onupdate=now)
    deleted_at: Mapped[datetime | None]


class Folder(Base):
    """One IMAP mailbox of an account. `raw_name` (base64 of the octets) is its key.

    `changes` counts what the watcher has noticed: a page that knows a smaller number is
    out of date. Mails up to `synced_uid` of the numbering `synced_validity` were read;
    those up to `baseline_uid` were there when we met this numbering.
    """

    __tablename__ = "folder"
    __table_args__ = (sa.UniqueConstraint("mailbox_id", "raw_name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    mailbox_id: Mapped[int] = mapped_column(
        sa.ForeignKey("mailbox.id", ondelete="CASCADE")
    )
    mailbox: Mapped[Mailbox] = relationship()
    raw_name: Mapped[str] = mapped_column(sa.String(1000))
    name: Mapped[str] = mapped_column(sa.String(1000))
    delimiter: Mapped[str] = mapped_column(sa.String(4), default="")
    role: Mapped[str] = mapped_column(sa.String(16), default="")
    selectable: Mapped[bool] = mapped_column(default=True)
    subscribed: Mapped[bool] = mapped_column(default=False)
    uidvalidity: Mapped[int | None] = mapped_column(sa.BigInteger)
    uidnext: Mapped[int | None] = mapped_column(sa.BigInteger)
    highestmodseq: Mapped[int | None] = mapped_column(sa.BigInteger)
    total: Mapped[int | None]
    unseen: Mapped[int | None]
    counted_at: Mapped[datetime | None]
    synced_validity: Mapped[int | None] = mapped_column(sa.BigInteger)
    synced_uid: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    baseline_uid: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    gone_at: Mapped[datetime | None]
    changes: Mapped[int] = mapped_column(default=0)
    changed_at: Mapped[datetime | None]


class Mail(Base):
    """Our own row of a mail: notes, labels and ties hang here, and survive new UIDs.

    `identity` is a digest of Message-ID, INTERNALDATE and size: by it a mail is known
    again in a folder that was renamed or numbered anew. `words` says what the sorting
    made of it; of one that was set aside, why.
    """

    __tablename__ = "mail"
    __table_args__ = (
        sa.Index("ix_mail_key", "folder_id", "uidvalidity", "uid"),
        sa.Index("ix_mail_message_id", "mailbox_id", "message_id_header"),
        sa.Index("ix_mail_kind", "kind", "id"),
        sa.UniqueConstraint("mailbox_id", "identity"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[uuid.UUID] = mapped_column(default=uuid7, unique=True)
    mailbox_id: Mapped[int] = mapped_column(
        sa.ForeignKey("mailbox.id", ondelete="CASCADE")
    )
    folder_id: Mapped[int | None] = mapped_column(
        sa.ForeignKey("folder.id", ondelete="SET NULL")
    )
    uidvalidity: Mapped[int | None] = mapped_column(sa.BigInteger)
    uid: Mapped[int | None] = mapped_column(sa.BigInteger)
    identity: Mapped[str] = mapped_column(sa.String(64))
    message_id_header: Mapped[str] = mapped_column(sa.String(1000), default="")
    kind: Mapped[MailKind] = mapped_column(enum_of(MailKind), default=MailKind.OTHER)
    from_name: Mapped[str] = mapped_column(sa.String(200), default="")
    from_address: Mapped[str] = mapped_column(sa.String(320), default="")
    subject: Mapped[str] = mapped_column(sa.String(500), default="")
    words: Mapped[str] = mapped_column(sa.String(500), default="")
    received_at: Mapped[datetime | None]
    size: Mapped[int | None]
    show_images: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(default=now)
