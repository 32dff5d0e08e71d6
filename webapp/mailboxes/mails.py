"""Mails of a folder: list, count, open, flag. Reading never changes a flag."""

from collections.abc import Sequence
from typing import IO

from webapp.core.db import db
from webapp.core.errors import Invalid
from webapp.core.words import _
from webapp.mailboxes import browsing, folders, opening, query_text
from webapp.mailboxes.mime import Part
from webapp.mailboxes.models import Folder
from webapp.mailboxes.opening import Opened
from webapp.mailboxes.query import EVERYTHING, Query, QueryError
from webapp.mailboxes.sanitise import Clean
from webapp.mailboxes.sanitise_limited import clean_limited
from webapp.operators import audit

#: So many mails of a search can be changed at once.
MOST_CHANGED = 10_000


def parse_query(text: str | None) -> Query:
    """Read the search box.

    Raises
    ------
    Invalid
        With the sentence that says what is not understood.
    """
    try:
        return query_text.parse(text or "")
    except QueryError as error:
        raise Invalid(error.words, {"q": [error.words]}) from error


def listed(
    folder: Folder,
    text: str = "",
    *,
    below: int | None = None,
    uidvalidity: int | None = None,
    limit: int = browsing.PAGE,
) -> browsing.Page:
    """Return mails of a folder that match, newest first."""
    query = parse_query(text)
    with folders.opened(folder) as (connection, raw):
        return browsing.page(
            connection, raw, query, below=below, limit=limit, uidvalidity=uidvalidity
        )


def count(folder: Folder, text: str = "") -> int:
    """Return how many mails of a folder match."""
    query = parse_query(text)
    with folders.opened(folder) as (connection, raw):
        return browsing.count(connection, raw, query)


def open_one(folder: Folder, uid: int, uidvalidity: int | None = None) -> Opened:
    """Open a mail to read it."""
    folder_id = folder.id
    try:
        with folders.opened(folder) as (connection, raw):
            return opening.open_mail(connection, raw, uid, uidvalidity)
    except opening.StructureUnreadable:
        with folders.opened(folders.get(folder_id)) as (connection, raw):
            return opening.open_mail(
                connection, raw, uid, uidvalidity, with_structure=False
            )


def html_of(
    folder: Folder, uid: int, uidvalidity: int | None = None, *, remote: bool = False
) -> Clean:
    """Return a mail's HTML, harmless, with its own images inside.

    Raises
    ------
    TooHard
        If the HTML cannot be cleaned within limits.
    """
    with folders.opened(folder) as (connection, raw):
        mail = opening.open_mail(connection, raw, uid, uidvalidity)
        html = "".join(part.text() for part in mail.mail.bodies("html"))
        uses_images = "cid:" in html
        images = opening.inline_images(connection, mail) if uses_images else {}
    return clean_limited(html, images, remote_images=remote)


def attachment(
    folder: Folder, uid: int, number: int, uidvalidity: int | None = None
) -> tuple[Part, IO[bytes]]:
    """Return an attachment and a file with its content."""
    with folders.opened(folder) as (connection, raw):
        mail = opening.open_mail(connection, raw, uid, uidvalidity)
        return opening.attachment(connection, mail, number)


def source(folder: Folder, uid: int, uidvalidity: int | None = None) -> IO[bytes]:
    """Return a file with a mail's complete source."""
    with folders.opened(folder) as (connection, raw):
        return opening.source(connection, raw, uid, uidvalidity)


def change_flags(
    folder: Folder,
    *,
    uids: Sequence[int] = (),
    text: str = "",
    add: Sequence[str] = (),
    remove: Sequence[str] = (),
    uidvalidity: int | None = None,
) -> list[int]:
    """Add and remove flags of chosen mails, or of all that match a search.

    An empty choice changes nothing. Returns the UIDs of the mails that changed.

    Raises
    ------
    Invalid
        If a flag is none, the search matches too many, or both ways are taken.
    """
    if text and uids:
        words = _("Choose the mails by their uids or by a search, not by both.")
        raise Invalid(words, {"q": [words]})
    folder_id, name = folder.id, folder.name
    query = parse_query(text) if text else None
    try:
        with folders.opened(folder) as (connection, raw):
            chosen = list(uids)
            if query is not None and query != EVERYTHING:
                chosen = browsing.matching_uids(connection, raw, query)
            if len(chosen) > MOST_CHANGED:
                words = _("That is more than %(n)s mails at once.", n=MOST_CHANGED)
                raise Invalid(words, {"q": [words]})
            changed = browsing.change_flags(
                connection,
                raw,
                chosen,
                add=list(add),
                remove=list(remove),
                uidvalidity=uidvalidity,
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
