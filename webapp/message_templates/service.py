"""What a person does with message templates: write, save, restore, archive, delete.

Each save makes a new version; a campaign is frozen on one of them at its launch.
"""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import selectinload

from webapp.core.clock import now
from webapp.core.db import db
from webapp.core.errors import Invalid, NotFound, Refused
from webapp.core.words import _
from webapp.message_templates.findings import Fix
from webapp.message_templates.models import (
    Format,
    MessageTemplate,
    MessageTemplateVersion,
)
from webapp.message_templates.source import DEFAULT_LANGUAGE, Source
from webapp.operators import audit
from webapp.operators.models import Operator

KIND = "message_template"
# Campaigns come later in the pipeline; only how many there are matters here.
_CAMPAIGN = sa.table("campaign", sa.column("message_template_id", sa.Integer))
BODY = ("format", "language", "subject", "preview_text", "html", "text")
KEPT = (*BODY, "attachments")


def get(message_template_id: int) -> MessageTemplate:
    """Return a message template.

    Raises
    ------
    NotFound
        If there is none.
    """
    found = db.session.get(MessageTemplate, message_template_id)
    if found is None:
        raise NotFound(_("This message template does not exist."))
    return found


def newest(template: MessageTemplate) -> MessageTemplateVersion:
    """Return the version that is shown and sent."""
    return template.versions[0]


def version_of(template: MessageTemplate, number: int) -> MessageTemplateVersion:
    """Return one version.

    Raises
    ------
    NotFound
        If there is none.
    """
    for version in template.versions:
        if version.number == number:
            return version
    raise NotFound(_("This version does not exist."))


def source_of(version: MessageTemplateVersion) -> Source:
    """Return what a version says, as rendering takes it.

    Examples
    --------
    >>> version = MessageTemplateVersion(format=Format.TEXT, subject="S", text="a")
    >>> source_of(version) == Source("text", "S", "a")
    True
    """
    return Source(
        version.format.value,
        version.subject or "",
        version.text or "",
        version.html or "",
        version.preview_text or "",
        version.language or DEFAULT_LANGUAGE,
    )


def listing(search: str = "", *, archived: bool = False) -> "sa.Select[Any]":
    """Return the query of the list."""
    at = MessageTemplate.archived_at
    query = (
        sa.select(MessageTemplate)
        .options(selectinload(MessageTemplate.versions))
        .where(at.is_not(None) if archived else at.is_(None))
    )
    if search:
        query = query.where(MessageTemplate.name.icontains(search, autoescape=True))
    return query


def create(name: str, by: int | None = None, **body: Any) -> MessageTemplate:
    """Write a new message template.

    Raises
    ------
    Invalid
        If another has this name.
    """
    template = MessageTemplate(name=name.strip())
    _add_version(template, body, 1, by)
    db.session.add(template)
    _flush_or_name_taken()
    audit.record(f"{KIND}.created", KIND, template.id, template.name)
    db.session.commit()
    return template


def edit(
    message_template_id: int,
    values: Mapping[str, Any],
    version: int | None = None,
    by: int | None = None,
) -> MessageTemplate:
    """Save changes as a new version.

    Parameters
    ----------
    values
        ``name`` and the fields of `KEPT`; what is left out stays.
    version
        The version that the changes were made on; ``None`` overwrites any.

    Raises
    ------
    Refused
        If somebody saved a newer version in between.
    Invalid
        If another message template has this name.
    """
    template = get(message_template_id)
    _expect(template, version)
    kept = newest(template)
    body = {name: values.get(name, getattr(kept, name)) for name in KEPT}
    template.name = str(values.get("name", template.name)).strip()
    if any(body[name] != getattr(kept, name) for name in KEPT):
        _claim(template)
        _add_version(template, body, template.version, by)
    _flush_or_name_taken()
    audit.record(
        f"{KIND}.saved", KIND, template.id, template.name, version=template.version
    )
    db.session.commit()
    return template


def apply_fix(
    message_template_id: int, fix: Fix, version: int, by: int | None = None
) -> MessageTemplate:
    """Make the change that a finding offers.

    Raises
    ------
    Refused
        If the source is no longer what the finding was about.
    """
    source = source_of(newest(get(message_template_id)))
    mended = fix.applied(source)
    if mended is None:
        raise Refused(_("The text has changed since; nothing was mended."))
    values = {name: getattr(mended, name) for name in BODY if name != "format"}
    return edit(message_template_id, values, version, by)


def restore(
    message_template_id: int, number: int, by: int | None = None
) -> MessageTemplate:
    """Make an older version the newest again."""
    old = version_of(get(message_template_id), number)
    return edit(message_template_id, {name: getattr(old, name) for name in KEPT}, by=by)


def duplicate(message_template_id: int, by: int | None = None) -> MessageTemplate:
    """Make a copy with a name of its own."""
    template = get(message_template_id)
    old = newest(template)
    names = set(db.session.scalars(sa.select(MessageTemplate.name)))
    copies = (
        _("%(name)s (copy)", name=template.name[:180]) + (f" {n}" if n else "")
        for n in range(len(names) + 1)
    )
    name = next(copy for copy in copies if copy not in names)
    return create(name, by, **{field: getattr(old, field) for field in KEPT})


def archive(message_template_id: int, *, archived: bool = True) -> MessageTemplate:
    """Take a message template out of the lists, or bring it back."""
    template = get(message_template_id)
    template.archived_at = now() if archived else None
    action = "archived" if archived else "brought_back"
    audit.record(f"{KIND}.{action}", KIND, template.id, template.name)
    db.session.commit()
    return template


def delete(message_template_id: int) -> None:
    """Delete a message template and its versions, for good.

    Raises
    ------
    Refused
        If a campaign uses it.
    """
    template = get(message_template_id)
    audit.record(f"{KIND}.deleted", KIND, template.id, template.name)
    db.session.delete(template)
    try:
        db.session.commit()
    except IntegrityError as error:
        db.session.rollback()
        words = _("A campaign uses this message template. You can archive it instead.")
        raise Refused(words) from error


def count_archived() -> int:
    """Return how many message templates are archived."""
    archived = MessageTemplate.archived_at.is_not(None)
    return db.session.scalar(sa.select(sa.func.count()).where(archived)) or 0


def campaigns_by_template() -> dict[int, int]:
    """Return message template id to the number of campaigns that use it."""
    rows = db.session.execute(
        sa.select(_CAMPAIGN.c.message_template_id, sa.func.count())
        .where(_CAMPAIGN.c.message_template_id.is_not(None))
        .group_by(_CAMPAIGN.c.message_template_id)
    )
    return {int(found): int(count) for found, count in rows}


def writers(template: MessageTemplate) -> dict[int, str]:
    """Return operator id to name, of those who wrote the versions."""
    ids = {version.created_by for version in template.versions} - {None}
    query = sa.select(Operator.id, Operator.name).where(Operator.id.in_(ids))
    return {row.id: row.name for row in db.session.execute(query)}


def _expect(template: MessageTemplate, version: int | None) -> None:
    if version is None or version == template.version:
        return
    words = _(
        "Somebody saved a newer version (%(newer)s) while you worked on %(yours)s.",
        newer=template.version,
        yours=version,
    )
    raise Refused(words)


def _claim(template: MessageTemplate) -> None:
    """Take the next version number, unless somebody else took it a moment ago."""
    taken = template.version
    won = db.session.execute(
        sa.update(MessageTemplate)
        .where(MessageTemplate.id == template.id, MessageTemplate.version == taken)
        .values(version=taken + 1)
    )
    if not getattr(won, "rowcount", 0):
        db.session.rollback()
        raise Refused(_("Somebody saved a newer version at the same moment."))
    db.session.refresh(template, ["version"])


def _add_version(
    template: MessageTemplate, body: Mapping[str, Any], number: int, by: int | None
) -> None:
    fields = {name: body.get(name) or "" for name in BODY if name != "format"}
    fields["language"] = fields["language"] or DEFAULT_LANGUAGE
    version = MessageTemplateVersion(
        number=number,
        format=Format(body.get("format") or Format.MARKDOWN),
        created_by=by,
        attachments=list(body.get("attachments") or []),
        **fields,
    )
    template.versions.insert(0, version)


def _flush_or_name_taken() -> None:
    try:
        db.session.flush()
    except IntegrityError as error:
        db.session.rollback()
        words = _("Another message template has this name.")
        raise Invalid(words, {"name": [words]}) from error
