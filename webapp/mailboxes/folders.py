"""Folders: what the server has, remembered with its counts for the next page."""

import base64
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from webapp.core.clock import now
from webapp.core.db import db, reading
from webapp.core.errors import NotFound
from webapp.core.words import _
from webapp.mailboxes import reach
from webapp.mailboxes.imap import Connection
from webapp.mailboxes.imap_answers import Counts, Listed
from webapp.mailboxes.imap_errors import FolderGone, ImapError, ServerRefused
from webapp.mailboxes.imap_signin import connect
from webapp.mailboxes.models import Folder, Mailbox
from webapp.mailboxes.pool import pool

#: Counts younger than this are shown as they are.
FRESH = timedelta(seconds=15)
#: How many folders are asked one by one where the server has no LIST-STATUS.
MOST_COUNTED = 20
ROLE_ORDER = ("inbox", "drafts", "sent", "archive", "junk", "trash", "all", "flagged")
LONGEST_NAME = 1000


@dataclass(frozen=True)
class Listing:
    """A folder as the sync has to know it."""

    id: int
    role: str
    selectable: bool
    has_new: bool


@contextmanager
def line_to(mailbox: Mailbox) -> Iterator[Connection]:
    """Lend a connection to a mailbox, and remember how its server did.

    The database is let go meanwhile: a slow mail server holds up no other page.

    Raises
    ------
    ImapError
        As the server is; see `webapp.mailboxes.imap_errors`.
    """
    mailbox_id, version = mailbox.id, mailbox.version
    key, access = reach.usable(mailbox)
    db.session.commit()
    try:
        with pool.lease(key, lambda: connect(access)) as connection:
            yield connection
    except ImapError as error:
        reach.note_trouble(mailbox_id, version, error)
        raise
    reach.note_ok(mailbox_id)


def get(folder_id: int) -> Folder:
    """Return a folder of a mailbox that is still connected.

    Raises
    ------
    NotFound
        If there is none.
    """
    folder = db.session.get(Folder, folder_id)
    if folder is None or folder.mailbox.deleted_at:
        raise NotFound(_("There is no such folder."))
    return folder


def of_mailbox(mailbox_id: int, folder_id: int) -> Folder:
    """Return a folder of this mailbox; raises as `get` does."""
    folder = get(folder_id)
    if folder.mailbox_id != mailbox_id:
        raise NotFound(_("There is no such folder."))
    return folder


def raw_of(folder: Folder) -> bytes:
    """Return the octets by which the server knows a folder."""
    return base64.b64decode(folder.raw_name)


def known(mailbox_id: int) -> list[Folder]:
    """Return the folders that we know: the inbox first, roles next, then by name."""
    query = sa.select(Folder).where(
        Folder.mailbox_id == mailbox_id, Folder.gone_at.is_(None)
    )
    return sorted(db.session.scalars(query), key=_place)


def _place(folder: Folder) -> tuple[int, str]:
    is_known = folder.role in ROLE_ORDER
    place = ROLE_ORDER.index(folder.role) if is_known else len(ROLE_ORDER)
    return place, folder.name.casefold()


def fresh(mailbox: Mailbox, *, force: bool = False) -> list[Folder]:
    """Return the folders with counts that are at most some seconds old.

    Raises
    ------
    ImapError
        If the server has to be asked and cannot.
    """
    mailbox_id, own_names = mailbox.id, dict(mailbox.folder_map)
    found = known(mailbox_id)
    newest = max((f.counted_at for f in found if f.counted_at), default=None)
    if not force and newest and newest > now() - FRESH:
        return found
    with line_to(mailbox) as connection:
        listed, counts = connection.list_folders()
        counts = counts or _counted(connection, listed)
    _remember(mailbox_id, with_own_roles(listed, own_names), counts)
    return known(mailbox_id)


def _counted(connection: Connection, listed: list[Listed]) -> dict[bytes, Counts]:
    """Ask one by one: the inbox, then roles, then the first names."""
    wanted = [folder for folder in listed if folder.selectable]
    wanted.sort(key=lambda folder: (folder.role != "inbox", not folder.role))
    counts: dict[bytes, Counts] = {}
    for folder in wanted[:MOST_COUNTED]:
        try:
            counts[folder.raw] = connection.status(folder.raw)
        except ServerRefused:
            if connection.broken:
                raise
    return counts


def with_own_roles(
    listed: Sequence[Listed], own_names: Mapping[str, str]
) -> list[Listed]:
    """Let the operator's own names say which folder has a role.

    >>> sent = Listed(b"Out", "Out", "/", "", True)
    >>> [one.role for one in with_own_roles([sent], {"sent": "Out"})]
    ['sent']
    """
    roles = {role: name for role, name in own_names.items() if role in ROLE_ORDER}
    by_name = {name: role for role, name in roles.items()}
    have = {one.name for one in listed}
    taken = {role for role, name in roles.items() if name in have}
    return [
        replace(one, role=by_name.get(one.name, "" if one.role in taken else one.role))
        for one in listed
    ]


def listed(mailbox: Mailbox) -> list[Listing]:
    """Ask for the folders once, and say which may hold mails that were not read.

    Where the server tells no numbers with the list, each may.

    Raises
    ------
    ImapError
        If the server has to be asked and cannot.
    """
    mailbox_id, own_names = mailbox.id, dict(mailbox.folder_map)
    with line_to(mailbox) as connection:
        found, counts = connection.list_folders()
    _remember(mailbox_id, with_own_roles(found, own_names), counts)
    known_counts = {_key(raw): one for raw, one in counts.items()}
    with reading():
        rows = known(mailbox_id)
        shown = [
            Listing(
                folder.id,
                folder.role,
                folder.selectable,
                _may_have_new(folder, known_counts.get(folder.raw_name)),
            )
            for folder in rows
        ]
        db.session.rollback()
    return shown


def _may_have_new(folder: Folder, counts: Counts | None) -> bool:
    if counts is None or counts.uidnext is None or counts.uidvalidity is None:
        return True
    is_same = counts.uidvalidity == folder.synced_validity
    return not is_same or counts.uidnext - 1 > folder.synced_uid


def _key(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


@dataclass
class _Changes:
    """What a list says that our rows do not."""

    changed: list[tuple[int, dict[str, Any]]]
    added: list[dict[str, Any]]
    gone: list[int]


def _remember(
    mailbox_id: int, listed: list[Listed], counts: Mapping[bytes, Counts]
) -> None:
    """Write what changed; a list that says what we know writes nothing."""
    found = _compare(mailbox_id, listed, counts)
    for folder_id, values in found.changed:
        _set(Folder.id == folder_id, **values)
    is_sqlite = db.session.get_bind().dialect.name == "sqlite"
    insert = (sqlite if is_sqlite else postgresql).insert(Folder)
    for values in found.added:
        db.session.execute(insert.values(**values).on_conflict_do_nothing())
    if found.gone:
        _set(Folder.id.in_(found.gone), gone_at=now())
    if counts:
        _set(Folder.mailbox_id == mailbox_id, counted_at=now())
    db.session.commit()


def _compare(
    mailbox_id: int, listed: list[Listed], counts: Mapping[bytes, Counts]
) -> _Changes:
    found = _Changes([], [], [])
    with reading():
        query = sa.select(Folder).where(Folder.mailbox_id == mailbox_id)
        have = {folder.raw_name: folder for folder in db.session.scalars(query)}
        for each in listed:
            key = _key(each.raw)
            if len(key) > LONGEST_NAME:
                continue
            values = _columns(each, counts.get(each.raw))
            folder = have.pop(key, None)
            if folder is None:
                found.added.append(
                    {"mailbox_id": mailbox_id, "raw_name": key, **values}
                )
            elif any(getattr(folder, name) != new for name, new in values.items()):
                found.changed.append((folder.id, values))
        found.gone = [one.id for one in have.values() if one.gone_at is None]
        db.session.rollback()
    return found


def _set(condition: Any, **values: Any) -> None:
    db.session.execute(
        sa.update(Folder)
        .where(condition)
        .values(**values)
        .execution_options(synchronize_session=False)
    )


def _columns(each: Listed, counts: Counts | None) -> dict[str, Any]:
    columns: dict[str, Any] = {
        "name": each.name[:LONGEST_NAME],
        "delimiter": each.delimiter,
        "role": each.role,
        "selectable": each.selectable,
        "subscribed": each.subscribed,
        "gone_at": None,
    }
    if counts:
        columns.update(
            total=counts.messages,
            unseen=counts.unseen,
            uidnext=counts.uidnext,
            uidvalidity=counts.uidvalidity,
        )
    return columns


@contextmanager
def opened(folder: Folder) -> Iterator[tuple[Connection, bytes]]:
    """Lend a connection for one folder; a folder that is gone is remembered as such."""
    folder_id, raw = folder.id, raw_of(folder)
    try:
        with line_to(folder.mailbox) as connection:
            yield connection, raw
    except FolderGone:
        _mark(folder_id, gone_at=now())
        raise


def recount_soon(folder_id: int) -> None:
    """Have the next page ask for the counts: flags were just changed."""
    query = sa.select(Folder.mailbox_id).where(Folder.id == folder_id)
    db.session.execute(
        sa.update(Folder)
        .where(Folder.mailbox_id == query.scalar_subquery())
        .values(counted_at=None)
    )
    db.session.commit()


def _mark(folder_id: int, **values: Any) -> None:
    db.session.rollback()
    db.session.execute(sa.update(Folder).where(Folder.id == folder_id).values(**values))
    db.session.commit()
