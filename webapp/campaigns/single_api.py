"""Single messages and uploads, as JSON."""

import re
import uuid
from http import HTTPStatus
from typing import Any, cast

from flask import Blueprint, request, url_for
from flask.typing import ResponseReturnValue

from webapp.campaigns import attaching, single, uploads
from webapp.campaigns.forms import MessageForm
from webapp.campaigns.models import Upload
from webapp.campaigns.presenting import MESSAGE, whole_message_json
from webapp.campaigns.progress import iso
from webapp.campaigns.states import FINAL
from webapp.core import blobs, downloads, forms
from webapp.core.errors import Invalid
from webapp.core.file_names import clean_file_name
from webapp.core.http import takes_up_to
from webapp.core.openapi import operation, schema_object
from webapp.core.words import _
from webapp.operators.access import Scope, actor, requires
from webapp.operators.idempotency import idempotent

bp = Blueprint("single_api", __name__, url_prefix="/api/v1")
AROUND = 64 * 1024  # octets of a multipart body beside the file itself
LARGEST_CALL = 36 * 1024 * 1024  # 25 MB of files in base64, and the bodies
WAIT = re.compile(r"\bwait=([0-9]{1,4})\b")
UPLOAD = schema_object(
    id="string",
    file_name="string",
    content_type="string",
    size="integer",
    sha256="string",
    created_at="string",
)


@bp.post("/messages")
@requires(Scope.SEND)
@takes_up_to(LARGEST_CALL)
@operation(body=MessageForm, answer=MESSAGE, status=202)
@idempotent
def send() -> ResponseReturnValue:
    """Send one message.

    With `Prefer: wait=10` the answer waits so many seconds for the outcome: 200 when it
    is there in time, else 202.
    """
    message = single.send(forms.from_json(MessageForm).values())
    headers = {"Location": url_for("campaigns_api.show_message", message_id=message.id)}
    wanted = WAIT.search(request.headers.get("Prefer", ""))
    status = HTTPStatus.ACCEPTED
    if wanted:
        seconds = min(int(wanted[1]), single.LONGEST_WAIT)
        message = single.wait_for(message.id, seconds)
        headers["Preference-Applied"] = f"wait={seconds}"
        status = HTTPStatus.OK if message.status in FINAL else status
    return whole_message_json(message), status, headers


@bp.post("/uploads")
@requires(Scope.WRITE)
@takes_up_to(uploads.LARGEST_FILE + AROUND)
@operation(multipart=True, answer=UPLOAD, status=201)
@idempotent
def upload() -> ResponseReturnValue:
    """Store a file (`file`) to be attached; the same content only once.

    With `campaign_id`, the rows of that campaign's recipients may name it, in the
    column that the campaign calls its `attachment_column`.
    """
    given = request.files.get("file")
    if given is None or not given.filename:
        words = _("Send the file as multipart/form-data, in the field file.")
        raise Invalid(words, {"file": [words]})
    content, who = given.read(), actor().operator
    campaign_id = request.form.get("campaign_id", type=int)
    if "campaign_id" in request.form:
        attaching.give(campaign_id or 0, who, [(given.filename, content)])
        (made,) = uploads.called(clean_file_name(given.filename), campaign_id or 0)
    else:
        made = uploads.store(given.filename, content, who)
    place = url_for("single_api.show_upload", upload_id=made.public_id)
    return _upload_json(made), 201, {"Location": place}


@bp.get("/uploads/<uuid:upload_id>")
@requires(Scope.READ)
@operation(answer=UPLOAD)
def show_upload(upload_id: uuid.UUID) -> ResponseReturnValue:
    """Return what is known of an upload."""
    return _upload_json(uploads.get(upload_id))


@bp.get("/uploads/<uuid:upload_id>/content")
@requires(Scope.READ)
@operation(answer={"type": "string", "format": "binary"})
def content(upload_id: uuid.UUID) -> ResponseReturnValue:
    """Return the content of an upload, to be saved and not shown."""
    found = uploads.get(upload_id)
    file = cast(Any, blobs.BlobFile(found.sha256, found.size))
    kind = found.content_type.partition(";")[0]
    return downloads.download(file, found.file_name, kind)


def _upload_json(made: Upload) -> dict[str, Any]:
    return {
        "id": str(made.public_id),
        "file_name": made.file_name,
        "content_type": made.content_type,
        "size": made.size,
        "sha256": made.sha256,
        "created_at": iso(made.created_at),
    }
