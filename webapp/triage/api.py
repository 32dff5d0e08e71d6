"""Triage, as JSON: mails across mailboxes."""

from typing import Any

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue

from webapp.core.http import asked_limit
from webapp.core.openapi import operation, schema_object
from webapp.mailboxes import fields
from webapp.operators.access import Scope, actor, requires
from webapp.triage import marks, views, work_views
from webapp.triage.marks import Mark
from webapp.triage.ties import Tie, ties_in_list
from webapp.triage.work_views import Asked

bp = Blueprint("triage_api", __name__, url_prefix="/api/v1")

QUERY = {
    "view": "`unread` (unless told), `flagged`, `all`, or one of "
    + ", ".join(f"`{name}`" for name in work_views.VIEWS)
    + ".",
    "label": "Only mails with the label of this id; not with the first three views.",
    "cursor": "`next` of the page before.",
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
    """List the newest mails of all inboxes; mailboxes in trouble are named.

    `answers` is the message that a mail is about, and what it is to it; one that
    `is_suggested` is a hint, about which nothing was done.
    """
    names = fields.wanted(request.args.get("fields", ""), fields.IN_LISTS)
    args, operator_id = request.args, actor().operator.id
    shown = views.shown(
        Asked(
            args.get("view", "unread"),
            operator_id,
            args.get("q", ""),
            args.get("label", type=int),
            args.get("cursor", ""),
            asked_limit(),
        )
    )
    keys = [(one.folder_id, one.uidvalidity, one.row.uid) for one in shown.found]
    known = marks.marks_of(keys, operator_id)
    headers = [one.row.headers for one in shown.found]
    ties = ties_in_list(headers, [one.mail_id for one in known])
    items = [
        {
            "mailbox_id": one.mailbox_id,
            "folder_id": one.folder_id,
            **fields.show_row(one.row, one.uidvalidity, names),
            "answers": _answers(tie),
            **work_json(mark),
        }
        for one, tie, mark in zip(shown.found, ties, known, strict=True)
    ]
    troubles = [
        {"mailbox_id": one.mailbox_id, "words": one.words} for one in shown.troubles
    ]
    return jsonify(items=items, next=shown.older or None, troubles=troubles)


def work_json(mark: Mark) -> dict[str, Any]:
    """Return what people made of a mail; its `id` is null while we keep no row."""
    until = mark.snoozed_until
    return {
        "id": mark.mail_id,
        "kind": mark.kind.value,
        "state": "done" if mark.is_done else "open",
        "assignee_id": mark.assignee_id,
        "snoozed_until": until.isoformat() if until else None,
        "labels": [one.name for one in mark.labels],
    }


def _answers(tie: Tie | None) -> dict[str, Any] | None:
    if tie is None or tie.is_copy:
        return None
    return {
        "message_id": tie.message_id,
        "campaign_id": tie.campaign_id,
        "kind": tie.kind,
        "is_suggested": tie.is_suggested,
    }
