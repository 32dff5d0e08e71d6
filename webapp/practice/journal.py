"""What the practice mailbox holds, on disk: folders, mails and flags survive a restart.

A small SQLite file of its own, written before the SMTP server says 250. It is not the
product's database: it stands for a foreign mail server, so nothing of Postroom reads
it.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

SCHEMA = """
CREATE TABLE IF NOT EXISTS folder (
  number INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  uid_validity INTEGER NOT NULL,
  last_uid INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS mail (
  folder INTEGER NOT NULL REFERENCES folder (number) ON DELETE CASCADE,
  uid INTEGER NOT NULL,
  received REAL NOT NULL,
  flags TEXT NOT NULL,
  source BLOB NOT NULL,
  PRIMARY KEY (folder, uid)
);
"""


@dataclass(frozen=True)
class KeptFolder:
    """One folder as it was when the server stopped."""

    number: int
    name: str
    uid_validity: int
    last_uid: int


@dataclass(frozen=True)
class MailHead:
    """What is known of a mail without its source: flags as IMAP writes them, octets."""

    uid: int
    received: datetime
    flags: frozenset[str]
    size: int


class Journal:
    """The file behind the practice mailbox; close it at the end."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.parent.chmod(0o700)
        self._file = sqlite3.connect(path, isolation_level=None)
        self._file.execute("PRAGMA journal_mode = WAL")
        self._file.execute("PRAGMA synchronous = NORMAL")
        self._file.execute("PRAGMA foreign_keys = ON")
        self._file.executescript(SCHEMA)
        path.chmod(0o600)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def folders(self) -> list[KeptFolder]:
        """Return all folders, the oldest first."""
        rows = self._file.execute(
            "SELECT number, name, uid_validity, last_uid FROM folder ORDER BY number"
        )
        return [KeptFolder(*row) for row in rows]

    def heads(self, folder: int) -> Iterator[MailHead]:
        """Yield the mails of a folder, the oldest first."""
        rows = self._file.execute(
            "SELECT uid, received, flags, length(source) FROM mail WHERE folder = ?"
            " ORDER BY uid",
            (folder,),
        )
        for uid, received, flags, size in rows:
            when = datetime.fromtimestamp(received, UTC)
            yield MailHead(uid, when, frozenset(flags.split()), size)

    def source(self, folder: int, uid: int) -> bytes:
        """Return the source of a mail; nothing if the mail is gone."""
        found = self._file.execute(
            "SELECT source FROM mail WHERE folder = ? AND uid = ?", (folder, uid)
        ).fetchone()
        return bytes(found[0]) if found else b""

    def add_folder(self, name: str, uid_validity: int, last_uid: int) -> int:
        """Keep a new folder and return its number."""
        made = self._file.execute(
            "INSERT INTO folder (name, uid_validity, last_uid) VALUES (?, ?, ?)",
            (name, uid_validity, last_uid),
        )
        assert made.lastrowid is not None
        return made.lastrowid

    def rename_folder(self, number: int, name: str) -> None:
        """Keep a folder's new name."""
        self._file.execute(
            "UPDATE folder SET name = ? WHERE number = ?", (name, number)
        )

    def drop_folder(self, number: int) -> None:
        """Forget a folder and its mails."""
        self._file.execute("DELETE FROM folder WHERE number = ?", (number,))

    def add(self, folder: int, mail: MailHead, source: bytes) -> None:
        """Keep a mail; its uid is the folder's last one from now on."""
        with self._file:
            self._file.execute("BEGIN IMMEDIATE")
            self._file.execute(
                "INSERT INTO mail (folder, uid, received, flags, source)"
                " VALUES (?, ?, ?, ?, ?)",
                (
                    folder,
                    mail.uid,
                    mail.received.timestamp(),
                    " ".join(sorted(mail.flags)),
                    source,
                ),
            )
            self._file.execute(
                "UPDATE folder SET last_uid = max(last_uid, ?) WHERE number = ?",
                (mail.uid, folder),
            )

    def flag(self, folder: int, uid: int, flags: Iterable[str]) -> None:
        """Keep the flags that a mail has now."""
        self._file.execute(
            "UPDATE mail SET flags = ? WHERE folder = ? AND uid = ?",
            (" ".join(sorted(flags)), folder, uid),
        )

    def drop(self, folder: int, uids: Iterable[int]) -> None:
        """Forget mails."""
        with self._file:
            self._file.execute("BEGIN IMMEDIATE")
            self._file.executemany(
                "DELETE FROM mail WHERE folder = ? AND uid = ?",
                [(folder, uid) for uid in uids],
            )
