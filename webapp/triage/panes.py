"""The three panes of triage: folders, a list, one mail, as the page's address asks.

Trouble with a mail server is a notice in the pane that it concerns, and the rest of the
page still works.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from flask import render_template, request

from webapp.campaigns import messages
from webapp.campaigns.messages import Shown
from webapp.core.errors import Invalid, Refused
from webapp.core.http import decode_cursor, encode_cursor
from webapp.mailboxes import (
    browsing,
    conversations,
    everywhere,
    folders,
    index_search,
    mails,
)
from webapp.mailboxes import service as mailboxes
from webapp.mailboxes.conversations import Member
from webapp.mailboxes.imap_errors import ImapError, MailGone, Unreachable
from webapp.mailboxes.index_search import Sort
from webapp.mailboxes.models import Folder, Mailbox
from webapp.mailboxes.opening import Opened
from webapp.mailboxes.patience import (
    PAGE_SECONDS,
    SILENCE_SECONDS,
    while_heard,
    within,
)
from webapp.operators.access import actor
from webapp.triage import (
    answers,
    labels,
    marks,
    placing,
    presence,
    replying,
    views,
    work,
    work_views,
)
from webapp.triage.images import Images, images_of
from webapp.triage.reading import Reading, reading_of
from webapp.triage.reply_models import Reply
from webapp.triage.replying import Draft
from webapp.triage.service import Found, Trouble
from webapp.triage.ties import Tie, ties_in_list
from webapp.triage.work_views import Asked


@dataclass
class Panes:
    """What the three panes show."""

    title: str
    query: str = ""
    view: str = ""
    mailbox: Mailbox | None = None
    folder: Folder | None = None
    found: list[Found] = field(default_factory=list)
    older: str = ""
    complete: bool = True
    trouble: ImapError | None = None
    is_remembered: bool = False
    is_everywhere: bool = False
    troubles: list[Trouble] = field(default_factory=list)
    query_words: str = ""
    reading: Reading | None = None
    reading_trouble: ImapError | None = None
    our_row: int | None = None
    images: Images | None = None
    current: Found | None = None
    sort: str = Sort.ARRIVAL.value
    conversation: list[Member] = field(default_factory=list)
    tie: Tie | None = None
    sent: Shown | None = None
    draft: Draft | None = None
    replies: Sequence[Reply] = ()

    @property
    def may_try_again(self) -> bool:
        """Whether a mail could not be shown for a reason that goes by."""
        return isinstance(self.reading_trouble, Unreachable)


def mail_panes(
    mailbox_id: int, folder_id: int, uid: int, uidvalidity: int | None = None
) -> Panes:
    """Return the panes with an open mail, or with the trouble that it made."""
    panes = list_panes(mailbox_id, folder_id, request.args.get("view", ""))
    if panes.trouble:
        panes.reading_trouble = panes.trouble
        return panes
    uidvalidity = uidvalidity or request.args.get("v", type=int)
    inside = mails.place_of(request.args.get("inside", ""))
    try:
        with while_heard(SILENCE_SECONDS):
            opened = mails.open_one(
                folders.of_mailbox(mailbox_id, folder_id), uid, uidvalidity, inside
            )
    except ImapError as error:
        panes.reading_trouble = error
        if isinstance(error, MailGone):
            validity = uidvalidity or folders.get(folder_id).uidvalidity or 0
            ours = placing.known_at([(folder_id, validity, uid)])
            panes.our_row = next((mail.id for mail in ours.values()), None)
        return panes
    own = () if inside else mailboxes.own_servers(mailboxes.get(mailbox_id))
    panes.reading = reading_of(opened, request.args.get("show", ""), own)
    asked = request.args.get("images") == "1"
    panes.images = images_of(opened, actor().operator.id, asked=asked)
    if not inside:
        _tied(panes, folders.get(folder_id), opened)
    panes.current = next(
        (
            one
            for one in panes.found
            if (one.folder_id, one.row.uid) == (folder_id, uid)
        ),
        Found(mailbox_id, "", folder_id, opened.uidvalidity, opened.row),
    )
    return panes


def _tied(panes: Panes, one: Folder, opened: Opened) -> None:
    """Add what a mail has beside its text: replies, conversation, what it answers."""
    panes.draft = replying.draft_of(one, opened)
    panes.replies = replying.of_mail(one.mailbox_id, opened, one.id)
    panes.conversation = conversations.of_thread(one.mailbox_id, opened.row.message_id)
    key = (one.id, opened.uidvalidity, opened.row.uid)
    mail = placing.known_at([key]).get(key)
    panes.tie = ties_in_list([opened.mail.headers], [mail.id if mail else None])[0]
    if panes.tie:
        panes.sent = messages.shown(messages.get(panes.tie.message_id))


def list_panes(mailbox_id: int, folder_id: int, view_name: str = "") -> Panes:
    """Return the panes with the list of a folder, or of the view that it is in.

    Raises
    ------
    NotFound
        If there is no such folder or view.
    """
    if view_name:
        return view_panes(view_name)
    one = folders.of_mailbox(mailbox_id, folder_id)
    if is_everywhere_asked():
        return everywhere_panes(one.mailbox)
    account, text = one.mailbox, request.args.get("q", "")
    panes = Panes(title=one.name, query=text, mailbox=account, folder=one)
    try:
        with within(PAGE_SECONDS):
            folders.fresh(account, force=request.args.get("fresh") == "1")
            listed, further = _listed(folders.get(folder_id), panes)
    except (Invalid, Refused) as error:
        panes.query_words = error.words
    except ImapError as error:
        panes.trouble = error
        if isinstance(error, Unreachable):
            _show_last_seen(panes, folder_id)
    else:
        panes.complete = listed.complete
        _show(panes, folder_id, listed, further)
    return panes


def is_everywhere_asked() -> bool:
    """Whether the page is to list the mails of all folders of a mailbox."""
    return request.args.get("all") == "1"


def everywhere_panes(account: Mailbox) -> Panes:
    """Return the mails of all folders of a mailbox that match, newest first."""
    text, cursor = request.args.get("q", ""), request.args.get("cursor", "")
    mailbox_id = account.id
    panes = Panes(title=account.name, query=text, mailbox=account, is_everywhere=True)
    try:
        with within(everywhere.SECONDS):
            listed = everywhere.listed(account, text, cursor=cursor)
    except Invalid as error:
        panes.query_words = error.words
    except ImapError as error:
        panes.trouble = error
    else:
        panes.complete, panes.older = listed.complete, listed.cursor
        panes.found = [
            Found(mailbox_id, one.folder_name, one.folder_id, one.uidvalidity, one.row)
            for one in listed.found
        ]
    return panes


def _show_last_seen(panes: Panes, folder_id: int) -> None:
    """Show what the local index has of a folder whose server does not answer."""
    _validity, place = _cursor(request.args.get("cursor", ""))
    in_order = request.args.get("sort", "") in {"", Sort.ARRIVAL}
    if panes.query or not in_order or request.args.get("day"):
        return
    seen = index_search.last_seen(folders.get(folder_id), place)
    if seen is not None:
        panes.is_remembered = True
        _show(panes, folder_id, seen, seen.older)


def _show(
    panes: Panes, folder_id: int, listed: browsing.Page, further: int | None
) -> None:
    mailbox_id = folders.get(folder_id).mailbox_id
    panes.older = encode_cursor(listed.uidvalidity, further) if further else ""
    panes.found = [
        Found(mailbox_id, "", folder_id, listed.uidvalidity, row) for row in listed.rows
    ]


def _listed(folder: Folder, panes: Panes) -> tuple[browsing.Page, int | None]:
    """Return a page of a folder in the order asked for, and where the next begins."""
    uidvalidity, place = _cursor(request.args.get("cursor", ""))
    asked = request.args.get("sort", "")
    panes.sort = asked if asked in set(Sort) else Sort.ARRIVAL.value
    if panes.sort != Sort.ARRIVAL:
        return mails.in_order(folder, panes.query, Sort(panes.sort), skip=place or 0)
    day = _day(request.args.get("day", ""))
    if day is not None and place is None:
        place = mails.before(folder, day + timedelta(days=1))
        folder = folders.get(folder.id)
    found = mails.listed(folder, panes.query, below=place, uidvalidity=uidvalidity)
    return found, found.older


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def view_panes(name: str) -> Panes:
    """Return the panes with a view over all mailboxes.

    Raises
    ------
    Invalid
        If the search cannot be read.
    NotFound
        If there is no such view.
    """
    text, cursor = request.args.get("q", ""), request.args.get("cursor", "")
    label_id = request.args.get("label", type=int)
    asked = Asked(name, actor().operator.id, text, label_id, cursor, browsing.PAGE)
    shown = views.shown(asked)
    return Panes(
        title=views.title(name),
        query=text,
        view=name,
        found=shown.found,
        troubles=shown.troubles,
        older=shown.older,
        complete=shown.complete,
    )


def page(panes: Panes, **more: Any) -> str:
    """Return the page of the three panes, with what else stands in them."""
    accounts = mailboxes.all_mailboxes()
    sides = [(account, folders.known(account.id)) for account in accounts]
    unread = sum(
        folder.unseen or 0
        for _account, known in sides
        for folder in known
        if folder.role == "inbox"
    )
    operator_id = actor().operator.id
    keys = [_key(one) for one in panes.found]
    current = _key(panes.current) if panes.current else None
    if current:
        presence.keep(operator_id, marks.place_of(current))
    marked = marks.marks_of([*keys, *([current] if current else [])], operator_id)
    mark = marked.pop() if current else None
    ties = answers.of_mail(mark.mail_id) if mark and mark.mail_id else []
    return render_template(
        "triage/panes.html",
        panes=panes,
        marks=marked,
        mark=mark,
        notes=work.notes_of(mark.mail_id) if mark and mark.mail_id else [],
        answers=ties,
        left=answers.left(ties),
        labels=labels.all_labels(),
        colours=labels.COLOURS,
        operators=work.operators(),
        work_counts=work_views.counts(operator_id),
        label=request.args.get("label", type=int),
        sides=sides,
        ties=ties_in_list(
            [one.row.headers for one in panes.found], [one.mail_id for one in marked]
        ),
        unread=unread,
        keep=_kept(panes),
        here=request.full_path.rstrip("?"),
        counts={"unread": unread},
        pulse=marks.pulse(operator_id),
        **more,
    )


def _kept(panes: Panes) -> dict[str, Any]:
    """Return what the links of the list carry on: the search, the page, the view."""
    kept = {
        "q": panes.query,
        "cursor": request.args.get("cursor", ""),
        "view": panes.view,
        "all": "1" if panes.is_everywhere else "",
        "label": request.args.get("label", "") if panes.view else "",
        "sort": panes.sort if panes.sort != Sort.ARRIVAL else "",
        "day": request.args.get("day", "") if panes.folder else "",
    }
    return {name: value for name, value in kept.items() if value}


def _cursor(text: str) -> tuple[int | None, int | None]:
    return decode_cursor(text, int, int) if text else (None, None)


def _key(one: Found) -> tuple[int, int, int]:
    return one.folder_id, one.uidvalidity, one.row.uid
