"""Senders whose images are always shown, as a page of one's account."""

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.core import forms
from webapp.core.errors import Invalid
from webapp.core.presentation import toast
from webapp.core.words import _
from webapp.operators.access import Scope, actor, requires
from webapp.triage import images
from webapp.triage.acting_routes import back_of
from webapp.triage.image_forms import ImageSenderForm

bp = Blueprint("images", __name__)

PAGE = "/account/images"


@bp.get(PAGE)
@requires(Scope.READ)
def index() -> ResponseReturnValue:
    """List the senders whose images this operator always sees."""
    return _page(ImageSenderForm())


@bp.post(PAGE)
@requires(Scope.WRITE)
def remember() -> ResponseReturnValue:
    """Remember a sender, told on this page or on that of a mail."""
    form = forms.from_page(ImageSenderForm)
    try:
        form.check()
        made = images.remember(actor().operator.id, form.address.data or "")
    except Invalid as error:
        form.show(error)
        return _page(form), 422
    toast(_("Images from %(address)s are shown from now on.", address=made.address_key))
    return _answer()


@bp.post(PAGE + "/<int:sender_id>/forget")
@requires(Scope.WRITE)
def forget(sender_id: int) -> ResponseReturnValue:
    """Ask again before images of a sender are shown."""
    address = images.forget(actor().operator.id, sender_id)
    toast(_("Images from %(address)s are not loaded any more.", address=address))
    return _answer()


def _answer() -> ResponseReturnValue:
    """Go back to the mail from which it was told, or to the list."""
    back = request.form.get("back", "")
    return redirect(back_of(back) if back else url_for("images.index"), 303)


def _page(form: ImageSenderForm) -> str:
    senders = images.remembered(actor().operator.id)
    return render_template("triage/images.html", form=form, senders=senders)
