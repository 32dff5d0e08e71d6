"""Senders, as JSON."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from flask import Blueprint, jsonify, url_for
from flask.typing import ResponseReturnValue

from webapp.core import forms
from webapp.core.http import page_of
from webapp.core.openapi import LIST_QUERY, operation, schema_list, schema_object
from webapp.operators.access import Scope, actor, requires
from webapp.operators.idempotency import idempotent
from webapp.senders import allowance, limiting, service
from webapp.senders.forms import SenderForm, TrialForm
from webapp.senders.models import Sender

bp = Blueprint("senders_api", __name__, url_prefix="/api/v1")

SENDER = schema_object(
    id="integer",
    name="string",
    kind="string",
    from_name="string",
    from_address="string",
    reply_to="string",
    bounce_address="string",
    host="string",
    port="integer",
    security="string",
    authentication="string",
    login="string",
    password_saved_at="string?",  # noqa: S106 - a type, not a password
    ca_pem="string",
    max_connections="integer",
    per_second="integer",
    per_hour="integer",
    per_day="integer",
    per_domain="object",
    warmup_start="integer",
    warmup_growth="integer",
    warmup_ceiling="integer",
    warmup_from="string",
    today={
        "type": "object",
        "properties": {
            "used": {"type": "integer"},
            "most": {"type": "integer"},
            "is_warmup": {"type": "boolean"},
        },
    },
    retry_minutes={"type": "array", "items": {"type": "integer"}},
    queue_lifetime="integer",
    fallback_ids={"type": "array", "items": {"type": "integer"}},
    server_size="integer",
    last_ok_at="string?",
    last_error_at="string?",
    last_error="string",
    version="integer",
    created_at="string",
    updated_at="string",
)
STEP = schema_object(name="string", state="string", words="string", reply="string")
TRIAL = schema_object(ok="boolean", steps={"type": "array", "items": STEP})


@bp.get("/senders")
@requires(Scope.READ)
@operation(answer=schema_list(SENDER), query=LIST_QUERY)
def index() -> ResponseReturnValue:
    """List the senders, newest first."""
    query = sa.select(Sender).where(Sender.archived_at.is_(None))
    page = page_of(query, Sender.id)
    todays = allowance.todays(page.items)
    stand_ins = limiting.fallbacks_of(todays)
    items = [_shown(one, todays[one.id], stand_ins[one.id]) for one in page.items]
    return jsonify(items=items, next=page.next)


@bp.post("/senders")
@requires(Scope.MANAGE)
@operation(body=SenderForm, answer=SENDER, status=201)
@idempotent
def create() -> ResponseReturnValue:
    """Make a sender.

    The password is write-only. Practice and dry run senders need no server.
    """
    sender = service.create(forms.from_json(SenderForm).values())
    place = url_for("senders_api.show", sender_id=sender.id)
    return jsonify(shown(sender)), 201, {"Location": place}


@bp.get("/senders/<int:sender_id>")
@requires(Scope.READ)
@operation(answer=SENDER)
def show(sender_id: int) -> ResponseReturnValue:
    """Show one sender; never its password."""
    return jsonify(shown(service.get(sender_id)))


@bp.patch("/senders/<int:sender_id>")
@requires(Scope.MANAGE)
@operation(body=SenderForm, answer=SENDER, partial=True)
def update(sender_id: int) -> ResponseReturnValue:
    """Change some fields of a sender.

    Another host needs the password again. With `version`, a newer one is a conflict.
    """
    base = service.form_values(service.get(sender_id))
    del base["version"]
    form = forms.from_json(SenderForm, base)
    return jsonify(shown(service.update(sender_id, form.values())))


@bp.delete("/senders/<int:sender_id>")
@requires(Scope.MANAGE)
@operation(answer={}, status=204)
def delete(sender_id: int) -> ResponseReturnValue:
    """Remove a sender that nothing uses."""
    service.delete(sender_id)
    return "", 204


@bp.post("/senders/<int:sender_id>/test")
@requires(Scope.MANAGE)
@operation(body=TrialForm, answer=TRIAL, partial=True)
def test(sender_id: int) -> ResponseReturnValue:
    """Try a sender out: connect, TLS, sign in, send one message.

    `to` is the operator's own address unless given; `connect_only` sends nothing.
    """
    form = forms.from_json(TrialForm)
    to = None if form.connect_only.data else form.to.data or actor().operator.email
    result = service.test(sender_id, to)
    steps = [
        {
            "name": step.name,
            "state": step.state.value,
            "words": step.words,
            "reply": step.reply,
        }
        for step in result.steps
    ]
    return jsonify(ok=result.is_ok, steps=steps)


def shown(sender: Sender) -> dict[str, Any]:
    """Return a sender as JSON: what the form holds and how it fared."""
    return _shown(sender, allowance.today(sender), limiting.fallback_ids(sender.id))


def _shown(
    sender: Sender, today: allowance.Today, stand_ins: Sequence[int]
) -> dict[str, Any]:
    values = service.form_values(sender, stand_ins)
    instants = ("password_saved_at", "last_ok_at", "last_error_at")
    for name in (*instants, "created_at", "updated_at"):
        instant = getattr(sender, name)
        values[name] = instant.isoformat(timespec="seconds") if instant else None
    return {
        "id": sender.id,
        **values,
        "today": {"used": today.used, "most": today.most, "is_warmup": today.is_warmup},
        "server_size": sender.server_size,
        "last_error": sender.last_error,
    }
