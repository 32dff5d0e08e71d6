"""Triage, as pages: folders, the list, and one mail, in three panes.

Reading is GET and changes no flag. What the panes show is gathered in `panes`.
"""

from flask import Blueprint, jsonify, redirect, request, url_for
from flask.typing import ResponseReturnValue

from webapp.core.errors import Invalid
from webapp.mailboxes import folders
from webapp.mailboxes import service as mailboxes
from webapp.mailboxes.imap_errors import ImapError
from webapp.operators.access import Scope, actor, requires
from webapp.triage import marks, presence, views
from webapp.triage.panes import (
    Panes,
    everywhere_panes,
    is_everywhere_asked,
    list_panes,
    mail_panes,
    page,
    view_panes,
)

bp = Blueprint("triage", __name__)

FOLDER = "/triage/<int:mailbox_id>/<int:folder_id>"
MAIL = FOLDER + "/<int:uid>"


@bp.get("/triage")
@requires(Scope.READ)
def index() -> ResponseReturnValue:
    """Show a view over all inboxes."""
    name, text = request.args.get("view", "unread"), request.args.get("q", "")
    try:
        return page(view_panes(name))
    except Invalid as error:
        panes = Panes(title=views.title(name), query=text, view=name)
        panes.query_words = error.words
        return page(panes)


@bp.get("/triage/pulse.json")
@requires(Scope.READ)
def pulse() -> ResponseReturnValue:
    """Return a word that is another one when something happened in a list.

    Who asks with a mail open says so by asking: the others see it.
    """
    operator_id = actor().operator.id
    presence.keep(operator_id, request.args.get("at", ""))
    return jsonify(pulse=marks.pulse(operator_id))


@bp.get("/triage/<int:mailbox_id>")
@requires(Scope.READ)
def mailbox(mailbox_id: int) -> ResponseReturnValue:
    """Go to the inbox of a mailbox, or list the mails of all its folders."""
    account = mailboxes.get(mailbox_id)
    if is_everywhere_asked():
        return page(everywhere_panes(account))
    panes = Panes(title=account.name, mailbox=account)
    try:
        found = folders.fresh(account)
    except ImapError as error:
        panes.trouble = error
        return page(panes)
    first = next((folder for folder in found if folder.selectable), None)
    if first is None:
        return page(panes)
    target = url_for("triage.folder", mailbox_id=mailbox_id, folder_id=first.id)
    return redirect(target, 303)


@bp.get(FOLDER)
@requires(Scope.READ)
def folder(mailbox_id: int, folder_id: int) -> ResponseReturnValue:
    """Show the list of a folder."""
    return page(list_panes(mailbox_id, folder_id))


@bp.get(MAIL)
@requires(Scope.READ)
def mail(mailbox_id: int, folder_id: int, uid: int) -> ResponseReturnValue:
    """Show a mail, or one inside it, beside its list; this does not mark it as read."""
    return page(mail_panes(mailbox_id, folder_id, uid))
