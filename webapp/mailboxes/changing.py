r"""Changes in a folder: flags, moves, copies, deletions and new mails, by UID only.

One command per set of at most 500 UIDs. Mails leave a folder by MOVE or by UID EXPUNGE
of exactly their own UIDs; a server that offers neither keeps them, marked as deleted,
and the answer says so: a plain EXPUNGE would take what others marked.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from webapp.mailboxes.browsing import same_numbering
from webapp.mailboxes.imap import Connection
from webapp.mailboxes.imap_answers import Placed
from webapp.mailboxes.imap_commands import (
    Command,
    Heard,
    expunging,
    fetched,
    fetching,
    storing,
)
from webapp.mailboxes.imap_errors import ImapError, ServerRefused
from webapp.mailboxes.query import KEYWORD, QueryError, uid_set
from webapp.mailboxes.rows import flags_of

CHUNK = 500
SETTABLE = {"\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft"}
#: The names that our own fields have are no keywords, but the flags themselves.
FLAG_OF_FIELD = {flag[1:].lower(): flag for flag in SETTABLE}
DELETED = b"\\Deleted"
FLAGS, UIDS = b"(UID FLAGS)", b"(UID)"

WORDS_READ_ONLY = "The server lets us read this folder only."
WORDS_STOPPED = "The mail server stopped in the middle: {words}"


@dataclass
class Filed:
    """What became of chosen mails.

    Attributes
    ----------
    uids
        Of the mails that were moved, copied or deleted, as they were before.
    uidvalidity, placed
        The numbering of the folder where they are now, and each new UID by its old one;
        empty where the server does not say it.
    marked
        Of them, those that the server can only mark as deleted: they are still there.
    words
        Why it ended before all were done, if it did.
    """

    uids: list[int] = field(default_factory=list)
    uidvalidity: int | None = None
    placed: dict[int, int] = field(default_factory=dict)
    marked: list[int] = field(default_factory=list)
    words: str = ""

    def add(self, uids: Iterable[int], placed: Placed | None) -> None:
        """Take in one set."""
        self.uids += sorted(uids)
        if placed is not None:
            self.uidvalidity = placed.uidvalidity
            self.placed.update(placed.uids)


def change_flags(
    connection: Connection,
    raw: bytes,
    uids: Sequence[int],
    *,
    add: Sequence[str] = (),
    remove: Sequence[str] = (),
    uidvalidity: int | None = None,
) -> list[int]:
    r"""Add and remove flags, and return the UIDs of the mails that really changed.

    A system flag is called as IMAP calls it (``\Seen``) or as our field is (``seen``).
    Only mails that lack a flag (or have one too many) are touched, so that an undo of
    the returned UIDs restores exactly what was.
    """
    add = [settable(flag) for flag in add]
    remove = [settable(flag) for flag in remove]
    sets = chunks(uids)
    asks = [fetching(uid_set(chunk), FLAGS) for chunk in sets]
    heard = _open(connection, raw, uidvalidity, *asks[:1])
    changed: set[int] = set()
    for at, chunk in enumerate(sets):
        have = _flags(heard, chunk)
        stores = []
        for change, missing, wanted in _by_missing(have, add, remove):
            octets = [flag.encode("ascii") for flag in missing]
            stores.append(storing(uid_set(wanted), change, octets))
            changed.update(wanted)
        # What is to be known of the next set is asked beside: it is of other mails.
        commands = [*stores, *asks[at + 1 : at + 2]]
        heard = connection.together(*commands).checked() if commands else Heard()
    return sorted(changed)


def settable(flag: str) -> str:
    r"""Return a flag as IMAP calls it.

    Raises
    ------
    QueryError
        If it is neither a system flag that can be set nor a keyword.

    Examples
    --------
    >>> settable("seen"), settable("Follow-up")
    ('\\Seen', 'Follow-up')
    """
    flag = FLAG_OF_FIELD.get(flag, flag)
    if flag not in SETTABLE and not KEYWORD.fullmatch(flag):
        raise QueryError(f"“{flag}” is not a flag or keyword that can be set.")
    return flag


def _by_missing(
    have: dict[int, set[str]], add: Sequence[str], remove: Sequence[str]
) -> Iterator[tuple[bytes, tuple[str, ...], list[int]]]:
    """Group mails by what is to change of them: one command for each group."""
    for change, flags in ((b"+", add), (b"-", remove)):
        groups: dict[tuple[str, ...], list[int]] = {}
        for uid, now in have.items():
            is_there = change == b"-"
            missing = tuple(f for f in flags if (f.lower() in now) == is_there)
            if missing:
                groups.setdefault(missing, []).append(uid)
        yield from ((change, missing, uids) for missing, uids in groups.items())


def _flags(heard: Heard, uids: Sequence[int]) -> dict[int, set[str]]:
    wanted = set(uids)
    return {
        uid: {flag.lower() for flag in flags_of(items.get(b"FLAGS"))}
        for uid, items in fetched(heard).items.items()
        if uid in wanted
    }


def copy(
    connection: Connection,
    raw: bytes,
    uids: Sequence[int],
    target: bytes,
    uidvalidity: int | None = None,
) -> Filed:
    """Copy mails to another folder."""
    same_numbering(connection.select(raw, readonly=True), uidvalidity)
    filed = Filed()
    for chunk in chunks(uids):
        with _Keeping(filed):
            _copied(connection, chunk, target, filed)
        if filed.words:
            break
    return filed


def move(
    connection: Connection,
    raw: bytes,
    uids: Sequence[int],
    target: bytes,
    uidvalidity: int | None = None,
) -> Filed:
    """Move mails to another folder: MOVE, or COPY and UID EXPUNGE."""
    _open(connection, raw, uidvalidity)
    filed = Filed()
    for chunk in chunks(uids):
        with _Keeping(filed):
            if connection.has("MOVE"):
                _moved(connection, chunk, target, filed)
            else:
                _remove(connection, _copied(connection, chunk, target, filed), filed)
        if filed.words:
            break
    return filed


def delete(
    connection: Connection,
    raw: bytes,
    uids: Sequence[int],
    uidvalidity: int | None = None,
) -> Filed:
    """Delete mails for good, and no other mail."""
    sets = chunks(uids)
    asks = [fetching(uid_set(chunk), UIDS) for chunk in sets]
    told = _open(connection, raw, uidvalidity, *asks[:1])
    filed = Filed()
    for at, chunk in enumerate(sets):
        with _Keeping(filed):
            told = told if at == 0 else connection.together(asks[at])
            have = sorted(set(fetched(told).items) & set(chunk))
            if have:
                _remove(connection, have, filed)
                filed.add(have, None)
        if filed.words:
            break
    return filed


def append(
    connection: Connection,
    target: bytes,
    octets: bytes,
    flags: Sequence[str] = (),
    received: datetime | None = None,
) -> tuple[int, int] | None:
    """Add a mail to a folder; returns UIDVALIDITY and UID if the server says them."""
    names = [settable(flag).encode("ascii") for flag in flags]
    return connection.append(target, octets, names, received)


def _open(
    connection: Connection, raw: bytes, uidvalidity: int | None, *asks: Command
) -> Heard:
    """Open a folder to change it, and ask of it in the same round trip."""
    selected, heard = connection.open(raw, *asks, readonly=False)
    if same_numbering(selected, uidvalidity).readonly:
        raise ServerRefused(WORDS_READ_ONLY)
    return heard


def _there(connection: Connection, uids: Sequence[int]) -> set[int]:
    """Return which of these mails the folder has."""
    found = connection.fetch(uid_set(uids), UIDS)
    return set(found.items) & set(uids)


def _copied(
    connection: Connection, uids: list[int], target: bytes, filed: Filed
) -> list[int]:
    """Copy a set and return those that are copied for sure."""
    have = uids if connection.has("UIDPLUS") else sorted(_there(connection, uids))
    if not have:
        return []
    placed = connection.copy(uid_set(have), target)
    if connection.has("UIDPLUS") and placed is None:
        # Silence means that none was there, or that the server forgot to say it.
        have = sorted(_there(connection, uids))
    elif placed is not None:
        have = sorted(placed.uids)
    filed.add(have, placed)
    return have


def _moved(
    connection: Connection, uids: list[int], target: bytes, filed: Filed
) -> None:
    before = set(uids) if connection.has("UIDPLUS") else _there(connection, uids)
    placed = connection.move(uid_set(uids), target) if before else None
    if placed is not None:
        filed.add(placed.uids, placed)
    elif not connection.has("UIDPLUS"):
        filed.add(before - _there(connection, uids), None)


def _remove(connection: Connection, uids: list[int], filed: Filed) -> None:
    """Take mails out of the folder, or leave them marked where that cannot be."""
    if not uids:
        return
    marking = storing(uid_set(uids), b"+", [DELETED])
    if not connection.has("UIDPLUS"):
        connection.together(marking).checked()
        filed.marked += uids
        return
    # STORE and EXPUNGE of the same UIDs may go together (RFC 9051 5.5).
    connection.together(marking, expunging(uid_set(uids))).checked()


class _Keeping:
    """What was done before a refusal is kept and told; the first set's is raised."""

    def __init__(self, filed: Filed) -> None:
        self._filed = filed

    def __enter__(self) -> None:
        """Begin a set."""

    def __exit__(
        self, kind: object, error: BaseException | None, trace: object
    ) -> bool:
        if isinstance(error, ImapError) and self._filed.uids:
            self._filed.words = WORDS_STOPPED.format(words=error.words)
            return True
        return False


def chunks(uids: Sequence[int]) -> list[list[int]]:
    """Split into sets that every server takes in one command.

    >>> [len(chunk) for chunk in chunks(list(range(1200)))]
    [500, 500, 200]
    """
    ordered = sorted(set(uids))
    return [ordered[at : at + CHUNK] for at in range(0, len(ordered), CHUNK)]
