"""Listen to all mailboxes, so that what happens in an inbox is on the pages at once.

One process, a thread and a connection for each mailbox: IDLE (RFC 2177) where the
server offers it. Many servers keep quiet about flags that others changed, and nothing
is heard while a connection is away; so once a minute, and whenever it is back, the
folder is opened anew and its state compared: HIGHESTMODSEQ says it all where the server
has CONDSTORE (RFC 7162), else the flags of its newest mails. News raises the folder's
`changes`, which pages ask for, and asks for the mailbox to be read. Whatever breaks is
tried again with growing pauses; a refused password waits for a person. Any number of
such processes does no harm.
"""

import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import sqlalchemy as sa
from flask import Flask
from sqlalchemy.exc import DBAPIError

from webapp.core.clock import now
from webapp.core.db import db, reading
from webapp.mailboxes import folders, reach
from webapp.mailboxes.imap import Connection
from webapp.mailboxes.imap_errors import ImapError, SignInRefused
from webapp.mailboxes.imap_signin import Access, connect
from webapp.mailboxes.models import Folder, Mailbox, MailboxState
from webapp.mailboxes.rows import flags_of

log = logging.getLogger(__name__)

#: How soon a new, changed or deleted mailbox is noticed.
LOOK_SECONDS = 2.0
#: How often a thread looks up from listening, to see whether it is to end.
GLANCE_SECONDS = 1.0
#: How often a folder is looked at anew; IDLE never lasts longer (RFC 2177 3).
POLL_SECONDS = 60.0
#: So many of the newest mails have their flags compared where there is no CONDSTORE.
NEWEST = 50
PRACTICE_POLL_SECONDS = 2.0
PAUSES = (1.0, 5.0, 15.0, 60.0, 300.0)

Key = tuple[int, int]


def run(app: Flask, stopping: threading.Event) -> None:
    """Listen to every mailbox until told to stop."""
    watches: dict[Key, _Watch] = {}
    while not stopping.is_set():
        wanted = _wanted(app)
        for key in set(watches) - wanted:
            watches.pop(key).end()
        for key in wanted:
            if key not in watches or not watches[key].is_alive():
                watches[key] = _Watch(app, key)
                watches[key].start()
        stopping.wait(LOOK_SECONDS)
    for watch in watches.values():
        watch.end()
    for watch in watches.values():
        watch.join(GLANCE_SECONDS * 3)


def _wanted(app: Flask) -> set[Key]:
    """Return the mailboxes to listen to; new settings are another key."""
    query = sa.select(Mailbox.id, Mailbox.version).where(
        Mailbox.deleted_at.is_(None), Mailbox.state != MailboxState.NEEDS_ATTENTION
    )
    with app.app_context(), reading():
        try:
            return {(row.id, row.version) for row in db.session.execute(query)}
        except DBAPIError as error:
            log.debug("the database: %s", type(error.orig).__name__)
            return set()
        finally:
            db.session.remove()


class _Watch(threading.Thread):
    """Listens to one mailbox with the settings of one version."""

    def __init__(self, app: Flask, key: Key) -> None:
        super().__init__(daemon=True, name=f"mailbox {key[0]}")
        self._app = app
        self._mailbox_id, self._version = key
        self._stopping = threading.Event()
        self._failures = 0
        self._before: State | None = None

    def end(self) -> None:
        """Stop listening within a glance."""
        self._stopping.set()

    def run(self) -> None:
        """Connect, listen, and connect again, until told to end."""
        while not self._stopping.is_set():
            try:
                with self._app.app_context():
                    self._listen()
            except SignInRefused as error:
                with self._app.app_context():
                    reach.note_trouble(self._mailbox_id, self._version, error)
                return
            except sa.exc.NoResultFound:
                return  # the mailbox was taken away
            except (ImapError, DBAPIError) as error:
                log.debug("mailbox %s: %s", self._mailbox_id, type(error).__name__)
                pause = PAUSES[min(self._failures, len(PAUSES) - 1)]
                self._failures += 1
                self._stopping.wait(pause)

    def _listen(self) -> None:
        access, folder_id, raw, is_practice = self._facts()
        with _connected(access) as connection:
            if folder_id is None:
                folder_id, raw = self._inbox()
            if connection.has("IDLE"):
                self._idle(connection, folder_id, raw)
            else:
                every = PRACTICE_POLL_SECONDS if is_practice else POLL_SECONDS
                self._poll(connection, folder_id, raw, every)

    def _facts(self) -> tuple[Access, int | None, bytes, bool]:
        """Return how to reach the server, and its inbox if we know it."""
        with reading():
            mailbox = db.session.get_one(Mailbox, self._mailbox_id)
            _key, access = reach.usable(mailbox)
            known = folders.known(mailbox.id)
            inbox = next((one for one in known if one.role == "inbox"), None)
            facts = (
                access,
                inbox.id if inbox else None,
                folders.raw_of(inbox) if inbox else b"",
                mailbox.is_practice,
            )
            db.session.rollback()
        return facts

    def _inbox(self) -> tuple[int, bytes]:
        """Ask for the folders, and return the inbox."""
        mailbox = db.session.get_one(Mailbox, self._mailbox_id)
        for folder in folders.fresh(mailbox, force=True):
            if folder.role == "inbox":
                found = folder.id, folders.raw_of(folder)
                db.session.rollback()
                return found
        raise ImapError("The mailbox has no inbox.")

    def _idle(self, connection: Connection, folder_id: int, raw: bytes) -> None:
        while not self._stopping.is_set():
            self._look(connection, folder_id, raw)
            connection.line.idle()
            self._failures = 0
            glances = max(1, int(POLL_SECONDS / GLANCE_SECONDS))
            while glances and not self._stopping.is_set():
                glances -= 1
                if connection.line.heard(GLANCE_SECONDS):
                    note(self._mailbox_id, folder_id)
            connection.line.rest()

    def _poll(
        self, connection: Connection, folder_id: int, raw: bytes, every: float
    ) -> None:
        while not self._stopping.is_set():
            self._look(connection, folder_id, raw)
            self._failures = 0
            self._stopping.wait(every)

    def _look(self, connection: Connection, folder_id: int, raw: bytes) -> None:
        """Note what nobody told, or what happened while nobody listened."""
        state = state_of(connection, raw)
        if state != (self._before or _known_state(folder_id)):
            note(self._mailbox_id, folder_id, state.modseq)
        self._before = state


@dataclass(frozen=True)
class State:
    """What tells that a folder is another than it was."""

    uidvalidity: int
    uidnext: int | None
    exists: int
    modseq: int | None
    flags: Mapping[int, frozenset[str]] = field(default_factory=dict)


def state_of(connection: Connection, raw: bytes) -> State:
    """Open a folder and return its state."""
    # Unasked, a server need not begin to count changes (RFC 7162 3.1.8).
    since = b"(CONDSTORE)" if connection.has("CONDSTORE") else b""
    selected = connection.select(raw, since=since)
    modseq = selected.highestmodseq
    first = max(1, selected.exists - NEWEST + 1)
    flags: dict[int, frozenset[str]] = {}
    if modseq is None and selected.exists:
        found = connection.fetch(b"%d:*" % first, b"(UID FLAGS)", uid=False)
        flags = {
            uid: flags_of(items.get(b"FLAGS")) - {"\\Recent"}
            for uid, items in found.items.items()
        }
    return State(selected.uidvalidity, selected.uidnext, selected.exists, modseq, flags)


def _known_state(folder_id: int) -> State | None:
    """Return the state in which our row has a folder, as far as it is known."""
    with reading():
        folder = db.session.get(Folder, folder_id)
        known = None
        if folder is not None:
            uidvalidity, exists = folder.uidvalidity or 0, folder.total or 0
            modseq = folder.highestmodseq
            known = State(uidvalidity, folder.uidnext, exists, modseq)
        db.session.rollback()
    return known


@contextmanager
def _connected(access: Access) -> Iterator[Connection]:
    """Lend a connection of its own: one that listens is nothing for the pool."""
    connection = connect(access)
    try:
        yield connection
    finally:
        connection.close()


def note(mailbox_id: int, folder_id: int, modseq: int | None = None) -> None:
    """Say that something happened in a folder: pages and the reading look for it."""
    at = now()
    told = {} if modseq is None else {"highestmodseq": modseq}
    db.session.rollback()
    db.session.execute(
        sa.update(Folder)
        .where(Folder.id == folder_id)
        .values(changes=Folder.changes + 1, changed_at=at, counted_at=None, **told)
    )
    db.session.execute(
        sa.update(Mailbox)
        .where(Mailbox.id == mailbox_id)
        .values(next_sync_at=at, updated_at=Mailbox.updated_at)
    )
    db.session.commit()


def pulse() -> int:
    """Return a number that grows with whatever the watcher notices anywhere."""
    with reading():
        found = db.session.scalar(sa.select(sa.func.sum(Folder.changes)))
        db.session.rollback()
    return int(found or 0)
