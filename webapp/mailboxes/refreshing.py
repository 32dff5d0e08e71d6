"""What changed in a part of a folder since it was shown: flags, mails gone and new.

With QRESYNC the server tells it all while the folder is opened: one round trip. With
CONDSTORE it tells changed flags, and with neither the flags of the part are fetched;
the answer is the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from webapp.mailboxes.browsing import open_and_ask, same_numbering
from webapp.mailboxes.imap import Connection
from webapp.mailboxes.imap_commands import fetched, fetching, found, searching
from webapp.mailboxes.imap_fetched import Fetched
from webapp.mailboxes.imap_selected import Selected
from webapp.mailboxes.query import LARGEST_NUMBER, uid_set
from webapp.mailboxes.rows import flags_of

#: Mails of which changes can be asked at once: some pages.
MOST = 500
CHANGED = b" (CHANGEDSINCE %d)"


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


def begun(connection: Connection, raw: bytes) -> tuple[Changes, int]:
    """Return what to remember so that `changes` can be asked later; nothing changed."""
    is_asked = not connection.enable_qresync() and connection.has("CONDSTORE")
    selected = connection.select(raw, since=b"(CONDSTORE)" if is_asked else b"")
    modseq, following = selected.highestmodseq or 0, selected.uidnext or 1
    now = Changes({}, [], [], modseq, following, selected.exists)
    return now, selected.uidvalidity


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
    return _by_asking(connection, raw, known, shown)


def _by_qresync(
    connection: Connection, raw: bytes, known: Known, shown: list[int]
) -> Changes:
    first = min([known.next_uid, *shown])
    given = (known.uidvalidity, known.modseq, first, LARGEST_NUMBER)
    since = b"(QRESYNC (%d %d %d:%d))" % given
    selected = same_numbering(connection.select(raw, since=since), known.uidvalidity)
    changed, vanished = connection.changes()
    gone = sorted(set(vanished) & set(shown))
    new = sorted(uid for uid in changed.items if uid >= known.next_uid)
    return _result(selected, known, changed, (gone, new))


def _by_asking(
    connection: Connection, raw: bytes, known: Known, shown: list[int]
) -> Changes:
    """Ask for flags, and for what is gone and new, while the folder is opened."""
    # A range up to * names the last mail even where it is older.
    uids = b"%d:*" % known.next_uid
    items = b"(UID FLAGS)"
    has_modseq = bool(known.modseq) and connection.has("CONDSTORE")
    if shown and has_modseq:
        uids, items = uid_set(shown) + b"," + uids, items + CHANGED % known.modseq
    asks = [searching([b"UID " + uids])]
    asks += [fetching(uid_set(shown), items)] if shown else []
    selected, heard = open_and_ask(connection, raw, known.uidvalidity, *asks)
    if not selected.exists:
        # Some servers refuse to look for mails in an empty folder.
        return _result(selected, known, Fetched({}), (shown, []))
    changed, there = fetched(heard), set(found(heard))
    if not has_modseq:
        there |= set(changed.items)
    new = sorted(uid for uid in there if uid >= known.next_uid)
    return _result(selected, known, changed, (sorted(set(shown) - there), new))


def _result(
    selected: Selected,
    known: Known,
    changed: Fetched,
    moved: tuple[list[int], list[int]],
) -> Changes:
    gone, new = moved
    shown = set(known.uids) - set(gone)
    flags = {
        uid: tuple(sorted(flags_of(items.get(b"FLAGS"))))
        for uid, items in changed.items.items()
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
