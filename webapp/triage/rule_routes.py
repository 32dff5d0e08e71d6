"""Labels and rules, as a page."""

from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.core import forms
from webapp.core.errors import Invalid, NotFound, Refused
from webapp.core.presentation import toast
from webapp.core.words import _
from webapp.mailboxes import service as mailboxes
from webapp.operators.access import Scope, requires
from webapp.triage import labels, rules, work
from webapp.triage.rule_forms import COLOUR_WORDS, KIND_WORDS, LabelForm, RuleForm

bp = Blueprint("rules", __name__)


@bp.get("/triage/rules")
@requires(Scope.READ)
def index() -> ResponseReturnValue:
    """Show the rules in their order, and the labels."""
    return _page(RuleForm(), LabelForm())


@bp.post("/triage/rules")
@requires(Scope.WRITE)
def add() -> ResponseReturnValue:
    """Keep a rule, or only show which of the last mails it would match."""
    form = forms.from_page(RuleForm)
    try:
        form.check()
        rule = form.drafted()
        if request.form.get("do") == "try":
            return _page(form, LabelForm(), matched=rules.matching(rule))
        rules.add(rule)
    except (Invalid, NotFound, Refused) as error:
        if isinstance(error, Invalid):
            form.show(error)
        return _page(form, LabelForm(), refused=error.words), 422
    toast(_("The rule holds for mails that come from now on."))
    return redirect(url_for("rules.index"), 303)


@bp.post("/triage/rules/<int:rule_id>")
@requires(Scope.WRITE)
def change(rule_id: int) -> ResponseReturnValue:
    """Let a rule run earlier or later, or delete it."""
    action = request.form.get("do", "")
    if action == "delete":
        rules.delete(rule_id)
        toast(_("The rule is deleted; what it did stays."))
    else:
        rules.move(rule_id, -1 if action == "earlier" else 1)
    return redirect(url_for("rules.index"), 303)


@bp.post("/triage/labels")
@requires(Scope.WRITE)
def add_label() -> ResponseReturnValue:
    """Make a label."""
    form = forms.from_page(LabelForm)
    try:
        form.check()
        labels.create(form.name.data or "", form.colour.data)
    except (Invalid, Refused) as error:
        if isinstance(error, Invalid):
            form.show(error)
        return _page(RuleForm(), form, refused=error.words), 422
    return redirect(url_for("rules.index"), 303)


@bp.post("/triage/labels/<int:label_id>/delete")
@requires(Scope.WRITE)
def delete_label(label_id: int) -> ResponseReturnValue:
    """Delete a label, after saying what goes with it."""
    one = labels.get(label_id)
    if "sure" not in request.form:
        return render_template(
            "triage/work_label_delete.html", one=one, count=labels.count(label_id)
        )
    toast(_("The label “%(name)s” is deleted.", name=labels.delete(label_id)))
    return redirect(url_for("rules.index"), 303)


def _page(form: RuleForm, label_form: LabelForm, **more: Any) -> str:
    operators = {one.id: one.name for one in work.operators()}
    return render_template(
        "triage/work_rules.html",
        form=form,
        label_form=label_form,
        rules=rules.all_rules(),
        labels={one.id: one for one in labels.all_labels()},
        operators=operators,
        mailboxes={one.id: one.name for one in mailboxes.all_mailboxes()},
        kinds=KIND_WORDS,
        colours=COLOUR_WORDS,
        looked_at=rules.LOOKED_AT,
        **more,
    )
