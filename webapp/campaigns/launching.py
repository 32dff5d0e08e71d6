"""The launch: one message row per recipient, written so that it can be cut anywhere.

Each short transaction first moves `Campaign.launched_through` from the value it read to
the last id of its batch. Only one launcher can do that, so a second one stops, and one
that was killed is continued from there: no recipient twice, none left out. Messages
leave only when all rows are there, for marking asks for a campaign that is *sending*.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

import sqlalchemy as sa

from webapp.campaigns import moves, own_files, timing
from webapp.campaigns.audience import Person, audience_of, batches
from webapp.campaigns.checking import changed_since
from webapp.campaigns.letters import message_id_of, snapshot_of, token_key
from webapp.campaigns.models import Campaign, Message
from webapp.campaigns.own_files import NOTHING_OWN, Own
from webapp.campaigns.states import State, Status
from webapp.core import queue
from webapp.core.clock import now
from webapp.core.db import db, db_now, gather_statistics, reading
from webapp.core.errors import Refused
from webapp.core.ids import uuid7
from webapp.core.presentation import figure
from webapp.core.words import _
from webapp.operators import audit
from webapp.recipients.models import Recipient
from webapp.senders.models import TransportKind

MESSAGE = cast(sa.Table, Message.__table__)
RECIPIENT = cast(sa.Table, Recipient.__table__)
BATCH = 3000  # rows; the tenth of a second for which a launch holds up other writers
MANY = 10_000  # rows; the planner should know of so many before they are sent
DEFAULT_HOLD = 15
LONGEST_HOLD = 120
STALLED = timedelta(seconds=20)
CHECK_STALLED = timedelta(seconds=60)
# The audience of a scheduled campaign is frozen when somebody schedules it.
WRITING = (State.LAUNCHING, State.SCHEDULED)


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
        sa.or_(Campaign.state == State.LAUNCHING, Campaign.prepared_at.is_(None)),
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
    """Write the messages of a campaign, then let it send if its time has come."""
    while _write_batch(campaign_id):
        pass


@dataclass(frozen=True, slots=True)
class _Batch:
    """The next rows to write: those after a recipient, up to another one."""

    after: int
    through: int
    written: int
    count: int
    same: dict[str, Any]
    rows: str


def _write_batch(campaign_id: int) -> bool:
    """Write the next rows in one transaction; false when there is nothing to do.

    They are read and made before it, so that others write meanwhile: half of the time
    of a launch belongs to whoever sends.
    """
    with reading():
        batch = _read(campaign_id)
        db.session.rollback()
    if batch is None:
        return False
    if batch.through == batch.after:
        _complete(campaign_id, batch.written)
        return False
    if not _take(campaign_id, batch.after, batch.through):
        db.session.rollback()
        return False
    if _insert(batch):
        db.session.commit()
    else:
        db.session.rollback()  # and the next turn reads them anew
    return True


def _read(campaign_id: int) -> _Batch | None:
    """Return the next rows; none where the campaign is not to be written (any more)."""
    campaign = db.session.get(Campaign, campaign_id)
    if campaign is None or campaign.state not in WRITING:
        return None
    table, after = campaign.recipient_table, campaign.launched_through
    assert table is not None
    written = db.session.scalar(
        sa.select(Message.row_number).where(
            Message.campaign_id == campaign_id, Message.recipient_id == after
        )
    )
    audience = audience_of(campaign, table)
    people = next(batches(audience, after, written or 0, BATCH), [])
    through = people[-1].id if people else after
    owns = own_files.of_people(campaign, people)
    rows = _rows_of(people, owns, campaign.sender_snapshot["from_address"])
    same = _same_of(campaign)
    return _Batch(after, through, written or 0, len(people), same, rows)


def _take(campaign_id: int, through: int, last: int) -> bool:
    taken = db.session.execute(
        sa.update(Campaign)
        .where(
            Campaign.id == campaign_id,
            Campaign.state.in_(WRITING),
            Campaign.launched_through == through,
        )
        .values(launched_through=last, updated_at=now())
        .execution_options(synchronize_session=False)
    )
    return bool(taken.rowcount)  # type: ignore[attr-defined]  # an UPDATE has one


# What is said of each row, in this order; what is left out at its end, or null, is as
# most rows have it.
OWN = (
    "public_id",
    "recipient_id",
    "recipient_version",
    "row_number",
    "name",
    "message_id_header",
    "status",
    "reason_class",
    "reason",
    "attachments",
    "address",
    "row_values",
)


def _rows_of(
    people: Sequence[Person], owns: Mapping[int, Own], from_address: str
) -> str:
    """Return the rows of a batch as JSON: a list of lists in the order of `OWN`.

    A row whose own files are gone since the check fails at once.
    """
    key, rows = token_key(), []
    for person in people:
        public_id = uuid7()
        row = [
            public_id.hex,
            person.id,
            person.version,
            person.row,
            person.name,
            message_id_of(key, public_id, from_address),
        ]
        own = owns.get(person.id, NOTHING_OWN)
        if person.skip or own is not NOTHING_OWN or not person.is_as_stored:
            row += _rest_of(person, own)
        rows.append(row)
    return json.dumps(rows)


def _rest_of(person: Person, own: Own) -> list[Any]:
    """Return what a row has that others have not, in the order of `OWN`."""
    failed = "" if person.skip else own.words
    status = Status.SKIPPED if person.skip else Status.FAILED if failed else None
    copied = [None, None]
    return [
        status,
        "content" if failed else str(person.skip or ""),
        (failed or person.words)[:500],
        list(own.files) or None,
        *(copied if person.is_as_stored else [person.address, person.values]),
    ]


def _same_of(campaign: Campaign) -> dict[str, Any]:
    """Return what all rows of a batch have in common."""
    at = db.session.scalar(sa.select(db_now())) or now()
    return {
        "campaign_id": campaign.id,
        "sender_id": campaign.sender_id,
        "is_dry_run": campaign.sender_snapshot["kind"] == TransportKind.DRY_RUN,
        "reply": "",
        "tries": 0,
        "mime_sha256": "",
        "due_at": at,
        "created_at": at,
        "updated_at": at,
    }


def _insert(batch: _Batch) -> bool:
    """Insert the rows of a batch in one statement, which takes them apart itself.

    With values bound one by one, binding them took longer than writing the rows; and on
    PostgreSQL the tallies are changed once for all of them. What can be is copied from
    the recipients; false when one of them has changed since it was read.
    """
    connection = db.session.connection()
    is_sqlite = connection.dialect.name == "sqlite"
    split = sa.func.json_each if is_sqlite else sa.func.json_array_elements
    rows = sa.literal(batch.rows)
    row = split(rows if is_sqlite else sa.cast(rows, sa.JSON)).table_valued("value")

    def cell(name: str) -> Any:
        place = OWN.index(name)
        if is_sqlite:
            return sa.func.json_extract(row.c.value, f"$[{place}]")
        return sa.cast(row.c.value.op("->>")(place), MESSAGE.c[name].type)

    usual = {
        "status": sa.literal_column("'pending'"),
        "reason_class": sa.literal_column("''"),
        "reason": sa.literal_column("''"),
        "address": RECIPIENT.c.address,
        "row_values": RECIPIENT.c.row_values,
    }
    values = {
        **{
            name: sa.literal(value, MESSAGE.c[name].type)
            for name, value in batch.same.items()
        },
        **{
            name: sa.func.coalesce(cell(name), usual[name])
            if name in usual
            else cell(name)
            for name in OWN
        },
        "address_key": RECIPIENT.c.address_key,
    }
    chosen = (
        sa.select(*values.values())
        .select_from(row)
        .join(RECIPIENT, RECIPIENT.c.id == cell("recipient_id"))
        .where(RECIPIENT.c.version == cell("recipient_version"))
    )
    if not is_sqlite:  # which joins in the order of the first
        chosen = chosen.order_by(cell("row_number"))
    insert = sa.insert(MESSAGE).from_select([*values], chosen, include_defaults=False)
    counted = insert.execution_options(preserve_rowcount=True)
    return connection.execute(counted).rowcount == batch.count


def _complete(campaign_id: int, rows: int) -> None:
    """Let a campaign send whose rows are all there; a scheduled one waits on."""
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
