"""Triage, as JSON: mails across mailboxes."""

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue

from webapp.core.http import asked_limit
from webapp.core.openapi import operation, schema_object
from webapp.mailboxes import fields
from webapp.operators.access import Scope, requires
from webapp.triage import service
from webapp.triage.ties import Tie, ties_of

bp = Blueprint("triage_api", __name__, url_prefix="/api/v1")

QUERY = {
    "view": "`unread` (unless told), `flagged` or `all`.",
    "q": "Search, such as `from:ada`.",
    "fields": "Names of fields, with commas; only these are given.",
    "limit": "At most 500; 50 unless told.",
}


@bp.get("/triage/mails")
@requires(Scope.READ)
@operation(
    answer=schema_object(
        items={"type": "array"}, next="string?", troubles={"type": "array"}
    ),
    query=QUERY,
)
def list_mails() -> ResponseReturnValue:
    """List the newest mails of all inboxes; mailboxes in trouble are named."""
    names = fields.wanted(request.args.get("fields", ""), fields.IN_LISTS)
    shown = service.view(
        request.args.get("view", "unread"), request.args.get("q", ""), asked_limit()
    )
    ties = ties_of([one.row.headers for one in shown.found])
    items = [
        {
            "mailbox_id": one.mailbox_id,
            "folder_id": one.folder_id,
            **fields.show_row(one.row, one.uidvalidity, names),
            "answers": _answers(tie),
        }
        for one, tie in zip(shown.found, ties, strict=True)
    ]
    troubles = [
        {"mailbox_id": one.mailbox_id, "words": one.words} for one in shown.troubles
    ]
    return jsonify(items=items, next=None, troubles=troubles)


def _answers(tie: Tie | None) -> dict[str, int | None] | None:
    if tie is None or tie.is_copy:
        return None
    return {"message_id": tie.message_id, "campaign_id": tie.campaign_id}
