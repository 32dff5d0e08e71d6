"""Circuit breakers: an unwell sender is left alone, a failing campaign pauses.

A sender whose server cannot be reached is not asked for 5 s, then 10, 20, … up to five
minutes; then one message goes ahead. A campaign pauses itself when the sender will not
have us at all, when ten messages in a row fail because of the sender, when more than
30 % of the first 50 fail, or more than 5 % of the first 200 fail for good.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import sqlalchemy as sa

from webapp.campaigns import moves
from webapp.campaigns.models import Campaign, Message
from webapp.campaigns.states import Status
from webapp.core.db import db, db_now
from webapp.delivery.liveness import database_time
from webapp.delivery.outcomes import Verdict
from webapp.senders.choosing import closed_breaker
from webapp.senders.models import Sender
from webapp.senders.replies import FailureClass

OPEN_SECONDS = (5, 10, 20, 40, 80, 160, 300)
REFUSED_SECONDS = 300
IN_A_ROW = 10
# Of the first so many, at most this share may fail.
SHARES = ((50, 0.30), (200, 0.05))

WORDS_IN_A_ROW = "Ten messages in a row failed because of the sender: {words}"
WORDS_SHARE = (
    "{failed} of the first {final} messages failed. Look at the reasons first."
)


def trip(sender_id: int, words: str, *, seconds: int | None = None) -> None:
    """Leave a sender alone for a while; owns its commit.

    Several workers find out at the same time; the first one counts.
    """
    failures = db.session.scalar(
        sa.select(Sender.breaker_failures).where(Sender.id == sender_id)
    )
    wait = OPEN_SECONDS[min(failures or 0, len(OPEN_SECONDS) - 1)]
    until = database_time() + timedelta(seconds=seconds or wait)
    db.session.execute(
        sa.update(Sender)
        .where(Sender.id == sender_id, closed_breaker())
        .values(
            breaker_failures=Sender.breaker_failures + 1,
            breaker_until=until,
            breaker_words=words[:500],
            last_error_at=db_now(),
            last_error=words[:500],
            updated_at=Sender.updated_at,
        )
        .execution_options(synchronize_session=False)
    )
    db.session.commit()


def reset(sender_id: int) -> None:
    """Note that a sender works; owns its commit."""
    db.session.execute(
        sa.update(Sender)
        .where(Sender.id == sender_id)
        .values(
            breaker_failures=0,
            breaker_until=None,
            breaker_words="",
            last_ok_at=db_now(),
            updated_at=Sender.updated_at,
        )
        .execution_options(synchronize_session=False)
    )
    db.session.commit()


def note_size(sender_id: int, size: int) -> None:
    """Keep the largest message that a sender's server takes; owns its commit."""
    db.session.execute(
        sa.update(Sender)
        .where(Sender.id == sender_id)
        .values(server_size=size, updated_at=Sender.updated_at)
        .execution_options(synchronize_session=False)
    )
    db.session.commit()


def refused(sender_id: int, campaign_id: int | None, words: str) -> None:
    """Pause the campaign of a sender that will not have us; owns its commit.

    A sender that only stands in is left alone instead: the campaign may go on by
    another one, or by its own.
    """
    own_id = db.session.scalar(
        sa.select(Campaign.sender_id).where(Campaign.id == campaign_id)
    )
    if own_id != sender_id:
        trip(sender_id, words, seconds=REFUSED_SECONDS)
        return
    assert campaign_id is not None
    db.session.execute(
        sa.update(Sender)
        .where(Sender.id == sender_id)
        .values(
            last_error_at=db_now(),
            last_error=words[:500],
            updated_at=Sender.updated_at,
        )
        .execution_options(synchronize_session=False)
    )
    moves.pause_for(campaign_id, words)


@dataclass
class SoFar:
    """What this process has seen of a sender's outcomes.

    Attributes
    ----------
    in_a_row
        Errors of the sender, one after the other.
    final
        Of each campaign in which some failed how many messages had ended when it was
        last looked at, by this ticket.
    """

    in_a_row: int = 0
    final: dict[int, int] = field(default_factory=dict)


def judge(campaign_id: int, verdicts: Sequence[Verdict], so_far: SoFar) -> None:
    """Pause a campaign that fails too much, and note what was seen."""
    for verdict in verdicts:
        is_sender = verdict.reason_class == FailureClass.SENDER.value
        so_far.in_a_row = so_far.in_a_row + 1 if is_sender else 0
        if so_far.in_a_row >= IN_A_ROW:
            so_far.in_a_row = 0
            words = WORDS_IN_A_ROW.format(words=verdict.reply or verdict.reason)
            moves.pause_for(campaign_id, words)
            return
    fresh = [verdict.status for verdict in verdicts if _counts(verdict)]
    # Of a campaign in which nothing has failed here nobody needs to count.
    is_watched = campaign_id in so_far.final or Status.FAILED in fresh
    if fresh and is_watched and so_far.final.get(campaign_id, 0) < SHARES[-1][0]:
        _judge_shares(campaign_id, len(fresh), so_far)


def _counts(verdict: Verdict) -> bool:
    """Whether an outcome is final, and says something about addresses or server."""
    is_final = verdict.status in {Status.SENT, Status.FAILED}
    return is_final and verdict.reason_class != FailureClass.CONTENT.value


def _judge_shares(campaign_id: int, fresh: int, so_far: SoFar) -> None:
    """Pause at the moment in which one of the marks is passed, and never again.

    Another worker may have counted meanwhile what was recorded here, so it is passed
    since the last look, not by the fresh ones alone.
    """
    most = SHARES[-1][0] + fresh
    counts = {
        status: _count(campaign_id, status, most)
        for status in (Status.SENT, Status.FAILED)
    }
    final = sum(counts.values())
    before = so_far.final.get(campaign_id, final - fresh)
    so_far.final[campaign_id] = final
    for first, share in SHARES:
        passes_now = before < first <= final
        if passes_now and counts[Status.FAILED] > share * final:
            words = WORDS_SHARE.format(failed=counts[Status.FAILED], final=final)
            moves.pause_for(campaign_id, words)
            return
    db.session.rollback()


def _count(campaign_id: int, status: Status, most: int) -> int:
    """Count messages of a status, but not far beyond what matters."""
    rows = (
        sa.select(Message.id)
        .where(
            Message.campaign_id == campaign_id,
            Message.status == status,
            Message.reason_class != FailureClass.CONTENT.value,
        )
        .limit(most)
        .subquery()
    )
    return db.session.scalar(sa.select(sa.func.count()).select_from(rows)) or 0
