"""The files that go along with messages: as they are listed, and as they are sent."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from webapp.campaigns.models import Campaign, Upload
from webapp.composing.letter import Attachment
from webapp.composing.mime import encoded_once
from webapp.core import blobs
from webapp.core.db import db
from webapp.core.errors import Invalid
from webapp.core.words import _

# Octets, before they are encoded.
LARGEST_ATTACHMENTS = 10 * 1024 * 1024
# Octets of attachments that a process keeps at hand.
KEPT = 16 * 1024 * 1024


def all_attachments(
    campaign: Campaign, chosen: Sequence[dict[str, Any]] | None = None
) -> list[dict[str, Any]]:
    """Return what all recipients get: the message template's files, the campaign's.

    Of two images with one Content-ID, that of the campaign stands in for the other.

    Parameters
    ----------
    chosen
        The campaign's own, where they are about to be others.
    """
    chosen = campaign.attachments if chosen is None else chosen
    version = campaign.message_template_version
    if version is None and campaign.message_template:
        version = campaign.message_template.versions[0]
    own = {one["content_id"] for one in chosen} - {""}
    written = version.attachments if version else []
    kept = [one for one in written if one["content_id"] not in own]
    return [*kept, *chosen]


def attachments_of(found: Iterable[Mapping[str, Any]]) -> tuple[Attachment, ...]:
    """Return the files that go along, encoded; each names its content by SHA-256."""
    return tuple(
        replace(
            _encoded(one["sha256"]),
            filename=one.get("filename", ""),
            content_type=one.get("content_type") or "application/octet-stream",
            content_id=one.get("content_id") or None,
        )
        for one in found
    )


_encoded_before: dict[str, Attachment] = {}


def _encoded(sha256: str) -> Attachment:
    """Return content by its hash, encoded; what was asked for lately is kept.

    Without this each message of a campaign would read and encode all its files again.
    """
    kept = _encoded_before
    if sha256 not in kept:
        made = encoded_once(Attachment("", b"".join(blobs.read(sha256))))
        size = len(made.content)
        while kept and sum(len(one.content) for one in kept.values()) + size > KEPT:
            kept.pop(next(iter(kept)))
        kept[sha256] = made
    return kept[sha256]


def attachments_listed(asked: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return how a campaign or message lists uploads among its attachments.

    Raises
    ------
    Invalid
        If there is no such upload.
    """
    return [
        listed(_upload(str(one.get("upload_id") or "")), one.get("content_id") or "")
        for one in asked
    ]


def listed(upload: Upload, content_id: str = "") -> dict[str, Any]:
    """Return how one upload is listed among attachments."""
    return {
        "filename": upload.file_name,
        "content_type": upload.content_type,
        "sha256": upload.sha256,
        "size": upload.size,
        "content_id": content_id,
    }


def check_attachments(found: Sequence[Mapping[str, Any]], largest: int) -> None:
    """Refuse attachments that together are too large, or share a Content-ID.

    Parameters
    ----------
    largest
        Octets, of all of them together.

    Raises
    ------
    Invalid
        With the reason.
    """
    words = ""
    if sum(one["size"] for one in found) > largest:
        words = _(
            "The attachments are larger than %(n)s MB together.", n=largest // 1024**2
        )
    ids = [one["content_id"] for one in found if one["content_id"]]
    if len(set(ids)) < len(ids):
        words = _("Two attachments have the same Content-ID.")
    if words:
        attention = _("Some values need your attention.")
        raise Invalid(attention, {"attachments": [words]})


def _upload(public_id: str) -> Upload:
    wrong = Invalid(
        _("Some values need your attention."),
        {"attachments": [_("There is no upload %(id)s.", id=public_id[:36])]},
    )
    try:
        wanted = uuid.UUID(public_id)
    except ValueError as error:
        raise wrong from error
    found = db.session.scalar(sa.select(Upload).where(Upload.public_id == wanted))
    if found is None:
        raise wrong
    return found
