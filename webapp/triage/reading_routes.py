"""What one mail holds, for the page that shows it: its HTML, source, attachments.

Each takes ``?inside=``: the place of a mail inside the mail.
"""

from html import escape

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from webapp.core import downloads
from webapp.core.errors import DomainError, Unavailable
from webapp.mailboxes import answers, folders, mails
from webapp.mailboxes.in_words import in_words
from webapp.mailboxes.inner_mails import Place
from webapp.mailboxes.patience import SILENCE_SECONDS, while_heard
from webapp.mailboxes.sanitise import frame_document
from webapp.mailboxes.sanitise_limited import TooHard
from webapp.operators.access import Scope, requires
from webapp.triage.routes import MAIL

bp = Blueprint("reading", __name__)

TOO_HARD = "<p>This HTML is too complicated to show. Download the source to see it.</p>"
AWAY = "<p>{} Open the mail again to see it.</p>"


@bp.get(MAIL + "/frame")
@requires(Scope.READ)
def frame(mailbox_id: int, folder_id: int, uid: int) -> ResponseReturnValue:
    """Return a mail's HTML for the sandboxed frame, under its own policy."""
    remote = request.args.get("images") == "1"
    one = folders.of_mailbox(mailbox_id, folder_id)
    uidvalidity, inside = _asked()
    try:
        with in_words(), while_heard(SILENCE_SECONDS):
            clean = mails.html_of(one, uid, uidvalidity, inside, remote=remote)
        document = frame_document(clean)
    except DomainError as error:
        if isinstance(error.__cause__, TooHard):
            return answers.framed(TOO_HARD, remote_images=False)
        if isinstance(error, Unavailable):
            return answers.framed(AWAY.format(escape(error.words)), remote_images=False)
        raise
    return answers.framed(document, remote_images=remote)


@bp.get(MAIL + "/source")
@requires(Scope.READ)
def source(mailbox_id: int, folder_id: int, uid: int) -> ResponseReturnValue:
    """Download the complete source of a mail."""
    one = folders.of_mailbox(mailbox_id, folder_id)
    with in_words(), while_heard(SILENCE_SECONDS):
        spool = mails.source(one, uid, *_asked())
    return downloads.download(spool, f"mail-{uid}.eml", "message/rfc822")


@bp.get(MAIL + "/attachments/<int:number>")
@requires(Scope.READ)
def attachment(
    mailbox_id: int, folder_id: int, uid: int, number: int
) -> ResponseReturnValue:
    """Download an attachment."""
    one = folders.of_mailbox(mailbox_id, folder_id)
    with in_words(), while_heard(SILENCE_SECONDS):
        part, spool = mails.attachment(one, uid, number, *_asked())
    return downloads.download(spool, part.file_name, part.mime_type)


def _asked() -> tuple[int | None, Place]:
    """Return which numbering of the folder is meant, and which mail inside the mail."""
    inside = mails.place_of(request.args.get("inside", ""))
    return request.args.get("v", type=int), inside
