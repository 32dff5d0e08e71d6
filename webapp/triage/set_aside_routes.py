"""Mails that were set aside, as a page."""

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.core.errors import DomainError
from webapp.core.http import page_of
from webapp.core.presentation import toast
from webapp.core.words import _
from webapp.mailboxes import service as mailboxes
from webapp.mailboxes.models import Mail
from webapp.operators.access import Scope, requires
from webapp.triage import set_aside

bp = Blueprint("set_aside", __name__)


@bp.get("/triage/set-aside")
@requires(Scope.READ)
def index() -> ResponseReturnValue:
    """List what could not be read, the newest first; of one mailbox, if it is named."""
    wanted = request.args.get("mailbox", type=int)
    mailbox = mailboxes.get(wanted) if wanted is not None else None
    page = page_of(set_aside.waiting(wanted), Mail.id)
    places = set_aside.places_of(page.items)
    return render_template(
        "triage/set_aside.html", page=page, places=places, mailbox=mailbox
    )


@bp.post("/triage/set-aside/<int:mail_id>")
@requires(Scope.WRITE)
def change(mail_id: int) -> ResponseReturnValue:
    """Read a mail once more, or let it be."""
    here = url_for("set_aside.index", mailbox=request.args.get("mailbox", type=int))
    try:
        if request.form.get("do") == "dismiss":
            was = set_aside.dismiss(mail_id).was
            undo = {"do": "restore", "was": was, "back": here}
            toast(_("Dismissed; it stays on its server."), url_for("work.act"), **undo)
        elif set_aside.try_again(mail_id):
            toast(_("It could be read: what it says is taken in."))
        else:
            toast(_("It cannot be read yet; the reason is in the list."))
    except DomainError as error:
        toast(error.words)
    return redirect(here, 303)
