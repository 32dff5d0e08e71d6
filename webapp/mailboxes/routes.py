"""Mailboxes, as pages: connect, test, change, try again, disconnect."""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.core import forms
from webapp.core.errors import Invalid
from webapp.core.http import local_target
from webapp.core.words import _
from webapp.mailboxes import folders, service, set_aside
from webapp.mailboxes.forms import (
    AUTHSERV_PRESETS,
    OAUTH_PRESETS,
    PRESETS,
    MailboxForm,
)
from webapp.mailboxes.models import Mailbox
from webapp.mailboxes.service import Tested
from webapp.operators.access import Scope, requires

bp = Blueprint("mailboxes", __name__)


@bp.get("/mailboxes")
@requires(Scope.READ)
def index() -> ResponseReturnValue:
    """List the mailboxes and how they are."""
    rows = [(mailbox, folders.known(mailbox.id)) for mailbox in service.all_mailboxes()]
    return render_template(
        "mailboxes/index.html", rows=rows, set_aside=set_aside.counts()
    )


@bp.get("/mailboxes/new")
@requires(Scope.MANAGE)
def new() -> ResponseReturnValue:
    """Show the form, filled for a provider if one is named."""
    name = request.args.get("preset", "")
    preset = PRESETS.get(name)
    filled = {"name": preset[0], "host": preset[1], "port": preset[2]} if preset else {}
    filled["authserv_id"] = AUTHSERV_PRESETS.get(name, "")
    if name in OAUTH_PRESETS:
        filled["oauth_token_url"], filled["oauth_scope"] = OAUTH_PRESETS[name]
    return _form_page(MailboxForm(data=filled), None)


@bp.post("/mailboxes/new")
@requires(Scope.MANAGE)
def create() -> ResponseReturnValue:
    """Connect a mailbox, or only test what the form says."""
    form = forms.from_page(MailboxForm)
    if "test" in request.form:
        return _test(form, None)
    try:
        form.check()
        mailbox = service.create(**form.values())
    except Invalid as error:
        return _form_page(form, None, error), 422
    flash(_("%(name)s is connected.", name=mailbox.name))
    return redirect(url_for("triage.mailbox", mailbox_id=mailbox.id), 303)


@bp.get("/mailboxes/<int:mailbox_id>")
@requires(Scope.MANAGE)
def edit(mailbox_id: int) -> ResponseReturnValue:
    """Show the form of a mailbox; its password is never in it."""
    mailbox = service.get(mailbox_id)
    data = {**service.shown(mailbox), "uri": ""}
    return _form_page(MailboxForm(data=data), mailbox)


@bp.post("/mailboxes/<int:mailbox_id>")
@requires(Scope.MANAGE)
def change(mailbox_id: int) -> ResponseReturnValue:
    """Change a mailbox, or only test what the form says."""
    mailbox = service.get(mailbox_id)
    form = forms.from_page(MailboxForm)
    if "test" in request.form:
        return _test(form, mailbox)
    try:
        form.check()
        service.change(mailbox, **form.values())
    except Invalid as error:
        return _form_page(form, mailbox, error), 422
    flash(_("Saved."))
    return redirect(url_for("mailboxes.index"), 303)


@bp.post("/mailboxes/<int:mailbox_id>/try-again")
@requires(Scope.WRITE)
def try_again(mailbox_id: int) -> ResponseReturnValue:
    """Ask the server once more now, for the page that could not be shown."""
    service.try_again(service.get(mailbox_id))
    inbox = url_for("triage.mailbox", mailbox_id=mailbox_id)
    return redirect(local_target() or inbox, 303)


@bp.post("/mailboxes/<int:mailbox_id>/check")
@requires(Scope.WRITE)
def check_now(mailbox_id: int) -> ResponseReturnValue:
    """Look for new mail now."""
    mailbox = service.get(mailbox_id)
    service.check_now(mailbox)
    flash(_("Looking for new mail in %(name)s.", name=mailbox.name))
    return redirect(url_for("mailboxes.index"), 303)


@bp.get("/mailboxes/<int:mailbox_id>/delete")
@requires(Scope.MANAGE)
def confirm_delete(mailbox_id: int) -> ResponseReturnValue:
    """Say what disconnecting does, and ask for the name."""
    mailbox = service.get(mailbox_id)
    return render_template("mailboxes/delete.html", mailbox=mailbox, words="")


@bp.post("/mailboxes/<int:mailbox_id>/delete")
@requires(Scope.MANAGE)
def delete(mailbox_id: int) -> ResponseReturnValue:
    """Disconnect a mailbox when its name was typed."""
    mailbox = service.get(mailbox_id)
    if request.form.get("name", "").strip() != mailbox.name:
        words = _("Type the name exactly as it is written above.")
        page = render_template("mailboxes/delete.html", mailbox=mailbox, words=words)
        return page, 422
    name = mailbox.name
    service.delete(mailbox)
    flash(_("%(name)s is disconnected. Its mails stay on the server.", name=name))
    return redirect(url_for("mailboxes.index"), 303)


def _test(form: MailboxForm, mailbox: Mailbox | None) -> ResponseReturnValue:
    try:
        form.check()
        tested = service.probe_values(mailbox, **form.values())
    except Invalid as error:
        return _form_page(form, mailbox, error), 422
    return _form_page(form, mailbox, tested=tested)


def _form_page(
    form: MailboxForm,
    mailbox: Mailbox | None,
    error: Invalid | None = None,
    tested: Tested | None = None,
) -> str:
    for name, lines in (error.fields if error else {}).items():
        if name in form and not form[name].errors:
            form[name].errors = lines
    return render_template(
        "mailboxes/form.html",
        form=form,
        mailbox=mailbox,
        tested=tested,
        presets=PRESETS,
    )
