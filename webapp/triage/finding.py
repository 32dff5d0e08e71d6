"""Where a mail of ours lies now, also after another client moved it.

The sync reads the inbox (and what else is wanted) alone, so a mail that was filed away
elsewhere is looked for when somebody wants to see it: by its Message-ID, in the folders
of its mailbox, on one connection and without a trace.
"""

from collections.abc import Sequence

from webapp.core.db import db
from webapp.mailboxes import browsing, folders
from webapp.mailboxes import service as mailboxes
from webapp.mailboxes.imap import Connection
from webapp.mailboxes.imap_errors import (
    FolderGone,
    FolderRenumbered,
    ImapError,
    ServerRefused,
)
from webapp.mailboxes.models import Mail
from webapp.mailboxes.query import Header
from webapp.triage import answers

#: Folders that are looked through at most.
MOST_FOLDERS = 60
Place = tuple[int, int, int]


def found(mail_id: int) -> Mail:
    """Return our row of a mail, with the place where it lies now, if it does.

    Trouble with the mail server leaves the row as it is.

    Raises
    ------
    NotFound
        If there is no such mail, or it is in no folder that we know.
    """
    mail = answers.mail(mail_id)
    box, place = mailboxes.get(mail.mailbox_id), _place_of(mail)
    wanted = mail.message_id_header
    known = [
        (one.id, folders.raw_of(one))
        for one in folders.known(mail.mailbox_id)
        if one.selectable
    ]
    try:
        with folders.line_to(box) as connection:
            lies = _lies(connection, known, place, wanted)
    except ImapError:
        db.session.rollback()
        return answers.placed(mail_id)
    mail = answers.mail(mail_id)
    if lies is not None and lies != _place_of(mail):
        mail.folder_id, mail.uidvalidity, mail.uid = lies
        db.session.commit()
    return answers.placed(mail_id)


def _place_of(mail: Mail) -> Place | None:
    if mail.folder_id is None or mail.uid is None:
        return None
    return mail.folder_id, mail.uidvalidity or 0, mail.uid


def _lies(
    connection: Connection,
    known: Sequence[tuple[int, bytes]],
    place: Place | None,
    message_id: str,
) -> Place | None:
    """Return where a mail lies: at its place, else where its Message-ID is found."""
    raws = dict(known)
    if place and place[0] in raws and _is_at(connection, raws[place[0]], place):
        return place
    for folder_id, raw in known[:MOST_FOLDERS] if message_id.isascii() else ():
        try:
            selected = browsing.open_folder(connection, raw)
            query = Header("Message-ID", message_id)
            uids = browsing.matching_uids(connection, raw, query) if message_id else []
        except (FolderGone, ServerRefused):
            continue
        if uids:
            return folder_id, selected.uidvalidity, uids[-1]
    return None


def _is_at(connection: Connection, raw: bytes, place: Place) -> bool:
    _folder_id, validity, uid = place
    try:
        return bool(browsing.open_rows(connection, raw, [uid], validity)[1])
    except (FolderGone, FolderRenumbered, ServerRefused):
        return False
