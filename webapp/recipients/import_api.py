"""Imports, as JSON."""

import json
from typing import Any

from flask import Blueprint, Response, jsonify, request, stream_with_context
from flask.typing import ResponseReturnValue

from webapp.core import http, openapi
from webapp.core.errors import Invalid, Unavailable
from webapp.core.openapi import operation
from webapp.operators.access import Scope, requires
from webapp.operators.idempotency import idempotent
from webapp.recipients import exports, import_plan, import_service
from webapp.recipients.csv_files import LARGEST_FILE
from webapp.recipients.import_forms import ImportForm
from webapp.recipients.models import ImportMode, RecipientImport

bp = Blueprint("recipient_imports_api", __name__, url_prefix="/api/v1")

LARGEST_BODY = LARGEST_FILE + 1024 * 1024
IMPORT = openapi.schema_object(
    id="integer",
    recipient_table_id="integer",
    state="string",
    words="string",
    mode="string",
    file_name="string",
    encoding="string",
    delimiter="string",
    has_header="boolean",
    rows_read="integer",
    rows_total="integer?",
    added="integer",
    updated="integer",
    unchanged="integer",
    rejected="integer",
    duplicates="integer",
    duplicates_in_table="integer",
    bad_addresses="integer",
    missing_required="integer",
    percent="number",
    stop="boolean",
)


def import_json(found: RecipientImport) -> dict[str, Any]:
    """Return an import as the API and its live page show it."""
    same = (
        "id",
        "recipient_table_id",
        "state",
        "words",
        "mode",
        "file_name",
        "encoding",
        "delimiter",
        "has_header",
        "rows_read",
        "rows_total",
        "added",
        "updated",
        "unchanged",
        "rejected",
        "duplicates_in_table",
        "bad_addresses",
        "missing_required",
    )
    return {
        **{name: getattr(found, name) for name in same},
        "duplicates": found.duplicates + found.duplicates_in_table,
        "percent": import_service.percent(found),
        "stop": found.state not in import_service.AT_WORK,
    }


@bp.post("/recipient-tables/<int:table_id>/imports")
@requires(Scope.WRITE)
@http.takes_up_to(LARGEST_BODY)
@operation(body=ImportForm, multipart=True, answer=IMPORT, status=202)
@idempotent
def upload(table_id: int) -> ResponseReturnValue:
    """Import a CSV or TSV file of up to 1 GB and 2 million rows.

    `mapping` is a JSON object of file heading to column name; headings that are not in
    it are left out, and without it they are guessed. `mode` is `add`, `update` (by
    `key_column`) or `replace`. With `check_only` nothing is imported: the counts say
    what would be. Follow it at `/imports/{id}`.
    """
    form = ImportForm(request.form)
    form.check()
    file = request.files.get("file")
    if file is None:
        words = "Send the file in the field `file`."
        raise Invalid(words, {"file": [words]})
    found = import_service.upload(
        table_id, file.stream, file.filename or "", form.layout()
    )
    try:
        _begin(found, form)
    except (Invalid, Unavailable):
        import_service.discard(found.id)
        raise
    return jsonify(import_json(found)), 202


@bp.get("/imports/<int:import_id>")
@requires(Scope.READ)
@operation(answer=IMPORT)
def show(import_id: int) -> ResponseReturnValue:
    """Show how far an import is."""
    return jsonify(import_json(import_service.get(import_id)))


@bp.post("/imports/<int:import_id>/start")
@requires(Scope.WRITE)
@operation(answer=IMPORT, status=202)
def start(import_id: int) -> ResponseReturnValue:
    """Import the good rows of a file that was only checked."""
    return jsonify(import_json(import_service.start(import_id))), 202


@bp.post("/imports/<int:import_id>/stop")
@requires(Scope.WRITE)
@operation(answer=IMPORT)
def stop(import_id: int) -> ResponseReturnValue:
    """Stop an import; rows that are in stay in."""
    return jsonify(import_json(import_service.stop(import_id)))


@bp.get("/imports/<int:import_id>/rejects.csv")
@requires(Scope.READ)
@operation(answer={}, query={})
def rejects(import_id: int) -> ResponseReturnValue:
    """Hand out the rows that were left out, with row number and reason."""
    return rejects_response(import_service.get(import_id))


def rejects_response(found: RecipientImport) -> Response:
    """Return the rows that were left out, as CSV."""
    names = import_plan.headings_of(found)
    answer = Response(
        stream_with_context(exports.reject_lines(found.id, names)),
        content_type="text/csv; charset=utf-8",
    )
    name = exports.file_name(f"{found.file_name} rejects", "csv")
    answer.headers.set("Content-Disposition", "attachment", filename=name)
    return answer


def _begin(found: RecipientImport, form: ImportForm) -> None:
    mapping = found.mapping
    if form.mapping.data:
        mapping = _by_number(found, str(form.mapping.data))
    mode, key = ImportMode(form.mode.data), str(form.key_column.data or "")
    import_service.prepare(found.id, mapping, mode, key)
    if form.check_only.data:
        import_service.check(found.id)
    else:
        import_service.start(found.id)


def _by_number(found: RecipientImport, text: str) -> dict[str, str]:
    """Return a mapping of heading to column as one of the number of the heading."""
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict) or not all(
        name is None or isinstance(name, str) for name in given.values()
    ):
        words = 'The mapping is a JSON object: {"heading": "column"}.'
        raise Invalid(words, {"mapping": [words]})
    names = import_plan.headings_of(found)
    unknown = [
        f"The file has no heading “{name}”." for name in given if name not in names
    ]
    if unknown:
        raise Invalid("The mapping does not fit the file.", {"mapping": unknown})
    return {str(names.index(heading)): name or "" for heading, name in given.items()}
