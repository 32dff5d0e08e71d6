"""Files that come with a page's form, and those that it named before."""

from collections.abc import Iterable, Mapping
from typing import Any

from flask import request

from webapp.campaigns import uploads
from webapp.campaigns.models import Upload
from webapp.core import forms
from webapp.core.errors import Invalid
from webapp.operators.access import actor


def stored() -> list[Upload]:
    """Store the files of the field `files`.

    Raises
    ------
    Invalid
        If one cannot be attached.
    """
    given = [one for one in request.files.getlist("files") if one.filename]
    read = [(str(one.filename), one.read()) for one in given]
    for name, content in read:
        if words := uploads.refusal(name, content):
            raise Invalid(forms.ATTENTION, {"files": [words]})
    who = actor().operator
    return [uploads.store(name, content, who) for name, content in read]


def chosen(entries: Iterable[Mapping[str, Any]]) -> list[Upload]:
    """Return the uploads that the entries of `attachments` name.

    Raises
    ------
    NotFound
        If there is no such upload.
    """
    return [uploads.get(uploads.id_of(one["upload_id"] or "")) for one in entries]
