"""What a person does with chosen mails: flag, move, copy, archive, delete, append.

Mails are chosen by UIDs or by a search, never by both; an empty choice changes nothing.
Each function writes one line of the audit log.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from webapp.core.db import db
from webapp.core.errors import Invalid, Refused
from webapp.core.words import _
from webapp.mailboxes import browsing, changing, folders, naming
from webapp.mailboxes.changing import Filed
from webapp.mailboxes.imap import Connection
from webapp.mailboxes.mails import parse_query
from webapp.mailboxes.models import Folder, Mail
from webapp.mailboxes.query import EVERYTHING, Header, QueryError
from webapp.operators import audit

#: So many mails of a search can be changed at once.
MOST_CHANGED = 10_000
#: Octets of a mail that is added to a folder.
LARGEST_MAIL = 25 * 1024 * 1024

MESSAGE_ID = re.compile(
    rb"^message-id:\s*(<[^<>\s]{3,900}>)", re.IGNORECASE | re.MULTILINE
)
Work = Callable[[Connection, bytes, list[int]], Filed]


@dataclass(frozen=True)
class Choice:
    """Mails of a folder: these UIDs of one numbering, or all that match a search."""

    uids: Sequence[int] = ()
    text: str = ""
    uidvalidity: int | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of the chosen mails, and the folder where they are now, if any."""

    filed: Filed
    target_id: int | None = None


def change_flags(
    folder: Folder,
    choice: Choice,
    *,
    add: Sequence[str] = (),
    remove: Sequence[str] = (),
) -> list[int]:
    """Add and remove flags; returns the UIDs of the mails that really changed.

    Raises
    ------
    Invalid
        If a flag is none, the search matches too many, or both ways are taken.
    """
    folder_id, name = folder.id, folder.name
    try:
        with _chosen(folder, choice) as (connection, raw, uids):
            changed = changing.change_flags(
                connection,
                raw,
                uids,
                add=add,
                remove=remove,
                uidvalidity=choice.uidvalidity,
            )
    except QueryError as error:
        raise Invalid(error.words, {"add": [error.words]}) from error
    audit.record(
        "mail.flags",
        "folder",
        folder_id,
        name,
        changed=len(changed),
        add=list(add),
        remove=list(remove),
    )
    db.session.commit()
    folders.recount_soon(folder_id)
    return changed


def move(folder: Folder, choice: Choice, target: Folder) -> Outcome:
    """Move mails to another folder of the same mailbox.

    Raises
    ------
    Invalid
        If that folder cannot take mails, is the same one or of another mailbox.
    """
    _may_take(target, folder)
    target_id, name, to = target.id, target.name, folders.raw_of(target)
    validity = choice.uidvalidity
    filed = _file(
        folder,
        choice,
        ("mail.move", name),
        lambda connection, raw, uids: changing.move(
            connection, raw, uids, to, validity
        ),
    )
    _our_rows_follow(folder.id, filed, target_id)
    return Outcome(filed, target_id)


def copy(folder: Folder, choice: Choice, target: Folder) -> Outcome:
    """Copy mails to another folder of the same mailbox; raises as `move` does."""
    _may_take(target, folder)
    target_id, name, to = target.id, target.name, folders.raw_of(target)
    validity = choice.uidvalidity
    filed = _file(
        folder,
        choice,
        ("mail.copy", name),
        lambda connection, raw, uids: changing.copy(
            connection, raw, uids, to, validity
        ),
    )
    return Outcome(filed, target_id)


def archive(folder: Folder, choice: Choice) -> Outcome:
    """Move mails to the folder that is the archive; one is made where none is."""
    return move(folder, choice, naming.for_role(folder.mailbox, "archive"))


def delete(folder: Folder, choice: Choice, *, for_good: bool = False) -> Outcome:
    """Move mails to the trash; in the trash itself, or if asked so, delete for good."""
    mailbox, is_trash = folder.mailbox, folder.role in naming.GOING
    if not (for_good or is_trash):
        trash = naming.for_role(mailbox, "trash")
        if trash.id != folder.id:
            return move(folder, choice, trash)
    validity = choice.uidvalidity
    filed = _file(
        folder,
        choice,
        ("mail.delete", ""),
        lambda connection, raw, uids: changing.delete(connection, raw, uids, validity),
    )
    _our_rows_follow(folder.id, filed, None)
    return Outcome(filed)


def _our_rows_follow(folder_id: int, filed: Filed, target_id: int | None) -> None:
    """Keep our rows where their mails lie now; of one that is gone, nowhere.

    Where the server does not tell the new place the row is left, and found again by
    whoever meets the mail.
    """
    gone = set(filed.uids) - set(filed.marked) if target_id is None else set()
    for uids in changing.chunks(list(gone or filed.placed)):
        rows = db.session.scalars(
            sa.select(Mail)
            .join(Folder, Folder.id == Mail.folder_id)
            .where(
                Mail.folder_id == folder_id,
                Mail.uidvalidity == Folder.uidvalidity,
                Mail.uid.in_(uids),
            )
        ).all()
        for mail in rows:
            new = filed.placed.get(mail.uid or 0)
            mail.folder_id = target_id if new else None
            mail.uidvalidity = filed.uidvalidity if new else None
            mail.uid = new
        db.session.commit()


def append(
    target: Folder,
    octets: bytes,
    flags: Sequence[str] = (),
    received: datetime | None = None,
) -> tuple[int, int] | None:
    """Add a mail to a folder; returns UIDVALIDITY and UID where the server says them.

    Bare line ends become CRLF; nothing else changes.

    Raises
    ------
    Invalid
        If it is empty, too large, holds NUL, or a flag is none.
    """
    octets = _to_append(octets)
    _may_take(target)
    target_id, name = target.id, target.name
    try:
        with folders.opened(target) as (connection, raw):
            placed = changing.append(connection, raw, octets, flags, received)
            if placed is None:
                placed = _found(connection, raw, octets)
    except QueryError as error:
        raise Invalid(error.words, {"flags": [error.words]}) from error
    audit.record("mail.append", "folder", target_id, name, size=len(octets))
    db.session.commit()
    folders.recount_soon(target_id)
    return placed


def _to_append(octets: bytes) -> bytes:
    if not octets.strip():
        words = _("There is no mail to add.")
    elif len(octets) > LARGEST_MAIL:
        words = _("A mail can have %(n)s MB at most.", n=LARGEST_MAIL // 1024**2)
    elif b"\0" in octets:
        words = _("A mail cannot hold NUL.")
    else:
        return re.sub(rb"\r\n|\r|\n", b"\r\n", octets)
    raise Invalid(words, {"source": [words]})


def _found(connection: Connection, raw: bytes, octets: bytes) -> tuple[int, int] | None:
    """Look for a mail that was just added where the server did not say its UID."""
    match = MESSAGE_ID.search(octets)
    if match is None:
        return None
    selected = browsing.open_folder(connection, raw)
    query = Header("Message-ID", match[1].decode("ascii", "replace"))
    uids = browsing.matching_uids(connection, raw, query)
    return (selected.uidvalidity, uids[-1]) if uids else None


def _file(folder: Folder, choice: Choice, entry: tuple[str, str], work: Work) -> Filed:
    folder_id, name = folder.id, folder.name
    with _chosen(folder, choice) as (connection, raw, uids):
        filed = work(connection, raw, uids) if uids else Filed()
    kind, target = entry
    audit.record(kind, "folder", folder_id, name, mails=len(filed.uids), to=target)
    db.session.commit()
    folders.recount_soon(folder_id)
    return filed


@contextmanager
def _chosen(
    folder: Folder, choice: Choice
) -> Iterator[tuple[Connection, bytes, list[int]]]:
    if choice.text and choice.uids:
        words = _("Choose the mails by their uids or by a search, not by both.")
        raise Invalid(words, {"q": [words]})
    query = parse_query(choice.text) if choice.text else None
    with folders.opened(folder) as (connection, raw):
        uids = list(choice.uids)
        if query is not None and query != EVERYTHING:
            uids = browsing.matching_uids(connection, raw, query)
        if len(uids) > MOST_CHANGED:
            words = _("That is more than %(n)s mails at once.", n=MOST_CHANGED)
            raise Invalid(words, {"q": [words]})
        yield connection, raw, uids


def _may_take(target: Folder, source: Folder | None = None) -> None:
    if not target.selectable:
        words = _("This folder only holds other folders.")
    elif source is not None and source.mailbox_id != target.mailbox_id:
        words = _("Mails cannot be moved from one mailbox to another.")
    elif source is not None and source.id == target.id:
        raise Refused(_("The mails are in this folder already."))
    else:
        return
    raise Invalid(words, {"to": [words]})
