"""Recipient tables and their rows, as JSON."""

from typing import Any

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue

from webapp.core import forms, http
from webapp.core.errors import Invalid
from webapp.core.openapi import LIST_QUERY, operation, schema_list, schema_object
from webapp.operators.access import Scope, requires
from webapp.operators.idempotency import idempotent
from webapp.recipients import jobs, listing, row_service, service
from webapp.recipients.forms import (
    RecipientForm,
    TableForm,
    asked_version,
    cells_from_json,
    rows_from_json,
)
from webapp.recipients.models import Recipient, RecipientTable

bp = Blueprint("recipients_api", __name__, url_prefix="/api/v1")

COLUMN = schema_object(
    name="string",
    label="string",
    kind="string",
    required="boolean",
    unique="boolean",
    untrusted="boolean",
)
TABLE = schema_object(
    id="integer",
    name="string",
    columns={"type": "array", "items": COLUMN},
    address_column="string?",
    recipients_count="integer",
    version="integer",
    created_at="string",
    updated_at="string",
)
ROW = schema_object(
    id="integer",
    values={"type": "object"},
    problems={"type": "object"},
    address="string?",
    version="integer",
    created_at="string",
    updated_at="string",
)
ROW_QUERY = {
    **LIST_QUERY,
    "q": "Text anywhere in a row, or `column:text`.",
    "only": "`invalid`, `duplicate` or `suppressed`.",
}


def table_json(table: RecipientTable) -> dict[str, Any]:
    """Return a table as the API shows it."""
    return {
        "id": table.id,
        "name": table.name,
        "columns": [
            {
                "name": spec.name,
                "label": spec.label,
                "kind": spec.kind,
                "required": spec.required,
                "unique": spec.unique,
                "untrusted": spec.untrusted,
            }
            for spec in service.specs(table)
        ],
        "address_column": table.address_column or None,
        "recipients_count": table.recipients_count,
        "version": table.version,
        "created_at": table.created_at.isoformat(),
        "updated_at": table.updated_at.isoformat(),
    }


def row_json(row: Recipient, names: list[str]) -> dict[str, Any]:
    """Return a row as the API shows it: every column, null where it is empty."""
    return {
        "id": row.id,
        "values": {name: row.row_values.get(name) for name in names},
        "problems": row.problems,
        "address": row.address or None,
        "version": row.version,
        "created_at": row.created_at.isoformat(),
        "updated_at": row.updated_at.isoformat(),
    }


@bp.get("/recipient-tables")
@requires(Scope.READ)
@operation(answer=schema_list(TABLE), query=LIST_QUERY)
def tables() -> ResponseReturnValue:
    """List the recipient tables, newest first."""
    page = http.page_of(service.all_tables(), RecipientTable.id, show=table_json)
    return jsonify(items=page.items, next=page.next)


@bp.post("/recipient-tables")
@requires(Scope.WRITE)
@operation(body=TableForm, answer=TABLE, status=201)
@idempotent
def create_table() -> ResponseReturnValue:
    """Create a recipient table."""
    form = forms.from_json(TableForm)
    return jsonify(table_json(service.create(**form.asked()))), 201


@bp.get("/recipient-tables/<int:table_id>")
@requires(Scope.READ)
@operation(answer=TABLE)
def table(table_id: int) -> ResponseReturnValue:
    """Show one recipient table."""
    return jsonify(table_json(service.get(table_id)))


@bp.patch("/recipient-tables/<int:table_id>")
@requires(Scope.WRITE)
@operation(body=TableForm, answer=TABLE, partial=True)
def change_table(table_id: int) -> ResponseReturnValue:
    """Change the name or the columns.

    A list of columns replaces the old one; a column that is not in it is dropped with
    its cells. `If-Match` with the version refuses the change when somebody was faster.
    """
    version = asked_version()
    before = table_json(service.get(table_id))
    form = forms.from_json(TableForm, before)
    changed = service.change(table_id, version=version, **form.asked())
    if changed.reread_from is not None:
        jobs.wake_reread(table_id)
    return jsonify(table_json(changed))


@bp.delete("/recipient-tables/<int:table_id>")
@requires(Scope.WRITE)
@operation(status=204)
def delete_table(table_id: int) -> ResponseReturnValue:
    """Delete a recipient table; it can be restored for 30 days on its page."""
    service.delete(table_id)
    return "", 204


@bp.get("/recipient-tables/<int:table_id>/recipients")
@requires(Scope.READ)
@operation(answer=schema_list(ROW), query=ROW_QUERY)
def rows(table_id: int) -> ResponseReturnValue:
    """List the rows, in the order in which they were added."""
    found = service.get(table_id)
    names = service.column_names(found)
    wanted = listing.wanted_of(request.args.get("q", ""), request.args.get("only", ""))
    page = http.page_of(
        listing.query_of(found, wanted),
        Recipient.id,
        descending=False,
        show=lambda row: row_json(row, names),
        window=listing.window_of(found, wanted),
    )
    return jsonify(items=page.items, next=page.next)


@bp.post("/recipient-tables/<int:table_id>/recipients")
@requires(Scope.WRITE)
@operation(body=RecipientForm, answer=ROW, status=201)
@idempotent
def add_rows(table_id: int) -> ResponseReturnValue:
    """Add one row, or a list of up to 5 000 rows.

    A cell that its column cannot hold is kept as text, with the reason in `problems`.
    Of a list, the answer has `items`.
    """
    given, one = rows_from_json()
    added = row_service.add(table_id, given)
    names = service.column_names(service.get(table_id))
    shown = [row_json(row, names) for row in added]
    return jsonify(shown[0] if one else {"items": shown}), 201


@bp.get("/recipient-tables/<int:table_id>/recipients/<int:recipient_id>")
@requires(Scope.READ)
@operation(answer=ROW)
def row(table_id: int, recipient_id: int) -> ResponseReturnValue:
    """Show one row."""
    names = service.column_names(service.get(table_id))
    return jsonify(row_json(row_service.get(table_id, recipient_id), names))


@bp.patch("/recipient-tables/<int:table_id>/recipients/<int:recipient_id>")
@requires(Scope.WRITE)
@operation(body=RecipientForm, answer=ROW, partial=True)
def change_row(table_id: int, recipient_id: int) -> ResponseReturnValue:
    """Change the cells that are named; null empties a cell."""
    changed = row_service.change(
        table_id, recipient_id, cells_from_json(), asked_version()
    )
    return jsonify(row_json(changed, service.column_names(service.get(table_id))))


@bp.delete("/recipient-tables/<int:table_id>/recipients/<int:recipient_id>")
@requires(Scope.WRITE)
@operation(status=204)
def delete_row(table_id: int, recipient_id: int) -> ResponseReturnValue:
    """Delete one row."""
    row_service.delete(table_id, [recipient_id])
    return "", 204


@bp.delete("/recipient-tables/<int:table_id>/recipients")
@requires(Scope.WRITE)
@operation(
    answer=schema_object(deleted="integer"),
    query={"id": "The row to delete; may be given up to 500 times."},
)
def delete_rows(table_id: int) -> ResponseReturnValue:
    """Delete several rows."""
    texts = request.args.getlist("id")
    if not texts or len(texts) > http.MAX_LIMIT or not all(map(str.isdecimal, texts)):
        words = f"Name 1 to {http.MAX_LIMIT} rows: ?id=7&id=8."
        raise Invalid(words, {"id": [words]})
    _batch, gone = row_service.delete(table_id, [int(text) for text in texts])
    return jsonify(deleted=gone)
