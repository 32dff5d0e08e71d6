"""Suppressions, as JSON."""

from typing import Any

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue

from webapp.core import forms, http
from webapp.core.file_names import clean_file_name
from webapp.core.openapi import LIST_QUERY, operation, schema_list, schema_object
from webapp.operators.access import Scope, requires
from webapp.operators.idempotency import idempotent
from webapp.suppressions import lists, service
from webapp.suppressions.browsing import searched
from webapp.suppressions.forms import ScopeForm, SuppressionForm
from webapp.suppressions.models import Reason, Suppression

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

IMPORTED = schema_object(
    added="integer",
    already="integer",
    rejected="integer",
    rejects={"type": "array", "items": {"type": "object"}},
)
MOST_REJECTS = 100


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
    query={
        **LIST_QUERY,
        "q": "Text in the address.",
        "reason": f"Only this reason: {', '.join(Reason)}.",
    },
)
def suppressions() -> ResponseReturnValue:
    """List whom we never write to, newest first.

    Readers name the whole address in `q`, and see that one alone.
    """
    q, reason = request.args.get("q", ""), request.args.get("reason", "")
    query, window = searched(q, reason)
    page = http.page_of(query, Suppression.id, show=suppression_json, window=window)
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


@bp.post("/suppressions/imports")
@requires(Scope.WRITE)
@operation(body=ScopeForm, multipart=True, answer=IMPORTED)
@idempotent
def import_file() -> ResponseReturnValue:
    """Suppress everybody whom a CSV file in the field `file` names (up to 2 MB).

    One column is enough; a heading may name `address` and `reason`. What was exported
    here comes back as it was, from its recipient table too.
    """
    form = ScopeForm(request.form)
    form.check()
    file = request.files.get("file")
    data = file.stream.read() if file else b""
    name = clean_file_name(file.filename or "") if file else ""
    done = lists.import_file(data, form.recipient_table_id.data, name)
    rejects = [
        {"line": one.number, "text": one.text, "words": one.words}
        for one in done.rejects[:MOST_REJECTS]
    ]
    return jsonify(
        added=done.added,
        already=done.already,
        rejected=len(done.rejects),
        rejects=rejects,
    )


@bp.delete("/suppressions/<int:suppression_id>")
@requires(Scope.WRITE)
@operation(status=204, query={"why": "What the audit log says about it."})
def undo(suppression_id: int) -> ResponseReturnValue:
    """Let a suppression hold no more."""
    service.undo(suppression_id, request.args.get("why", ""))
    return "", 204
