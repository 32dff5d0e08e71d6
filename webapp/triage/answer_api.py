"""What came back, as JSON: our own row of a mail, its ties, and what people decide."""

from typing import Any

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue
from wtforms import SelectField, StringField
from wtforms.validators import InputRequired, Length

from webapp.campaigns import messages
from webapp.campaigns.progress import iso
from webapp.core import forms
from webapp.core.forms import PostForm
from webapp.core.openapi import operation, schema_list, schema_object
from webapp.mailboxes.kinds import MailKind
from webapp.mailboxes.models import Mail
from webapp.operators.access import Scope, actor, requires
from webapp.triage import answers, saying
from webapp.triage.models import Answer

bp = Blueprint("answers_api", __name__, url_prefix="/api/v1")

TIE = schema_object(
    id="integer",
    message_id="integer",
    kind="string",
    matched_by="string",
    detail={"type": "object"},
)
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


class SaidForm(PostForm):
    """What a person says that a mail is."""

    kind = SelectField(
        "What it is",
        choices=forms.choices(*((one.value, one.value) for one in saying.KINDS)),
    )
    address = StringField(
        "To whom the message went", [InputRequired(), Length(max=320)]
    )


@bp.post("/triage/mails/<int:mail_id>/say")
@requires(Scope.WRITE)
@operation(body=SaidForm, answer=TIE)
def say(mail_id: int) -> ResponseReturnValue:
    """Say what a mail is; it is tied to the last message to the address, and acts.

    409 if it is proven that the mail is a bounce or a complaint.
    """
    form = forms.from_json(SaidForm)
    kind, who = MailKind(form.kind.data), actor().operator.id
    return jsonify(tie_json(saying.say(mail_id, kind, form.address.data or "", who)))


@bp.post("/triage/answers/<int:answer_id>/confirm")
@requires(Scope.WRITE)
@operation(answer=TIE)
def confirm(answer_id: int) -> ResponseReturnValue:
    """Say that a suggested tie is true; then it acts as a proven one."""
    return jsonify(tie_json(answers.confirm(answer_id, actor().operator.id)))


@bp.post("/triage/answers/<int:answer_id>/reject")
@requires(Scope.WRITE)
@operation(status=204)
def reject(answer_id: int) -> ResponseReturnValue:
    """Say that a suggested tie is wrong; it is forgotten."""
    answers.reject(answer_id)
    return "", 204


@bp.post("/triage/answers/<int:answer_id>/take-off")
@requires(Scope.WRITE)
@operation(answer=TIE)
def take_off(answer_id: int) -> ResponseReturnValue:
    """Do what a goodbye in words asks for: no more messages of that table."""
    return jsonify(tie_json(answers.take_off(answer_id)))


@bp.post("/triage/answers/<int:answer_id>/put-back")
@requires(Scope.WRITE)
@operation(answer=TIE)
def put_back(answer_id: int) -> ResponseReturnValue:
    """Take a goodbye back: it stops and counts no more."""
    return jsonify(tie_json(answers.put_back(answer_id)))


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
