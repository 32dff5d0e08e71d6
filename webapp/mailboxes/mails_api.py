"""Mails, as JSON: list with chosen fields, count, read, source, attachments, flags."""

from typing import Any

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue

from webapp.core import downloads, forms
from webapp.core.errors import NotFound
from webapp.core.http import asked_limit, decode_cursor, encode_cursor
from webapp.core.openapi import LIST_QUERY, operation, schema_list, schema_object
from webapp.mailboxes import fields, folders, mails
from webapp.mailboxes.forms import FlagsForm
from webapp.mailboxes.in_words import in_words
from webapp.mailboxes.models import Folder
from webapp.operators.access import Scope, requires

bp = Blueprint("mails_api", __name__, url_prefix="/api/v1")

BASE = "/mailboxes/<int:mailbox_id>/folders/<int:folder_id>/mails"
QUERY = {
    **LIST_QUERY,
    "q": "Search, such as `is:unread from:ada`.",
    "fields": "Names of fields, with commas; only these are given.",
}
MAIL: dict[str, Any] = {"type": "object"}
CHANGED = schema_object(changed="integer", uids={"type": "array"})


@bp.get(BASE)
@requires(Scope.READ)
@operation(answer=schema_list(MAIL), query=QUERY)
def list_mails(mailbox_id: int, folder_id: int) -> ResponseReturnValue:
    """List mails of a folder, newest first. No flag ever changes."""
    folder = _folder(mailbox_id, folder_id)
    names = fields.wanted(request.args.get("fields", ""), fields.IN_LISTS)
    uidvalidity, below = None, None
    if cursor := request.args.get("cursor"):
        uidvalidity, below = decode_cursor(cursor, int, int)
    text, limit = request.args.get("q", ""), asked_limit()
    with in_words():
        page = mails.listed(
            folder, text, below=below, uidvalidity=uidvalidity, limit=limit
        )
    items = [fields.show_row(row, page.uidvalidity, names) for row in page.rows]
    following = encode_cursor(page.uidvalidity, page.older) if page.older else None
    return jsonify(items=items, next=following)


@bp.get(BASE + "/count")
@requires(Scope.READ)
@operation(answer=schema_object(count="integer"), query={"q": QUERY["q"]})
def count_mails(mailbox_id: int, folder_id: int) -> ResponseReturnValue:
    """Count the mails of a folder that match."""
    folder = _folder(mailbox_id, folder_id)
    with in_words():
        return jsonify(count=mails.count(folder, request.args.get("q", "")))


@bp.get(BASE + "/<int:uid>")
@requires(Scope.READ)
@operation(answer=MAIL, query={"fields": QUERY["fields"]})
def read_mail(mailbox_id: int, folder_id: int, uid: int) -> ResponseReturnValue:
    """Show a mail with all its fields; `email` (base64) only when asked for."""
    folder = _folder(mailbox_id, folder_id)
    asked = request.args.get("fields", "")
    names = fields.wanted(asked, fields.ALL)
    with in_words():
        opened = mails.open_one(folder, uid)
        shown = fields.show_opened(opened, names)
        if asked and "email" in names:
            with mails.source(folders.get(folder_id), uid) as spool:
                shown["email"] = fields.as_text(spool.read())
    return jsonify(shown)


@bp.get(BASE + "/<int:uid>/source")
@requires(Scope.READ)
@operation(answer={})
def read_source(mailbox_id: int, folder_id: int, uid: int) -> ResponseReturnValue:
    """Download the complete RFC 5322 source."""
    folder = _folder(mailbox_id, folder_id)
    with in_words():
        spool = mails.source(folder, uid)
    return downloads.download(spool, f"mail-{uid}.eml", "message/rfc822")


@bp.get(BASE + "/<int:uid>/attachments/<int:number>")
@requires(Scope.READ)
@operation(answer={})
def read_attachment(
    mailbox_id: int, folder_id: int, uid: int, number: int
) -> ResponseReturnValue:
    """Download an attachment, by its number."""
    folder = _folder(mailbox_id, folder_id)
    with in_words():
        part, spool = mails.attachment(folder, uid, number)
    return downloads.download(spool, part.file_name, part.mime_type)


@bp.post(BASE + "/flags")
@requires(Scope.WRITE)
@operation(body=FlagsForm, answer=CHANGED)
def change_flags(mailbox_id: int, folder_id: int) -> ResponseReturnValue:
    """Add and remove flags of chosen `uids`, or of all mails that match `q`."""
    folder = _folder(mailbox_id, folder_id)
    form = forms.from_json(FlagsForm)
    with in_words():
        changed = mails.change_flags(
            folder,
            uids=[uid for uid in form.uids.data if uid],
            text=form.q.data or "",
            add=[flag for flag in form.add.data if flag],
            remove=[flag for flag in form.remove.data if flag],
            uidvalidity=form.uidvalidity.data,
        )
    return jsonify(changed=len(changed), uids=changed)


def _folder(mailbox_id: int, folder_id: int) -> Folder:
    folder = folders.get(folder_id)
    if folder.mailbox_id != mailbox_id:
        raise NotFound("There is no such folder.")
    return folder
