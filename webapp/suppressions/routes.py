"""Suppressions, as pages."""

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.core import forms, http
from webapp.core.errors import Invalid
from webapp.core.presentation import toast
from webapp.core.words import _
from webapp.operators.access import Scope, requires
from webapp.suppressions import service
from webapp.suppressions.forms import REASON_WORDS, SuppressionForm
from webapp.suppressions.models import Suppression

bp = Blueprint("suppressions", __name__)


@bp.get("/suppressions")
@requires(Scope.READ)
def index() -> ResponseReturnValue:
    """Show whom we never write to, with a search and a form to add one."""
    return _page(SuppressionForm(), request.args.get("q", ""))


@bp.post("/suppressions")
@requires(Scope.WRITE)
def suppress() -> ResponseReturnValue:
    """Add one, or show the form again with what is wrong."""
    form = forms.from_page(SuppressionForm)
    try:
        form.check()
        row = service.suppress(*form.asked())
    except Invalid as error:
        form.show(error)
        return _page(form, ""), 422
    words = _("We never write to %(who)s any more.", who=row.address_key)
    toast(words, url_for("suppressions.undo", suppression_id=row.id))
    return redirect(url_for("suppressions.index"), 303)


@bp.post("/suppressions/<int:suppression_id>/undo")
@requires(Scope.WRITE)
def undo(suppression_id: int) -> ResponseReturnValue:
    """Let one hold no more, and offer to take that back."""
    row = service.undo(suppression_id)
    words = _("%(who)s may get messages again.", who=row.address_key)
    toast(words, url_for("suppressions.redo", suppression_id=row.id))
    return redirect(url_for("suppressions.index"), 303)


@bp.post("/suppressions/<int:suppression_id>/redo")
@requires(Scope.WRITE)
def redo(suppression_id: int) -> ResponseReturnValue:
    """Take an undoing back."""
    row = service.redo(suppression_id)
    toast(_("We never write to %(who)s any more.", who=row.address_key))
    return redirect(url_for("suppressions.index"), 303)


def _page(form: SuppressionForm, q: str) -> str:
    page = http.page_of(service.all_suppressions(q), Suppression.id)
    return render_template(
        "suppressions/index.html", form=form, q=q, page=page, words_of=REASON_WORDS
    )
