"""Senders whose images are always shown, as JSON; those of the token's operator."""

from http import HTTPStatus

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from webapp.core import forms
from webapp.core.openapi import operation, schema_list, schema_object
from webapp.operators.access import Scope, actor, requires
from webapp.operators.idempotency import idempotent
from webapp.triage import images
from webapp.triage.image_forms import ImageSenderForm
from webapp.triage.models import ImageSender

bp = Blueprint("images_api", __name__, url_prefix="/api/v1")

SENDER = schema_object(id="integer", address="string", created_at="string")


@bp.get("/image-senders")
@requires(Scope.READ)
@operation(answer=schema_list(SENDER))
def list_senders() -> ResponseReturnValue:
    """List the senders whose images you always see, by address."""
    items = [_shown(one) for one in images.remembered(actor().operator.id)]
    return jsonify(items=items, next=None)


@bp.post("/image-senders")
@requires(Scope.WRITE)
@operation(body=ImageSenderForm, answer=SENDER, status=201)
@idempotent
def remember() -> ResponseReturnValue:
    """Show you the images of a sender always."""
    form = forms.from_json(ImageSenderForm)
    made = images.remember(actor().operator.id, form.address.data or "")
    return _shown(made), HTTPStatus.CREATED


@bp.delete("/image-senders/<int:sender_id>")
@requires(Scope.WRITE)
@operation(status=204)
def forget(sender_id: int) -> ResponseReturnValue:
    """Ask again before images of a sender are shown."""
    images.forget(actor().operator.id, sender_id)
    return "", HTTPStatus.NO_CONTENT


def _shown(one: ImageSender) -> dict[str, object]:
    created = one.created_at.isoformat()
    return {"id": one.id, "address": one.address_key, "created_at": created}
