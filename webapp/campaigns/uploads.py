"""Files that operators give to be attached, stored once by content."""

import uuid
from pathlib import PurePosixPath

import sqlalchemy as sa

from webapp.campaigns.models import Upload
from webapp.core import blobs
from webapp.core.db import db
from webapp.core.errors import NotFound
from webapp.core.words import _
from webapp.operators import audit
from webapp.operators.models import Operator

UNKNOWN_TYPE = "application/octet-stream"


def store(name: str, kind: str, content: bytes, operator: Operator) -> Upload:
    """Store a file; of a path only its last part is kept."""
    last = PurePosixPath(name.replace("\\", "/")).name
    made = Upload(
        file_name="".join(char for char in last if char.isprintable())[:255] or "file",
        content_type=kind or UNKNOWN_TYPE,
        sha256=blobs.put(content),
        size=len(content),
        created_by=operator.id,
    )
    db.session.add(made)
    db.session.flush()
    audit.record("upload.created", "upload", made.id, made.file_name, size=made.size)
    db.session.commit()
    return made


def get(public_id: uuid.UUID) -> Upload:
    """Return an upload.

    Raises
    ------
    NotFound
        If there is none.
    """
    found = db.session.scalar(sa.select(Upload).where(Upload.public_id == public_id))
    if found is None:
        raise NotFound(_("There is no such upload."))
    return found
