"""Files of message templates: they go along with each message that is written so.

Uploads are a thing of campaigns, so these pages stand here; they save what the editor
holds at the same time, so that nothing typed is lost.
"""

from typing import Any

from flask import Blueprint, redirect, request, url_for
from flask.typing import ResponseReturnValue

from webapp.campaigns import template_files
from webapp.campaigns.attachments import LARGEST_ATTACHMENTS
from webapp.campaigns.forms import AttachForm
from webapp.core import forms
from webapp.core.db import db
from webapp.core.errors import Invalid
from webapp.core.http import takes_up_to
from webapp.message_templates import service
from webapp.message_templates.forms import MessageTemplateForm
from webapp.message_templates.routes import editor_page
from webapp.operators.access import Scope, actor, requires

bp = Blueprint("template_files", __name__)
FORM_ROOM = 2 * 1024 * 1024  # octets of the editor beside its file


@bp.post("/message-templates/<int:message_template_id>/files")
@requires(Scope.WRITE)
@takes_up_to(LARGEST_ATTACHMENTS + FORM_ROOM)
def change(message_template_id: int) -> ResponseReturnValue:
    """Save the editor with the chosen file, or without one that is taken off."""
    form = forms.from_page(MessageTemplateForm)
    try:
        form.check()
        values = {**form.changes(), "attachments": _files(message_template_id)}
        by = actor().operator.id
        service.edit(message_template_id, values, form.version.data, by)
    except Invalid as error:
        db.session.rollback()
        template = service.get(message_template_id)
        return editor_page(form, template, wrong=error), 422
    table = request.form.get("table", type=int)
    editor = "message_templates.show"
    there = url_for(editor, message_template_id=message_template_id, table=table)
    return redirect(f"{there}#files", 303)


def _files(message_template_id: int) -> list[dict[str, Any]]:
    """Return the files as they are to be."""
    sha256, _colon, content_id = request.form.get("remove", "").partition(":")
    if sha256:
        return template_files.without(message_template_id, sha256, content_id)
    asked = forms.from_page(AttachForm)
    asked.check()
    given = request.files.get("file")
    name = given.filename if given else ""
    content = given.read() if given else b""
    cid = asked.content_id.data or ""
    return template_files.with_one(message_template_id, name or "", content, cid)
