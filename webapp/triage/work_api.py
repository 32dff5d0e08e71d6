"""The work on mails, as JSON: state, assignee and snooze of our rows; notes."""

from datetime import datetime
from typing import Any

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue
from wtforms import StringField
from wtforms.validators import InputRequired, Length

from webapp.core import forms
from webapp.core.errors import Invalid
from webapp.core.forms import PostForm
from webapp.core.openapi import operation, schema_list, schema_object
from webapp.core.words import _
from webapp.mailboxes.kinds import MailState
from webapp.operators.access import Scope, actor, requires
from webapp.operators.idempotency import idempotent
from webapp.triage import work

bp = Blueprint("work_api", __name__, url_prefix="/api/v1")

NOTE = schema_object(id="integer", author="string", text="string", created_at="string")
STATE = schema_object(
    id="integer", state="string", assignee_id="integer?", snoozed_until="string?"
)


class NoteForm(PostForm):
    """A note."""

    text = StringField("Text", [InputRequired(), Length(max=work.LONGEST_NOTE)])


class WorkForm(PostForm):
    """What is to change; what is not named stays."""

    state = StringField("open or done")
    assignee_id = StringField("Id of an operator, or 0 for nobody")
    snoozed_until = StringField("An instant with its offset, or “now”")


@bp.patch("/triage/mails/<int:mail_id>")
@requires(Scope.WRITE)
@operation(body=WorkForm, answer=STATE, partial=True)
def change(mail_id: int) -> ResponseReturnValue:
    """Change the state, the assignee (0 is nobody) or the snooze (`now` ends it)."""
    form = forms.from_json(WorkForm)
    work.rows([mail_id])
    if form.state.data:
        if form.state.data not in set(MailState):
            raise _wrong("state", _("It is open or done."))
        work.set_state([mail_id], MailState(form.state.data))
    if form.assignee_id.data:
        text = form.assignee_id.data
        if not (text.isascii() and text.isdigit() and len(text) < len(str(2**63))):
            raise _wrong("assignee_id", _("This must be the id of an operator."))
        work.assign([mail_id], int(text) or None)
    if form.snoozed_until.data:
        work.snooze([mail_id], _instant(form.snoozed_until.data))
    (mail,) = work.rows([mail_id])
    until = mail.snoozed_until
    return jsonify(
        id=mail.id,
        state=mail.state.value,
        assignee_id=mail.assignee_id,
        snoozed_until=until.isoformat() if until else None,
    )


@bp.get("/triage/mails/<int:mail_id>/notes")
@requires(Scope.READ)
@operation(answer=schema_list(NOTE))
def notes(mail_id: int) -> ResponseReturnValue:
    """List the notes of a mail, the oldest first."""
    work.rows([mail_id])
    items = [_note_json(one, author) for one, author in work.notes_of(mail_id)]
    return jsonify(items=items, next=None)


@bp.post("/triage/mails/<int:mail_id>/notes")
@requires(Scope.WRITE)
@operation(body=NoteForm, answer=NOTE, status=201)
@idempotent
def add_note(mail_id: int) -> ResponseReturnValue:
    """Add a note to a mail."""
    form = forms.from_json(NoteForm)
    who = actor().operator
    added = work.note(mail_id, form.text.data or "", who.id)
    return jsonify(_note_json(added, who.name)), 201


def _note_json(one: Any, author: str) -> dict[str, Any]:
    return {
        "id": one.id,
        "author": author,
        "text": one.text,
        "created_at": one.created_at.isoformat(),
    }


def _instant(text: str) -> datetime | None:
    if text == "now":
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise _wrong("snoozed_until", _("Give an instant with its offset."))
    return found


def _wrong(name: str, words: str) -> Invalid:
    return Invalid(words, {name: [words]})
