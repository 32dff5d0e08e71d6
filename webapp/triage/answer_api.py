"""What came back, as JSON: our own row of a mail, and its ties to messages."""

from typing import Any

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from webapp.campaigns import messages
from webapp.campaigns.progress import iso
from webapp.core.openapi import operation, schema_list, schema_object
from webapp.mailboxes.models import Mail
from webapp.operators.access import Scope, requires
from webapp.triage import answers
from webapp.triage.models import Answer

bp = Blueprint("answers_api", __name__, url_prefix="/api/v1")

MAIL = schema_object(
    id="integer",
    mailbox_id="integer",
    folder_id="integer?",
    uidvalidity="integer?",
    uid="integer?",
    kind="string",
    subject="string",
    received_at="string?",
    words="string",
    answers={"type": "array", "items": {"type": "object"}},
    **{"from": "string"},
)


@bp.get("/triage/mails/<int:mail_id>")
@requires(Scope.READ)
@operation(answer=MAIL)
def show(mail_id: int) -> ResponseReturnValue:
    """Show what we know of a mail: its kind, where it lies, what it answers.

    A tie that is `suggestion` is a hint; nothing was done about it.
    """
    mail = answers.mail(mail_id)
    ties = [tie_json(answer) for answer, _message in answers.of_mail(mail_id)]
    return jsonify({**mail_json(mail), "answers": ties})


@bp.get("/messages/<int:message_id>/answers")
@requires(Scope.READ)
@operation(answer=schema_list(MAIL))
def of_message(message_id: int) -> ResponseReturnValue:
    """List the mails that answer a message, the oldest first."""
    messages.get(message_id)
    items = [
        {**mail_json(mail), "answers": [tie_json(answer)]}
        for answer, mail in answers.of_message(message_id)
    ]
    return jsonify(items=items, next=None)


def mail_json(mail: Mail) -> dict[str, Any]:
    """Return our own row of a mail."""
    return {
        "id": mail.id,
        "mailbox_id": mail.mailbox_id,
        "folder_id": mail.folder_id,
        "uidvalidity": mail.uidvalidity,
        "uid": mail.uid,
        "kind": mail.kind.value,
        "from": mail.from_address,
        "subject": mail.subject,
        "received_at": iso(mail.received_at),
        "words": mail.words,
    }


def tie_json(answer: Answer) -> dict[str, Any]:
    """Return the tie of a mail to a message."""
    return {
        "id": answer.id,
        "message_id": answer.message_id,
        "kind": answer.kind,
        "matched_by": answer.matched_by,
        "detail": answer.detail,
    }
