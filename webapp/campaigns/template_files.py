"""Which files a message template has after one more, or one less."""

from typing import Any

from webapp.campaigns import uploads
from webapp.campaigns.attaching import MOST
from webapp.campaigns.attachments import LARGEST_ATTACHMENTS, check_attachments, listed
from webapp.core.db import db
from webapp.core.errors import Invalid, NotFound
from webapp.core.words import _
from webapp.message_templates import service
from webapp.operators.access import actor


def with_one(
    message_template_id: int, name: str, content: bytes, content_id: str
) -> list[dict[str, Any]]:
    """Return its files and one more, which is kept in the caller's transaction.

    Raises
    ------
    Invalid
        If it cannot be attached, or all are too large together.
    """
    if not name:
        words = _("Choose a file first.")
        raise Invalid(words, {"file": [words]})
    made = uploads.kept(name, content)
    made.created_by = actor().operator.id
    before = service.newest(service.get(message_template_id)).attachments
    found = [*before, listed(made, content_id)]
    if len(found) > MOST:
        words = _("At most %(n)s files.", n=MOST)
        raise Invalid(words, {"file": [words]})
    check_attachments(found, LARGEST_ATTACHMENTS)
    db.session.add(made)
    return found


def without(
    message_template_id: int, sha256: str, content_id: str
) -> list[dict[str, Any]]:
    """Return its files without one.

    Raises
    ------
    NotFound
        If it has no such file.
    """
    before = service.newest(service.get(message_template_id)).attachments
    for number, one in enumerate(before):
        if (one["sha256"], one["content_id"]) == (sha256, content_id):
            return [*before[:number], *before[number + 1 :]]
    raise NotFound(_("This file is not attached."))
