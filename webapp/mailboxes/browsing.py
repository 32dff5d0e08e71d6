"""Pages of a folder: newest first, older by a UID anchor, searched in windows.

Sequence numbers never leave this module. A page is two round trips (EXAMINE, FETCH of
the newest range) at any size of folder; a search looks at windows of sequence numbers
from the newest on, so that its first hits come at once in a folder of a million.
"""

import time
from dataclasses import dataclass
from datetime import UTC, date, datetime

from webapp.mailboxes.imap import Connection, Selected
from webapp.mailboxes.imap_errors import (
    FolderRenumbered,
    MailGone,
    ServerRefused,
    Unreachable,
)
from webapp.mailboxes.imap_wire import Fetched
from webapp.mailboxes.query import (
    EVERYTHING,
    LARGEST_NUMBER,
    And,
    Contains,
    Not,
    Or,
    Query,
    Where,
    needs_charset,
    to_imap,
    uid_set,
)
from webapp.mailboxes.query_simplify import simplify
from webapp.mailboxes.rows import MailRow, fetch_items, placeholder, row_of

PAGE = 50
WINDOW = 5000
BODY_WINDOW = 500
SEARCH_SECONDS = 8.0


@dataclass(frozen=True)
class Page:
    """Some mails of a folder, newest first.

    `older` is the UID below which the next page begins, or None at the end. `complete`
    is false when a search ran out of time: the next page then goes on searching.
    """

    rows: list[MailRow]
    uidvalidity: int
    exists: int
    older: int | None
    complete: bool = True


def open_folder(
    connection: Connection, raw: bytes, uidvalidity: int | None = None
) -> Selected:
    """Open a folder read-only, and make sure that its UIDs are the ones we know.

    Raises
    ------
    FolderGone
        If there is no such folder.
    FolderRenumbered
        If UIDVALIDITY is no longer the one given.
    """
    return same_numbering(connection.select(raw, readonly=True), uidvalidity)


def same_numbering(selected: Selected, uidvalidity: int | None) -> Selected:
    """Return an opened folder if its UIDs are the ones that we know.

    Raises
    ------
    FolderRenumbered
        If UIDVALIDITY is no longer the one given.
    """
    if uidvalidity is not None and selected.uidvalidity != uidvalidity:
        raise FolderRenumbered(
            "The server has numbered this folder anew. Open the folder again."
        )
    return selected


def page(  # noqa: PLR0913 - each is a choice of its own that the address of a page names
    connection: Connection,
    raw: bytes,
    query: Query = EVERYTHING,
    *,
    below: int | None = None,
    limit: int = PAGE,
    uidvalidity: int | None = None,
    with_text: bool = True,
) -> Page:
    """Return the newest mails that match, below a UID if one is given.

    Without the start of their texts, where nobody asks for it, there are no snippets.
    """
    selected = open_folder(connection, raw, uidvalidity)
    last = selected.exists
    if below is not None:
        last = _last_below(connection, below, selected.exists)
    if query == EVERYTHING:
        first = max(1, last - limit + 1)
        rows = _rows_by_number(connection, (first, last), below, with_text=with_text)
        older = rows[-1].uid if rows and first > 1 else None
        return Page(rows, selected.uidvalidity, selected.exists, older)
    uids, older, complete = _find(connection, query, last, limit)
    rows = rows_by_uid(connection, uids, with_text=with_text)
    return Page(rows, selected.uidvalidity, selected.exists, older, complete)


def _rows_by_number(
    connection: Connection,
    span: tuple[int, int],
    below: int | None,
    *,
    with_text: bool,
) -> list[MailRow]:
    if span[1] < 1:
        return []
    numbers = b"%d:%d" % span
    found = _fetch_rows(connection, numbers, uid=False, with_text=with_text)
    return [row for row in found if below is None or row.uid < below]


def rows_by_uid(
    connection: Connection, uids: list[int], *, with_text: bool = True
) -> list[MailRow]:
    """Return the rows of these UIDs in the opened folder, newest first."""
    if not uids:
        return []
    wanted = set(uids)
    rows = _fetch_rows(connection, uid_set(uids), uid=True, with_text=with_text)
    return [row for row in rows if row.uid in wanted]


def _fetch_rows(
    connection: Connection, numbers: bytes, *, uid: bool, with_text: bool
) -> list[MailRow]:
    try:
        fetched = connection.fetch(numbers, fetch_items(with_text=with_text), uid=uid)
    except ServerRefused:
        if connection.broken:
            raise
        # Some servers know no partial literals of header fields.
        fetched = connection.fetch(numbers, fetch_items(partial=False), uid=uid)
    return _rows(fetched)


def _rows(fetched: Fetched) -> list[MailRow]:
    rows = [row_of(uid, items) for uid, items in fetched.items.items()]
    rows += [placeholder(uid) for uid in fetched.unreadable]
    return sorted(rows, key=lambda row: row.uid, reverse=True)


def _last_below(connection: Connection, uid: int, exists: int) -> int:
    """Return the sequence number of the last mail with a smaller UID; 0 if none.

    The mail itself usually still stands and tells its number in one round trip; else
    its place is found by halving.
    """
    if exists == 0:
        return 0
    found = connection.fetch(b"%d" % uid, b"(UID)")
    number = found.items.get(uid, {}).get(b"SEQ")
    if isinstance(number, int):
        return number - 1
    low, high = 0, exists
    while low < high:
        middle = (low + high + 1) // 2
        if _uid_at(connection, middle) < uid:
            low = middle
        else:
            high = middle - 1
    return low


def _uid_at(connection: Connection, number: int) -> int:
    found = connection.fetch(b"%d" % number, b"(UID)", uid=False)
    return next(iter(found.items), 0)


def _find(
    connection: Connection, query: Query, last: int, limit: int
) -> tuple[list[int], int | None, bool]:
    """Search windows from `last` downwards; see `Page` for what the answer means."""
    keys, utf8 = _keys(query)
    window = BODY_WINDOW if _reads_bodies(query) else WINDOW
    until = time.monotonic() + SEARCH_SECONDS
    hits: list[int] = []
    while last > 0 and len(hits) <= limit:
        if time.monotonic() > until:
            older = hits[-1] if hits else _uid_at(connection, last) + 1
            return hits, older, False
        first = max(1, last - window + 1)
        found = _search(connection, [b"%d:%d" % (first, last), *keys], utf8=utf8)
        hits += sorted(found, reverse=True)
        last = first - 1
    if len(hits) > limit:
        return hits[:limit], hits[limit - 1], True
    return hits, None, True


def _keys(query: Query) -> tuple[list[bytes], bool]:
    """Return the search keys, and whether they need a charset."""
    simple = simplify(query)
    return to_imap(simple), needs_charset(simple)


def _search(connection: Connection, keys: list[bytes], *, utf8: bool) -> list[int]:
    try:
        return connection.search(keys, utf8=utf8)
    except (ServerRefused, Unreachable) as error:
        if utf8:
            raise ServerRefused(
                "This server cannot search for letters outside ASCII. Try another word."
            ) from error
        raise


def _reads_bodies(query: Query) -> bool:
    match query:
        case And(parts) | Or(parts):
            return any(_reads_bodies(part) for part in parts)
        case Not(part):
            return _reads_bodies(part)
        case Contains(where, _):
            return where in (Where.BODY, Where.TEXT)
    return False


def last_before(connection: Connection, raw: bytes, day: date) -> int:
    """Return the UID below which mails arrived before a day, by halving the folder.

    Mails lie in the order of arrival but for those that were moved here; a few round
    trips find the place in a folder of any size.
    """
    selected = open_folder(connection, raw)
    low, high = 0, selected.exists
    while low < high:
        middle = (low + high + 1) // 2
        found = connection.fetch(b"%d" % middle, b"(UID INTERNALDATE)", uid=False)
        items = next(iter(found.items.values()), {})
        at = items.get(b"INTERNALDATE")
        if isinstance(at, datetime) and at.astimezone(UTC).date() < day:
            low = middle
        else:
            high = middle - 1
    return _uid_at(connection, low + 1) if low < selected.exists else LARGEST_NUMBER


def count(connection: Connection, raw: bytes, query: Query = EVERYTHING) -> int:
    """Return how many mails of a folder match."""
    selected = open_folder(connection, raw)
    if query == EVERYTHING:
        return selected.exists
    keys, utf8 = _keys(query)
    if connection.has("ESEARCH"):
        return connection.count(keys, utf8=utf8)
    total = 0
    for last in range(selected.exists, 0, -WINDOW):
        span = b"%d:%d" % (max(1, last - WINDOW + 1), last)
        total += len(_search(connection, [span, *keys], utf8=utf8))
    return total


def matching_uids(connection: Connection, raw: bytes, query: Query) -> list[int]:
    """Return every UID of a folder that matches, oldest first."""
    selected = open_folder(connection, raw)
    keys, utf8 = _keys(query)
    uids: list[int] = []
    for last in range(selected.exists, 0, -WINDOW):
        span = b"%d:%d" % (max(1, last - WINDOW + 1), last)
        uids += _search(connection, [span, *keys], utf8=utf8)
    return sorted(uids)


def one_row(connection: Connection, uid: int) -> MailRow:
    """Return the row of one mail in the opened folder.

    Raises
    ------
    MailGone
        If no mail has that UID.
    """
    rows = rows_by_uid(connection, [uid]) if 0 < uid <= LARGEST_NUMBER else []
    if not rows:
        raise MailGone("This mail is no longer in the folder.")
    return rows[0]
