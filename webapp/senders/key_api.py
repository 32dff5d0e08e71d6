"""The DKIM keys of a sender, as JSON."""

from typing import Any

from flask import Blueprint, jsonify, url_for
from flask.typing import ResponseReturnValue

from webapp.core import forms
from webapp.core.openapi import operation, schema_list, schema_object
from webapp.operators.access import Scope, requires
from webapp.operators.idempotency import idempotent
from webapp.senders import asking_dns, keys, service
from webapp.senders.key_forms import KeyForm
from webapp.senders.models import DkimKey, Sender

bp = Blueprint("sender_keys_api", __name__, url_prefix="/api/v1")

KEY = schema_object(
    id="integer",
    domain="string",
    selector="string",
    algorithm="string",
    state="string",
    record_name="string",
    record_text="string",
    created_at="string",
    activated_at="string?",
    retired_at="string?",
)
DNS = schema_object(
    domain="string",
    asked_at="string?",
    findings={
        "type": "array",
        "items": schema_object(code="string", severity="string", words="string"),
    },
)


@bp.get("/senders/<int:sender_id>/keys")
@requires(Scope.READ)
@operation(answer=schema_list(KEY))
def index(sender_id: int) -> ResponseReturnValue:
    """List the DKIM keys of a sender's From domain; never their private halves."""
    found = keys.keys_of(service.get(sender_id))
    return jsonify(items=[shown(key) for key in found], next=None)


@bp.post("/senders/<int:sender_id>/keys")
@requires(Scope.MANAGE)
@operation(body=KeyForm, answer=KEY, status=201)
@idempotent
def make(sender_id: int) -> ResponseReturnValue:
    """Make a DKIM key; publish its record, then activate it."""
    key = keys.make(sender_id, forms.from_json(KeyForm).values())
    place = url_for("sender_keys_api.show", sender_id=sender_id, key_id=key.id)
    return jsonify(shown(key)), 201, {"Location": place}


@bp.get("/senders/<int:sender_id>/keys/<int:key_id>")
@requires(Scope.READ)
@operation(answer=KEY)
def show(sender_id: int, key_id: int) -> ResponseReturnValue:
    """Show one DKIM key."""
    return jsonify(shown(keys.get_key(sender_id, key_id)))


@bp.post("/senders/<int:sender_id>/keys/<int:key_id>/activate")
@requires(Scope.MANAGE)
@operation(answer=KEY)
def activate(sender_id: int, key_id: int) -> ResponseReturnValue:
    """Sign with a key from now on; an older one of its kind is retired."""
    return jsonify(shown(keys.activate(sender_id, key_id)))


@bp.post("/senders/<int:sender_id>/keys/<int:key_id>/retire")
@requires(Scope.MANAGE)
@operation(answer=KEY)
def retire(sender_id: int, key_id: int) -> ResponseReturnValue:
    """Sign with a key no more."""
    return jsonify(shown(keys.retire(sender_id, key_id)))


@bp.delete("/senders/<int:sender_id>/keys/<int:key_id>")
@requires(Scope.MANAGE)
@operation(answer={}, status=204)
def delete(sender_id: int, key_id: int) -> ResponseReturnValue:
    """Delete a key that does not sign."""
    keys.delete(sender_id, key_id)
    return "", 204


@bp.get("/senders/<int:sender_id>/dns")
@requires(Scope.READ)
@operation(answer=DNS)
def show_dns(sender_id: int) -> ResponseReturnValue:
    """Show what DNS said about the From domain when it was asked last."""
    return jsonify(_dns(service.get(sender_id)))


@bp.post("/senders/<int:sender_id>/dns")
@requires(Scope.MANAGE)
@operation(answer=DNS)
def ask_dns(sender_id: int) -> ResponseReturnValue:
    """Ask DNS now about DKIM, SPF, DMARC and alignment of the From domain."""
    return jsonify(_dns(asking_dns.ask(sender_id)))


def _dns(sender: Sender) -> dict[str, Any]:
    at = sender.dns_asked_at
    return {
        "domain": keys.domain_of(sender),
        "asked_at": at.isoformat(timespec="seconds") if at else None,
        "findings": [
            {name: one[name] for name in ("code", "severity", "words")}
            for one in asking_dns.findings_of(sender)
        ],
    }


def shown(key: DkimKey) -> dict[str, Any]:
    """Return a key as JSON, without its private half."""
    instants = {
        name: instant.isoformat(timespec="seconds") if instant else None
        for name in ("created_at", "activated_at", "retired_at")
        for instant in (getattr(key, name),)
    }
    return {
        "id": key.id,
        "domain": key.domain,
        "selector": key.selector,
        "algorithm": key.algorithm.value,
        "state": key.state.value,
        "record_name": key.record_name,
        "record_text": key.record_text,
        **instants,
    }
