"""Triage across mailboxes: the views.

Each mailbox of a view is asked in a thread of its own, so that a slow server costs its
own rows and a sentence, not the page.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from flask import Flask, current_app

from webapp.core.db import db, reading
from webapp.core.errors import NotFound
from webapp.core.words import _
from webapp.mailboxes import everywhere, folders, mails
from webapp.mailboxes import service as mailboxes
from webapp.mailboxes.browsing import Page
from webapp.mailboxes.everywhere import Place
from webapp.mailboxes.imap_errors import ImapError
from webapp.mailboxes.patience import within
from webapp.mailboxes.query import Query
from webapp.mailboxes.rows import MailRow

Got = TypeVar("Got")

#: View → its search, added to what the operator asks for.
VIEWS = {"unread": "is:unread", "flagged": "is:flagged", "all": ""}
SECONDS = 5.0
MOST_THREADS = 8
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Found:
    """A mail of a view, and where it lies."""

    mailbox_id: int
    mailbox_name: str
    folder_id: int
    uidvalidity: int
    row: MailRow

    @property
    def at(self) -> datetime:
        """When it arrived; for the order."""
        return self.row.received or LONG_AGO


@dataclass(frozen=True)
class Trouble:
    """A mailbox that did not answer a view, and why."""

    mailbox_id: int
    mailbox_name: str
    words: str


@dataclass(frozen=True)
class View:
    """Mails that a view shows, newest first; `older` is the cursor of the next page."""

    found: list[Found]
    troubles: list[Trouble]
    older: str = ""
    complete: bool = True


@dataclass(frozen=True)
class _Part:
    """What one inbox gives to a page."""

    mailbox_id: int
    mailbox_name: str
    folder_id: int
    page: Page


def view(name: str, text: str, limit: int, cursor: str = "") -> View:
    """Return mails of all inboxes that fit a view and a search, newest first.

    Raises
    ------
    NotFound
        If there is no such view.
    Invalid
        If the search or the cursor cannot be understood.
    """
    if name not in VIEWS:
        raise NotFound(_("There is no such view."))
    places = everywhere.read_places(cursor)
    mails.parse_query(text)  # what is wrong is said of what was typed
    asked = f"{VIEWS[name]} ({text})" if text.strip() else VIEWS[name]
    query = mails.parse_query(asked)
    ids = [(mailbox.id, mailbox.name) for mailbox in mailboxes.all_mailboxes()]
    db.session.commit()
    parts, troubles = each(
        ids, lambda mailbox_id: _inbox(mailbox_id, query, places, limit)
    )
    by_folder = {part.folder_id: part for part in parts}
    merged = everywhere.merged(
        {part.folder_id: part.page for part in parts},
        places,
        {part.folder_id: "" for part in parts},
        limit,
        all(part.page.complete for part in parts),
    )
    found = [
        Found(
            by_folder[one.folder_id].mailbox_id,
            by_folder[one.folder_id].mailbox_name,
            one.folder_id,
            one.uidvalidity,
            one.row,
        )
        for one in merged.found
    ]
    return View(found, troubles, merged.cursor, merged.complete)


def _inbox(
    mailbox_id: int, query: Query, places: Mapping[int, Place], limit: int
) -> list[_Part]:
    mailbox = mailboxes.get(mailbox_id)
    name = mailbox.name
    inbox = next(
        (folder for folder in folders.fresh(mailbox) if folder.role == "inbox"), None
    )
    if inbox is None:
        return []
    folder_id = inbox.id
    place = places.get(folder_id)
    if place is not None and place.below <= 1:
        return []
    page = mails.listed(
        inbox,
        query,
        below=place.below if place else None,
        uidvalidity=place.uidvalidity if place else None,
        limit=limit,
    )
    return [_Part(mailbox_id, name, folder_id, page)]


def each(
    ids: Sequence[tuple[int, str]], work: Callable[[int], list[Got]]
) -> tuple[list[Got], list[Trouble]]:
    """Do the work for each mailbox at once; who is late becomes a trouble."""
    if not ids:
        return [], []
    app = current_app._get_current_object()  # type: ignore[attr-defined]  # Flask's documented way to hand the app to a thread
    executor = ThreadPoolExecutor(min(MOST_THREADS, len(ids)))
    futures = {
        executor.submit(_inside, app, work, mailbox_id): (mailbox_id, name)
        for mailbox_id, name in ids
    }
    wait(futures, timeout=SECONDS)
    executor.shutdown(wait=False, cancel_futures=True)
    found: list[Got] = []
    troubles: list[Trouble] = []
    for future, (mailbox_id, name) in futures.items():
        words = _words(future)
        if words:
            troubles.append(Trouble(mailbox_id, name, words))
        else:
            found += future.result()
    return found, troubles


def _inside(app: Flask, work: Callable[[int], list[Got]], mailbox_id: int) -> list[Got]:
    with app.app_context(), reading(), within(SECONDS):
        return work(mailbox_id)


def _words(future: Future[list[Got]]) -> str:
    if not future.done() or future.cancelled():
        return _("The mail server has not answered yet.")
    error = future.exception()
    if error is None:
        return ""
    if isinstance(error, ImapError):
        return error.words
    raise error
