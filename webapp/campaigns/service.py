"""Campaigns until their launch: made, edited, checked, archived.

What happens after the launch is in `launching` and `steering`.
"""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import selectinload

from webapp.campaigns import moves
from webapp.campaigns.models import Campaign, CampaignEvent
from webapp.campaigns.states import EDITABLE, OVER, State
from webapp.campaigns.timing import TIMING
from webapp.core import queue
from webapp.core.clock import now
from webapp.core.db import db
from webapp.core.errors import Invalid, NotFound, Refused
from webapp.core.words import _
from webapp.message_templates.models import MessageTemplate
from webapp.operators import audit
from webapp.operators.models import Operator
from webapp.recipients.models import RecipientTable
from webapp.senders.models import Sender

CHOICES: Mapping[str, type[Any]] = {
    "recipient_table_id": RecipientTable,
    "message_template_id": MessageTemplate,
    "sender_id": Sender,
}


def get(campaign_id: int) -> Campaign:
    """Return a campaign.

    Raises
    ------
    NotFound
        If there is none with this id.
    """
    campaign = db.session.get(Campaign, campaign_id)
    if campaign is None:
        raise NotFound(_("There is no such campaign."))
    return campaign


def listing(state: str = "", words: str = "") -> "sa.Select[Any]":
    """Return the query of the campaigns, by state and by a word in the name."""
    query = sa.select(Campaign).options(
        selectinload(Campaign.recipient_table), selectinload(Campaign.sender)
    )
    if state == "archived":
        query = query.where(Campaign.archived_at.is_not(None))
    else:
        query = query.where(Campaign.archived_at.is_(None))
        if state in set(State):
            query = query.where(Campaign.state == State(state))
    if words:
        query = query.where(Campaign.name.icontains(words, autoescape=True))
    return query


def create(operator: Operator | None = None, **values: Any) -> Campaign:
    """Make a campaign; all but its name may follow later.

    Raises
    ------
    Invalid
        If a table, message template or sender does not exist.
    """
    _choices_exist(values)
    campaign = Campaign(created_by=operator.id if operator else None, **values)
    db.session.add(campaign)
    db.session.flush()
    audit.record("campaign.created", "campaign", campaign.id, campaign.name)
    db.session.commit()
    return campaign


def edit(campaign_id: int, version: int | None = None, **values: Any) -> Campaign:
    """Change a campaign that is not launched; it has to be checked again.

    Parameters
    ----------
    version
        The version that the editor saw; a newer one is not overwritten.

    Raises
    ------
    Refused
        If it is launched, or somebody saved a newer version.
    """
    campaign = get(campaign_id)
    may_edit(campaign, version)
    _choices_exist(values)
    changed = {k: v for k, v in values.items() if getattr(campaign, k) != v}
    if not changed:
        return campaign
    if "recipient_table_id" in changed:
        changed["left_out"] = []
    seen = campaign.version
    back_to_draft(campaign_id, seen, "edited", **changed, check_result={})
    audit.record(
        "campaign.changed",
        "campaign",
        campaign_id,
        campaign.name,
        fields=sorted(changed),
    )
    db.session.commit()
    return get(campaign_id)


def may_edit(campaign: Campaign, version: int | None = None) -> None:
    """Refuse an edit of what is launched, or of an older version than is there.

    Raises
    ------
    Refused
        With the reason.
    """
    if campaign.state not in EDITABLE:
        moves.refuse(campaign.id)
    if version is not None and version != campaign.version:
        raise Refused(
            _(
                "Somebody saved a newer version of this campaign. "
                "Load it again, then change it."
            )
        )


def back_to_draft(campaign_id: int, seen: int, kind: str, **values: Any) -> None:
    """Write changes and begin again as a draft, unless somebody else was faster.

    Raises
    ------
    Refused
        If somebody was.
    """
    won = db.session.execute(
        sa.update(Campaign)
        .where(
            Campaign.id == campaign_id,
            Campaign.version == seen,
            Campaign.state.in_(EDITABLE),
        )
        .values(
            state=State.DRAFT, version=Campaign.version + 1, updated_at=now(), **values
        )
        .execution_options(synchronize_session=False)
    )
    if not won.rowcount:  # type: ignore[attr-defined]  # an UPDATE has one
        moves.refuse(campaign_id)
    moves.note(campaign_id, kind)
    db.session.expire_all()


def _choices_exist(values: Mapping[str, Any]) -> None:
    words = _("This does not exist any more.")
    wrong = {
        name: [words]
        for name, model in CHOICES.items()
        if values.get(name) is not None and not _is_there(model, values[name])
    }
    if wrong:
        raise Invalid(_("Some values need your attention."), wrong)
    if values.get("filter"):
        words = _("Filters are not available yet; leave this empty.")
        raise Invalid(_("Some values need your attention."), {"filter": [words]})


def _is_there(model: type[Any], number: int) -> bool:
    """Whether it exists; a deleted recipient table is only kept to be put back."""
    found = db.session.get(model, number)
    return found is not None and getattr(found, "deleted_at", None) is None


def delete(campaign_id: int) -> None:
    """Delete a campaign that was never launched.

    Raises
    ------
    Refused
        If it was launched: then it can be archived.
    """
    campaign = get(campaign_id)
    if campaign.state not in EDITABLE or campaign.launched_at:
        raise Refused(_("It was launched, so it is kept. You can archive it."))
    audit.record("campaign.deleted", "campaign", campaign_id, campaign.name)
    db.session.delete(campaign)
    db.session.commit()


def archive(campaign_id: int, *, undo: bool = False) -> None:
    """Take a campaign off the list, or put it back.

    Raises
    ------
    Refused
        If it is still on its way.
    """
    campaign = get(campaign_id)
    if not undo and campaign.state not in EDITABLE | OVER:
        raise Refused(_("It is still on its way. Cancel it first, or let it finish."))
    campaign.archived_at = None if undo else now()
    action = "campaign.unarchived" if undo else "campaign.archived"
    audit.record(action, "campaign", campaign_id, campaign.name)
    db.session.commit()


def duplicate(campaign_id: int, operator: Operator | None = None) -> Campaign:
    """Make a new draft from a campaign."""
    old = get(campaign_id)
    kept = (*CHOICES, "cc", "bcc", "reply_to", "headers", "attachments", "base_url")
    kept = (*kept, "attachment_column")
    values = {name: getattr(old, name) for name in (*kept, "protection", *TIMING)}
    values["scheduled_at"] = ""
    return create(operator, name=_("Copy of %(name)s", name=old.name)[:200], **values)


def check(campaign_id: int) -> Campaign:
    """Begin to check a campaign; a job does it, as soon as the queue has a worker.

    Raises
    ------
    Refused
        If it is launched already.
    """
    campaign = get(campaign_id)
    if campaign.state != State.CHECKING:
        moved = moves.move(
            campaign_id,
            State.CHECKING,
            Campaign.state.in_((State.DRAFT, State.READY)),
            kind="checking",
            check_done=0,
            check_result={},
        )
        if not moved:
            moves.refuse(campaign_id)
        audit.record("campaign.checked", "campaign", campaign_id)
    db.session.commit()
    queue.wake("campaigns.check", campaign_id, lane=queue.Lane.CHECKS)
    return get(campaign_id)


def choices() -> dict[str, Any]:
    """Return what a campaign can be made of, by name."""
    tables = sa.select(RecipientTable).where(RecipientTable.deleted_at.is_(None))
    templates = sa.select(MessageTemplate).where(MessageTemplate.archived_at.is_(None))
    senders = sa.select(Sender).where(Sender.archived_at.is_(None))
    return {
        "tables": db.session.scalars(tables.order_by(RecipientTable.name)).all(),
        "templates": db.session.scalars(templates.order_by(MessageTemplate.name)).all(),
        "senders": db.session.scalars(senders.order_by(Sender.name)).all(),
    }


def was_tested(campaign: Campaign) -> bool:
    """Whether a test was sent since the campaign was last changed."""
    last = sa.select(sa.func.max(CampaignEvent.id)).where(
        CampaignEvent.campaign_id == campaign.id
    )
    tested = db.session.scalar(last.where(CampaignEvent.kind == "tested"))
    edited = db.session.scalar(last.where(CampaignEvent.kind == "edited"))
    return tested is not None and tested > (edited or 0)


def example_campaign(operator: Operator | None = None) -> Campaign:
    """Return the campaign of the example kit, made once and checked.

    Raises
    ------
    NotFound
        If the example table, message template or sender is not there.
    """
    campaign = db.session.scalar(
        sa.select(Campaign)
        .where(Campaign.is_example, Campaign.archived_at.is_(None))
        .order_by(Campaign.id.desc())
    )
    if campaign is None:
        kit = {
            name: db.session.scalar(
                sa.select(model.id).where(model.is_example).limit(1)
            )
            for name, model in CHOICES.items()
        }
        if not all(kit.values()):
            raise NotFound(_("The example is not here any more."))
        campaign = create(operator, name=_("Welcome (example)"), is_example=True, **kit)
    if campaign.state == State.DRAFT and not campaign.check_result:
        campaign = check(campaign.id)
    return campaign
