"""Files that operators and the API give to be attached, stored once by content."""

import uuid
from collections.abc import Sequence

import sqlalchemy as sa

from webapp.campaigns.file_types import is_program, type_of
from webapp.campaigns.models import Upload
from webapp.core import blobs
from webapp.core.db import db
from webapp.core.errors import Invalid, NotFound
from webapp.core.file_names import FALLBACK, clean_file_name
from webapp.core.words import _
from webapp.operators import audit
from webapp.operators.models import Operator

LARGEST_FILE = 25 * 1024 * 1024


def store(name: str, content: bytes, operator: Operator) -> Upload:
    """Store a file, under a cleaned name and the type that its content shows.

    Raises
    ------
    Invalid
        If it is empty, too large, or a program.
    """
    made = kept(name, content)
    made.created_by = operator.id
    db.session.add(made)
    db.session.flush()
    audit.record("upload.created", "upload", made.id, made.file_name, size=made.size)
    db.session.commit()
    return made


def kept(name: str, content: bytes, field: str = "file") -> Upload:
    """Keep a content in the caller's transaction; return what an upload says of it.

    Parameters
    ----------
    field
        What is to blame when the file is refused.

    Raises
    ------
    Invalid
        If it is empty, too large, or a program.
    """
    clean = clean_file_name(name) or FALLBACK
    if words := refusal(clean, content):
        raise Invalid(_("Some values need your attention."), {field: [words]})
    return Upload(
        file_name=clean,
        name_key=name_key(clean),
        content_type=type_of(clean, content)[:128],
        sha256=blobs.put(content),
        size=len(content),
    )


def called(name: str, campaign_id: int) -> Sequence[Upload]:
    """Return the files of this name that rows of a campaign may name."""
    query = sa.select(Upload).where(
        Upload.campaign_id == campaign_id, Upload.name_key == name_key(name)
    )
    return db.session.scalars(query).all()


def name_key(name: str) -> str:
    """Return what two spellings of one file name have in common.

    Examples
    --------
    >>> name_key("Bill 7.PDF") == name_key("bill 7.pdf")
    True
    """
    return name.casefold()[:255]


def refusal(name: str, content: bytes) -> str:
    """Return why a file cannot be attached; empty if it can."""
    if not content:
        return _("“%(name)s” is empty.", name=name)
    if len(content) > LARGEST_FILE:
        return _("“%(name)s” is larger than 25 MB.", name=name)
    if is_program(name, content):
        return _(
            "“%(name)s” is a program, which receiving servers refuse. "
            "Offer it for download and send the link.",
            name=name,
        )
    return ""


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


def id_of(text: str) -> uuid.UUID:
    """Return the id that a form or a call names.

    Raises
    ------
    NotFound
        If it is none.
    """
    try:
        return uuid.UUID(text)
    except ValueError as error:
        raise NotFound(_("There is no such upload.")) from error
