"""Folders of a mailbox, as JSON: list, make, rename, subscribe."""

from typing import Any

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from webapp.core import forms
from webapp.core.openapi import operation, schema_list, schema_object
from webapp.mailboxes import folders, naming, service
from webapp.mailboxes.forms import FolderChangeForm, FolderForm
from webapp.mailboxes.in_words import in_words
from webapp.mailboxes.models import Folder
from webapp.operators.access import Scope, requires
from webapp.operators.idempotency import idempotent

bp = Blueprint("folders_api", __name__, url_prefix="/api/v1")

BASE = "/mailboxes/<int:mailbox_id>/folders"
FOLDER = schema_object(
    id="integer",
    name="string",
    role="string",
    delimiter="string",
    selectable="boolean",
    subscribed="boolean",
    total="integer?",
    unseen="integer?",
    uidvalidity="integer?",
)


@bp.get(BASE)
@requires(Scope.READ)
@operation(answer=schema_list(FOLDER))
def index(mailbox_id: int) -> ResponseReturnValue:
    """List all folders with their real names, roles and counts."""
    with in_words():
        found = folders.fresh(service.get(mailbox_id), force=True)
    return jsonify(items=[show(folder) for folder in found], next=None)


@bp.post(BASE)
@requires(Scope.WRITE)
@operation(body=FolderForm, answer=FOLDER, status=201)
@idempotent
def create(mailbox_id: int) -> ResponseReturnValue:
    """Make a folder on the server and subscribe to it."""
    mailbox = service.get(mailbox_id)
    form = forms.from_json(FolderForm)
    with in_words():
        return jsonify(show(naming.create(mailbox, form.name.data or ""))), 201


@bp.patch(BASE + "/<int:folder_id>")
@requires(Scope.WRITE)
@operation(body=FolderChangeForm, answer=FOLDER, partial=True)
def change(mailbox_id: int, folder_id: int) -> ResponseReturnValue:
    """Rename a folder, and subscribe to it or no longer."""
    folder = folders.of_mailbox(mailbox_id, folder_id)
    base = {"name": folder.name, "subscribed": folder.subscribed}
    form = forms.from_json(FolderChangeForm, base=base)
    with in_words():
        if form.name.data and form.name.data != base["name"]:
            folder = naming.rename(folder, form.name.data)
        if form.subscribed.data != base["subscribed"]:
            naming.subscribe(folder, wanted=bool(form.subscribed.data))
    return jsonify(show(folders.get(folder_id)))


def show(folder: Folder) -> dict[str, Any]:
    """Return a folder."""
    return {name: getattr(folder, name) for name in FOLDER["properties"]}
