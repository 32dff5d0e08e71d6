"""Mails that were set aside, as JSON."""

from typing import Any

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue

from webapp.core.http import page_of
from webapp.core.openapi import operation, schema_list
from webapp.mailboxes.models import Mail
from webapp.operators.access import Scope, requires
from webapp.triage import answers, set_aside
from webapp.triage.answer_api import MAIL, mail_json, tie_json

bp = Blueprint("set_aside_api", __name__, url_prefix="/api/v1")


@bp.get("/triage/set-aside")
@requires(Scope.READ)
@operation(
    answer=schema_list(MAIL),
    query={
        "mailbox_id": "Only those of this mailbox.",
        "cursor": "`next` of the page before.",
        "limit": "At most 500; 50 unless told.",
    },
)
def list_set_aside() -> ResponseReturnValue:
    """List the mails that could not be read, the newest first; `words` says why.

    `PATCH /triage/mails/{mail_id}` with the state `done` dismisses one.
    """
    query = set_aside.waiting(request.args.get("mailbox_id", type=int))
    page = page_of(query, Mail.id, show=_json)
    return jsonify(items=page.items, next=page.next)


@bp.post("/triage/mails/<int:mail_id>/try-again")
@requires(Scope.WRITE)
@operation(answer=MAIL)
def try_again(mail_id: int) -> ResponseReturnValue:
    """Read a mail that was set aside once more; its `kind` says whether it worked.

    409 of a mail that is not set aside, 404 of one that is gone.
    """
    set_aside.try_again(mail_id)
    return jsonify(_json(answers.mail(mail_id)))


def _json(mail: Mail) -> dict[str, Any]:
    ties = [tie_json(answer) for answer, _message in answers.of_mail(mail.id)]
    return {**mail_json(mail), "answers": ties}
