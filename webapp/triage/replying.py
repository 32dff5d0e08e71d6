"""Answer a mail: what the form begins with, sending it, and taking it back in time.

A reply is a single message like any other, held back for some seconds. Robots are
never answered (RFC 3834 section 2): no bounce, no complaint, no automatic reply,
nothing that was sent to many.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from webapp.campaigns import coming_back, single
from webapp.campaigns.models import Message
from webapp.composing.addresses import AddressError, address_key, parse_address, written
from webapp.composing.letter import Address
from webapp.core import queue
from webapp.core.clock import now
from webapp.core.db import db
from webapp.core.errors import NotFound, Refused
from webapp.core.words import _, _l
from webapp.mailboxes.headers import Headers, MailAddress, parse_date
from webapp.mailboxes.kinds import MailKind
from webapp.mailboxes.models import Folder, Mail
from webapp.mailboxes.opening import Opened
from webapp.message_templates.rendering import shared_pool
from webapp.operators import audit
from webapp.senders.models import Sender
from webapp.triage import auto_replies, reply_text
from webapp.triage.effects import PERSON, SUGGESTION
from webapp.triage.models import Answer
from webapp.triage.reply_models import Reply
from webapp.triage.ties import ties_of

HOLD_SECONDS = 15
LONGEST_HOLD = 120
LARGEST_HTML = 256 * 1024
#: Precedence of what was sent to many (RFC 2076 3.9, RFC 3834 2).
TO_MANY = {"bulk", "list", "junk"}
_NEVER = {
    MailKind.BOUNCE: _l("This is a bounce: nobody reads what answers it."),
    MailKind.NOTICE: _l("This is a notice from a mail server: nobody reads answers."),
    MailKind.COMPLAINT: _l("This is a complaint: an answer would be one more mail."),
    MailKind.AUTO_REPLY: _l("This is an automatic reply: robots are never answered."),
}
_EMPTY: dict[str, Any] = {
    **dict.fromkeys(("cc", "bcc", "reply_to", "attachments"), ()),
    **dict.fromkeys(("html", "from", "envelope_from", "raw", "raw_upload_id")),
}


@dataclass(frozen=True)
class Draft:
    """What a reply begins with; `refusal` says why the mail is not answered.

    Attributes
    ----------
    headers
        In-Reply-To and References.
    answers_id
        The message of ours that the mail is proven to answer.
    """

    mailbox_id: int
    folder_id: int
    uidvalidity: int
    uid: int
    refusal: str
    message_id_header: str = ""
    to: list[str] = field(default_factory=list)
    subject: str = ""
    quote: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    sender_id: int | None = None
    mail_id: int | None = None
    answers_id: int | None = None


def draft_of(folder: Folder, opened: Opened) -> Draft:
    """Return what a reply to an opened mail begins with."""
    headers, uid = opened.mail.headers, opened.row.uid
    mail = _row_of(folder, opened)
    answers = _answered_by(headers, mail)
    to = _reply_to(headers)
    return Draft(
        folder.mailbox_id,
        folder.id,
        opened.uidvalidity,
        uid,
        _refusal(headers, mail, names_us=answers is not None)
        or ("" if to else _("This mail has no address to which one could reply.")),
        message_id_header=opened.row.message_id[:1000],
        to=to,
        subject=reply_text.subject_of(headers.text("subject")),
        quote=_quote(opened),
        headers=reply_text.threading(headers),
        sender_id=_sender_for(answers, headers),
        mail_id=mail.id if mail else None,
        answers_id=answers.id if answers else None,
    )


def _refusal(headers: Headers, mail: Mail | None, *, names_us: bool) -> str:
    """Return why not to answer a mail, unless it was said that a person wrote it."""
    if mail is not None and mail.kind is MailKind.REPLY:
        said = sa.select(Answer.id).where(
            Answer.mail_id == mail.id, Answer.matched_by == PERSON
        )
        if db.session.scalar(said.limit(1)) is not None:
            return ""
    return why_not(headers, mail.kind if mail else None, names_us=names_us)


def why_not(headers: Headers, kind: MailKind | None, *, names_us: bool) -> str:
    """Return why nobody should answer a mail; empty if one may.

    Parameters
    ----------
    kind
        What the sorting made of it, if it saw it.
    names_us
        Whether it is proven to be about a message of ours.
    """
    robot = kind if kind in _NEVER else _robot(headers, names_us=names_us)
    if robot is not None:
        return str(_NEVER[robot])
    if headers.first("precedence").strip().lower() in TO_MANY:
        return _("This mail was sent to many: its sender does not read answers.")
    return ""


def _robot(headers: Headers, *, names_us: bool) -> MailKind | None:
    """Return what kind of robot wrote a mail, by its header alone."""
    content = headers.first("content-type").strip().lower()
    has_null_sender = headers.first("return-path").strip() == "<>"
    if content.startswith("multipart/report") or has_null_sender:
        return MailKind.BOUNCE
    submitted = headers.first("auto-submitted").partition(";")[0].strip().lower()
    is_robot = auto_replies.is_automatic_reply(headers, names_us=names_us)
    return MailKind.AUTO_REPLY if is_robot or submitted not in {"", "no"} else None


def send(
    draft: Draft,
    values: Mapping[str, Any],
    hold_seconds: int = HOLD_SECONDS,
    operator_id: int | None = None,
) -> Reply:
    """Queue a reply; until the hold is over it can be taken back.

    Parameters
    ----------
    values
        To, copies, subject, text, sender and attachments, as the form has them.

    Raises
    ------
    Refused
        If the mail is none that one answers.
    Invalid
        If it cannot be composed; naming the field.
    """
    if draft.refusal:
        raise Refused(draft.refusal)
    given = {**_EMPTY, **values, "headers": draft.headers}
    message = single.queued(given, timedelta(seconds=hold_seconds))
    reply = Reply(
        message_id=message.id,
        answers_id=draft.answers_id,
        mailbox_id=draft.mailbox_id,
        mail_id=draft.mail_id,
        folder_id=draft.folder_id,
        uidvalidity=draft.uidvalidity,
        uid=draft.uid,
        message_id_header=draft.message_id_header,
        created_by=operator_id,
    )
    db.session.add(reply)
    db.session.flush()
    coming_back.tell(message, "answers", "", mail=draft.mail_id, words=draft.subject)
    audit.record("mail.reply", "message", message.id, str(given["subject"]))
    db.session.commit()
    queue.wake("delivery.message", message.id, lane=queue.Lane.TRANSACTIONAL)
    return reply


def take_back(reply_id: int) -> Reply:
    """Take a reply back that has not left yet.

    Raises
    ------
    NotFound
        If there is none.
    Refused
        If it has left.
    """
    reply = get(reply_id)
    single.take_back(reply.message_id)
    reply.done_at = now()
    db.session.commit()
    return reply


def get(reply_id: int) -> Reply:
    """Return a reply.

    Raises
    ------
    NotFound
        If there is none.
    """
    found = db.session.get(Reply, reply_id)
    if found is None:
        raise NotFound(_("There is no such reply."))
    return found


def of_message(message_id: int) -> Reply:
    """Return the reply that a message is.

    Raises
    ------
    NotFound
        If it is none.
    """
    found = db.session.scalar(sa.select(Reply).where(Reply.message_id == message_id))
    if found is None:
        raise NotFound(_("There is no such reply."))
    return found


def of_mail(mailbox_id: int, opened: Opened, folder_id: int) -> Sequence[Reply]:
    """Return the replies to a mail, the oldest first, wherever it lies by now."""
    query = sa.select(Reply).where(Reply.mailbox_id == mailbox_id)
    if opened.row.message_id:
        query = query.where(Reply.message_id_header == opened.row.message_id[:1000])
    else:
        query = query.where(
            Reply.message_id_header == "",
            Reply.folder_id == folder_id,
            Reply.uidvalidity == opened.uidvalidity,
            Reply.uid == opened.row.uid,
        )
    return db.session.scalars(query.order_by(Reply.id)).all()


def _row_of(folder: Folder, opened: Opened) -> Mail | None:
    query = sa.select(Mail).where(
        Mail.folder_id == folder.id,
        Mail.uidvalidity == opened.uidvalidity,
        Mail.uid == opened.row.uid,
    )
    return db.session.scalar(query.limit(1))


def _answered_by(headers: Headers, mail: Mail | None) -> Message | None:
    """Return the message of ours that a mail is proven to answer."""
    tie = ties_of([headers])[0]
    if tie is not None:
        return None if tie.is_copy else db.session.get(Message, tie.message_id)
    if mail is None:
        return None
    query = (
        sa.select(Message)
        .join(Answer, Answer.message_id == Message.id)
        .where(Answer.mail_id == mail.id, Answer.matched_by != SUGGESTION)
    )
    return db.session.scalar(query.order_by(Answer.id).limit(1))


def _reply_to(headers: Headers) -> list[str]:
    """Return to whom a reply goes: Reply-To, else From (RFC 5322 3.6.2)."""
    return _usable(headers.addresses("reply-to")) or _usable(
        headers.addresses("from")[:1]
    )


def _usable(boxes: Sequence[MailAddress]) -> list[str]:
    found: dict[str, str] = {}
    for box in boxes[:10]:
        try:
            addr = parse_address(box.addr)
        except AddressError:
            continue
        found.setdefault(addr, written(Address(box.name, addr)))
    return list(found.values())


def _sender_for(answers: Message | None, headers: Headers) -> int | None:
    """Return the sender that a reply goes by, unless another one is chosen.

    That of the message which is answered; else the one to whom the mail was written;
    else the first.
    """
    query = sa.select(Sender).where(Sender.archived_at.is_(None)).order_by(Sender.name)
    usable = db.session.scalars(query).all()
    wanted = answers.sender_id or _campaign_sender(answers) if answers else None
    if wanted in {one.id for one in usable}:
        return wanted
    to = {
        _key(one.addr) for one in [*headers.addresses("to"), *headers.addresses("cc")]
    }
    fitting = [one for one in usable if _key(one.from_address) in to - {""}]
    return next((one.id for one in [*fitting, *usable]), None)


def _campaign_sender(message: Message) -> int | None:
    return message.campaign.sender_id if message.campaign else None


def _key(addr: str) -> str:
    try:
        return address_key(addr)
    except AddressError:
        return ""


def _quote(opened: Opened) -> str:
    text = "\n".join(part.text() for part in opened.mail.bodies("plain"))
    if not text.strip():
        html = "".join(part.text() for part in opened.mail.bodies("html"))
        text = shared_pool().text_of(html[:LARGEST_HTML]) or "" if html.strip() else ""
    headers = opened.mail.headers
    at = parse_date(headers.first("date")) or opened.row.received
    sender = next(iter(headers.addresses("from")), None)
    who = sender.shown if sender else _("Somebody")
    if at is None:
        return reply_text.quoted(text, _("%(who)s wrote:", who=who))
    day = f"{at.day} {at:%B %Y, %H:%M}"
    return reply_text.quoted(text, _("On %(day)s, %(who)s wrote:", day=day, who=who))
