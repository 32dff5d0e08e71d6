"""Files that only one recipient gets, named by a cell of the recipient's row.

A cell names files by the name of a file that was given for this campaign, or any upload
by its id; several with semicolons or lines between. No other file is ever looked at: a
name means nothing in another campaign. What cannot be found, or could mean two files,
is an error of that row, never a message without it.
"""

import re
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from webapp.campaigns.attachments import listed
from webapp.campaigns.audience import Person
from webapp.campaigns.models import Campaign, Upload
from webapp.campaigns.uploads import name_key
from webapp.core.db import db
from webapp.core.file_names import clean_file_name
from webapp.core.words import _

MOST = 10
_BETWEEN = re.compile(r"[;\r\n]+")
_AT_ONCE = 400

Listed = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Own:
    """The files of one recipient, or why they cannot be told."""

    files: tuple[Listed, ...] = ()
    words: str = ""


#: What most recipients have.
NOTHING_OWN = Own()


@dataclass
class _Found:
    """Uploads by what a cell may call them."""

    by_id: dict[uuid.UUID, Upload] = field(default_factory=dict)
    by_name: dict[str, dict[str, Upload]] = field(default_factory=dict)


def names_in(cell: object) -> list[str]:
    r"""Return what a cell names, each once.

    Examples
    --------
    >>> names_in("bill 7.pdf; terms.pdf\nbill 7.pdf"), names_in(None)
    (['bill 7.pdf', 'terms.pdf'], [])
    """
    parts = _BETWEEN.split(str(cell or ""))
    return list(dict.fromkeys(part.strip() for part in parts if part.strip()))


def of_people(campaign: Campaign, people: Sequence[Person]) -> dict[int, Own]:
    """Return the files of each recipient, by row id; nothing where no column is named.

    Reads the database, once for all of them.
    """
    column = campaign.attachment_column
    if not column:
        return {}
    asked = {one.id: names_in(one.values.get(column)) for one in people}
    found = _found(campaign.id, {name for names in asked.values() for name in names})
    return {id_: _own(names, found) for id_, names in asked.items()}


def pool_of(campaign_id: int) -> Sequence[Upload]:
    """Return the files that were given for the recipients of a campaign, by name."""
    query = sa.select(Upload).where(Upload.campaign_id == campaign_id)
    return db.session.scalars(query.order_by(Upload.file_name, Upload.id)).all()


def _own(names: Sequence[str], found: _Found) -> Own:
    if len(names) > MOST:
        return Own(words=_("This row names more than %(n)s files.", n=MOST))
    files: list[Listed] = []
    for name in names:
        known = _id_of(name)
        by_name = found.by_name.get(_key(name), {})
        upload = found.by_id.get(known) if known else next(iter(by_name.values()), None)
        if upload is None:
            return Own(words=_("There is no file “%(name)s”.", name=name[:100]))
        if not known and len(by_name) > 1:
            words = _("Two different files are called “%(name)s”.", name=name[:100])
            return Own(words=words)
        files.append(listed(upload))
    return Own(tuple(files))


def _found(campaign_id: int, names: Iterable[str]) -> _Found:
    found = _Found()
    wanted = sorted(names)
    ids = [known for name in wanted if (known := _id_of(name))]
    for some in _portions(ids):
        query = sa.select(Upload).where(Upload.public_id.in_(some))
        found.by_id.update({one.public_id: one for one in db.session.scalars(query)})
    keys = sorted({_key(name) for name in wanted if not _id_of(name)})
    for some in _portions(keys):
        query = sa.select(Upload).where(
            Upload.campaign_id == campaign_id, Upload.name_key.in_(some)
        )
        for one in db.session.scalars(query.order_by(Upload.id)):
            found.by_name.setdefault(one.name_key, {})[one.sha256] = one
    return found


def _portions(every: Sequence[Any]) -> Iterable[Sequence[Any]]:
    return (every[at : at + _AT_ONCE] for at in range(0, len(every), _AT_ONCE))


def _id_of(name: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(name)
    except ValueError:
        return None


def _key(name: str) -> str:
    return name_key(clean_file_name(name))
