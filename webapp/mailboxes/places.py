"""Where in an opened folder a day or a UID lies, in two or three round trips.

A folder of a million is narrowed down by looking at some hundred mails at a time. They
lie in the order of arrival, but for those that were moved here. Sequence numbers stay
between here and `browsing`.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from webapp.mailboxes.imap import Connection
from webapp.mailboxes.imap_errors import WORDS_RENUMBERED, FolderRenumbered
from webapp.mailboxes.query import LARGEST_NUMBER, uid_set

#: Mails that are looked at in one round trip.
PROBES = 320

_Test = Callable[[int, Mapping[bytes, Any]], bool]


def number_below(connection: Connection, uid: int, exists: int) -> int:
    """Return the sequence number of the last mail with a smaller UID; 0 if none.

    The mail itself usually still stands and tells its number in one round trip; else
    its place is looked for.
    """
    if exists == 0:
        return 0
    fetched = connection.fetch(b"%d" % uid, b"(UID)")
    if fetched.has_shifted:
        exists = _opened_again(connection)
    elif uid in fetched.items:
        return fetched.numbers[uid] - 1
    return _last(connection, exists, b"(UID)", lambda at, _told: at < uid)[0]


def _opened_again(connection: Connection) -> int:
    """Return how many mails there are after some left: numbers hold again then."""
    before = connection.selected
    assert before, "a folder is open"
    after = connection.select(before.raw)
    if after.uidvalidity != before.uidvalidity:
        raise FolderRenumbered(WORDS_RENUMBERED)
    return after.exists


def below_instant(connection: Connection, exists: int, instant: datetime) -> int:
    """Return the UID below which mails arrived before an instant."""

    def is_before(_uid: int, told: Mapping[bytes, Any]) -> bool:
        at = told.get(b"INTERNALDATE")
        return isinstance(at, datetime) and at < instant

    return _last(connection, exists, b"(UID INTERNALDATE)", is_before)[1]


def _last(
    connection: Connection, exists: int, items: bytes, is_before: _Test
) -> tuple[int, int]:
    """Return the number of the last mail that comes before, and the UID after it."""
    low, high, following = 0, exists, LARGEST_NUMBER
    while low < high:
        step = -(-(high - low) // PROBES)
        numbers = range(low + step, high + 1, step)
        looked = connection.fetch(uid_set(numbers), items, uid=False)
        first_after = high + 1
        for uid, told in looked.items.items():
            if not is_before(uid, told):
                first_after, following = looked.numbers[uid], uid
                break
            low = looked.numbers[uid]
        if first_after > high and step == 1:
            break
        high = first_after - 1 if looked.items else low
    return low, following
