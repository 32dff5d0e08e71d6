"""Replies to mails, as pages: the form under the open mail, undo, saved replies."""

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.campaigns import given_files, service, single
from webapp.campaigns.models import Upload
from webapp.campaigns.single_api import AROUND
from webapp.core import forms
from webapp.core.errors import DomainError, Invalid, NotFound
from webapp.core.http import takes_up_to
from webapp.core.presentation import toast
from webapp.core.words import _
from webapp.operators.access import Scope, actor, requires
from webapp.triage import reply_text, replying, saved_replies
from webapp.triage.panes import Panes, mail_panes, page
from webapp.triage.reply_forms import PageReplyForm, SavedReplyForm
from webapp.triage.reply_models import Reply
from webapp.triage.replying import HOLD_SECONDS, Draft
from webapp.triage.routes import MAIL

bp = Blueprint("reply", __name__)


@bp.get(MAIL + "/reply")
@requires(Scope.SEND)
def write(mailbox_id: int, folder_id: int, uid: int) -> ResponseReturnValue:
    """Show the form under the mail; `?again=` takes over what was taken back."""
    panes = mail_panes(mailbox_id, folder_id, uid)
    draft = panes.draft
    if draft is None:
        return page(panes)
    data: dict[str, Any] = {
        "to": draft.to,
        "subject": draft.subject,
        "text": draft.quote,
        "sender_id": draft.sender_id,
        "uidvalidity": draft.uidvalidity,
    }
    again = request.args.get("again", type=int)
    if again:
        data.update(_as_it_was(replying.get(again), draft))
    return _form(panes, PageReplyForm(data=data), [])


@bp.post(MAIL + "/reply")
@requires(Scope.SEND)
@takes_up_to(single.LARGEST_TOGETHER + AROUND)
def send(mailbox_id: int, folder_id: int, uid: int) -> ResponseReturnValue:
    """Put in a saved reply, or queue the reply; what is wrong is said at its field."""
    form = forms.from_page(PageReplyForm)
    panes = mail_panes(mailbox_id, folder_id, uid, form.uidvalidity.data)
    draft = panes.draft
    if draft is None:
        return page(panes), 409
    attached: list[Upload] = []
    try:
        attached = given_files.chosen(form.attachments.data)
        attached += given_files.stored()
        if request.form.get("do") == "insert":
            return _inserted(panes, form, attached)
        form.check()
        chosen = [{"upload_id": str(one.public_id)} for one in attached]
        values = {**form.values(), "attachments": chosen}
        del values["files"]
        reply = replying.send(draft, values, operator_id=actor().operator.id)
    except Invalid as error:
        form.show(error)
        return _form(panes, form, attached, error), 422
    _say_undo(reply)
    place = url_for(
        "triage.mail",
        mailbox_id=mailbox_id,
        folder_id=folder_id,
        uid=uid,
        v=draft.uidvalidity,
    )
    return redirect(place, 303)


@bp.post("/triage/replies/<int:reply_id>/undo")
@requires(Scope.SEND)
def undo(reply_id: int) -> ResponseReturnValue:
    """Take a reply back, and go to its form again with what was written."""
    try:
        reply = replying.take_back(reply_id)
    except DomainError as error:
        flash(error.words)
        reply = replying.get(reply_id)
        return redirect(url_for("single.show", message_id=reply.message_id), 303)
    flash(_("Taken back: nothing was sent."))
    if reply.folder_id is None:
        return redirect(url_for("triage.index"), 303)
    place = url_for(
        "reply.write",
        mailbox_id=reply.mailbox_id,
        folder_id=reply.folder_id,
        uid=reply.uid,
        v=reply.uidvalidity,
        again=reply.id,
        _anchor="reply",
    )
    return redirect(place, 303)


@bp.get("/triage/saved-replies")
@requires(Scope.READ)
def saved() -> ResponseReturnValue:
    """List the saved replies, with a form for another one."""
    return _saved(SavedReplyForm())


@bp.post("/triage/saved-replies")
@requires(Scope.WRITE)
def add_saved() -> ResponseReturnValue:
    """Save a reply."""
    form = forms.from_page(SavedReplyForm)
    try:
        form.check()
        saved_replies.add(**form.values())
    except Invalid as error:
        form.show(error)
        return _saved(form), 422
    flash(_("Saved."))
    return redirect(url_for("reply.saved"), 303)


@bp.post("/triage/saved-replies/<int:saved_id>/delete")
@requires(Scope.WRITE)
def delete_saved(saved_id: int) -> ResponseReturnValue:
    """Delete a saved reply; the toast offers it back."""
    gone = saved_replies.delete(saved_id)
    fields = {"name": gone.name, "text": gone.text}
    undo_at = url_for("reply.add_saved")
    toast(_("Deleted."), undo_at, **fields)
    return redirect(url_for("reply.saved"), 303)


def _say_undo(reply: Reply) -> None:
    words = _("The reply leaves in %(n)s seconds.", n=HOLD_SECONDS)
    undo_at = url_for("reply.undo", reply_id=reply.id)
    toast(words, undo_at)


def _as_it_was(reply: Reply, draft: Draft) -> dict[str, Any]:
    """Return what the message of a reply to this mail said."""
    if reply.message_id_header != draft.message_id_header:
        raise NotFound(_("There is no such reply."))
    bodies = reply.message.bodies or {}
    found = {name: bodies.get(name) for name in ("to", "cc", "subject", "text")}
    return {**found, "sender_id": reply.message.sender_id}


def _inserted(panes: Panes, form: PageReplyForm, attached: list[Upload]) -> str:
    saved_id = request.form.get("saved", type=int)
    if saved_id:
        text = saved_replies.get(saved_id).text
        form.text.data = reply_text.inserted(form.text.data or "", text)
        form.text.raw_data = [form.text.data]
    return _form(panes, form, attached)


def _form(
    panes: Panes,
    form: PageReplyForm,
    attached: list[Upload],
    error: Invalid | None = None,
) -> str:
    elsewhere = [
        line
        for name, lines in (error.fields if error else {}).items()
        for line in lines
        if name not in form
    ]
    return page(
        panes,
        form=form,
        attached=attached,
        words=" ".join(elsewhere) or (error.words if error else ""),
        senders=service.choices()["senders"],
        saved=saved_replies.everything(),
    )


def _saved(form: SavedReplyForm) -> str:
    everything = saved_replies.everything()
    return render_template("triage/saved_replies.html", form=form, saved=everything)
