"""Message templates and their preview, as JSON."""

import re
from typing import Any

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue

from webapp.core.errors import Invalid
from webapp.core.forms import from_json, json_object
from webapp.core.http import page_of
from webapp.core.openapi import LIST_QUERY, operation, schema_list, schema_object
from webapp.core.words import _
from webapp.message_templates import previewing, service
from webapp.message_templates.findings import Finding
from webapp.message_templates.forms import MessageTemplateForm, PreviewForm
from webapp.message_templates.models import MessageTemplate
from webapp.message_templates.reading import undeclared
from webapp.message_templates.rows import typed_row
from webapp.operators.access import Scope, actor, requires
from webapp.operators.idempotency import idempotent
from webapp.recipients.models import RecipientTable

bp = Blueprint("message_templates_api", __name__, url_prefix="/api/v1")

SCHEMA = schema_object(
    id="integer",
    name="string",
    format="string",
    language="string",
    subject="string",
    preview_text="string",
    html="string",
    text="string",
    attachments={"type": "array", "items": {"type": "object"}},
    version="integer",
    names={"type": "array", "items": {"type": "string"}},
    is_example="boolean",
    archived="boolean",
    created_at="string",
    updated_at="string",
)
_OBJECTS = {"type": "array", "items": {"type": "object"}}
PREVIEW = schema_object(
    subject="string?", text="string?", html="string?", problems=_OBJECTS, links=_OBJECTS
)


def show(template: MessageTemplate) -> dict[str, Any]:
    """Return a message template as the API shows it."""
    newest = service.newest(template)
    return {
        "id": template.id,
        "name": template.name,
        "format": newest.format.value,
        **{name: getattr(newest, name) for name in service.BODY if name != "format"},
        "attachments": newest.attachments,
        "version": template.version,
        "names": sorted(undeclared(service.source_of(newest))),
        "is_example": template.is_example,
        "archived": template.archived_at is not None,
        "created_at": template.created_at.isoformat(),
        "updated_at": template.updated_at.isoformat(),
    }


def show_finding(finding: Finding) -> dict[str, Any]:
    """Return a finding as the API shows it."""
    return {
        "code": finding.code,
        "severity": finding.severity.value,
        "message": finding.message,
        "part": finding.part,
        "line": finding.line,
        "column": finding.column,
        "fix": finding.fix.label if finding.fix else None,
    }


def _answer(template: MessageTemplate, status: int = 200) -> ResponseReturnValue:
    answer = jsonify(show(template))
    answer.status_code = status
    answer.headers["ETag"] = f'"{template.version}"'
    return answer


def _expected_version(given: int | None) -> int | None:
    """Return the version that a change was made on: the field, or ``If-Match``."""
    header = request.headers.get("If-Match", "").strip()
    if not header or header == "*":
        return given
    number = re.fullmatch(r'(?:W/)?"?([0-9]{1,9})"?', header)
    if number is None:
        raise Invalid(_("If-Match must be the ETag of this message template."))
    return int(number[1])


@bp.get("/message-templates")
@requires(Scope.READ)
@operation(
    answer=schema_list(SCHEMA),
    query={
        **LIST_QUERY,
        "q": "Part of the name.",
        "archived": "`true` lists the archived ones instead.",
    },
)
def index() -> ResponseReturnValue:
    """List the message templates."""
    archived = request.args.get("archived") == "true"
    query = service.listing(request.args.get("q", ""), archived=archived)
    page = page_of(query, MessageTemplate.id, show=show)
    return jsonify(items=page.items, next=page.next)


@bp.post("/message-templates")
@requires(Scope.WRITE)
@operation(body=MessageTemplateForm, answer=SCHEMA, status=201)
@idempotent
def create() -> ResponseReturnValue:
    """Write a message template."""
    form = from_json(MessageTemplateForm)
    template = service.create(by=actor().operator.id, **form.changes())
    return _answer(template, 201)


@bp.get("/message-templates/<int:message_template_id>")
@requires(Scope.READ)
@operation(answer=SCHEMA)
def read(message_template_id: int) -> ResponseReturnValue:
    """Return a message template; its ETag is its version."""
    return _answer(service.get(message_template_id))


@bp.patch("/message-templates/<int:message_template_id>")
@requires(Scope.WRITE)
@operation(body=MessageTemplateForm, answer=SCHEMA, partial=True)
def edit(message_template_id: int) -> ResponseReturnValue:
    """Save changes as a new version.

    Send `version` or `If-Match` to be refused (409) when somebody saved a newer one.
    """
    asked = json_object()
    base = {**show(service.get(message_template_id)), "version": None}
    form = from_json(MessageTemplateForm, base)
    values = {name: value for name, value in form.changes().items() if name in asked}
    version = _expected_version(form.version.data)
    by = actor().operator.id
    return _answer(service.edit(message_template_id, values, version, by))


@bp.delete("/message-templates/<int:message_template_id>")
@requires(Scope.WRITE)
@operation(status=204)
def delete(message_template_id: int) -> ResponseReturnValue:
    """Delete a message template, for good; refused (409) while a campaign uses it."""
    service.delete(message_template_id)
    return "", 204


@bp.post("/message-templates/<int:message_template_id>/preview")
@requires(Scope.READ)
@operation(body=PreviewForm, answer=PREVIEW)
def preview(message_template_id: int) -> ResponseReturnValue:
    """Render a message template for one recipient, or for values in the call.

    `subject`, `text` and `html` are null when it cannot be rendered; `problems` says
    why, with part and line.
    """
    source = service.source_of(service.newest(service.get(message_template_id)))
    form = from_json(PreviewForm)
    table: RecipientTable | None = None
    values: dict[str, object] = form.values.data or {}
    if form.recipient_id.data:
        recipient, table = previewing.recipient_of(form.recipient_id.data)
        values = typed_row(recipient.row_values, previewing.kinds_of(table))
    made = previewing.preview(source, values, table, form.base_url.data)
    shown = made.rendered
    return jsonify(
        subject=shown.subject if shown else None,
        text=shown.text if shown else None,
        html=shown.html if shown else None,
        problems=[show_finding(finding) for finding in made.findings],
        links=[
            {"old": one.old, "new": one.new, "kind": one.kind, "problem": one.problem}
            for one in (shown.links if shown else ())
        ],
    )
