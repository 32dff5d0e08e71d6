"""Single messages and uploads, as JSON."""

import mimetypes
import re
import uuid
from typing import Any

from flask import Blueprint, request, url_for
from flask.typing import ResponseReturnValue

from webapp.campaigns import single, uploads
from webapp.campaigns.forms import MessageForm
from webapp.campaigns.models import Upload
from webapp.campaigns.presenting import MESSAGE, message_json
from webapp.campaigns.progress import iso
from webapp.core import forms
from webapp.core.errors import Invalid
from webapp.core.http import takes_up_to
from webapp.core.openapi import operation, schema_object
from webapp.core.words import _
from webapp.operators.access import Scope, actor, requires
from webapp.operators.idempotency import idempotent

bp = Blueprint("single_api", __name__, url_prefix="/api/v1")
LARGEST_FILE = 10 * 1024 * 1024
LARGEST_CALL = 16 * 1024 * 1024  # 10 MB of files in base64, and the bodies
WAIT = re.compile(r"\bwait=([0-9]{1,4})\b")
UPLOAD = schema_object(
    id="string",
    filename="string",
    content_type="string",
    size="integer",
    created_at="string",
)


@bp.post("/messages")
@requires(Scope.SEND)
@takes_up_to(LARGEST_CALL)
@operation(body=MessageForm, answer=MESSAGE, status=202)
@idempotent
def send() -> ResponseReturnValue:
    """Send one message.

    With `Prefer: wait=10` the answer waits so many seconds for the outcome.
    """
    message = single.send(forms.from_json(MessageForm).values())
    headers = {"Location": url_for("campaigns_api.show_message", message_id=message.id)}
    wanted = WAIT.search(request.headers.get("Prefer", ""))
    if wanted:
        seconds = min(int(wanted[1]), single.LONGEST_WAIT)
        message = single.wait_for(message.id, seconds)
        headers["Preference-Applied"] = f"wait={seconds}"
    return message_json(message), 202, headers


@bp.post("/uploads")
@requires(Scope.WRITE)
@takes_up_to(LARGEST_FILE)
@operation(multipart=True, answer=UPLOAD, status=201)
@idempotent
def upload() -> ResponseReturnValue:
    """Store a file (`file`) to be attached to campaigns; the same content only once."""
    given = request.files.get("file")
    if given is None or not given.filename:
        words = _("Send the file as multipart/form-data, in the field file.")
        raise Invalid(words, {"file": [words]})
    kind, _encoding = mimetypes.guess_type(given.filename)
    made = uploads.store(given.filename, kind or "", given.read(), actor().operator)
    place = url_for("single_api.show_upload", upload_id=made.public_id)
    return _upload_json(made), 201, {"Location": place}


@bp.get("/uploads/<uuid:upload_id>")
@requires(Scope.READ)
@operation(answer=UPLOAD)
def show_upload(upload_id: uuid.UUID) -> ResponseReturnValue:
    """Return what is known of an upload."""
    return _upload_json(uploads.get(upload_id))


def _upload_json(made: Upload) -> dict[str, Any]:
    return {
        "id": str(made.public_id),
        "filename": made.file_name,
        "content_type": made.content_type,
        "size": made.size,
        "created_at": iso(made.created_at),
    }
