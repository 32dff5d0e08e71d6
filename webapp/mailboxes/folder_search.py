"""Search an opened folder on its server, in windows of its newest mails first.

So the first hits come at once in a folder of a million. The windows are ranges of
sequence numbers, which stay here.
"""

import time

from webapp.mailboxes.imap import Connection
from webapp.mailboxes.imap_errors import ServerRefused, Unreachable
from webapp.mailboxes.query import (
    And,
    Contains,
    Not,
    Or,
    Query,
    Where,
    needs_charset,
    to_imap,
)
from webapp.mailboxes.query_simplify import simplify
from webapp.mailboxes.zoned_days import resolved

WINDOW = 5000
BODY_WINDOW = 500
SECONDS = 8.0


def newest(
    connection: Connection, query: Query, last: int, limit: int
) -> tuple[list[int], int, bool]:
    """Search from the number `last` downwards until there are more hits than asked for.

    Returns
    -------
    tuple
        The UIDs, newest first and one more than `limit` if there are; the number up to
        which is still to be searched, 0 at the end; whether there was time enough.
    """
    keys, utf8 = _keys(connection, query)
    window = BODY_WINDOW if _reads_bodies(query) else WINDOW
    until = time.monotonic() + SECONDS
    hits: list[int] = []
    while last > 0 and len(hits) <= limit:
        if time.monotonic() > until:
            return hits, last, False
        first = max(1, last - window + 1)
        found = _search(connection, [b"%d:%d" % (first, last), *keys], utf8=utf8)
        hits += sorted(found, reverse=True)
        last = first - 1
    return hits[: limit + 1], last, True


def matching(connection: Connection, query: Query, exists: int) -> list[int]:
    """Return every UID that matches, oldest first."""
    keys, utf8 = _keys(connection, query)
    uids: set[int] = set()  # mails that leave meanwhile move others down a window
    for last in range(exists, 0, -WINDOW):
        span = b"%d:%d" % (max(1, last - WINDOW + 1), last)
        uids.update(_search(connection, [span, *keys], utf8=utf8))
    return sorted(uids)


def count(connection: Connection, query: Query, exists: int) -> int:
    """Return how many mails match: one round trip where the server has ESEARCH."""
    if connection.has("ESEARCH"):
        keys, utf8 = _keys(connection, query)
        return connection.count(keys, utf8=utf8)
    return len(matching(connection, query, exists))


def _keys(connection: Connection, query: Query) -> tuple[list[bytes], bool]:
    """Return the search keys, and whether they need a charset."""
    simple = simplify(resolved(connection, query))
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
