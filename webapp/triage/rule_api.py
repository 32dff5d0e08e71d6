"""Labels and rules, as JSON."""

from http import HTTPStatus
from typing import Any

from flask import Blueprint, jsonify, url_for
from flask.typing import ResponseReturnValue

from webapp.core import forms
from webapp.core.openapi import operation, schema_list, schema_object
from webapp.operators.access import Scope, requires
from webapp.operators.idempotency import idempotent
from webapp.triage import labels, rules, work
from webapp.triage.models import MailLabel, MailRule
from webapp.triage.rule_forms import LabelForm, OrderForm, RuleForm, WhichMailsForm

bp = Blueprint("rule_api", __name__, url_prefix="/api/v1")

LABEL = schema_object(id="integer", name="string", colour="string")
RULE = schema_object(
    id="integer",
    position="integer",
    kind="string?",
    sender="string",
    subject="string",
    mailbox_id="integer?",
    label_id="integer?",
    assignee_id="integer?",
    done="boolean",
)


@bp.get("/labels")
@requires(Scope.READ)
@operation(answer=schema_list(LABEL))
def list_labels() -> ResponseReturnValue:
    """List the labels of mails, by name."""
    items = [_label_json(one) for one in labels.all_labels()]
    return jsonify(items=items, next=None)


@bp.post("/labels")
@requires(Scope.WRITE)
@operation(body=LabelForm, answer=LABEL, status=201)
@idempotent
def add_label() -> ResponseReturnValue:
    """Make a label."""
    form = forms.from_json(LabelForm)
    made = labels.create(form.name.data or "", form.colour.data)
    return jsonify(_label_json(made)), HTTPStatus.CREATED


@bp.patch("/labels/<int:label_id>")
@requires(Scope.WRITE)
@operation(body=LabelForm, answer=LABEL, partial=True)
def change_label(label_id: int) -> ResponseReturnValue:
    """Change the name or the colour of a label; what is not named stays."""
    one = labels.get(label_id)
    form = forms.from_json(LabelForm, _label_json(one))
    changed = labels.change(label_id, form.name.data or "", form.colour.data)
    return jsonify(_label_json(changed))


@bp.delete("/labels/<int:label_id>")
@requires(Scope.WRITE)
@operation(status=204)
def delete_label(label_id: int) -> ResponseReturnValue:
    """Delete a label from all mails and rules that have it."""
    labels.delete(label_id)
    return "", HTTPStatus.NO_CONTENT


@bp.post("/labels/<int:label_id>/apply")
@requires(Scope.WRITE)
@operation(body=WhichMailsForm, answer=schema_object(changed="integer"))
def apply_label(label_id: int) -> ResponseReturnValue:
    """Put a label on mails, or take it off where `on` is false."""
    form = forms.from_json(WhichMailsForm, {"on": True})
    mail_ids = [int(one) for one in form.mail_ids.data]
    worked = work.label(mail_ids, label_id, on=bool(form.on.data))
    return jsonify(changed=worked.count)


@bp.get("/rules")
@requires(Scope.READ)
@operation(answer=schema_list(RULE))
def list_rules() -> ResponseReturnValue:
    """List the rules, in the order in which they run."""
    return jsonify(items=[_rule_json(one) for one in rules.all_rules()], next=None)


@bp.get("/rules/<int:rule_id>")
@requires(Scope.READ)
@operation(answer=RULE)
def show_rule(rule_id: int) -> ResponseReturnValue:
    """Show a rule."""
    return jsonify(_rule_json(rules.get(rule_id)))


@bp.post("/rules")
@requires(Scope.WRITE)
@operation(body=RuleForm, answer=RULE, status=201)
@idempotent
def add_rule() -> ResponseReturnValue:
    """Keep a rule, after all others; it holds for mails that come from now on."""
    made = rules.add(forms.from_json(RuleForm).drafted())
    place = {"Location": url_for("rule_api.show_rule", rule_id=made.id)}
    return jsonify(_rule_json(made)), HTTPStatus.CREATED, place


@bp.patch("/rules/<int:rule_id>")
@requires(Scope.WRITE)
@operation(body=RuleForm, answer=RULE, partial=True)
def change_rule(rule_id: int) -> ResponseReturnValue:
    """Change a rule; what is not named stays, and so does what it did."""
    form = forms.from_json(RuleForm, _rule_json(rules.get(rule_id)))
    return jsonify(_rule_json(rules.change(rule_id, form.drafted())))


@bp.delete("/rules/<int:rule_id>")
@requires(Scope.WRITE)
@operation(status=204)
def delete_rule(rule_id: int) -> ResponseReturnValue:
    """Delete a rule; what it did stays."""
    rules.delete(rule_id)
    return "", HTTPStatus.NO_CONTENT


@bp.post("/rules/<int:rule_id>/move")
@requires(Scope.WRITE)
@operation(body=OrderForm, answer=RULE)
def move_rule(rule_id: int) -> ResponseReturnValue:
    """Let a rule run `earlier` or `later` by one place."""
    rules.move(rule_id, forms.from_json(OrderForm).step)
    return jsonify(_rule_json(rules.get(rule_id)))


@bp.post("/rules/<int:rule_id>/apply")
@requires(Scope.WRITE)
@operation(answer=schema_object(matched="integer"))
def apply_rule(rule_id: int) -> ResponseReturnValue:
    """Do what a rule says to those of the last 100 mails that it matches."""
    return jsonify(matched=rules.apply_now(rule_id))


def _label_json(one: MailLabel) -> dict[str, Any]:
    return {"id": one.id, "name": one.name, "colour": one.colour}


def _rule_json(one: MailRule) -> dict[str, Any]:
    return {
        "id": one.id,
        "position": one.position,
        "kind": one.kind.value if one.kind else None,
        "sender": one.sender,
        "subject": one.subject,
        "mailbox_id": one.mailbox_id,
        "label_id": one.label_id,
        "assignee_id": one.assignee_id,
        "done": one.done,
    }
