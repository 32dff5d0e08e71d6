"""What is done with mails, as JSON: flags, move, copy, archive, delete, append."""

from typing import Any

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from webapp.core import forms
from webapp.core.http import takes_up_to
from webapp.core.openapi import operation, schema_object
from webapp.mailboxes import filing, folders, naming
from webapp.mailboxes.filing import Choice, Outcome
from webapp.mailboxes.forms import (
    AppendForm,
    ChosenForm,
    DeleteForm,
    FileForm,
    FlagsForm,
)
from webapp.mailboxes.in_words import in_words
from webapp.operators.access import Scope, requires
from webapp.operators.idempotency import idempotent

bp = Blueprint("filing_api", __name__, url_prefix="/api/v1")

BASE = "/mailboxes/<int:mailbox_id>/folders/<int:folder_id>/mails"
#: A mail as base64 is a third larger.
LARGEST_SOURCE = filing.LARGEST_MAIL * 4 // 3 + 64 * 1024
CHANGED = schema_object(changed="integer", uids={"type": "array"})
FILED = schema_object(
    changed="integer",
    uids={"type": "array"},
    folder_id="integer?",
    uidvalidity="integer?",
    placed={"type": "array"},
    marked={"type": "array"},
    words="string",
)


@bp.post(BASE + "/flags")
@requires(Scope.WRITE)
@operation(body=FlagsForm, answer=CHANGED)
def change_flags(mailbox_id: int, folder_id: int) -> ResponseReturnValue:
    """Add and remove flags of chosen `uids`, or of all mails that match `q`."""
    folder = folders.of_mailbox(mailbox_id, folder_id)
    form = forms.from_json(FlagsForm)
    with in_words():
        changed = filing.change_flags(
            folder,
            _choice(form),
            add=[flag for flag in form.add.data if flag],
            remove=[flag for flag in form.remove.data if flag],
        )
    return jsonify(changed=len(changed), uids=changed)


@bp.post(BASE + "/move")
@requires(Scope.WRITE)
@operation(body=FileForm, answer=FILED)
def move(mailbox_id: int, folder_id: int) -> ResponseReturnValue:
    """Move mails to another folder: `to` is its id, a role, or a name."""
    folder = folders.of_mailbox(mailbox_id, folder_id)
    form = forms.from_json(FileForm)
    with in_words():
        target = naming.named(folder.mailbox, form.to.data or "")
        return jsonify(_shown(filing.move(folder, _choice(form), target)))


@bp.post(BASE + "/copy")
@requires(Scope.WRITE)
@operation(body=FileForm, answer=FILED)
def copy(mailbox_id: int, folder_id: int) -> ResponseReturnValue:
    """Copy mails to another folder: `to` is its id, a role, or a name."""
    folder = folders.of_mailbox(mailbox_id, folder_id)
    form = forms.from_json(FileForm)
    with in_words():
        target = naming.named(folder.mailbox, form.to.data or "")
        return jsonify(_shown(filing.copy(folder, _choice(form), target)))


@bp.post(BASE + "/archive")
@requires(Scope.WRITE)
@operation(body=ChosenForm, answer=FILED)
def archive(mailbox_id: int, folder_id: int) -> ResponseReturnValue:
    """Move mails to the archive; that folder is made where there is none."""
    folder = folders.of_mailbox(mailbox_id, folder_id)
    form = forms.from_json(ChosenForm)
    with in_words():
        return jsonify(_shown(filing.archive(folder, _choice(form))))


@bp.post(BASE + "/delete")
@requires(Scope.WRITE)
@operation(body=DeleteForm, answer=FILED)
def delete(mailbox_id: int, folder_id: int) -> ResponseReturnValue:
    """Move mails to the trash; with `for_good`, or in the trash, remove them."""
    folder = folders.of_mailbox(mailbox_id, folder_id)
    form = forms.from_json(DeleteForm)
    with in_words():
        for_good = bool(form.for_good.data)
        outcome = filing.delete(folder, _choice(form), for_good=for_good)
    return jsonify(_shown(outcome))


@bp.post(BASE)
@requires(Scope.WRITE)
@takes_up_to(LARGEST_SOURCE)
@operation(
    body=AppendForm,
    answer=schema_object(uid="integer?", uidvalidity="integer?"),
    status=201,
)
@idempotent
def append(mailbox_id: int, folder_id: int) -> ResponseReturnValue:
    """Add a mail to a folder, for example a draft; says its new uid."""
    folder = folders.of_mailbox(mailbox_id, folder_id)
    values = forms.from_json(AppendForm).values()
    with in_words():
        placed = filing.append(folder, **values)
    uidvalidity, uid = placed or (None, None)
    return jsonify(uid=uid, uidvalidity=uidvalidity), 201


def _choice(form: ChosenForm) -> Choice:
    uids = [uid for uid in form.uids.data if uid]
    return Choice(uids, form.q.data or "", form.uidvalidity.data)


def _shown(outcome: Outcome) -> dict[str, Any]:
    filed = outcome.filed
    placed = [{"uid": uid, "new_uid": new} for uid, new in filed.placed.items()]
    return {
        "changed": len(filed.uids),
        "uids": filed.uids,
        "folder_id": outcome.target_id,
        "uidvalidity": filed.uidvalidity,
        "placed": placed,
        "marked": filed.marked,
        "words": filed.words,
    }
