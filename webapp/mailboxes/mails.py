"""Mails of a folder: list, count, open. Reading never changes a flag."""

from datetime import date
from typing import IO

from webapp.core.errors import Invalid, Refused
from webapp.core.words import _
from webapp.mailboxes import browsing, folders, index_search, opening, query_text
from webapp.mailboxes.index_search import Asked, NotIndexed, Sort
from webapp.mailboxes.mime import Part
from webapp.mailboxes.models import Folder
from webapp.mailboxes.opening import Opened
from webapp.mailboxes.query import EVERYTHING, Query, QueryError
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
    with_text: bool = True,
) -> browsing.Page:
    """Return mails of a folder that match, newest first.

    The local index answers what it can; the server does the rest. A list of the server
    comes without the starts of texts where `with_text` is false.
    """
    query = parse_query(text)
    if query != EVERYTHING and uidvalidity in {None, folder.indexed_validity}:
        try:
            return index_search.page(folder, Asked(query, below=below, limit=limit))[0]
        except NotIndexed:
            pass
    with folders.opened(folder) as (connection, raw):
        return browsing.page(
            connection,
            raw,
            query,
            below=below,
            limit=limit,
            uidvalidity=uidvalidity,
            with_text=with_text,
        )


def in_order(
    folder: Folder, text: str, sort: Sort, *, skip: int = 0, limit: int = browsing.PAGE
) -> tuple[browsing.Page, int | None]:
    """Return mails in another order, and how many to skip for the next page.

    Raises
    ------
    Refused
        If the folder is not indexed yet, or the search is none for the index.
    """
    query = parse_query(text)
    try:
        return index_search.page(folder, Asked(query, sort, skip=skip, limit=limit))
    except NotIndexed as error:
        raise Refused(
            _(
                "This order needs the local index, which has not seen the whole folder "
                "yet, or cannot answer this search. Try the order of arrival."
            )
        ) from error


def before(folder: Folder, day: date) -> int:
    """Return the UID below which the mails of a folder arrived before a day.

    Raises
    ------
    ImapError
        If the server has to be asked and cannot.
    """
    found = index_search.last_before(folder, day)
    if found is not None:
        return found
    with folders.opened(folder) as (connection, raw):
        return browsing.last_before(connection, raw, day)


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
