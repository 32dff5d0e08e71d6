r"""After a reply was accepted: its copy in the Sent folder, and ``\Answered``.

The reply's row remembers what was done. Before the copy is appended the folder is asked
for its Message-ID: a process that ended between APPEND and its record, or a server that
files what it sends by itself, makes no second copy. Trouble with the mailbox is tried
again later and never touches the message.
"""

import logging
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from webapp.campaigns import coming_back, messages
from webapp.campaigns.models import Message
from webapp.campaigns.states import Status
from webapp.core.clock import now
from webapp.core.db import db, reading
from webapp.core.errors import DomainError, NotFound
from webapp.core.words import _
from webapp.mailboxes import browsing, filing, folders, naming
from webapp.mailboxes import service as mailboxes
from webapp.mailboxes.filing import Choice
from webapp.mailboxes.imap_errors import FolderGone, FolderRenumbered, ImapError
from webapp.mailboxes.models import Folder, Mail
from webapp.mailboxes.query import Header
from webapp.triage.reply_models import Reply

log = logging.getLogger(__name__)

#: Longer than a mail server can keep us waiting.
LEASE = timedelta(minutes=10)
#: Minutes until the next try after trouble; after the last one it is given up.
RETRY_AFTER = (1, 5, 15, 60, 180, 720, 1440, 1440)


def file_next() -> bool:
    """Do what is due about one reply; say whether there was one."""
    reply_id = _take()
    if reply_id is None:
        return False
    try:
        _tell(reply_id)
        _file(reply_id)
    except (ImapError, DomainError) as error:
        db.session.rollback()
        log.info("a reply waits to be filed: %s", type(error).__name__)
        _put_off(reply_id, error.words)
    except DBAPIError:
        raise
    except Exception:
        db.session.rollback()
        _put_off(reply_id, _("Something went wrong here; the log says what."))
        raise
    return True


def _take() -> int | None:
    """Return a reply that was sent and is ours to file now."""
    at = now()
    is_open = (Reply.done_at.is_(None), Reply.due_at <= at)
    with reading():
        query = (
            sa.select(Reply.id)
            .join(Message, Message.id == Reply.message_id)
            .where(
                *is_open,
                Message.status == Status.SENT,
                Message.is_dry_run.is_(False),
            )
            .order_by(Reply.due_at)
        )
        found = db.session.scalar(query.limit(1))
        db.session.rollback()
    if found is None:
        return None
    won = db.session.scalar(
        sa.update(Reply)
        .where(Reply.id == found, *is_open)
        .values(due_at=at + LEASE, tries=Reply.tries + 1)
        .returning(Reply.id)
        .execution_options(synchronize_session=False)
    )
    db.session.commit()
    return won


def _tell(reply_id: int) -> None:
    """Put the reply on the timeline of the message that its mail answers, once."""
    reply = db.session.get_one(Reply, reply_id)
    message = reply.message
    if reply.answers_id is not None:
        coming_back.tell(
            db.session.get_one(Message, reply.answers_id),
            "answered",
            str(message.id),
            message.sent_at,
            ours=message.id,
            words=str((message.bodies or {}).get("subject", "")),
        )
    db.session.commit()


def _file(reply_id: int) -> None:
    """Append the copy and set the flag; trouble with one does not hold up the other."""
    trouble = None
    if db.session.get_one(Reply, reply_id).copied_at is None:
        try:
            _copy(reply_id)
        except (ImapError, DomainError) as error:
            db.session.rollback()
            trouble = error
        else:
            _note(reply_id, copied_at=now())
    words = ""
    if db.session.get_one(Reply, reply_id).flagged_at is None:
        words = _flag(reply_id)
        _note(reply_id, flagged_at=None if words else now())
    if trouble is not None:
        raise trouble
    coming_back.tell(db.session.get_one(Reply, reply_id).message, "filed", "")
    _note(reply_id, done_at=now(), words=words)


def _copy(reply_id: int) -> None:
    """Append the exact bytes that were delivered to the Sent folder."""
    reply = db.session.get_one(Reply, reply_id)
    message = reply.message
    data, sent_at = messages.source(message), message.sent_at
    message_id = message.message_id_header
    mailbox = mailboxes.get(reply.mailbox_id)
    db.session.commit()
    sent = naming.for_role(mailbox, "sent")
    if not _is_there(sent, message_id):
        filing.append(folders.get(sent.id), data, ("\\Seen",), sent_at)


def _is_there(sent: Folder, message_id: str) -> bool:
    query = Header("Message-ID", message_id)
    with folders.opened(sent) as (connection, raw):
        return bool(browsing.matching_uids(connection, raw, query))


def _flag(reply_id: int) -> str:
    """Mark the mail as answered, where it lies now; say why not if it is gone."""
    reply = db.session.get_one(Reply, reply_id)
    mail = db.session.get(Mail, reply.mail_id) if reply.mail_id else None
    lies = mail if mail and mail.folder_id and mail.uid else reply
    if lies.folder_id is None or lies.uid is None:
        return _("The mail is in no folder that we know any more.")
    try:
        filing.change_flags(
            folders.get(lies.folder_id),
            Choice((lies.uid,), uidvalidity=lies.uidvalidity),
            add=("\\Answered",),
        )
    except (FolderGone, FolderRenumbered, NotFound) as error:
        return error.words
    return ""


def _put_off(reply_id: int, words: str) -> None:
    tries = db.session.get_one(Reply, reply_id).tries
    if tries > len(RETRY_AFTER):
        _note(reply_id, done_at=now(), words=words[:500])
        return
    wait = timedelta(minutes=RETRY_AFTER[max(tries, 1) - 1])
    _note(reply_id, due_at=now() + wait, words=words[:500])


def _note(reply_id: int, **values: object) -> None:
    db.session.execute(sa.update(Reply).where(Reply.id == reply_id).values(**values))
    db.session.commit()
