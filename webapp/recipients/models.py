"""Recipient tables, their columns and rows, and the imports that filled them."""

import uuid
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from webapp.core.clock import now
from webapp.core.db import Base, enum_of
from webapp.core.ids import uuid7
from webapp.recipients.kinds import ColumnKind


class RecipientTable(Base):
    """A table of people.

    `version` counts changes of its name and columns, `rows_version` those of its rows.
    `reread_from` is the last row that was read again after a change of columns; null
    where nothing is due.
    """

    __tablename__ = "recipient_table"
    __table_args__ = (
        sa.Index(
            "uq_recipient_table_name",
            "name",
            unique=True,
            sqlite_where=sa.text("deleted_at IS NULL"),
            postgresql_where=sa.text("deleted_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[uuid.UUID] = mapped_column(default=uuid7, unique=True)
    name: Mapped[str] = mapped_column(sa.String(200))
    address_column: Mapped[str] = mapped_column(sa.String(64), default="")
    is_example: Mapped[bool] = mapped_column(default=False)
    version: Mapped[int] = mapped_column(default=1)
    recipients_count: Mapped[int] = mapped_column(default=0)
    rows_version: Mapped[int] = mapped_column(default=1)
    reread_from: Mapped[int | None]
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now, onupdate=now)
    deleted_at: Mapped[datetime | None]
    columns: Mapped[list["RecipientColumn"]] = relationship(
        order_by="RecipientColumn.position", cascade="all, delete-orphan"
    )


class RecipientColumn(Base):
    """A named, typed column. Its name is also the name of its placeholder."""

    __tablename__ = "recipient_column"
    __table_args__ = (sa.UniqueConstraint("recipient_table_id", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    recipient_table_id: Mapped[int] = mapped_column(
        sa.ForeignKey("recipient_table.id", ondelete="CASCADE")
    )
    name: Mapped[str] = mapped_column(sa.String(64))
    label: Mapped[str] = mapped_column(sa.String(200), default="")
    kind: Mapped[ColumnKind] = mapped_column(enum_of(ColumnKind))
    required: Mapped[bool] = mapped_column(default=False)
    is_unique: Mapped[bool] = mapped_column(default=False)
    untrusted: Mapped[bool] = mapped_column(default=False)
    position: Mapped[int] = mapped_column(default=0)


class Recipient(Base):
    """One row.

    `row_values` maps column name to cell (JSON values; a date is ISO 8601). A bad cell
    keeps its text, and `problems` maps its column name to the reason. `address_key` is
    the case-folded address, empty where the row has no good one. `search` holds all
    cells, case-folded.
    """

    __tablename__ = "recipient"
    __table_args__ = (
        sa.Index("ix_recipient_table_id", "recipient_table_id", "id"),
        sa.Index("ix_recipient_table_key", "recipient_table_id", "address_key"),
        sa.Index(
            "ix_recipient_table_problems",
            "recipient_table_id",
            "id",
            sqlite_where=sa.text("has_problems = 1"),
            postgresql_where=sa.text("has_problems"),
        ),
        # No id is ever used twice: a message names its row for years.
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[uuid.UUID] = mapped_column(default=uuid7)
    recipient_table_id: Mapped[int] = mapped_column(
        sa.ForeignKey("recipient_table.id", ondelete="CASCADE")
    )
    row_values: Mapped[dict[str, Any]] = mapped_column(sa.JSON)
    address: Mapped[str] = mapped_column(sa.String(320), default="")
    address_key: Mapped[str] = mapped_column(sa.String(320), default="")
    problems: Mapped[dict[str, Any]] = mapped_column(sa.JSON, default=dict)
    has_problems: Mapped[bool] = mapped_column(default=False)
    search: Mapped[str] = mapped_column(sa.Text, default="")
    version: Mapped[int] = mapped_column(default=1)
    import_id: Mapped[int | None] = mapped_column(index=True)
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now, onupdate=now)


class RecipientKey(Base):
    """What tells the values of a unique column apart; there is no second one."""

    __tablename__ = "recipient_key"

    recipient_table_id: Mapped[int] = mapped_column(
        sa.ForeignKey("recipient_table.id", ondelete="CASCADE"), primary_key=True
    )
    column_name: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    key: Mapped[str] = mapped_column(sa.String(320), primary_key=True)
    recipient_id: Mapped[int] = mapped_column(
        sa.ForeignKey("recipient.id", ondelete="CASCADE"), index=True
    )


class DeletedRecipient(Base):
    """A row that was deleted and can come back: as it was, with its id.

    `batch` is what was deleted together.
    """

    __tablename__ = "deleted_recipient"
    __table_args__ = (sa.Index("ix_deleted_recipient_batch", "batch", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    batch: Mapped[uuid.UUID]
    public_id: Mapped[uuid.UUID]
    recipient_table_id: Mapped[int] = mapped_column(
        sa.ForeignKey("recipient_table.id", ondelete="CASCADE")
    )
    row_values: Mapped[dict[str, Any]] = mapped_column(sa.JSON)
    version: Mapped[int]
    import_id: Mapped[int | None]
    created_at: Mapped[datetime]
    deleted_at: Mapped[datetime] = mapped_column(default=now)


class Consent(Base):
    """What a recipient agreed to, when, and what shows it."""

    __tablename__ = "consent"

    id: Mapped[int] = mapped_column(primary_key=True)
    recipient_id: Mapped[int] = mapped_column(
        sa.ForeignKey("recipient.id", ondelete="CASCADE"), index=True
    )
    state: Mapped[str] = mapped_column(sa.String(16))
    source: Mapped[str] = mapped_column(sa.String(200), default="")
    at: Mapped[datetime] = mapped_column(default=now)
    evidence: Mapped[dict[str, Any]] = mapped_column(sa.JSON, default=dict)


class ImportState(StrEnum):
    """How far an import is."""

    UPLOADED = "uploaded"
    CHECKING = "checking"
    CHECKED = "checked"
    RUNNING = "running"
    FINISHED = "finished"
    STOPPED = "stopped"
    FAILED = "failed"


class ImportMode(StrEnum):
    """What an import does to rows that are there."""

    ADD = "add"
    UPDATE = "update"
    REPLACE = "replace"


class RecipientImport(Base):
    """One file on its way into a recipient table, with its counts.

    `mapping` maps the number of a column of the file (a text) to the name of a column
    of the table, or to ``{"new": name, "kind": kind}``. `run` is the token of the one
    worker that may write, `beat_at` when it last did. `rows_read` rows are dealt with
    and committed; who goes on begins behind them.
    """

    __tablename__ = "recipient_import"

    id: Mapped[int] = mapped_column(primary_key=True)
    recipient_table_id: Mapped[int] = mapped_column(
        sa.ForeignKey("recipient_table.id", ondelete="CASCADE"), index=True
    )
    file_name: Mapped[str] = mapped_column(sa.String(255))
    file_sha256: Mapped[str] = mapped_column(sa.String(64))
    file_size: Mapped[int] = mapped_column(sa.BigInteger)
    encoding: Mapped[str] = mapped_column(sa.String(32), default="utf-8")
    delimiter: Mapped[str] = mapped_column(sa.String(1), default=",")
    has_header: Mapped[bool] = mapped_column(default=True)
    mapping: Mapped[dict[str, Any]] = mapped_column(sa.JSON, default=dict)
    mode: Mapped[ImportMode] = mapped_column(
        enum_of(ImportMode), default=ImportMode.ADD
    )
    key_column: Mapped[str] = mapped_column(sa.String(64), default="")
    state: Mapped[ImportState] = mapped_column(
        enum_of(ImportState), default=ImportState.UPLOADED
    )
    words: Mapped[str] = mapped_column(sa.String(500), default="")
    rows_read: Mapped[int] = mapped_column(default=0)
    rows_total: Mapped[int | None]
    added: Mapped[int] = mapped_column(default=0)
    updated: Mapped[int] = mapped_column(default=0)
    unchanged: Mapped[int] = mapped_column(default=0)
    rejected: Mapped[int] = mapped_column(default=0)
    duplicates: Mapped[int] = mapped_column(default=0)
    duplicates_in_table: Mapped[int] = mapped_column(default=0)
    bad_addresses: Mapped[int] = mapped_column(default=0)
    missing_required: Mapped[int] = mapped_column(default=0)
    octets_read: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    stop_asked: Mapped[bool] = mapped_column(default=False)
    run: Mapped[uuid.UUID | None]
    beat_at: Mapped[datetime | None]
    created_by: Mapped[int | None]
    created_at: Mapped[datetime] = mapped_column(default=now)
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class ImportReject(Base):
    """A row of a file that did not get in: where it stands, why, and what it held."""

    __tablename__ = "import_reject"
    __table_args__ = (
        sa.Index("ix_import_reject_import_row", "import_id", "row_number"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    import_id: Mapped[int] = mapped_column(
        sa.ForeignKey("recipient_import.id", ondelete="CASCADE")
    )
    row_number: Mapped[int]
    column: Mapped[str] = mapped_column(sa.String(200), default="")
    reason: Mapped[str] = mapped_column(sa.String(300))
    cells: Mapped[list[Any]] = mapped_column(sa.JSON)
