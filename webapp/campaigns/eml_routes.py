"""Send an ``.eml`` as it is, as a page: look first, then send."""

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.campaigns import eml, service, single, uploads
from webapp.campaigns.forms import EmlForm
from webapp.campaigns.single_api import AROUND
from webapp.composing.as_it_is import AsItIs
from webapp.core import forms
from webapp.core.errors import Invalid
from webapp.core.http import takes_up_to
from webapp.core.words import _
from webapp.operators.access import Scope, actor, requires

bp = Blueprint("eml", __name__)
NEW_ID = "<…>"


@bp.get("/messages/eml")
@requires(Scope.SEND)
def choose() -> ResponseReturnValue:
    """Show the form."""
    return _page(EmlForm())


@bp.post("/messages/eml")
@requires(Scope.SEND)
@takes_up_to(uploads.LARGEST_FILE + AROUND)
def send() -> ResponseReturnValue:
    """Show what would leave, or send it."""
    form = forms.from_page(EmlForm)
    try:
        form.check()
        values = {**form.values(), "raw_upload_id": _kept(form)}
        form.raw_upload_id.data = values["raw_upload_id"]
        made = eml.look(values, NEW_ID)
        if request.form.get("then") != "send":
            return _page(form, made)
        message = single.send({**values, "envelope_from": None})
    except Invalid as error:
        form.show(error)
        words = [line for lines in error.fields.values() for line in lines]
        return _page(form, words=" ".join(dict.fromkeys(words))), 422
    return redirect(url_for("single.show", message_id=message.id), 303)


def _kept(form: EmlForm) -> str:
    """Return the id of the upload: of the file that came, or of one looked at before.

    Raises
    ------
    Invalid
        If there is neither.
    """
    given = request.files.get("file")
    if given is not None and given.filename:
        stored = uploads.store(given.filename, given.read(), actor().operator)
        return str(stored.public_id)
    if not form.raw_upload_id.data:
        raise Invalid(forms.ATTENTION, {"file": [_("Choose a file.")]})
    return str(form.raw_upload_id.data)


def _page(form: EmlForm, made: AsItIs | None = None, words: str = "") -> str:
    return render_template(
        "campaigns/eml.html",
        form=form,
        made=made,
        words=words,
        senders=service.choices()["senders"],
    )
