"""Files in the database, stored once by content, in chunks.

Attachments and kept MIME live here and not on a disk, because workers may run on other
machines than the web server.
"""

import hashlib
from collections.abc import Iterator
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from webapp.core.clock import now
from webapp.core.db import Base, db

CHUNK = 256 * 1024


class Blob(Base):
    """The name of a content: its SHA-256, and how long it is (octets)."""

    __tablename__ = "blob"

    sha256: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    size: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(default=now)


class BlobChunk(Base):
    """One piece of a content, at most `CHUNK` octets."""

    __tablename__ = "blob_chunk"

    sha256: Mapped[str] = mapped_column(
        sa.ForeignKey("blob.sha256", ondelete="CASCADE"), primary_key=True
    )
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    data: Mapped[bytes]


def put(content: bytes) -> str:
    """Store a content in the caller's transaction, and return its SHA-256 in hex."""
    sha256 = hashlib.sha256(content).hexdigest()
    if db.session.get(Blob, sha256) is None:
        db.session.add(Blob(sha256=sha256, size=len(content)))
        db.session.flush()
        for number, start in enumerate(range(0, len(content), CHUNK)):
            piece = content[start : start + CHUNK]
            db.session.add(BlobChunk(sha256=sha256, number=number, data=piece))
        db.session.flush()
    return sha256


def read(sha256: str) -> Iterator[bytes]:
    """Yield a content chunk by chunk; nothing where it is not stored."""
    chunk = sa.select(BlobChunk.data).where(BlobChunk.sha256 == sha256)
    yield from db.session.scalars(chunk.order_by(BlobChunk.number))
