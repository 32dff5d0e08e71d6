"""The files of a campaign: those for every recipient, and those that rows may name."""

from collections.abc import Sequence

from webapp.campaigns import service, uploads
from webapp.campaigns.attachments import (
    LARGEST_ATTACHMENTS,
    all_attachments,
    check_attachments,
    listed,
)
from webapp.campaigns.models import Campaign, Upload
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
    check_attachments(found, LARGEST_ATTACHMENTS)  # of one name twice, too
    check_attachments(all_attachments(campaign, found), LARGEST_ATTACHMENTS)
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


def give(
    campaign_id: int, operator: Operator, files: Sequence[tuple[str, bytes]]
) -> Campaign:
    """Keep files that rows of a campaign's recipients may name.

    One of the same name takes the place of the one before.

    Raises
    ------
    Invalid
        If one of them cannot be attached; then none is kept.
    """
    campaign = service.get(campaign_id)
    service.may_edit(campaign)
    for name, content in files:
        made = uploads.kept(name, content, "own_files")
        made.created_by, made.campaign_id = operator.id, campaign_id
        for old in uploads.called(made.file_name, campaign_id):
            old.campaign_id = None
        db.session.add(made)
        db.session.flush()
        audit.record("upload.created", "upload", made.id, made.file_name)
    service.back_to_draft(campaign_id, campaign.version, "edited", check_result={})
    db.session.commit()
    return service.get(campaign_id)


def take_away(campaign_id: int, upload: Upload) -> Campaign:
    """Let no row of a campaign name this file any more.

    Raises
    ------
    NotFound
        If none could.
    """
    campaign = service.get(campaign_id)
    service.may_edit(campaign)
    if upload.campaign_id != campaign_id:
        raise NotFound(_("This file is not one of this campaign."))
    upload.campaign_id = None
    service.back_to_draft(campaign_id, campaign.version, "edited", check_result={})
    db.session.commit()
    return service.get(campaign_id)
