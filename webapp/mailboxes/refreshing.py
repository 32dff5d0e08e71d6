"""What changed in a part of a folder since it was shown: flags, mails gone and new.

With QRESYNC the server tells it all while the folder is opened: one round trip. With
CONDSTORE it tells changed flags, and with neither the flags of the part are fetched;
the answer is the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from webapp.mailboxes.browsing import same_numbering
from webapp.mailboxes.imap import Connection, Selected
from webapp.mailboxes.imap_wire import Fetched
from webapp.mailboxes.query import LARGEST_NUMBER, uid_set
from webapp.mailboxes.rows import flags_of

#: Mails of which changes can be asked at once: some pages.
MOST = 500


@dataclass(frozen=True)
class Known:
    """What is shown of a folder.

    Attributes
    ----------
    modseq
        HIGHESTMODSEQ when it was shown; 0 where the server has none.
    next_uid
        UIDs from here on are new.
    uids
        The mails that are shown.
    """

    uidvalidity: int
    modseq: int
    next_uid: int
    uids: Sequence[int]


@dataclass(frozen=True)
class Changes:
    """What is to be changed of what is shown.

    Attributes
    ----------
    flags
        All flags, by UID, of mails of which some may have changed.
    gone, new
        Mails that are no longer there, and those that have come.
    """

    flags: dict[int, tuple[str, ...]]
    gone: list[int]
    new: list[int]
    modseq: int
    next_uid: int
    exists: int


def changes(connection: Connection, raw: bytes, known: Known) -> Changes:
    """Return what changed of the mails that are shown, and which are new.

    Raises
    ------
    FolderRenumbered
        If UIDVALIDITY is no longer the one known.
    """
    shown = sorted(set(known.uids))[-MOST:]
    if known.modseq and connection.enable_qresync():
        return _by_qresync(connection, raw, known, shown)
    selected = same_numbering(connection.select(raw), known.uidvalidity)
    fetched, there = _flags(connection, selected, known, shown)
    gone = sorted(set(shown) - there)
    new = _new(connection, selected, known)
    return _result(selected, known, fetched, (gone, new))


def _by_qresync(
    connection: Connection, raw: bytes, known: Known, shown: list[int]
) -> Changes:
    first = min([known.next_uid, *shown])
    given = (known.uidvalidity, known.modseq, first, LARGEST_NUMBER)
    since = b"(QRESYNC (%d %d %d:%d))" % given
    selected = same_numbering(connection.select(raw, since=since), known.uidvalidity)
    fetched, vanished = connection.changes()
    gone = sorted(set(vanished) & set(shown))
    new = sorted(uid for uid in fetched.items if uid >= known.next_uid)
    return _result(selected, known, fetched, (gone, new))


def _flags(
    connection: Connection, selected: Selected, known: Known, shown: list[int]
) -> tuple[Fetched, set[int]]:
    """Return flags, and which of the shown mails are there."""
    if not shown or not selected.exists:
        return Fetched({}, []), set()
    if known.modseq and connection.has("CONDSTORE"):
        there = set(connection.search([b"UID " + uid_set(shown)]))
        if selected.highestmodseq == known.modseq:
            return Fetched({}, []), there
        since = b"(CHANGEDSINCE %d)" % known.modseq
        items = b"(UID FLAGS) " + since
        return connection.fetch(uid_set(shown), items), there
    fetched = connection.fetch(uid_set(shown), b"(UID FLAGS)")
    return fetched, set(fetched.items)


def _new(connection: Connection, selected: Selected, known: Known) -> list[int]:
    """Return the UIDs of mails that have come."""
    uidnext = selected.uidnext
    if not selected.exists or (uidnext is not None and uidnext <= known.next_uid):
        return []
    # A range up to * names the last mail even where it is older.
    found = connection.search([b"UID %d:*" % known.next_uid])
    return [uid for uid in found if uid >= known.next_uid]


def _result(
    selected: Selected,
    known: Known,
    fetched: Fetched,
    moved: tuple[list[int], list[int]],
) -> Changes:
    gone, new = moved
    shown = set(known.uids) - set(gone)
    flags = {
        uid: tuple(sorted(flags_of(items.get(b"FLAGS"))))
        for uid, items in fetched.items.items()
        if uid in shown
    }
    last = max([known.next_uid - 1, *new])
    return Changes(
        flags=flags,
        gone=gone,
        new=new,
        modseq=selected.highestmodseq or 0,
        next_uid=max(selected.uidnext or 0, last + 1),
        exists=selected.exists,
    )
