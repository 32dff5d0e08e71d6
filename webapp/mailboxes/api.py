"""Mailboxes, as JSON: accounts. Folders and mails have modules of their own."""

from typing import Any

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from webapp.core import forms
from webapp.core.openapi import operation, schema_list, schema_object
from webapp.mailboxes import service
from webapp.mailboxes.forms import MailboxForm
from webapp.mailboxes.in_words import in_words
from webapp.mailboxes.models import Mailbox
from webapp.operators.access import Scope, requires
from webapp.operators.idempotency import idempotent

bp = Blueprint("mailboxes_api", __name__, url_prefix="/api/v1")

MAILBOX = schema_object(
    id="integer",
    name="string",
    host="string",
    port="integer",
    security="string",
    login="string",
    state="string",
    state_words="string",
    is_practice="boolean",
    sync_folders="string",
    authserv_id="string",
    checked_at="string?",
)
TESTED = schema_object(
    ok="boolean", words="string", reply="string", steps={"type": "array"}
)


@bp.get("/mailboxes")
@requires(Scope.READ)
@operation(answer=schema_list(MAILBOX))
def index() -> ResponseReturnValue:
    """List the mailboxes; passwords are never shown."""
    items = [show(mailbox) for mailbox in service.all_mailboxes()]
    return jsonify(items=items, next=None)


@bp.post("/mailboxes")
@requires(Scope.MANAGE)
@operation(body=MailboxForm, answer=MAILBOX, status=201)
@idempotent
def create() -> ResponseReturnValue:
    """Connect a mailbox; `uri` may stand for the other fields."""
    form = forms.from_json(MailboxForm)
    return jsonify(show(service.create(**form.values()))), 201


@bp.get("/mailboxes/<int:mailbox_id>")
@requires(Scope.READ)
@operation(answer=MAILBOX)
def read(mailbox_id: int) -> ResponseReturnValue:
    """Show a mailbox."""
    return jsonify(show(service.get(mailbox_id)))


@bp.patch("/mailboxes/<int:mailbox_id>")
@requires(Scope.MANAGE)
@operation(body=MailboxForm, answer=MAILBOX, partial=True)
def change(mailbox_id: int) -> ResponseReturnValue:
    """Change a mailbox; another host needs the password again."""
    mailbox = service.get(mailbox_id)
    form = forms.from_json(MailboxForm, base=service.shown(mailbox))
    return jsonify(show(service.change(mailbox, **form.values())))


@bp.delete("/mailboxes/<int:mailbox_id>")
@requires(Scope.MANAGE)
@operation(status=204)
def delete(mailbox_id: int) -> ResponseReturnValue:
    """Disconnect a mailbox; nothing changes on its server."""
    service.delete(service.get(mailbox_id))
    return "", 204


@bp.post("/mailboxes/<int:mailbox_id>/check")
@requires(Scope.WRITE)
@operation(answer=MAILBOX, status=202)
def check_now(mailbox_id: int) -> ResponseReturnValue:
    """Look for new mail as soon as a worker has time; see `checked_at`."""
    mailbox = service.get(mailbox_id)
    service.check_now(mailbox)
    return jsonify(show(mailbox)), 202


@bp.post("/mailboxes/<int:mailbox_id>/test")
@requires(Scope.MANAGE)
@operation(answer=TESTED)
def test(mailbox_id: int) -> ResponseReturnValue:
    """Try the saved account: connect, TLS, sign in once, list the folders."""
    with in_words():
        tested = service.probe_mailbox(service.get(mailbox_id))
    steps = [{"step": step, "ok": ok} for step, ok in tested.steps]
    return jsonify(ok=tested.ok, words=tested.words, reply=tested.reply, steps=steps)


def show(mailbox: Mailbox) -> dict[str, Any]:
    """Return a mailbox without its secrets."""
    return {
        "id": mailbox.id,
        **{k: v for k, v in service.shown(mailbox).items() if k != "ca_pem"},
        "state": mailbox.state.value,
        "state_words": mailbox.state_words,
        "is_practice": mailbox.is_practice,
        "checked_at": mailbox.synced_at.isoformat() if mailbox.synced_at else None,
        "has_own_ca": bool(mailbox.ca_pem),
    }
