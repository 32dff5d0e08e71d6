"""Message templates as pages: list, editor, versions."""

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.core import forms
from webapp.core.db import db
from webapp.core.errors import Invalid, Refused
from webapp.core.words import _
from webapp.message_templates import differences, previewing, service
from webapp.message_templates.examples import EXAMPLES, LANGUAGE
from webapp.message_templates.findings import Fix
from webapp.message_templates.forms import FixForm, MessageTemplateForm
from webapp.message_templates.models import MessageTemplate
from webapp.message_templates.rendering import shared_pool
from webapp.message_templates.source import PART_WORDS, SYSTEM_NAMES, Source
from webapp.operators.access import Scope, actor, requires
from webapp.recipients.models import RecipientTable

bp = Blueprint("message_templates", __name__)
MOST = 500
#: How an image that goes along is shown, by format.
_PICTURES = {
    "markdown": "![](cid:{})",
    "html": '<img src="cid:{}" alt="">',
    "mjml": '<mj-image src="cid:{}" alt="" />',
}


@bp.get("/message-templates")
@requires(Scope.READ)
def index() -> ResponseReturnValue:
    """List the message templates."""
    search = request.args.get("q", "").strip()
    archived = "archived" in request.args
    query = service.listing(search, archived=archived)
    found = db.session.scalars(query.order_by(MessageTemplate.name).limit(MOST))
    return render_template(
        "message_templates/index.html",
        templates=found.all(),
        newest=service.newest,
        used=service.campaigns_by_template(),
        search=search,
        archived=archived,
        archived_count=service.count_archived(),
        examples=EXAMPLES,
    )


@bp.get("/message-templates/new")
@requires(Scope.WRITE)
def new() -> ResponseReturnValue:
    """Show the editor, empty or with an example."""
    name, source = EXAMPLES.get(request.args.get("example", ""), ("", None))
    data: dict[str, Any] = {"name": name}
    if source:
        data |= {field: getattr(source, field) for field in service.BODY}
    return editor_page(MessageTemplateForm(data=data))


@bp.post("/message-templates/new")
@requires(Scope.WRITE)
def create() -> ResponseReturnValue:
    """Save a new message template."""
    form = forms.from_page(MessageTemplateForm)
    if request.form.get("then") == "text":
        return _with_text(form)
    try:
        form.check()
        template = service.create(by=actor().operator.id, **form.changes())
    except Invalid as error:
        return editor_page(form, wrong=error), 422
    flash(_("Saved."))
    return _to_editor(template)


@bp.get("/message-templates/<int:message_template_id>")
@requires(Scope.READ)
def show(message_template_id: int) -> ResponseReturnValue:
    """Show the editor."""
    template = service.get(message_template_id)
    kept = service.newest(template)
    data = {field: getattr(kept, field) for field in service.BODY}
    data |= {"name": template.name, "format": kept.format.value}
    return editor_page(MessageTemplateForm(data=data), template)


@bp.post("/message-templates/<int:message_template_id>")
@requires(Scope.WRITE)
def save(message_template_id: int) -> ResponseReturnValue:
    """Save what the editor holds, unless somebody saved a newer version."""
    form = forms.from_page(MessageTemplateForm)
    by = actor().operator.id
    if request.form.get("then") == "text":
        return _with_text(form, service.get(message_template_id))
    try:
        form.check()
        template = service.edit(
            message_template_id, form.changes(), form.version.data, by
        )
    except Invalid as error:
        return editor_page(form, service.get(message_template_id), wrong=error), 422
    except Refused as error:
        db.session.rollback()
        page = editor_page(form, service.get(message_template_id), conflict=error.words)
        return page, 409
    flash(_("Saved as version %(number)s.", number=template.version))
    then = "message_template_previews.show"
    return _to_editor(template, then if request.form.get("then") else "")


@bp.post("/message-templates/<int:message_template_id>/fix")
@requires(Scope.WRITE)
def fix(message_template_id: int) -> ResponseReturnValue:
    """Make the change that a finding offers."""
    form = forms.from_page(FixForm)
    form.check()
    change = Fix(
        form.label.data or "",
        form.part.data,
        form.at.data or 0,
        form.old.data or "",
        form.new.data or "",
    )
    by = actor().operator.id
    template = service.apply_fix(
        message_template_id, change, form.version.data or 0, by
    )
    flash(_("Mended and saved as version %(number)s.", number=template.version))
    return _to_editor(template)


@bp.post("/message-templates/<int:message_template_id>/duplicate")
@requires(Scope.WRITE)
def duplicate(message_template_id: int) -> ResponseReturnValue:
    """Make a copy and open it."""
    copy = service.duplicate(message_template_id, actor().operator.id)
    flash(_("This is the copy."))
    return _to_editor(copy)


@bp.post("/message-templates/<int:message_template_id>/archive")
@requires(Scope.WRITE)
def archive(message_template_id: int) -> ResponseReturnValue:
    """Take a message template out of the list."""
    template = service.archive(message_template_id)
    undo = url_for(".unarchive", message_template_id=template.id)
    words = _("“%(name)s” is archived.", name=template.name)
    flash({"words": words, "undo": undo})  # type: ignore[arg-type]  # the toasts take mappings
    return redirect(url_for(".index"), 303)


@bp.post("/message-templates/<int:message_template_id>/unarchive")
@requires(Scope.WRITE)
def unarchive(message_template_id: int) -> ResponseReturnValue:
    """Bring an archived message template back."""
    template = service.archive(message_template_id, archived=False)
    flash(_("“%(name)s” is back.", name=template.name))
    return redirect(url_for(".index"), 303)


@bp.get("/message-templates/<int:message_template_id>/delete")
@requires(Scope.WRITE)
def ask_delete(message_template_id: int) -> ResponseReturnValue:
    """Ask before deleting for good."""
    template = service.get(message_template_id)
    used = service.campaigns_by_template().get(template.id, 0)
    return render_template(
        "message_templates/delete.html", template=template, used=used
    )


@bp.post("/message-templates/<int:message_template_id>/delete")
@requires(Scope.WRITE)
def delete(message_template_id: int) -> ResponseReturnValue:
    """Delete a message template and its versions."""
    service.delete(message_template_id)
    flash(_("The message template is deleted."))
    return redirect(url_for(".index"), 303)


@bp.get("/message-templates/<int:message_template_id>/versions")
@requires(Scope.READ)
def versions(message_template_id: int) -> ResponseReturnValue:
    """List the versions, and show how one differs from the newest."""
    template = service.get(message_template_id)
    number = request.args.get("version", type=int)
    chosen = service.version_of(template, number) if number else None
    changed = None
    if chosen:
        old, new = (
            service.source_of(chosen),
            service.source_of(service.newest(template)),
        )
        changed = differences.between(old, new)
    return render_template(
        "message_templates/versions.html",
        template=template,
        chosen=chosen,
        changed=changed,
        parts=PART_WORDS,
        writers=service.writers(template),
    )


@bp.post("/message-templates/<int:message_template_id>/versions/<int:number>/restore")
@requires(Scope.WRITE)
def restore(message_template_id: int, number: int) -> ResponseReturnValue:
    """Make an older version the newest again."""
    template = service.restore(message_template_id, number, actor().operator.id)
    words = _(
        "Version %(old)s is back, as version %(new)s.", old=number, new=template.version
    )
    flash(words)
    return _to_editor(template)


def _with_text(
    form: MessageTemplateForm, template: MessageTemplate | None = None
) -> ResponseReturnValue:
    """Show the editor with a text part that is made from the body, to be edited."""
    made = shared_pool().text_to_edit(form.source())
    if made is None:
        words = _("No text could be made from this body.")
        wrong = Invalid(words, {"text": [words]})
        return editor_page(form, template, wrong=wrong), 422
    form.text.data = made
    return editor_page(form, template)


def _to_editor(template: MessageTemplate, page: str = "") -> ResponseReturnValue:
    """Go to a page of a message template and keep the chosen table."""
    table = request.form.get("table", type=int)
    page = page or "message_templates.show"
    there = url_for(page, message_template_id=template.id, table=table)
    return redirect(there, 303)


def editor_page(
    form: MessageTemplateForm,
    template: MessageTemplate | None = None,
    wrong: Invalid | None = None,
    conflict: str = "",
) -> str:
    """Return the editor with what a form holds, and what is wrong with it."""
    for name, lines in (wrong.fields if wrong else {}).items():
        if name in form and not form[name].errors:
            form[name].errors = tuple(lines)
    tables = previewing.tables()
    asked = request.values.get("table", type=int)
    table = next((one for one in tables if one.id == asked), None)
    table = table or (tables[0] if tables else None)
    source = form.source()
    findings = previewing.findings_of(source, table, previewing.base_url())
    if table:
        findings = [*previewing.missing_findings(table, source), *findings]
    return render_template(
        "message_templates/edit.html",
        form=form,
        template=template,
        conflict=conflict,
        tables=tables,
        table=table,
        findings=findings,
        base_url=previewing.base_url(),
        parts=PART_WORDS,
        placeholders=[*_placeholders(table), *_pictures(template, source)],
        elsewhere=[
            line
            for name, lines in (wrong.fields if wrong else {}).items()
            for line in lines
            if name not in form
        ],
        language=LANGUAGE,
    )


def _pictures(
    template: MessageTemplate | None, source: Source
) -> list[tuple[str, str]]:
    """Return what inserts each image that goes along: label and text."""
    files = service.newest(template).attachments if template else []
    named = [one["content_id"] for one in files if one["content_id"]]
    written = _PICTURES.get(source.format, "")
    return [(f"cid:{name}", written.format(name)) for name in named if written]


def _placeholders(table: RecipientTable | None) -> list[tuple[str, str]]:
    """Return what the buttons of the editor insert: label and text."""
    names = [column.name for column in table.columns] if table else []
    names += [*sorted(SYSTEM_NAMES), "url('/')"]
    return [(name, f"{{{{ {name} }}}}") for name in names]
