"""The launch: freeze a checked campaign, hold it for a moment, write its messages.

It can be cut anywhere: `message_rows` says how. Messages leave only when all rows are
there, for marking asks for a campaign that is *sending*.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DataError, IntegrityError, ProgrammingError

from webapp.campaigns import message_rows, moves, timing
from webapp.campaigns.audience import Repeated
from webapp.campaigns.checking import changed_since
from webapp.campaigns.letters import snapshot_of
from webapp.campaigns.message_rows import MESSAGE, WRITING, Turn
from webapp.campaigns.models import Campaign
from webapp.campaigns.states import State
from webapp.core import queue
from webapp.core.clock import now
from webapp.core.db import db, gather_statistics
from webapp.core.errors import Refused
from webapp.core.presentation import figure
from webapp.core.words import _
from webapp.operators import audit

log = logging.getLogger(__name__)

BATCH = 3000  # rows; the tenth of a second for which a launch holds up other writers
MANY = 10_000  # rows; the planner should know of so many before they are sent
MOST_TRIES = 14  # in a row without a row written; each with half as many rows
LONGEST_PAUSE = 1.0
DEFAULT_HOLD = 15
LONGEST_HOLD = 120
STALLED = timedelta(seconds=20)
CHECK_STALLED = timedelta(seconds=60)
# What another try at the same rows gives again; all else may be over in a moment.
REFUSALS = (DataError, IntegrityError, ProgrammingError)


def launch(
    campaign_id: int,
    expected_recipients: int,
    hold_seconds: int = DEFAULT_HOLD,
    given: Mapping[str, Any] | None = None,
) -> Campaign:
    """Freeze a checked campaign, and begin its hold time or wait for its time.

    Parameters
    ----------
    expected_recipients
        How many people the operator expects to write to.
    given
        What `timing.TIMING` names, where it is not as the campaign has it.

    Raises
    ------
    Refused
        If the check does not hold any more, or counts another number of recipients.
    Invalid
        If its time is over or too far ahead, or its send windows never open.
    """
    campaign = db.session.get(Campaign, campaign_id)
    if campaign is None or campaign.state != State.READY:
        moves.refuse(campaign_id)
    _ready_for(campaign, expected_recipients)
    assert campaign.recipient_table is not None
    assert campaign.message_template is not None
    assert campaign.sender is not None
    at = now()
    chosen = timing.chosen(campaign, given or {}, timing.database_time())
    scheduled = chosen["scheduled_at"]
    moved = moves.move(
        campaign_id,
        State.SCHEDULED if scheduled else State.HOLDING,
        Campaign.version == campaign.version,
        kind="scheduled" if scheduled else "launched",
        words=_("%(n)s recipients", n=figure(expected_recipients)),
        message_template_version_id=campaign.message_template.versions[0].id,
        sender_snapshot=snapshot_of(campaign.sender),
        table_version=campaign.recipient_table.rows_version,
        total=campaign.check_result["rows"],
        launched_at=at,
        launched_by=moves.actor_name(),
        hold_seconds=hold_seconds,
        hold_until=None if scheduled else at + timedelta(seconds=hold_seconds),
        asks_since=None,
        pause_reason="",
        stop_reason="",
        **chosen,
    )
    if not moved:
        moves.refuse(campaign_id)
    audit.record(
        "campaign.scheduled" if scheduled else "campaign.launched",
        "campaign",
        campaign_id,
        campaign.name,
        recipients=expected_recipients,
        at=f"{scheduled} {chosen['time_zone']}" if scheduled else "",
    )
    db.session.commit()
    if scheduled:
        wake(campaign_id)
    elif hold_seconds == 0:
        begin(campaign_id)
    return db.session.get_one(Campaign, campaign_id)


def _ready_for(campaign: Campaign, expected: int) -> None:
    changed = changed_since(campaign)
    if changed:
        raise Refused(
            _(
                "Changed since the check: %(what)s. Check again, then launch.",
                what=", ".join(changed),
            )
        )
    counted = campaign.check_result["recipients"]
    if counted != expected:
        raise Refused(
            _(
                "You confirmed %(expected)s recipients, but it would go to "
                "%(counted)s. Look at the check again.",
                expected=figure(expected),
                counted=figure(counted),
            )
        )


def stop(campaign_id: int) -> None:
    """Take a launch back in its hold time; nothing has left.

    One that was scheduled keeps its frozen recipients, and asks what to do.

    Raises
    ------
    Refused
        If the hold time is over.
    """
    if not _take_back(campaign_id, _("It was stopped in its hold time.")):
        moves.refuse(campaign_id)
    audit.record("campaign.stopped", "campaign", campaign_id)
    db.session.commit()


def _take_back(campaign_id: int, words: str) -> bool:
    """End a hold time without a launch, within the caller's transaction."""
    holding = Campaign.state == State.HOLDING
    said: dict[str, Any] = {"kind": "stopped", "words": words, "stop_reason": words}
    return moves.move(
        campaign_id,
        State.READY,
        holding,
        Campaign.scheduled_at == "",
        launched_at=None,
        hold_until=None,
        **said,
    ) or moves.move(
        campaign_id,
        State.SCHEDULED,
        holding,
        asks_since=now(),
        hold_until=None,
        **said,
    )


def begin(campaign_id: int) -> bool:
    """End the hold time and start writing messages; owns its commit.

    What was changed during the hold time takes the campaign back to *ready*; that of a
    scheduled one was frozen before, and changes nothing. So does a hold time that ended
    long ago, when nothing ran: nobody expects it to start by now.
    """
    campaign = db.session.get_one(Campaign, campaign_id)
    changed = [] if campaign.scheduled_at else changed_since(campaign)
    words = ""
    if changed:
        words = _("Changed in the hold time: %(what)s.", what=", ".join(changed))
    elif _is_too_late(campaign):
        words = _("It was to start after its hold time, and nothing ran then.")
    if words:
        _take_back(campaign_id, words)
        db.session.commit()
        return False
    begun = moves.move(
        campaign_id,
        State.LAUNCHING,
        Campaign.state == State.HOLDING,
        kind="preparing",
    )
    db.session.commit()
    if begun:
        wake(campaign_id)
    return begun


def _is_too_late(campaign: Campaign) -> bool:
    late = timedelta(minutes=campaign.late_minutes)
    held = campaign.hold_until
    return held is not None and now() > held + late


def wake(campaign_id: int) -> None:
    """Wake a worker to write the messages of a campaign."""
    span = int(now().timestamp() // STALLED.total_seconds())
    queue.wake("campaigns.launch", campaign_id, unique=f"launch-{campaign_id}-{span}")


def launch_due() -> int:
    """Begin what is due, and go on with what was cut off; safe to run twice at once.

    Returns
    -------
    int
        How many campaigns were woken.
    """
    at = now()
    due = _ids(Campaign.state == State.HOLDING, Campaign.hold_until <= at)
    for campaign_id in due:
        begin(campaign_id)
    cut = _ids(
        Campaign.state.in_(WRITING),
        sa.or_(
            Campaign.state == State.LAUNCHING,
            sa.and_(Campaign.prepared_at.is_(None), Campaign.asks_since.is_(None)),
        ),
        Campaign.updated_at < at - STALLED,
    )
    for campaign_id in cut:
        wake(campaign_id)
    silent = _ids(
        Campaign.state == State.CHECKING, Campaign.updated_at < at - CHECK_STALLED
    )
    for campaign_id in silent:
        span = int(at.timestamp() // CHECK_STALLED.total_seconds())
        unique = f"check-{campaign_id}-{span}"
        lane = queue.Lane.CHECKS
        queue.wake("campaigns.check", campaign_id, lane=lane, unique=unique)
    return len(due) + len(cut) + len(silent)


def _ids(*conditions: Any) -> Sequence[int]:
    found = db.session.scalars(sa.select(Campaign.id).where(*conditions)).all()
    db.session.rollback()
    return found


def run(campaign_id: int) -> None:
    """Write the messages of a campaign, then let it send if its time has come.

    Where nothing gets written so often in a row, it waits for somebody to decide. As
    each of these tries has fewer rows, they end at the one that is in the way.
    """
    repeated, tries, why = Repeated(), 0, ""
    while tries < MOST_TRIES:
        size = max(1, BATCH >> tries)
        try:
            turn = message_rows.write_batch(campaign_id, size, repeated)
        except REFUSALS as error:
            db.session.rollback()
            turn, why = Turn.CHANGED, type(error).__name__
        else:
            why = ""
        if turn is Turn.COMPLETE:
            _complete(campaign_id)
        if turn in {Turn.COMPLETE, Turn.NOT_OURS}:
            return
        tries = tries + 1 if turn is Turn.CHANGED else 0
        if tries:
            time.sleep(min(LONGEST_PAUSE, 0.01 * 2**tries))
    _give_up(campaign_id, why)


def _give_up(campaign_id: int, why: str) -> None:
    """Let a campaign whose rows cannot be written wait, and say why.

    Resuming it goes on behind the last row; a scheduled one asks instead.
    """
    row = message_rows.written(campaign_id) + 1
    db.session.rollback()
    words = (
        _(
            "The database refused the message of row %(row)s (%(why)s). Look at that "
            "row of the recipient table, then go on.",
            row=figure(row),
            why=why,
        )
        if why
        else _(
            "Row %(row)s of the recipient table was changed each time its message was "
            "to be written. Go on when nobody changes it any more.",
            row=figure(row),
        )
    )
    log.warning("the launch of campaign %d cannot go on: %s", campaign_id, why or words)
    if moves.pause_for(campaign_id, words):
        return
    asked = db.session.execute(
        sa.update(Campaign)
        .where(Campaign.id == campaign_id, Campaign.state == State.SCHEDULED)
        .values(asks_since=now(), stop_reason=words)
        .execution_options(synchronize_session=False)
    )
    if asked.rowcount:  # type: ignore[attr-defined]  # an UPDATE has one
        moves.note(campaign_id, "stopped", words)
    db.session.commit()


def _complete(campaign_id: int) -> None:
    """Let a campaign send whose rows are all there; a scheduled one waits on."""
    rows = message_rows.written(campaign_id)
    db.session.rollback()
    if rows >= MANY:
        gather_statistics(MESSAGE.name)
    db.session.execute(
        sa.update(Campaign)
        .where(Campaign.id == campaign_id, Campaign.state == State.SCHEDULED)
        .values(prepared_at=now(), total=rows)
        .execution_options(synchronize_session=False)
    )
    moved = moves.move(
        campaign_id,
        State.SENDING,
        Campaign.state == State.LAUNCHING,
        kind="sending",
        prepared_at=now(),
        total=rows,
    )
    db.session.commit()
    if moved and not moves.finish_if_done(campaign_id):
        moves.wake_tickets(campaign_id, rows)
