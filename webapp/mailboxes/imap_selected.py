"""What is said of a folder when it is opened, and what we keep in mind. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from webapp.mailboxes.imap_commands import Heard


@dataclass(frozen=True)
class Selected:
    """What SELECT or EXAMINE says of a folder."""

    raw: bytes
    exists: int
    uidvalidity: int
    uidnext: int | None
    readonly: bool
    keywords_allowed: bool
    highestmodseq: int | None = None


@dataclass(frozen=True)
class Recent:
    """The newest mails of a folder when they were last listed on a connection.

    `following` is the first UID that no mail had then.
    """

    uidvalidity: int
    uids: Sequence[int]
    following: int


def read_selected(raw: bytes, heard: Heard) -> Selected:
    """Read what was told while a folder was opened."""
    flags = [one for one in heard.told("PERMANENTFLAGS") if isinstance(one, bytes)]
    return Selected(
        raw=raw,
        exists=_number(heard, "EXISTS") or 0,
        uidvalidity=_number(heard, "UIDVALIDITY") or 0,
        uidnext=_number(heard, "UIDNEXT"),
        readonly="READ-ONLY" in heard.untagged,
        keywords_allowed=b"\\*" in b" ".join(flags),
        highestmodseq=_number(heard, "HIGHESTMODSEQ"),
    )


def _number(heard: Heard, name: str) -> int | None:
    texts = heard.told(name)
    last = texts[-1] if texts else None
    return int(last) if isinstance(last, bytes) and last.isdigit() else None
