"""Files in the database, stored once by content, in chunks.

Attachments and kept MIME live here and not on a disk, because workers may run on other
machines than the web server.
"""

import hashlib
import io
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import IO, cast

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from webapp.core.clock import now
from webapp.core.db import Base, db, reading

CHUNK = 256 * 1024
CHUNKS_A_COMMIT = 16


class Blob(Base):
    """The name of a content: its SHA-256, and how long it is (octets).

    `complete` is false while a large content is still being written by `put_file`.
    """

    __tablename__ = "blob"

    sha256: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    size: Mapped[int] = mapped_column(sa.BigInteger)
    complete: Mapped[bool] = mapped_column(default=True)
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


def beginnings(sha256s: Iterable[str], most: int) -> dict[str, tuple[bytes, int]]:
    """Return the first octets of several contents and their sizes, in one query."""
    begin = sa.func.substr(BlobChunk.data, 1, most)
    rows = db.session.execute(
        sa.select(Blob.sha256, begin, Blob.size)
        .join(BlobChunk, BlobChunk.sha256 == Blob.sha256)
        .where(BlobChunk.number == 0, Blob.sha256.in_(list(sha256s)))
    )
    return {sha256: (bytes(data), size) for sha256, data, size in rows}


def put_file(file: IO[bytes], watch: Callable[[bytes], None]) -> tuple[str, int]:
    """Store a large file and return its SHA-256 in hex and its size.

    Neither memory nor one transaction ever holds all of it: 4 MB are committed at a
    time. What a killed process leaves is taken up by the next one that stores the same.

    Parameters
    ----------
    file
        At its beginning; it is read twice.
    watch
        Is shown each chunk once, before anything is stored; what it raises stops it.
    """
    digest, size = hashlib.sha256(), 0
    while chunk := file.read(CHUNK):
        watch(chunk)
        digest.update(chunk)
        size += len(chunk)
    sha256 = digest.hexdigest()
    blob = db.session.get(Blob, sha256)
    if blob is None:
        blob = Blob(sha256=sha256, size=size, complete=False)
        db.session.add(blob)
        db.session.commit()
    if not blob.complete:
        _write(sha256, file)
        blob.complete = True
        db.session.commit()
    return sha256, size


def _write(sha256: str, file: IO[bytes]) -> None:
    file.seek(0)
    count = sa.select(sa.func.count()).where(BlobChunk.sha256 == sha256)
    number = db.session.scalar(count.select_from(BlobChunk)) or 0
    file.seek(number * CHUNK)
    while chunk := file.read(CHUNK):
        # Not the ORM: its session would remember each chunk until the end.
        row = {"sha256": sha256, "number": number, "data": chunk}
        db.session.execute(sa.insert(cast(sa.Table, BlobChunk.__table__)), row)
        number += 1
        if number % CHUNKS_A_COMMIT == 0:
            db.session.commit()
    db.session.commit()


class BlobFile(io.RawIOBase):
    """A stored content as a file to read, one chunk in memory.

    Each chunk is read in a short transaction of its own connection, so that it holds up
    nobody, whatever the session does meanwhile.
    """

    def __init__(self, sha256: str, size: int) -> None:
        super().__init__()
        self.sha256, self.size = sha256, size
        self._at = 0
        self._number, self._chunk = -1, b""

    def readable(self) -> bool:
        """Say yes."""
        return True

    def seekable(self) -> bool:
        """Say yes."""
        return True

    def tell(self) -> int:
        """Return where the next read begins."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to an offset and return where that is."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def readinto(self, target: bytearray | memoryview) -> int:  # type: ignore[override]  # any writable buffer
        """Fill a buffer as far as the present chunk goes."""
        number, offset = divmod(self._at, CHUNK)
        if number != self._number:
            self._number, self._chunk = number, self._load(number)
        piece = self._chunk[offset : offset + len(target)]
        target[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def _load(self, number: int) -> bytes:
        chunk = sa.select(BlobChunk.data).where(
            BlobChunk.sha256 == self.sha256, BlobChunk.number == number
        )
        with reading(), db.engine.connect() as connection:
            return connection.scalar(chunk) or b""
