"""Where the practice servers listen and how to sign in: one small private file.

The servers choose free ports and make up their credentials at the first start; every
process of this installation finds them in ``DATA_DIR/practice.json``. Nothing here is
worth stealing: the servers listen on loopback and relay nothing.
"""

import json
import os
import secrets
from dataclasses import asdict, dataclass, replace
from pathlib import Path

HOST = "127.0.0.1"
LOGIN = "practice"
FILE_NAME = "practice.json"


@dataclass(frozen=True)
class Access:
    """How to reach the practice servers; a port is 0 until it was ever open."""

    smtp_port: int
    imap_port: int
    login: str
    password: str

    def at(self, smtp_port: int, imap_port: int) -> "Access":
        """Return the same credentials at other ports."""
        return replace(self, smtp_port=smtp_port, imap_port=imap_port)


def fresh() -> Access:
    """Return new credentials that nobody can guess."""
    return Access(0, 0, LOGIN, secrets.token_urlsafe(24))


def load(data_dir: Path) -> Access | None:
    """Return what the servers wrote last, or None if they never ran.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as name:
    ...     store(Path(name), Access(2525, 1143, "practice", "s3cret"))
    ...     load(Path(name)).smtp_port
    2525
    """
    try:
        found = json.loads((data_dir / FILE_NAME).read_bytes())
        return Access(
            int(found["smtp_port"]),
            int(found["imap_port"]),
            str(found["login"]),
            str(found["password"]),
        )
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def store(data_dir: Path, access: Access) -> None:
    """Write the file in one step, readable by us alone."""
    fresh_file = data_dir / f".{FILE_NAME}.{os.getpid()}"
    fresh_file.unlink(missing_ok=True)
    handle = os.open(fresh_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(asdict(access), file)
    fresh_file.replace(data_dir / FILE_NAME)
