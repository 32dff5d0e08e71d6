"""Replies to mails, as JSON."""

from http import HTTPStatus

from flask import Blueprint, jsonify, url_for
from flask.typing import ResponseReturnValue

from webapp.campaigns import messages
from webapp.campaigns.presenting import MESSAGE, whole_message_json
from webapp.campaigns.single_api import LARGEST_CALL
from webapp.core import forms
from webapp.core.http import takes_up_to
from webapp.core.openapi import operation, schema_list, schema_object
from webapp.mailboxes import folders, mails
from webapp.mailboxes.in_words import in_words
from webapp.operators.access import Scope, actor, requires
from webapp.operators.idempotency import idempotent
from webapp.triage import replying, saved_replies
from webapp.triage.reply_forms import CallReplyForm, SavedReplyForm
from webapp.triage.reply_models import SavedReply

bp = Blueprint("reply_api", __name__, url_prefix="/api/v1")

MAIL = "/mailboxes/<int:mailbox_id>/folders/<int:folder_id>/mails/<int:uid>"
SAVED = schema_object(id="integer", name="string", text="string")


@bp.post(MAIL + "/reply")
@requires(Scope.SEND)
@takes_up_to(LARGEST_CALL)
@operation(body=CallReplyForm, answer=MESSAGE, status=202)
@idempotent
def reply(mailbox_id: int, folder_id: int, uid: int) -> ResponseReturnValue:
    """Answer a mail by a message in its thread.

    What is left out is taken from the mail: `to`, `subject`, and `sender_id` from the
    message that it answers. It leaves after `hold_seconds` (15 unless told); until then
    `POST /messages/{message_id}/take-back` takes it back. A bounce, complaint or
    automatic reply is refused with 409.
    """
    folder = folders.of_mailbox(mailbox_id, folder_id)
    form = forms.from_json(CallReplyForm)
    with in_words():
        opened = mails.open_one(folder, uid, form.uidvalidity.data)
    draft = replying.draft_of(folders.get(folder_id), opened)
    values = form.values()
    values["to"] = values["to"] or draft.to
    values["subject"] = values["subject"] or draft.subject
    values["sender_id"] = values["sender_id"] or draft.sender_id
    if form.quote.data:
        values["text"] += draft.quote
    made = replying.send(draft, values, form.hold, actor().operator.id)
    place = url_for("campaigns_api.show_message", message_id=made.message_id)
    message = messages.get(made.message_id)
    return whole_message_json(message), HTTPStatus.ACCEPTED, {"Location": place}


@bp.post("/messages/<int:message_id>/take-back")
@requires(Scope.SEND)
@operation(answer=MESSAGE)
def take_back(message_id: int) -> ResponseReturnValue:
    """Take back a reply that has not left yet; 409 when it has, 404 of no reply."""
    replying.take_back(replying.of_message(message_id).id)
    return whole_message_json(messages.get(message_id))


@bp.get("/saved-replies")
@requires(Scope.READ)
@operation(answer=schema_list(SAVED))
def list_saved() -> ResponseReturnValue:
    """List the texts that are kept for replies."""
    items = [_shown(one) for one in saved_replies.everything()]
    return jsonify(items=items, next=None)


@bp.post("/saved-replies")
@requires(Scope.WRITE)
@operation(body=SavedReplyForm, answer=SAVED, status=201)
@idempotent
def add_saved() -> ResponseReturnValue:
    """Keep a text for replies."""
    made = saved_replies.add(**forms.from_json(SavedReplyForm).values())
    return _shown(made), HTTPStatus.CREATED


@bp.delete("/saved-replies/<int:saved_id>")
@requires(Scope.WRITE)
@operation(status=204)
def delete_saved(saved_id: int) -> ResponseReturnValue:
    """Delete a text that was kept for replies."""
    saved_replies.delete(saved_id)
    return "", HTTPStatus.NO_CONTENT


def _shown(one: SavedReply) -> dict[str, object]:
    return {"id": one.id, "name": one.name, "text": one.text}
