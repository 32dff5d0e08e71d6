"""Mails of all folders of a mailbox, newest first, page by page.

Each folder is a list by descending UID; they are merged by the time of arrival. The
cursor remembers of each folder how far it was taken, so that no mail is shown twice and
none is left out, whatever arrives meanwhile.
"""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from webapp.core.errors import Invalid
from webapp.core.words import _
from webapp.mailboxes import browsing, folders
from webapp.mailboxes.browsing import Page
from webapp.mailboxes.imap import Connection
from webapp.mailboxes.imap_errors import FolderGone, FolderRenumbered, ServerRefused
from webapp.mailboxes.mails import parse_query
from webapp.mailboxes.models import Mailbox
from webapp.mailboxes.query import Query
from webapp.mailboxes.rows import MailRow

#: A search over many folders may take so long; the cursor then goes on.
SECONDS = 12.0
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_PLACE = re.compile(r"(\d{1,12})\.(\d{1,10})\.(\d{1,10})", re.ASCII)


@dataclass(frozen=True)
class Place:
    """How far a folder was taken: what is next lies below this UID."""

    uidvalidity: int
    below: int


@dataclass(frozen=True)
class FoundMail:
    """A mail, and where it lies."""

    folder_id: int
    folder_name: str
    uidvalidity: int
    row: MailRow


@dataclass(frozen=True)
class Everywhere:
    """Some mails of all folders; `cursor` is empty at the end."""

    found: list[FoundMail]
    cursor: str
    complete: bool


def listed(
    mailbox: Mailbox, text: str = "", *, cursor: str = "", limit: int = browsing.PAGE
) -> Everywhere:
    """Return the newest mails of all folders that match.

    Raises
    ------
    Invalid
        If the search or the cursor cannot be understood.
    """
    query, places = parse_query(text), read_places(cursor)
    # Counts of a moment ago would pass over a folder that has its first mail now.
    counted = folders.fresh(mailbox, force=not cursor)
    known = [one for one in counted if one.selectable and one.total != 0]
    names = {one.id: one.name for one in known}
    raws = {one.id: folders.raw_of(one) for one in known}
    is_complete = True
    pages: dict[int, Page] = {}
    until = time.monotonic() + SECONDS
    with folders.line_to(mailbox) as connection:
        for folder_id, raw in raws.items():
            place = places.get(folder_id)
            if place is not None and place.below <= 1:
                continue
            if time.monotonic() > until:
                is_complete = False
                break
            page = _page(connection, raw, query, place, limit)
            if page is not None:
                pages[folder_id] = page
                is_complete = is_complete and page.complete
    return merged(pages, places, names, limit, is_complete)


def _page(
    connection: Connection, raw: bytes, query: Query, place: Place | None, limit: int
) -> Page | None:
    """Return a folder's part; a folder that is gone or closed has none."""
    try:
        return browsing.page(
            connection,
            raw,
            query,
            below=place.below if place else None,
            uidvalidity=place.uidvalidity if place else None,
            limit=limit,
        )
    except (FolderGone, FolderRenumbered):
        return None
    except ServerRefused:
        if connection.broken:
            raise
        return None


def merged(
    pages: Mapping[int, Page],
    places: Mapping[int, Place],
    names: Mapping[int, str],
    limit: int,
    is_complete: bool,
) -> Everywhere:
    """Take the newest heads until the page is full, and remember how far it went.

    Parameters
    ----------
    pages
        The part of each folder, by the folder's id.
    places
        How far each was taken before.
    names
        The name of each folder.
    """
    left = {folder_id: list(page.rows) for folder_id, page in pages.items()}
    taken: dict[int, Place] = dict(places)
    found: list[FoundMail] = []
    while len(found) < limit:
        heads = [
            (rows[0].received or LONG_AGO, key) for key, rows in left.items() if rows
        ]
        if not heads:
            break
        _at, folder_id = max(heads)
        row, page = left[folder_id].pop(0), pages[folder_id]
        taken[folder_id] = Place(page.uidvalidity, row.uid)
        found.append(FoundMail(folder_id, names[folder_id], page.uidvalidity, row))
        if not left[folder_id] and page.older is not None:
            break  # what is older in this folder may be newer than the other heads
    for folder_id, page in pages.items():
        if not left[folder_id] and page.older is None:
            taken[folder_id] = Place(page.uidvalidity, 1)
        elif not left[folder_id] and page.older is not None:
            taken[folder_id] = Place(page.uidvalidity, page.older)
    open_ends = any(taken[key].below > 1 or left[key] for key in pages if key in taken)
    unseen = any(left[key] for key in pages) or not is_complete
    cursor = _written(taken) if open_ends or unseen else ""
    return Everywhere(found, cursor, is_complete)


def _written(places: Mapping[int, Place]) -> str:
    return "-".join(
        f"{folder_id}.{place.uidvalidity}.{place.below}"
        for folder_id, place in sorted(places.items())
    )


def read_places(cursor: str) -> dict[int, Place]:
    """Read a cursor: how far each folder was taken.

    Raises
    ------
    Invalid
        If it is none of ours.
    """
    places: dict[int, Place] = {}
    for word in filter(None, cursor.split("-")):
        match = _PLACE.fullmatch(word)
        if match is None:
            words = _("This page is not known. Begin with the first one.")
            raise Invalid(words, {"cursor": [words]})
        places[int(match[1])] = Place(int(match[2]), int(match[3]))
    return places
