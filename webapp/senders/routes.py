"""Senders, as pages."""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.core import forms
from webapp.core.errors import Invalid
from webapp.core.words import _
from webapp.operators.access import Scope, actor, requires
from webapp.senders import allowance, limiting, presets, service
from webapp.senders.forms import SenderForm, TrialForm
from webapp.senders.models import Sender, TransportKind
from webapp.senders.trial import Trial

bp = Blueprint("senders", __name__)


@bp.get("/senders")
@requires(Scope.READ)
def index() -> ResponseReturnValue:
    """List the senders."""
    senders = service.all_senders()
    return render_template(
        "senders/index.html",
        senders=senders,
        caps={one.id: allowance.cap_today(one) for one in senders},
        stand_ins=limiting.names_of_stand_ins(),
    )


@bp.get("/senders/new")
@requires(Scope.MANAGE)
def new() -> ResponseReturnValue:
    """Show the empty form, filled from a preset if one was chosen."""
    form = SenderForm()
    preset = presets.find(request.args.get("preset"))
    if preset is not None:
        form.name.data, form.host.data = preset.name, preset.host
        form.port.data, form.security.data = preset.port, preset.security.value
    kind = request.args.get("kind")
    if kind in set(TransportKind):
        form.kind.data = kind
    return _form_page(form)


@bp.post("/senders/new")
@requires(Scope.MANAGE)
def create() -> ResponseReturnValue:
    """Make a sender, and try it out if that was asked for."""
    form = forms.from_page(SenderForm)
    try:
        form.check()
        sender = service.create(form.values())
    except Invalid as error:
        return _form_page(_blamed(form, error)), 422
    return _after_saving(sender)


@bp.get("/senders/<int:sender_id>")
@requires(Scope.READ)
def show(sender_id: int) -> ResponseReturnValue:
    """Show one sender, as the form that changes it."""
    sender = service.get(sender_id)
    return _form_page(SenderForm(data=service.form_values(sender)), sender)


@bp.post("/senders/<int:sender_id>")
@requires(Scope.MANAGE)
def update(sender_id: int) -> ResponseReturnValue:
    """Change a sender, and try it out if that was asked for."""
    sender = service.get(sender_id)
    form = forms.from_page(SenderForm)
    try:
        form.check()
        sender = service.update(sender_id, form.values())
    except Invalid as error:
        return _form_page(_blamed(form, error), service.get(sender_id)), 422
    return _after_saving(sender)


@bp.post("/senders/<int:sender_id>/test")
@requires(Scope.MANAGE)
def test(sender_id: int) -> ResponseReturnValue:
    """Try a sender out, and show each step."""
    form = forms.from_page(TrialForm)
    if not form.validate():
        return _trial_page(service.get(sender_id), form, None), 422
    to = None if form.connect_only.data else form.to.data or actor().operator.email
    result = service.test(sender_id, to)
    return _trial_page(service.get(sender_id), form, result)


@bp.get("/senders/<int:sender_id>/test")
@requires(Scope.MANAGE)
def ask_test(sender_id: int) -> ResponseReturnValue:
    """Show what a test does, and the button."""
    return _trial_page(service.get(sender_id), TrialForm(), None)


@bp.get("/senders/<int:sender_id>/delete")
@requires(Scope.MANAGE)
def ask_delete(sender_id: int) -> ResponseReturnValue:
    """Ask whether to delete a sender."""
    return render_template("senders/delete.html", sender=service.get(sender_id))


@bp.post("/senders/<int:sender_id>/delete")
@requires(Scope.MANAGE)
def delete(sender_id: int) -> ResponseReturnValue:
    """Delete a sender."""
    name = service.get(sender_id).name
    service.delete(sender_id)
    flash(_("The sender “%(name)s” was deleted.", name=name))
    return redirect(url_for("senders.index"), 303)


def _after_saving(sender: Sender) -> ResponseReturnValue:
    """Go on to the test, if that button was pressed, or back to the list."""
    if request.form.get("then") != "test":
        flash(_("The sender “%(name)s” was saved.", name=sender.name))
        return redirect(url_for("senders.index"), 303)
    form = TrialForm()
    sends = "send_one" in request.form
    form.connect_only.data = not sends
    result = service.test(sender.id, actor().operator.email if sends else None)
    return _trial_page(service.get(sender.id), form, result)


def _form_page(form: SenderForm, sender: Sender | None = None) -> str:
    """Return the page of the form, for a new sender or for this one."""
    return render_template(
        "senders/form.html",
        form=form,
        sender=sender,
        presets=presets.PRESETS,
        others=limiting.candidates(sender, form.kind.data),
        stands_in_for=limiting.used_by(sender) if sender else (),
        today=allowance.today(sender) if sender else None,
    )


def _trial_page(sender: Sender, form: TrialForm, result: Trial | None) -> str:
    """Return the page of a test: what it will do, or how it went."""
    if not form.to.data:
        form.to.data = actor().operator.email
    return render_template("senders/test.html", sender=sender, form=form, result=result)


def _blamed(form: SenderForm, error: Invalid) -> SenderForm:
    """Return the form with the service's sentences at its fields."""
    for name, lines in error.fields.items():
        if name in form and not form[name].errors:
            form[name].errors = lines
    return form
