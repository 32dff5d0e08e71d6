"""Mails of a folder: list, count, open. Reading never changes a flag."""

from collections.abc import Sequence
from datetime import date
from typing import IO

from webapp.core.errors import Invalid, NotFound, Refused
from webapp.core.presentation import zone
from webapp.core.words import _
from webapp.mailboxes import (
    browsing,
    folders,
    index_search,
    opening,
    query_text,
    refreshing,
)
from webapp.mailboxes.imap import Connection
from webapp.mailboxes.index_conditions import NotIndexed
from webapp.mailboxes.index_search import Asked, Sort
from webapp.mailboxes.inner_mails import Place, parse_place
from webapp.mailboxes.mime import Part
from webapp.mailboxes.models import Folder
from webapp.mailboxes.opening import Opened
from webapp.mailboxes.query import EVERYTHING, Query, QueryError, Uids
from webapp.mailboxes.refreshing import Changes, Known
from webapp.mailboxes.sanitise import Clean
from webapp.mailboxes.sanitise_limited import clean_limited
from webapp.mailboxes.zoned_days import begin_of


def parse_query(text: str | Query | None) -> Query:
    """Read the search box, with days of the operator who asks.

    A query that was read already is returned as it is.

    Raises
    ------
    Invalid
        With the sentence that says what is not understood.
    """
    if text is not None and not isinstance(text, str):
        return text
    try:
        return query_text.parse(text or "", zone().key)
    except QueryError as error:
        raise Invalid(error.words, {"q": [error.words]}) from error


def listed(
    folder: Folder,
    text: str | Query = "",
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
    """Return the UID below which mails of a folder arrived before the operator's day.

    Raises
    ------
    ImapError
        If the server has to be asked and cannot.
    """
    instant = begin_of(day, zone().key)
    found = index_search.last_before(folder, instant)
    if found is not None:
        return found
    with folders.opened(folder) as (connection, raw):
        return browsing.last_before(connection, raw, instant)


def count(folder: Folder, text: str = "") -> int:
    """Return how many mails of a folder match."""
    query = parse_query(text)
    with folders.opened(folder) as (connection, raw):
        return browsing.count(connection, raw, query)


def uids_of(text: str) -> list[int]:
    """Read a set of UIDs such as ``4,7:9``; nothing is none.

    Raises
    ------
    Invalid
        If it is none, or names too many.
    """
    query = parse_query(f"uid:{text}") if text else Uids(frozenset())
    if not isinstance(query, Uids) or len(query.uids) > refreshing.MOST:
        words = _("Name %(n)s UIDs at most, such as 4,7:9.", n=refreshing.MOST)
        raise Invalid(words, {"uids": [words]})
    return sorted(query.uids)


def changes(
    folder: Folder, since: tuple[int, int, int] | None, uids: Sequence[int]
) -> tuple[Changes, int]:
    """Return what changed of mails that are shown, and the folder's numbering.

    Parameters
    ----------
    since
        Numbering, MODSEQ and next UID of the last answer; without it nothing has
        changed yet.
    """
    with folders.opened(folder) as (connection, raw):
        if since is None:
            return refreshing.begun(connection, raw)
        validity, modseq, next_uid = since
        known = Known(validity, modseq, next_uid, uids)
        return refreshing.changes(connection, raw, known), validity


def place_of(text: str) -> Place:
    """Read where inside a mail another one is, such as ``2.1``; nothing is itself.

    Raises
    ------
    NotFound
        If it is no place at all.
    """
    place = parse_place(text)
    if place is None:
        raise NotFound(_("No other mail is inside this one at that place."))
    return place


def open_one(
    folder: Folder, uid: int, uidvalidity: int | None = None, inside: Place = ()
) -> Opened:
    """Open a mail to read it, or one inside it."""
    folder_id = folder.id
    try:
        with folders.opened(folder) as (connection, raw):
            return _opened(connection, raw, uid, uidvalidity, inside)
    except opening.StructureUnreadable:
        with folders.opened(folders.get(folder_id)) as (connection, raw):
            mail = opening.open_mail(
                connection, raw, uid, uidvalidity, with_structure=False
            )
            return opening.open_inside(connection, mail, inside)


def _opened(
    connection: Connection, raw: bytes, uid: int, uidvalidity: int | None, inside: Place
) -> Opened:
    mail = opening.open_mail(connection, raw, uid, uidvalidity)
    return opening.open_inside(connection, mail, inside)


def html_of(
    folder: Folder,
    uid: int,
    uidvalidity: int | None = None,
    inside: Place = (),
    *,
    remote: bool = False,
) -> Clean:
    """Return a mail's HTML, harmless, with its own images inside.

    Raises
    ------
    TooHard
        If the HTML cannot be cleaned within limits.
    """
    with folders.opened(folder) as (connection, raw):
        mail = _opened(connection, raw, uid, uidvalidity, inside)
        html = "".join(part.text() for part in mail.mail.bodies("html"))
        uses_images = "cid:" in html
        images = opening.inline_images(connection, mail) if uses_images else {}
    return clean_limited(html, images, remote_images=remote)


def attachment(
    folder: Folder,
    uid: int,
    number: int,
    uidvalidity: int | None = None,
    inside: Place = (),
) -> tuple[Part, IO[bytes]]:
    """Return an attachment and a file with its content."""
    with folders.opened(folder) as (connection, raw):
        mail = _opened(connection, raw, uid, uidvalidity, inside)
        return opening.attachment(connection, mail, number)


def source(
    folder: Folder, uid: int, uidvalidity: int | None = None, inside: Place = ()
) -> IO[bytes]:
    """Return a file with a mail's complete source, or with that of one inside it."""
    with folders.opened(folder) as (connection, raw):
        if inside:
            mail = _opened(connection, raw, uid, uidvalidity, inside[:-1])
            return opening.source_inside(connection, mail, inside[-1])
        return opening.source(connection, raw, uid, uidvalidity)
