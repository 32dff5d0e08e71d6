"""Read what is new in a mailbox, each mail once, whatever happened since the last time.

A folder's cursor is the UID up to which everything was read, in one numbering
(UIDVALIDITY); flags and dates say nothing about that. It moves in the transaction that
stores the mails, so a round that is cut off anywhere goes on where it was.

A folder that we meet for the first time (a new connection, another name, a new
numbering) is surveyed: of the mails that lie there already only those that arrived
after the mailbox was connected are read, and who stores them knows them again by their
identity. What arrived before is history, about which nothing is done by itself.

A mail that breaks the connection is found by halving, tried once more alone, and set
aside; the rest goes on.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from webapp.core.db import db, reading
from webapp.mailboxes import arrivals, folders, rounds, service
from webapp.mailboxes.arrivals import Arrival, Wanted
from webapp.mailboxes.browsing import open_folder
from webapp.mailboxes.imap_errors import (
    FolderGone,
    FolderRenumbered,
    ImapError,
    ServerRefused,
    Unreachable,
)
from webapp.mailboxes.imap_selected import Selected
from webapp.mailboxes.models import Folder, SyncFolders
from webapp.mailboxes.rounds import LeaseLost, Round

log = logging.getLogger(__name__)

#: A round of one mailbox takes no longer, so that the others get theirs.
SECONDS = 20.0
#: How far the clock of a mail server may be behind ours.
SKEW = timedelta(minutes=5)
USUAL = frozenset({"inbox", "junk"})
NEVER = frozenset({"sent", "drafts", "all", "flagged"})


@dataclass(frozen=True)
class Place:
    """Where mails lie: what our own rows say of them."""

    mailbox_id: int
    folder_id: int
    uidvalidity: int


#: Sorts mails, and returns what stores them within a transaction.
Sort = Callable[[Place, Sequence[Arrival]], Callable[[], None]]


@dataclass(frozen=True)
class Reader:
    """What a round is done with."""

    held: Round
    wanted: Wanted
    sort: Sort
    until: float

    @property
    def is_late(self) -> bool:
        """Whether the time of this round is over."""
        return time.monotonic() > self.until


def run(held: Round, wanted: Wanted, sort: Sort, seconds: float = SECONDS) -> None:
    """Read what is new in a mailbox whose lease we have, and give the lease back.

    Parameters
    ----------
    wanted
        Says of which mails the sorting needs more than the beginning.
    """
    reader = Reader(held, wanted, sort, time.monotonic() + seconds)
    try:
        more = _read(reader)
    except LeaseLost:
        db.session.rollback()
    except ImapError:
        db.session.rollback()
        rounds.give_up(held)
    else:
        rounds.end(held, more=more)


def _read(reader: Reader) -> bool:
    """Read folder after folder; return whether something is left for the next round."""
    mailbox_id = reader.held.mailbox_id
    more = False
    for folder_id in _to_read(mailbox_id):
        try:
            more = _folder(reader, folder_id) or more
        except (FolderGone, FolderRenumbered):
            more = True
        except ServerRefused as error:
            # This folder may not be opened or read; the others may.
            log.warning("a folder cannot be read: %s", error.words)
            db.session.rollback()
        if reader.is_late:
            return True
    return more


def _to_read(mailbox_id: int) -> list[int]:
    """Ask for the folders, and return those that may hold something new."""
    mailbox = service.get(mailbox_id)
    every = mailbox.sync_folders is SyncFolders.ALL
    return [
        folder.id
        for folder in folders.listed(mailbox)
        if folder.has_new
        and folder.selectable
        and (folder.role in USUAL or (every and folder.role not in NEVER))
    ]


def _folder(reader: Reader, folder_id: int) -> bool:
    """Read a folder; return whether some of it is left."""
    mailbox_id = reader.held.mailbox_id
    known = _known(mailbox_id, folder_id)
    with folders.line_to(service.get(mailbox_id)) as connection:
        selected = open_folder(connection, known.raw)
        if known.validity != selected.uidvalidity:
            _meet(reader.held, folder_id, selected)
            known = _known(mailbox_id, folder_id)
        surveying = known.cursor < known.baseline
        day = (known.connected_at - timedelta(days=2)).date() if surveying else None
        uids, reached = arrivals.uids_after(connection, selected, known.cursor, day)
        connection.leave()
    place = Place(mailbox_id, folder_id, selected.uidvalidity)
    for at in range(0, len(uids), arrivals.SLICE):
        some = uids[at : at + arrivals.SLICE]
        found = _fetched(reader, place, known.raw, some)
        found = [one for one in found if not _is_history(one, known)]
        _store(reader, place, found, some[-1])
        if reader.is_late:
            return True
    if reached > (uids[-1] if uids else known.cursor):
        _store(reader, place, [], reached)
    return False


@dataclass(frozen=True)
class _Known:
    """What our rows say of a folder; nothing of it is asked while a server is."""

    raw: bytes
    connected_at: datetime
    validity: int | None
    cursor: int
    baseline: int


def _known(mailbox_id: int, folder_id: int) -> _Known:
    with reading():
        folder = folders.get(folder_id)
        known = _Known(
            folders.raw_of(folder),
            service.get(mailbox_id).connected_at,
            folder.synced_validity,
            folder.synced_uid,
            folder.baseline_uid,
        )
        db.session.rollback()
    return known


def _is_history(arrival: Arrival, known: _Known) -> bool:
    """Whether a mail is older than the connection; then nothing is done about it.

    Of mails that lay there when we met the folder, the server's time of arrival
    decides; a newer one can be history too, moved here from another folder.
    """
    lay_there = arrival.uid <= known.baseline
    if arrival.received is None:
        return lay_there
    skew = timedelta(0) if lay_there else SKEW
    return arrival.received <= known.connected_at - skew


def _meet(held: Round, folder_id: int, selected: Selected) -> None:
    """Remember a numbering that is new to us; the survey begins at its first mail."""
    last = (selected.uidnext or arrivals.LARGEST_UID) - 1 if selected.exists else 0
    rounds.keep(held)
    db.session.execute(
        sa.update(Folder)
        .where(Folder.id == folder_id)
        .values(synced_validity=selected.uidvalidity, synced_uid=0, baseline_uid=last)
        .execution_options(synchronize_session=False)
    )
    db.session.commit()


def _fetched(
    reader: Reader, place: Place, raw: bytes, uids: Sequence[int]
) -> list[Arrival]:
    """Fetch mails; those over which the connection breaks are narrowed down."""
    found = _tried(reader, place, raw, uids)
    if found is not None:
        return found
    if len(uids) == 1:
        again = _tried(reader, place, raw, uids)
        return [arrivals.unreadable(uids[0])] if again is None else again
    half = len(uids) // 2
    first = _fetched(reader, place, raw, uids[:half])
    return first + _fetched(reader, place, raw, uids[half:])


def _tried(
    reader: Reader, place: Place, raw: bytes, uids: Sequence[int]
) -> list[Arrival] | None:
    """Fetch mails on a line that opens the folder; None if it failed over the mails."""
    with folders.line_to(service.get(place.mailbox_id)) as connection:
        open_folder(connection, raw, place.uidvalidity)
        try:
            found = arrivals.fetch(connection, uids, reader.wanted)
        except (Unreachable, ServerRefused):
            return None
        connection.leave()
        return found


def _store(reader: Reader, place: Place, found: Sequence[Arrival], cursor: int) -> None:
    """Store what was made of some mails, and the cursor behind them, or nothing."""
    with reading():
        store = reader.sort(place, found)
        db.session.rollback()
    rounds.keep(reader.held)
    store()
    moved = db.session.scalar(
        sa.update(Folder)
        .where(
            Folder.id == place.folder_id,
            Folder.synced_validity == place.uidvalidity,
            Folder.synced_uid < cursor,
        )
        .values(synced_uid=cursor)
        .returning(Folder.id)
        .execution_options(synchronize_session=False)
    )
    if moved is None:
        raise LeaseLost
    db.session.commit()
