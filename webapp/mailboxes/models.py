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
from webapp.mailboxes.kinds import MailKind, MailState


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
    token are what is sealed. `authserv_id` holds the names by which the operator's own
    mail server signs its checks of senders, parted by spaces (RFC 8601 2.5).
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
    authserv_id: Mapped[str] = mapped_column(sa.String(500), default="")
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

    The local index holds the mails from `indexed_low` to `indexed_high` of the
    numbering `indexed_validity`; one process at a time fills it, until `indexed_until`.
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
    indexed_validity: Mapped[int | None] = mapped_column(sa.BigInteger)
    indexed_low: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    indexed_high: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    indexed_until: Mapped[datetime | None]


class Mail(Base):
    """Our own row of a mail: notes, labels and ties hang here, and survive new UIDs.

    `identity` is a digest of Message-ID, INTERNALDATE and size: by it a mail is known
    again in a folder that was renamed or numbered anew. `words` says what the sorting
    made of it; of one that was set aside, why. A row that a person's hand made before
    the sync came is not `is_sorted` yet.

    People work on it: `state`, `assignee_id`, and `snoozed_until`, before which it is
    in no open view; `worked_at` is when one of them last did.
    """

    __tablename__ = "mail"
    __table_args__ = (
        sa.Index("ix_mail_key", "folder_id", "uidvalidity", "uid"),
        sa.Index("ix_mail_message_id", "mailbox_id", "message_id_header"),
        sa.Index("ix_mail_kind", "kind", "id"),
        sa.Index("ix_mail_work_kind", "kind", "state", "received_at", "id"),
        sa.Index(
            "ix_mail_work_whose", "assignee_id", "state", "kind", "received_at", "id"
        ),
        sa.Index("ix_mail_work_state", "state", "received_at", "id"),
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
    is_sorted: Mapped[bool] = mapped_column(default=True)
    state: Mapped[MailState] = mapped_column(enum_of(MailState), default=MailState.OPEN)
    assignee_id: Mapped[int | None] = mapped_column(
        sa.ForeignKey("operator.id", ondelete="SET NULL")
    )
    snoozed_until: Mapped[datetime | None] = mapped_column(index=True)
    worked_at: Mapped[datetime | None] = mapped_column(index=True)
    created_at: Mapped[datetime] = mapped_column(default=now)


class IndexedMail(Base):
    """What the local index knows of a mail: folded texts, and what to sort by.

    Nothing is shown from here: a list fetches its rows from the server, so that flags
    are true and a mail that is gone is not shown. `thread` is the Message-ID at which a
    conversation begins; `who` is the sender as a person reads it; `trouble` says why a
    mail could not be read.
    """

    __tablename__ = "indexed_mail"
    __table_args__ = (
        sa.UniqueConstraint("folder_id", "uidvalidity", "uid"),
        sa.Index("ix_indexed_mail_received", "folder_id", "received_at", "id"),
        sa.Index("ix_indexed_mail_message_id", "mailbox_id", "message_id"),
        sa.Index("ix_indexed_mail_thread", "mailbox_id", "thread"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    mailbox_id: Mapped[int] = mapped_column(
        sa.ForeignKey("mailbox.id", ondelete="CASCADE")
    )
    folder_id: Mapped[int] = mapped_column(
        sa.ForeignKey("folder.id", ondelete="CASCADE")
    )
    uidvalidity: Mapped[int] = mapped_column(sa.BigInteger)
    uid: Mapped[int] = mapped_column(sa.BigInteger)
    received_at: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]
    size: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    message_id: Mapped[str] = mapped_column(sa.String(500), default="")
    thread: Mapped[str] = mapped_column(sa.String(500), default="")
    sender: Mapped[str] = mapped_column(sa.Text, default="")
    recipients: Mapped[str] = mapped_column(sa.Text, default="")
    copies: Mapped[str] = mapped_column(sa.Text, default="")
    subject: Mapped[str] = mapped_column(sa.Text, default="")
    topic: Mapped[str] = mapped_column(sa.String(200), default="")
    who: Mapped[str] = mapped_column(sa.String(200), default="")
    trouble: Mapped[str] = mapped_column(sa.String(200), default="")
