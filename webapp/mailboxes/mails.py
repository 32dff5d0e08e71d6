"""Mails of a folder: list, count, open. Reading never changes a flag."""

from typing import IO

from webapp.core.errors import Invalid
from webapp.mailboxes import browsing, folders, opening, query_text
from webapp.mailboxes.mime import Part
from webapp.mailboxes.models import Folder
from webapp.mailboxes.opening import Opened
from webapp.mailboxes.query import Query, QueryError
from webapp.mailboxes.sanitise import Clean
from webapp.mailboxes.sanitise_limited import clean_limited


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
