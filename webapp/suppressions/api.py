"""Suppressions, as JSON."""

from typing import Any

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue

from webapp.core import forms, http
from webapp.core.openapi import LIST_QUERY, operation, schema_list, schema_object
from webapp.operators.access import Scope, requires
from webapp.operators.idempotency import idempotent
from webapp.suppressions import service
from webapp.suppressions.forms import SuppressionForm
from webapp.suppressions.models import Suppression

bp = Blueprint("suppressions_api", __name__, url_prefix="/api/v1")

SUPPRESSION = schema_object(
    id="integer",
    channel="string",
    address="string",
    recipient_table_id="integer?",
    reason="string",
    source="string",
    created_at="string",
)


def suppression_json(row: Suppression) -> dict[str, Any]:
    """Return a suppression as the API shows it."""
    return {
        "id": row.id,
        "channel": row.channel,
        "address": row.address_key,
        "recipient_table_id": row.recipient_table_id,
        "reason": row.reason,
        "source": row.source,
        "created_at": row.created_at.isoformat(),
    }


@bp.get("/suppressions")
@requires(Scope.READ)
@operation(
    answer=schema_list(SUPPRESSION),
    query={**LIST_QUERY, "q": "Text in the address."},
)
def suppressions() -> ResponseReturnValue:
    """List whom we never write to, newest first."""
    query = service.all_suppressions(request.args.get("q", ""))
    page = http.page_of(query, Suppression.id, show=suppression_json)
    return jsonify(items=page.items, next=page.next)


@bp.post("/suppressions")
@requires(Scope.WRITE)
@operation(body=SuppressionForm, answer=SUPPRESSION, status=201)
@idempotent
def suppress() -> ResponseReturnValue:
    """Never write to an address, a whole domain or a phone again.

    One that holds already is returned as it is.
    """
    form = forms.from_json(SuppressionForm)
    return jsonify(suppression_json(service.suppress(*form.asked()))), 201


@bp.delete("/suppressions/<int:suppression_id>")
@requires(Scope.WRITE)
@operation(status=204)
def undo(suppression_id: int) -> ResponseReturnValue:
    """Let a suppression hold no more."""
    service.undo(suppression_id)
    return "", 204
