"""Views over the mails of all mailboxes by what they are to us and who has them.

Which mails, and in which order, say our own rows, by an index for each view; the rows
that are shown come from the mail servers, so that flags are true. Where a server is
away, what we know is shown, with a sentence.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from webapp.core.clock import now
from webapp.core.db import db
from webapp.core.errors import NotFound
from webapp.core.http import decode_cursor, encode_cursor
from webapp.core.words import _
from webapp.mailboxes import folders
from webapp.mailboxes import service as mailboxes
from webapp.mailboxes.browsing import open_rows
from webapp.mailboxes.headers import Headers
from webapp.mailboxes.imap_errors import FolderGone, FolderRenumbered
from webapp.mailboxes.kinds import MailKind, MailState
from webapp.mailboxes.models import Mail, Mailbox
from webapp.mailboxes.rows import MailRow
from webapp.mailboxes.set_aside import WAITS
from webapp.operators.models import Operator
from webapp.triage import labels, service
from webapp.triage.models import MailLabelled
from webapp.triage.service import Found, View

KINDS = {
    "replies": MailKind.REPLY,
    "bounces": MailKind.BOUNCE,
    "auto_replies": MailKind.AUTO_REPLY,
    "unsubscribes": MailKind.UNSUBSCRIBE,
    "complaints": MailKind.COMPLAINT,
}
VIEWS = (*KINDS, "mine", "unassigned", "snoozed", "done", "labelled")
COUNTED = (*KINDS, "mine", "unassigned", "set_aside")
#: A count goes no further; the page then shows a plus.
MOST_COUNTED = 999


#: A mail that was deleted for good, or whose mailbox was, is in no view.
_LIES = (Mail.folder_id.is_not(None), Mail.uid.is_not(None))


@dataclass(frozen=True)
class Asked:
    """What a page asks for; `operator_id` is whose “mine” it is."""

    name: str
    operator_id: int
    text: str = ""
    label_id: int | None = None
    cursor: str = ""
    limit: int = 50


@dataclass(frozen=True)
class _Known:
    """What our row says of a mail, apart from the session."""

    mailbox_id: int
    folder_id: int
    uidvalidity: int
    row: MailRow


def view(asked: Asked) -> View:
    """Return the mails of a view, newest first.

    Raises
    ------
    NotFound
        If there is no such view or label.
    Invalid
        If the cursor is none.
    """
    mails = list(db.session.scalars(_page(asked).limit(asked.limit + 1)))
    older = ""
    if len(mails) > asked.limit:
        last = mails[asked.limit - 1]
        older = encode_cursor(_text_of(last.received_at), last.id)
    known = [_known(mail) for mail in mails[: asked.limit]]
    names = {one.id: one.name for one in mailboxes.all_mailboxes()}
    db.session.commit()
    return _with_flags(known, names, older)


def counts(operator_id: int) -> dict[str, int]:
    """Return how many open mails the views have, none above `MOST_COUNTED` and one."""
    capped = [
        sa.select(sa.func.count())
        .select_from(
            sa.select(Mail.id)
            .where(*_conditions(name, operator_id), *_LIES)
            .limit(MOST_COUNTED + 1)
            .subquery()
        )
        .scalar_subquery()
        .label(name)
        for name in COUNTED
    ]
    row = db.session.execute(sa.select(*capped)).one()
    return dict(zip(COUNTED, row, strict=True))


def _page(asked: Asked) -> sa.Select[Mail]:
    query = (
        sa.select(Mail)
        .join(Mailbox, Mailbox.id == Mail.mailbox_id)
        .where(
            *_conditions(asked.name, asked.operator_id),
            Mailbox.deleted_at.is_(None),
            *_LIES,
            Mail.received_at.is_not(None),
        )
    )
    if asked.name == "labelled" or asked.label_id is not None:
        label_id = labels.get(asked.label_id or 0).id
        query = query.join(MailLabelled, MailLabelled.mail_id == Mail.id)
        query = query.where(MailLabelled.label_id == label_id)
    for word in asked.text.split()[:10]:
        texts = (Mail.subject, Mail.from_address, Mail.from_name)
        query = query.where(
            sa.or_(*(text.icontains(word, autoescape=True) for text in texts))
        )
    if asked.cursor:
        query = query.where(_below(asked.cursor))
    return query.order_by(Mail.received_at.desc(), Mail.id.desc())


def _conditions(name: str, operator_id: int) -> list[Any]:
    awake = sa.or_(Mail.snoozed_until.is_(None), Mail.snoozed_until <= now())
    is_open = [Mail.state == MailState.OPEN, awake]
    if name in KINDS:
        return [Mail.kind == KINDS[name], *is_open]
    known: dict[str, list[Any]] = {
        "mine": [Mail.assignee_id == operator_id, *is_open],
        "unassigned": [
            _is_nobodys(),
            Mail.kind == MailKind.REPLY,
            *is_open,
        ],
        "snoozed": [Mail.state == MailState.OPEN, Mail.snoozed_until > now()],
        "done": [Mail.state == MailState.DONE],
        "labelled": [],
        "set_aside": [*WAITS],
    }
    if name not in known:
        raise NotFound(_("There is no such view."))
    return known[name]


def _is_nobodys() -> Any:
    """Whether nobody has a mail who could still work on it."""
    gone = sa.select(Operator.id).where(Operator.disabled_at.is_not(None))
    return sa.or_(Mail.assignee_id.is_(None), Mail.assignee_id.in_(gone))


def _below(cursor: str) -> Any:
    text, mail_id = decode_cursor(cursor, str, int)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        decode_cursor("")  # says that the cursor is none of ours
    return sa.or_(
        Mail.received_at < at, sa.and_(Mail.received_at == at, Mail.id < mail_id)
    )


def _text_of(instant: datetime | None) -> str:
    return instant.isoformat() if instant else ""


def _known(mail: Mail) -> _Known:
    name = mail.from_name.replace("\\", "").replace('"', "")
    sender = f'"{name}" <{mail.from_address}>' if name else mail.from_address
    fields = (("from", sender), ("subject", mail.subject))
    headers = Headers(fields)
    flags = frozenset({"\\Seen"})  # unknown: nothing is made to look new
    row = MailRow(mail.uid or 0, flags, mail.received_at, mail.size, headers)
    return _Known(mail.mailbox_id, mail.folder_id or 0, mail.uidvalidity or 0, row)


def _with_flags(known: Sequence[_Known], names: Mapping[int, str], older: str) -> View:
    of_mailbox: dict[int, list[_Known]] = {}
    for one in known:
        of_mailbox.setdefault(one.mailbox_id, []).append(one)
    ids = [(mailbox_id, names[mailbox_id]) for mailbox_id in of_mailbox]
    got, troubles = service.each(ids, lambda key: _fetched(of_mailbox[key]))
    rows = dict(got)
    found = [
        Found(
            one.mailbox_id,
            names[one.mailbox_id],
            one.folder_id,
            one.uidvalidity,
            rows.get((one.folder_id, one.uidvalidity, one.row.uid), one.row),
        )
        for one in known
    ]
    return View(found, troubles, older)


def _fetched(known: Sequence[_Known]) -> list[tuple[tuple[int, int, int], MailRow]]:
    """Return the rows that a server gives; mails that are gone have none."""
    of_folder: dict[tuple[int, int], list[int]] = {}
    for one in known:
        key = (one.folder_id, one.uidvalidity)
        of_folder.setdefault(key, []).append(one.row.uid)
    found = []
    for (folder_id, validity), uids in of_folder.items():
        try:
            with folders.opened(folders.get(folder_id)) as (connection, raw):
                _selected, rows = open_rows(connection, raw, uids, validity)
        except (FolderGone, FolderRenumbered, NotFound):
            continue
        found += [((folder_id, validity, row.uid), row) for row in rows]
    return found
