"""From our own row of a mail to where it lies now, as a page."""

from flask import Blueprint, redirect, url_for
from flask.typing import ResponseReturnValue

from webapp.operators.access import Scope, requires
from webapp.triage import finding

bp = Blueprint("answers", __name__)


@bp.get("/triage/mails/<int:mail_id>")
@requires(Scope.READ)
def by_id(mail_id: int) -> ResponseReturnValue:
    """Go to a mail, wherever it lies by now."""
    mail = finding.found(mail_id)
    target = url_for(
        "triage.mail",
        mailbox_id=mail.mailbox_id,
        folder_id=mail.folder_id,
        uid=mail.uid,
        v=mail.uidvalidity,
    )
    return redirect(target, 303)
