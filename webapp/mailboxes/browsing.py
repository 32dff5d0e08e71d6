"""Pages of a folder: newest first, older by a UID anchor, searched in windows.

A list is one round trip at any size of folder: EXAMINE goes out together with a FETCH
of the UIDs that are likely to be wanted, those of the last time or those next to the
anchor. What the server then says (UIDVALIDITY, how many mails there are, the number of
each) shows what is missing; only that is fetched by number, in a second one. Behind
EXAMINE mails are named by UID, because numbers may shift there (RFC 9051 5.5).
Sequence numbers never leave this module, `places` and `folder_search`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from webapp.mailboxes import folder_search, places
from webapp.mailboxes.imap import Connection
from webapp.mailboxes.imap_commands import Command, Heard, fetched, fetching
from webapp.mailboxes.imap_errors import (
    WORDS_RENUMBERED,
    FolderRenumbered,
    MailGone,
    ServerRefused,
)
from webapp.mailboxes.imap_fetched import Fetched
from webapp.mailboxes.imap_selected import Recent, Selected
from webapp.mailboxes.query import EVERYTHING, LARGEST_NUMBER, Query, uid_set
from webapp.mailboxes.rows import MailRow, fetch_items, placeholder, row_of

PAGE = 50
WORDS_GONE = "This mail is no longer in the folder."


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
    return open_and_ask(connection, raw, uidvalidity)[0]


def open_and_ask(
    connection: Connection, raw: bytes, uidvalidity: int | None, *asks: Command
) -> tuple[Selected, Heard]:
    """Open a folder as `open_folder` does, and ask of it in the same round trip."""
    selected, heard = connection.open(raw, *asks)
    return same_numbering(selected, uidvalidity), heard


def same_numbering(selected: Selected, uidvalidity: int | None) -> Selected:
    """Return an opened folder if its UIDs are the ones that we know.

    Raises
    ------
    FolderRenumbered
        If UIDVALIDITY is no longer the one given.
    """
    if uidvalidity is not None and selected.uidvalidity != uidvalidity:
        raise FolderRenumbered(WORDS_RENUMBERED)
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
    if below is not None and below >= LARGEST_NUMBER:
        below = None
    if query == EVERYTHING:
        asked = _Asked(below, limit, uidvalidity, with_text)
        return _by_arrival(connection, raw, asked)
    selected = open_folder(connection, raw, uidvalidity)
    last = selected.exists
    if below is not None:
        last = places.number_below(connection, below, last)
    uids, left, complete = folder_search.newest(connection, query, last, limit)
    shown = uids[:limit]
    rows = rows_by_uid(connection, shown, with_text=with_text)
    older = shown[-1] if shown and (len(uids) > limit or not complete) else None
    if not complete and not shown:
        older = _uid_at(connection, left) + 1
    return Page(rows, selected.uidvalidity, selected.exists, older, complete)


@dataclass(frozen=True)
class _Asked:
    """A list in the order of arrival; see `page`."""

    below: int | None
    limit: int
    uidvalidity: int | None
    with_text: bool


def _by_arrival(connection: Connection, raw: bytes, asked: _Asked) -> Page:
    """Open a folder, and fetch in the same round trip what is likely to be the page."""
    recent = connection.recent.get(raw)
    likely = _likely(asked, recent)
    items = row_items(connection, with_text=asked.with_text)
    asks = [fetching(likely, items)] if likely else []
    selected, heard = open_and_ask(connection, raw, asked.uidvalidity, *asks)
    found = Fetched({})
    is_known = recent is not None and recent.uidvalidity == selected.uidvalidity
    if heard.ends and heard.is_ok and (is_known or asked.below is not None):
        found = fetched(heard)
    if heard.has_shifted:
        # Mails left after the folder was opened: what numbers they have is open.
        selected, found = open_folder(connection, raw, asked.uidvalidity), Fetched({})
    last = _last(connection, asked.below, selected.exists, found)
    first = max(1, last - asked.limit + 1)
    wanted = set(range(first, last + 1))
    missing = wanted - set(found.numbers.values())
    rows = _rows(found, (u for u, number in found.numbers.items() if number in wanted))
    if missing:
        numbers = uid_set(frozenset(missing))
        more = _fetch(connection, numbers, uid=False, with_text=asked.with_text)
        both = {row.uid: row for row in [*rows, *_rows(more)]}
        rows = [both[uid] for uid in sorted(both, reverse=True)]
    rows = [row for row in rows if asked.below is None or row.uid < asked.below]
    if asked.below is None:
        connection.remember(selected, [row.uid for row in rows])
    older = rows[-1].uid if rows and first > 1 else None
    return Page(rows, selected.uidvalidity, selected.exists, older)


def _likely(asked: _Asked, recent: Recent | None) -> bytes:
    """Return the UIDs that a page is likely to hold, as a range; empty if unknown.

    >>> _likely(_Asked(None, 3, None, True), Recent(7, (90, 80, 70, 60), 91))
    b'70:140'
    >>> _likely(_Asked(70, 3, None, True), None)
    b'67:70'
    """
    if asked.below is not None:
        # The anchor itself tells where in the folder the page ends.
        return b"%d:%d" % (max(1, asked.below - asked.limit), asked.below)
    if recent is None:
        return b""
    lacking = asked.limit - len(recent.uids)
    if lacking <= 0:
        low = recent.uids[asked.limit - 1]
    else:
        low = min([recent.following, *recent.uids]) - lacking
    return b"%d:%d" % (max(1, low), recent.following + PAGE - 1)


def _last(
    connection: Connection, below: int | None, exists: int, found: Fetched
) -> int:
    """Return the number of the newest mail of a page; 0 if there is none."""
    if below is None:
        return exists
    if below in found.numbers:
        return found.numbers[below] - 1
    numbers = [number for uid, number in found.numbers.items() if uid < below]
    return max(numbers) if numbers else places.number_below(connection, below, exists)


def rows_by_uid(
    connection: Connection, uids: Sequence[int], *, with_text: bool = True
) -> list[MailRow]:
    """Return the rows of these UIDs in the opened folder, newest first."""
    if not uids:
        return []
    numbers = uid_set(uids)
    return _rows(_fetch(connection, numbers, uid=True, with_text=with_text), uids)


def open_rows(
    connection: Connection, raw: bytes, uids: Sequence[int], uidvalidity: int | None
) -> tuple[Selected, list[MailRow]]:
    """Open a folder and return the rows of these UIDs, newest first: one round trip."""
    uids = [uid for uid in uids if 0 < uid <= LARGEST_NUMBER]
    asks = [fetching(uid_set(uids), row_items(connection))] if uids else []
    selected, heard = open_and_ask(connection, raw, uidvalidity, *asks)
    return selected, rows_heard(connection, heard, uids) if uids else []


def rows_heard(
    connection: Connection, heard: Heard, uids: Sequence[int]
) -> list[MailRow]:
    """Return the rows that an answer holds; asks again if the items were refused."""
    if not heard.is_ok:
        return rows_by_uid(connection, uids)
    return _rows(fetched(heard), uids)


def row_items(connection: Connection, *, with_text: bool = True) -> bytes:
    """Return the FETCH items of a row that this server understands."""
    return fetch_items(partial=not connection.lacks_partial, with_text=with_text)


def _fetch(
    connection: Connection, numbers: bytes, *, uid: bool, with_text: bool
) -> Fetched:
    try:
        items = row_items(connection, with_text=with_text)
        return connection.fetch(numbers, items, uid=uid)
    except ServerRefused:
        if connection.broken or connection.lacks_partial:
            raise
    # Some servers know no partial literals of header fields.
    found = connection.fetch(numbers, fetch_items(partial=False), uid=uid)
    connection.lacks_partial = True
    return found


def _rows(found: Fetched, wanted: Iterable[int] | None = None) -> list[MailRow]:
    """Return rows, newest first; only those of the wanted UIDs if these are given."""
    uids = set(found.numbers if wanted is None else wanted)
    rows = [row_of(uid, items) for uid, items in found.items.items() if uid in uids]
    rows += [placeholder(uid) for uid in found.unreadable if uid in uids]
    return sorted(rows, key=lambda row: row.uid, reverse=True)


def _uid_at(connection: Connection, number: int) -> int:
    found = connection.fetch(b"%d" % number, b"(UID)", uid=False)
    return next(iter(found.items), 0)


def last_before(connection: Connection, raw: bytes, instant: datetime) -> int:
    """Return the UID below which mails of a folder arrived before an instant."""
    selected = open_folder(connection, raw)
    return places.below_instant(connection, selected.exists, instant)


def count(connection: Connection, raw: bytes, query: Query = EVERYTHING) -> int:
    """Return how many mails of a folder match."""
    selected = open_folder(connection, raw)
    if query == EVERYTHING:
        return selected.exists
    return folder_search.count(connection, query, selected.exists)


def matching_uids(connection: Connection, raw: bytes, query: Query) -> list[int]:
    """Return every UID of a folder that matches, oldest first."""
    selected = open_folder(connection, raw)
    return folder_search.matching(connection, query, selected.exists)


def the_row(rows: Sequence[MailRow]) -> MailRow:
    """Return the one row.

    Raises
    ------
    MailGone
        If there is none.
    """
    if not rows:
        raise MailGone(WORDS_GONE)
    return rows[0]
