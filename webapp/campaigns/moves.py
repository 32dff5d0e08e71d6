"""The one door for a campaign's state: a conditional update that only one caller wins.

Everything that changes a state goes through `move`, so two operators, a worker and the
circuit breaker at the same moment end with one of them winning and the others told.
"""

from collections.abc import Sequence
from typing import Any, NoReturn

import sqlalchemy as sa
from flask import g, has_request_context

from webapp.campaigns.models import Campaign, CampaignEvent, Message, MessageAddress
from webapp.campaigns.states import State, Status, before
from webapp.core import queue
from webapp.core.clock import now
from webapp.core.db import db
from webapp.core.errors import NotFound, Refused
from webapp.core.words import _

# Another worker is woken for each so many rows.
ROWS_OF_A_WORKER = 500
MAX_TICKETS = 8
UNFINISHED = (Status.PENDING, Status.SENDING, Status.DEFERRED)


def move(
    campaign_id: int,
    new: State,
    *guards: Any,
    kind: str,
    words: str = "",
    **values: Any,
) -> bool:
    """Bring a campaign to another state, within the caller's transaction.

    Parameters
    ----------
    guards
        Further conditions on the campaign, besides the table of moves.
    kind, words
        The line of the campaign's own history.
    values
        Columns that change with the state.

    Returns
    -------
    bool
        Whether it moved; false when its state does not allow it (any more).
    """
    won = db.session.execute(
        sa.update(Campaign)
        .where(Campaign.id == campaign_id, Campaign.state.in_(before(new)), *guards)
        .values(state=new, updated_at=now(), **values)
        .execution_options(synchronize_session=False)
    )
    if not won.rowcount:  # type: ignore[attr-defined]  # an UPDATE has one
        return False
    note(campaign_id, kind, words)
    db.session.expire_all()
    return True


def note(campaign_id: int, kind: str, words: str = "") -> None:
    """Add a line to a campaign's own history."""
    actor = actor_name()
    event = CampaignEvent(campaign_id=campaign_id, kind=kind, actor=actor, words=words)
    db.session.add(event)
    db.session.flush()


def actor_name() -> str:
    """Return who acts, as timelines show it; empty for the program itself."""
    who = g.get("actor") if has_request_context() else None
    return who.name if who else ""


def refuse(campaign_id: int) -> NoReturn:
    """Say why a move did not happen.

    Raises
    ------
    NotFound
        If there is no such campaign.
    Refused
        With the state that it is in by now.
    """
    db.session.rollback()
    state = db.session.scalar(
        sa.select(Campaign.state).where(Campaign.id == campaign_id)
    )
    if state is None:
        raise NotFound(_("There is no such campaign."))
    raise Refused(
        _("The campaign is %(state)s, so this is not possible now.", state=state.value)
    )


def has_left(campaign_id: int) -> bool:
    """Whether a message of a campaign is left to be sent."""
    return bool(db.session.scalar(sa.select(_left(campaign_id))))


def _left(campaign_id: int) -> Any:
    return (
        sa.select(Message.id)
        .where(Message.campaign_id == campaign_id, Message.status.in_(UNFINISHED))
        .exists()
    )


def finish_if_done(campaign_id: int) -> bool:
    """Finish a campaign of which no message is left to be sent; owns its commit."""
    left = _left(campaign_id)
    done = move(
        campaign_id,
        State.FINISHED,
        Campaign.state == State.SENDING,
        ~left,
        kind="finished",
        finished_at=now(),
    )
    db.session.commit()
    return done


def unsent(status: Status) -> dict[str, Any]:
    """Return what is written into waiting messages that are not to leave any more.

    One whose own recipient has it already, and which waited for a copy alone, was sent.
    """
    has_it = sa.and_(
        Message.status == Status.DEFERRED,
        sa.select(MessageAddress.id)
        .where(
            MessageAddress.message_id == Message.id,
            MessageAddress.kind == "to",
            MessageAddress.status == Status.SENT,
        )
        .exists(),
    )
    return {
        "status": sa.case((has_it, Status.SENT.value), else_=status.value),
        "sent_at": sa.case((has_it, Message.marked_at), else_=Message.sent_at),
    }


def unsent_addresses(message_ids: Sequence[int], status: Status) -> None:
    """Say the same of their addresses that wait."""
    if message_ids:
        db.session.execute(
            sa.update(MessageAddress)
            .where(
                MessageAddress.message_id.in_(message_ids),
                MessageAddress.status.in_([Status.PENDING, Status.DEFERRED]),
            )
            .values(status=status)
            .execution_options(synchronize_session=False)
        )


def pause_for(campaign_id: int, words: str) -> bool:
    """Pause a campaign for what happened to it (the breaker); owns its commit."""
    done = move(
        campaign_id, State.PAUSED, kind="paused", words=words, pause_reason=words[:500]
    )
    db.session.commit()
    return done


def wake_tickets(campaign_id: int, rows: int) -> int:
    """Wake workers for a campaign whose rows are due; owns its commit.

    A ticket says only that rows of a campaign are due; any number of them is harmless.
    The generation in the id keeps a finished job of the same id from hiding a new one.
    """
    count = max(1, min(MAX_TICKETS, -(-rows // ROWS_OF_A_WORKER)))
    last = db.session.scalar(
        sa.update(Campaign)
        .where(Campaign.id == campaign_id)
        .values(generation=Campaign.generation + count)
        .returning(Campaign.generation)
        .execution_options(synchronize_session=False)
    )
    db.session.commit()
    if last is None:
        return 0
    for generation in range(last - count + 1, last + 1):
        queue.wake(
            "delivery.ticket",
            campaign_id,
            generation,
            lane=queue.Lane.CAMPAIGNS,
            unique=f"ticket-{campaign_id}-{generation}",
        )
    return count
