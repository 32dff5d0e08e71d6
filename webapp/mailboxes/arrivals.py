"""New mails of an opened folder, read without a trace: which, and their texts.

Everything is a PEEK in a folder opened by EXAMINE. Most mails are told by their header
block and the first lines of their text; the source of some is fetched as well, capped.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from webapp.mailboxes.headers import Headers, message_ids, parse_headers
from webapp.mailboxes.imap import Connection
from webapp.mailboxes.imap_errors import ServerRefused
from webapp.mailboxes.imap_selected import Selected
from webapp.mailboxes.query import uid_set

#: Mails that are fetched and stored at once.
SLICE = 50
SOURCE_CAP = 256 * 1024
#: UIDs that one SEARCH may be asked for; its answer is one line of at most 1 MB.
WINDOW = 50_000
LARGEST_UID = 2**32 - 1
_HEADER = (b"BODY.PEEK[HEADER]", b"<0.32768>")
_TEXT = (b"BODY.PEEK[TEXT]", b"<0.2048>")

Wanted = Callable[[Headers], bool]


@dataclass(frozen=True)
class Arrival:
    """A mail as the sorting gets it.

    Attributes
    ----------
    text
        The first octets of the body, as they came.
    source
        The first octets of the whole mail, where it was wanted.
    trouble
        Why it could not be read; then the rest is empty.
    """

    uid: int
    received: datetime | None
    size: int | None
    headers: Headers
    text: bytes = b""
    source: bytes | None = None
    trouble: str = ""

    @property
    def message_id(self) -> str:
        """The Message-ID with its angles, or the empty string."""
        return next(iter(message_ids(self.headers.first("message-id"))), "")

    def identity(self) -> str:
        """Return the digest by which the mail is known again under another UID.

        Without a Message-ID the headers and the beginning of the text stand in for it.
        """
        named = self.message_id or f"{self.headers.fields}{self.text!r}"
        at = self.received.astimezone(UTC).isoformat() if self.received else ""
        text = f"{named}\n{at}\n{self.size}"
        return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def uids_after(
    connection: Connection,
    selected: Selected,
    cursor: int,
    since: date | None = None,
) -> tuple[list[int], int]:
    """Return UIDs above a cursor, ascending, and how far that looked.

    Where the numbers are sparse the window widens, so that any folder is a few round
    trips, and no answer is longer than a client may read.

    Parameters
    ----------
    since
        Only mails that arrived on that day or later (the server's own calendar).
    """
    last = selected.uidnext - 1 if selected.uidnext else LARGEST_UID
    width = WINDOW if selected.exists > WINDOW else LARGEST_UID
    days = [b"SINCE " + since.strftime("%d-%b-%Y").encode("ascii")] if since else []
    while cursor < last:
        upper = min(cursor + width, last)
        span = b"UID %d:%b" % (
            cursor + 1,
            b"*" if upper == LARGEST_UID else b"%d" % upper,
        )
        # A range up to * names the last mail even where it is below the cursor.
        found = connection.search([span, *days])
        uids = sorted(uid for uid in found if uid > cursor)
        if uids:
            return uids, max(upper, uids[-1]) if upper < LARGEST_UID else uids[-1]
        if upper == LARGEST_UID:
            break
        cursor, width = upper, width * 4
    return [], cursor


def fetch(connection: Connection, uids: Sequence[int], wanted: Wanted) -> list[Arrival]:
    """Return these mails of the opened folder, oldest first.

    One whose answer cannot be read comes with its `trouble`; one that is gone is left
    out. The source is fetched of those that `wanted` asks for.

    Raises
    ------
    Unreachable
        If the connection broke: the network, or one mail that the client cannot take.
    """
    asked = set(uids)
    fetched = _fetch(connection, uid_set(uids), [_HEADER, _TEXT])
    found = [
        _arrival(connection, uid, items, wanted)
        for uid, items in fetched.items.items()
        if uid in asked
    ]
    found += [unreadable(uid) for uid in fetched.unreadable if uid in asked]
    return sorted(found, key=lambda one: one.uid)


def unreadable(uid: int) -> Arrival:
    """Return what is known of a mail that the server or we cannot make sense of."""
    words = "The server's answer for this mail cannot be read."
    return Arrival(uid, None, None, Headers(), trouble=words)


def _fetch(
    connection: Connection, uids: bytes, bodies: Iterable[tuple[bytes, bytes]]
) -> Any:
    plain = b"UID INTERNALDATE RFC822.SIZE "
    parts = list(bodies)
    items = plain + b" ".join(name + cap for name, cap in parts)
    try:
        return connection.fetch(uids, b"(" + items + b")")
    except ServerRefused:
        if connection.broken:
            raise
        # Some servers know no partial literals.
        items = plain + b" ".join(name for name, _cap in parts)
        return connection.fetch(uids, b"(" + items + b")")


def _arrival(
    connection: Connection, uid: int, items: dict[bytes, Any], wanted: Wanted
) -> Arrival:
    headers = parse_headers(_literal(items, b"BODY[HEADER]"))
    received, size = items.get(b"INTERNALDATE"), items.get(b"RFC822.SIZE")
    return Arrival(
        uid=uid,
        received=received if isinstance(received, datetime) else None,
        size=size if isinstance(size, int) else None,
        headers=headers,
        text=_literal(items, b"BODY[TEXT]")[:2048],
        source=_source(connection, uid) if wanted(headers) else None,
    )


def _source(connection: Connection, uid: int) -> bytes:
    cap = b"<0.%d>" % SOURCE_CAP
    found = _fetch(connection, b"%d" % uid, [(b"BODY.PEEK[]", cap)])
    return _literal(found.items.get(uid, {}), b"BODY[]")[:SOURCE_CAP]


def _literal(items: dict[bytes, Any], start: bytes) -> bytes:
    """Return a literal by the start of its label, which servers write differently."""
    for key, value in items.items():
        if key.upper().startswith(start) and isinstance(value, bytes):
            return value
    return b""
