"""Rows that an operator leaves out of a campaign at its check, and takes in again."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import aliased

from webapp.campaigns import moves
from webapp.campaigns.checking import changed_since, is_clean
from webapp.campaigns.models import Campaign
from webapp.campaigns.service import back_to_draft, check, get, may_edit
from webapp.campaigns.states import State
from webapp.core.db import db
from webapp.core.errors import Refused
from webapp.core.words import _
from webapp.operators import audit
from webapp.recipients.models import Recipient

MAX_LEFT_OUT = 50_000


def leave_out(campaign_id: int, recipient_ids: Collection[int]) -> Campaign:
    """Leave rows of the recipient table out of a campaign.

    The result of the check follows at once where they are problems that it found. When
    somebody counted on them, or another row has the same address and takes the place,
    the check runs again.
    """
    campaign = get(campaign_id)
    may_edit(campaign, None)
    out = set(campaign.left_out) | set(recipient_ids)
    if len(out) > MAX_LEFT_OUT:
        raise Refused(_("Too many rows to leave out one by one. Mend the table first."))
    result, seen = dict(campaign.check_result), campaign.version
    problems = {row["recipient_id"] for row in result.get("problem_rows", [])}
    usable = problems.issuperset(recipient_ids) and not changed_since(campaign)
    usable = usable and not _has_twins(campaign, recipient_ids)
    result = _without(result, set(recipient_ids), seen + 1) if usable else {}
    back_to_draft(
        campaign_id, seen, "left_out", left_out=sorted(out), check_result=result
    )
    if is_clean(result):
        moves.move(campaign_id, State.READY, kind="checked")
    audit.record(
        "campaign.rows_left_out", "campaign", campaign_id, rows=len(recipient_ids)
    )
    db.session.commit()
    return get(campaign_id) if usable else check(campaign_id)


def leave_out_problems(campaign_id: int) -> Campaign:
    """Leave out every row that the check shows as a problem."""
    rows = get(campaign_id).check_result.get("problem_rows", [])
    return leave_out(campaign_id, [row["recipient_id"] for row in rows])


def put_back(campaign_id: int, recipient_ids: Collection[int]) -> Campaign:
    """Take rows in again that were left out; the check runs again."""
    campaign = get(campaign_id)
    may_edit(campaign, None)
    out = sorted(set(campaign.left_out) - set(recipient_ids))
    back_to_draft(
        campaign_id, campaign.version, "put_back", left_out=out, check_result={}
    )
    audit.record(
        "campaign.rows_put_back", "campaign", campaign_id, rows=len(recipient_ids)
    )
    db.session.commit()
    return check(campaign_id)


def _has_twins(campaign: Campaign, recipient_ids: Collection[int]) -> bool:
    other = aliased(Recipient)
    twins = (
        sa.select(other.id)
        .join(
            Recipient,
            sa.and_(
                other.recipient_table_id == Recipient.recipient_table_id,
                other.address_key == Recipient.address_key,
                other.id != Recipient.id,
            ),
        )
        .where(
            Recipient.recipient_table_id == campaign.recipient_table_id,
            Recipient.id.in_(recipient_ids),
            Recipient.address_key != "",
        )
    )
    return db.session.scalar(twins.limit(1)) is not None


def _without(
    result: Mapping[str, Any], out: Collection[int], version: int
) -> dict[str, Any]:
    """Return a check's result with some of its problem rows left out."""
    rows: Sequence[dict[str, Any]] = result["problem_rows"]
    gone = [row for row in rows if row["recipient_id"] in out]
    skipped = dict(result["skipped"])
    before = skipped.get("left_out", {"count": 0, "rows": []})
    skipped["left_out"] = {
        "count": before["count"] + len(gone),
        "rows": [*before["rows"], *({**row, "class": "left_out"} for row in gone)],
    }
    return {
        **result,
        "problems": result["problems"] - len(gone),
        "problem_rows": [row for row in rows if row["recipient_id"] not in out],
        "skipped": skipped,
        "fingerprint": {**result["fingerprint"], "campaign": version},
    }
