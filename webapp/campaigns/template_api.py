"""Files of message templates, as JSON; uploads are a thing of campaigns."""

from flask import Blueprint
from flask.typing import ResponseReturnValue
from wtforms import FieldList, FormField

from webapp.campaigns.attaching import MOST
from webapp.campaigns.attachments import (
    LARGEST_ATTACHMENTS,
    attachments_listed,
    check_attachments,
)
from webapp.campaigns.forms import AttachmentForm
from webapp.core import forms
from webapp.core.forms import PostForm
from webapp.core.openapi import operation
from webapp.core.words import _l
from webapp.message_templates import service
from webapp.message_templates.api import SCHEMA, show
from webapp.operators.access import Scope, actor, requires

bp = Blueprint("template_files_api", __name__, url_prefix="/api/v1")


class FilesForm(PostForm):
    """All files of a message template."""

    attachments = FieldList(
        FormField(AttachmentForm), _l("Attachments"), max_entries=MOST
    )


@bp.put("/message-templates/<int:message_template_id>/attachments")
@requires(Scope.WRITE)
@operation(body=FilesForm, answer=SCHEMA)
def put(message_template_id: int) -> ResponseReturnValue:
    """Let a message template have exactly these uploads as its files.

    One with a `content_id` is an image that the body shows by `cid:`. It is saved as a
    new version.
    """
    asked = forms.from_json(FilesForm).values()["attachments"]
    found = attachments_listed(asked)
    check_attachments(found, LARGEST_ATTACHMENTS)
    values = {"attachments": found}
    by = actor().operator.id
    return show(service.edit(message_template_id, values, by=by))
