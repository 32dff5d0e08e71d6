"""Mails that the sync could not read or sort: why, once more, or let it be.

The sync sets such a mail aside, so that the others go on; it never comes back to it by
itself. A person can have it read again (the server, or we, may be mended by now), or
say that it is done with.
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from webapp.core.db import db
from webapp.core.errors import NotFound, Refused
from webapp.core.words import _
from webapp.mailboxes import arrivals, folders
from webapp.mailboxes.arrivals import Arrival
from webapp.mailboxes.browsing import open_folder
from webapp.mailboxes.imap_errors import ServerRefused, Unreachable
from webapp.mailboxes.in_words import in_words
from webapp.mailboxes.kinds import MailKind, MailState
from webapp.mailboxes.models import Folder, Mail, Mailbox
from webapp.mailboxes.set_aside import WAITS
from webapp.triage import receiving, work
from webapp.triage.sorting import needs_source
from webapp.triage.work import Worked


def waiting(mailbox_id: int | None = None) -> "sa.Select[Any]":
    """Return the query of what waits, in one mailbox or all; page it by `Mail.id`."""
    query = (
        sa.select(Mail)
        .join(Mailbox, Mailbox.id == Mail.mailbox_id)
        .where(*WAITS, Mailbox.deleted_at.is_(None))
    )
    return query if mailbox_id is None else query.where(Mail.mailbox_id == mailbox_id)


def places_of(mails: Sequence[Mail]) -> dict[int, tuple[str, str]]:
    """Return the names of mailbox and folder of each mail, by its id."""
    rows = db.session.execute(
        sa.select(Mail.id, Mailbox.name.label("mailbox"), Folder.name.label("folder"))
        .join(Mailbox, Mailbox.id == Mail.mailbox_id)
        .outerjoin(Folder, Folder.id == Mail.folder_id)
        .where(Mail.id.in_([mail.id for mail in mails]))
    )
    return {row.id: (row.mailbox, row.folder or "") for row in rows}


def try_again(mail_id: int) -> bool:
    """Read and sort a mail once more; say whether it worked.

    What it proves is done then, as if it came now. One that arrived before its mailbox
    was connected is history: it is no longer set aside, and nothing follows from it.

    Raises
    ------
    NotFound
        If there is no such mail, or it is gone from its folder.
    Refused
        If it is not set aside (any more), or its server cannot be asked.
    """
    mail = _one(mail_id)
    if mail.folder_id is None or mail.uid is None or mail.uidvalidity is None:
        raise NotFound(_("This mail is in no folder that we know any more."))
    folder_id, uid, uidvalidity = mail.folder_id, mail.uid, mail.uidvalidity
    db.session.commit()
    arrival = _fetched(folder_id, uid, uidvalidity)
    return receiving.take_again(mail_id, arrival)


def dismiss(mail_id: int) -> Worked:
    """Say that nothing is to be done about a mail that was set aside.

    Raises
    ------
    NotFound
        If there is no such mail.
    Refused
        If it is not set aside (any more).
    """
    return work.set_state([_one(mail_id).id], MailState.DONE)


def _one(mail_id: int) -> Mail:
    found = db.session.get(Mail, mail_id)
    if found is None:
        raise NotFound(_("There is no such mail."))
    if found.kind is not MailKind.SET_ASIDE:
        raise Refused(_("This mail is not set aside any more."))
    return found


def _fetched(folder_id: int, uid: int, uidvalidity: int) -> Arrival:
    """Ask the server for one mail, on a line that it may break."""
    folder = folders.get(folder_id)
    raw, mailbox = folders.raw_of(folder), folder.mailbox
    with in_words(), folders.line_to(mailbox) as connection:
        open_folder(connection, raw, uidvalidity)
        try:
            found = arrivals.fetch(connection, [uid], needs_source)
        except (Unreachable, ServerRefused):
            return arrivals.unreadable(uid)
        connection.leave()
    if not found:
        raise NotFound(_("This mail is no longer in its folder."))
    return found[0]
