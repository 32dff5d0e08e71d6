"""Mails, as JSON: list with chosen fields, count, read, source, attachments."""

from dataclasses import asdict
from typing import Any

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue

from webapp.core import downloads
from webapp.core.errors import Invalid
from webapp.core.http import asked_limit, decode_cursor, encode_cursor
from webapp.core.openapi import LIST_QUERY, operation, schema_list, schema_object
from webapp.core.words import _
from webapp.mailboxes import everywhere, fields, folders, mails, service
from webapp.mailboxes.in_words import in_words
from webapp.mailboxes.index_search import Sort
from webapp.operators.access import Scope, requires

bp = Blueprint("mails_api", __name__, url_prefix="/api/v1")

BASE = "/mailboxes/<int:mailbox_id>/folders/<int:folder_id>/mails"
QUERY = {
    **LIST_QUERY,
    "q": "Search, such as `is:unread from:ada`.",
    "fields": "Names of fields, with commas; only these are given.",
    "sort": "`arrival` (unless told), `date`, `from`, `subject` or `size`.",
}
INSIDE = {
    "inside": "Place of a mail inside this one, such as `2.1`; see its `attachments`."
}
MAIL: dict[str, Any] = {"type": "object"}
CHANGES = schema_object(
    flags={"type": "array"},
    gone={"type": "array"},
    new={"type": "array"},
    exists="integer",
    since="string",
)
SINCE = {
    "since": "What the last answer gave as `since`; nothing the first time.",
    "uids": "The mails that are shown, such as `4,7:56`; 500 of them at most.",
}


@bp.get(BASE)
@requires(Scope.READ)
@operation(answer=schema_list(MAIL), query=QUERY)
def list_mails(mailbox_id: int, folder_id: int) -> ResponseReturnValue:
    """List mails of a folder, newest first. No flag ever changes."""
    folder = folders.of_mailbox(mailbox_id, folder_id)
    names = fields.wanted(request.args.get("fields", ""), fields.IN_LISTS)
    uidvalidity, place = None, None
    if cursor := request.args.get("cursor"):
        uidvalidity, place = decode_cursor(cursor, int, int)
    text, limit, sort = request.args.get("q", ""), asked_limit(), _sort()
    with in_words():
        if sort is Sort.ARRIVAL:
            page = mails.listed(
                folder,
                text,
                below=place,
                uidvalidity=uidvalidity,
                limit=limit,
                with_text="snippet" in names,
            )
            further = page.older
        else:
            page, further = mails.in_order(
                folder, text, sort, skip=place or 0, limit=limit
            )
    items = [fields.show_row(row, page.uidvalidity, names) for row in page.rows]
    following = encode_cursor(page.uidvalidity, further) if further else None
    return jsonify(items=items, next=following)


def _sort() -> Sort:
    asked = request.args.get("sort") or Sort.ARRIVAL.value
    if asked not in set(Sort):
        words = _("Mails are sorted by %(names)s.", names=", ".join(Sort))
        raise Invalid(words, {"sort": [words]})
    return Sort(asked)


@bp.get("/mailboxes/<int:mailbox_id>/mails")
@requires(Scope.READ)
@operation(answer=schema_list(MAIL), query=QUERY)
def list_everywhere(mailbox_id: int) -> ResponseReturnValue:
    """List mails of all folders of a mailbox, newest first, each with its folder."""
    mailbox = service.get(mailbox_id)
    names = fields.wanted(request.args.get("fields", ""), fields.IN_LISTS)
    text, cursor = request.args.get("q", ""), request.args.get("cursor", "")
    with in_words():
        page = everywhere.listed(mailbox, text, cursor=cursor, limit=asked_limit())
    items = [
        {
            **fields.show_row(one.row, one.uidvalidity, names),
            "folder_id": one.folder_id,
            "folder": one.folder_name,
        }
        for one in page.found
    ]
    return jsonify(items=items, next=page.cursor or None)


@bp.get(BASE + "/count")
@requires(Scope.READ)
@operation(answer=schema_object(count="integer"), query={"q": QUERY["q"]})
def count_mails(mailbox_id: int, folder_id: int) -> ResponseReturnValue:
    """Count the mails of a folder that match."""
    folder = folders.of_mailbox(mailbox_id, folder_id)
    with in_words():
        return jsonify(count=mails.count(folder, request.args.get("q", "")))


@bp.get("/mailboxes/<int:mailbox_id>/folders/<int:folder_id>/changes")
@requires(Scope.READ)
@operation(answer=CHANGES, query=SINCE)
def list_changes(mailbox_id: int, folder_id: int) -> ResponseReturnValue:
    """Say what changed since the last time: flags, mails gone and new.

    Without `since` it says from where to ask. 409: the folder was numbered anew.
    """
    folder = folders.of_mailbox(mailbox_id, folder_id)
    since = request.args.get("since", "")
    uids = mails.uids_of(request.args.get("uids", ""))
    with in_words():
        found, validity = mails.changes(folder, _since(since), uids)
    shown = asdict(found)
    shown["flags"] = [{"uid": uid, "flags": one} for uid, one in found.flags.items()]
    del shown["modseq"], shown["next_uid"]
    return jsonify(**shown, since=encode_cursor(validity, found.modseq, found.next_uid))


def _since(text: str) -> tuple[int, int, int] | None:
    return decode_cursor(text, int, int, int) if text else None


@bp.get(BASE + "/<int:uid>")
@requires(Scope.READ)
@operation(answer=MAIL, query={"fields": QUERY["fields"], **INSIDE})
def read_mail(mailbox_id: int, folder_id: int, uid: int) -> ResponseReturnValue:
    """Show a mail, or one inside it; `email` (base64) only when asked for."""
    folder = folders.of_mailbox(mailbox_id, folder_id)
    asked = request.args.get("fields", "")
    names = fields.wanted(asked, fields.ALL)
    inside = mails.place_of(request.args.get("inside", ""))
    with in_words():
        own = () if inside else service.own_servers(folder.mailbox)
        opened = mails.open_one(folder, uid, inside=inside)
        shown = fields.show_opened(opened, names, own)
        if asked and "email" in names:
            one = folders.get(folder_id)
            with mails.source(one, uid, inside=inside) as spool:
                shown["email"] = fields.as_text(spool.read())
    return jsonify(shown)


@bp.get(BASE + "/<int:uid>/source")
@requires(Scope.READ)
@operation(answer={}, query=INSIDE)
def read_source(mailbox_id: int, folder_id: int, uid: int) -> ResponseReturnValue:
    """Download the complete RFC 5322 source."""
    folder = folders.of_mailbox(mailbox_id, folder_id)
    inside = mails.place_of(request.args.get("inside", ""))
    with in_words():
        spool = mails.source(folder, uid, inside=inside)
    return downloads.download(spool, f"mail-{uid}.eml", "message/rfc822")


@bp.get(BASE + "/<int:uid>/attachments/<int:number>")
@requires(Scope.READ)
@operation(answer={}, query=INSIDE)
def read_attachment(
    mailbox_id: int, folder_id: int, uid: int, number: int
) -> ResponseReturnValue:
    """Download an attachment, by its number."""
    folder = folders.of_mailbox(mailbox_id, folder_id)
    inside = mails.place_of(request.args.get("inside", ""))
    with in_words():
        part, spool = mails.attachment(folder, uid, number, inside=inside)
    return downloads.download(spool, part.file_name, part.mime_type)
