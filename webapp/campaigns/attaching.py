"""The files that go along with every message of a campaign."""

from webapp.campaigns import service, uploads
from webapp.campaigns.letters import LARGEST_ATTACHMENTS, check_attachments, listed
from webapp.campaigns.models import Campaign
from webapp.core.db import db
from webapp.core.errors import Invalid, NotFound
from webapp.core.words import _
from webapp.operators import audit
from webapp.operators.models import Operator

MOST = 20


def attach(
    campaign_id: int, operator: Operator, name: str, content: bytes, content_id: str
) -> Campaign:
    """Attach a file to a campaign that is not launched.

    Parameters
    ----------
    content_id
        The name by which the HTML shows it (``cid:``); empty for a plain file.

    Raises
    ------
    Invalid
        If it cannot be attached, or all are too large together.
    """
    campaign = service.get(campaign_id)
    service.may_edit(campaign)
    made = uploads.kept(name, content)
    made.created_by = operator.id
    found = [*campaign.attachments, listed(made, content_id)]
    if len(found) > MOST:
        words = _("At most %(n)s files.", n=MOST)
        raise Invalid(words, {"file": [words]})
    check_attachments(found, LARGEST_ATTACHMENTS)
    db.session.add(made)
    db.session.flush()
    audit.record("upload.created", "upload", made.id, made.file_name, size=made.size)
    return service.edit(campaign_id, attachments=found)


def detach(campaign_id: int, sha256: str, content_id: str) -> Campaign:
    """Take a file off a campaign that is not launched.

    Raises
    ------
    NotFound
        If it is not attached.
    """
    campaign = service.get(campaign_id)
    for number, one in enumerate(campaign.attachments):
        if (one["sha256"], one["content_id"]) == (sha256, content_id):
            left = [*campaign.attachments[:number], *campaign.attachments[number + 1 :]]
            return service.edit(campaign_id, attachments=left)
    raise NotFound(_("This file is not attached."))
