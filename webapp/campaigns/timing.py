"""When a campaign may send: time, zone and windows, checked and in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from webapp.campaigns import send_windows, wall_time
from webapp.campaigns.models import Campaign
from webapp.campaigns.send_windows import DAYS
from webapp.campaigns.wall_time import Kind
from webapp.core.db import db, db_now
from webapp.core.errors import Invalid
from webapp.core.words import _, _l

LONGEST_AHEAD = timedelta(days=30)
TIMING = ("scheduled_at", "time_zone", "windows", "throttle", "late_minutes")
WEEKDAYS_ALONE = timedelta(days=6)
DAY_WORDS = dict(
    zip(DAYS, ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"), strict=True)
)
IN_A_ROW = 2
WORDS_WALL = _l("Give date and time as 2026-11-23T08:00, without an offset.")


@dataclass(frozen=True, slots=True)
class Moment:
    """What a wall time in a zone means; `remark` says what the clock does to it."""

    instant: datetime
    words: str
    remark: str = ""


def database_time() -> datetime:
    """Return the database's clock: whether a time has come is asked of no other."""
    at: datetime | None = db.session.scalar(sa.select(db_now()))
    assert at is not None
    return at


def moment(scheduled_at: str, time_zone: str) -> Moment:
    """Return what a schedule means.

    Raises
    ------
    Invalid
        If it is no wall time.
    """
    wall, zone = wall_time.wall_of(scheduled_at), ZoneInfo(time_zone)
    if wall is None:
        raise _wrong("scheduled_at", str(WORDS_WALL))
    instant = wall_time.instant_of(wall, zone)
    offset = wall_time.offset_of(instant, zone)
    remarks = {
        Kind.ONCE: "",
        Kind.NEVER: _(
            "The clocks skip %(wall)s that day; it is taken as %(shown)s.",
            wall=f"{wall:%H:%M}",
            shown=f"{instant.astimezone(zone):%H:%M}",
        ),
        Kind.TWICE: _(
            "The clocks show %(wall)s twice that day; the first one counts "
            "(%(offset)s).",
            wall=f"{wall:%H:%M}",
            offset=offset,
        ),
    }
    remark = remarks[wall_time.kind_of(wall, zone)]
    return Moment(instant, f"{at_words(instant, zone)}, {offset}", remark)


def moment_of(campaign: Any) -> Moment | None:
    """Return when a campaign, or a row of it, starts; nothing where it has no time."""
    if not campaign.scheduled_at:
        return None
    return moment(campaign.scheduled_at, campaign.time_zone)


def is_missed(campaign: Any, at: datetime) -> bool:
    """Whether the time of a scheduled campaign is over for longer than it may be."""
    found = moment_of(campaign)
    late = timedelta(minutes=campaign.late_minutes)
    return found is not None and at > found.instant + late


def chosen(
    campaign: Campaign, given: Mapping[str, Any], at: datetime
) -> dict[str, Any]:
    """Return the timing of a launch: what is given, and what the campaign has.

    Raises
    ------
    Invalid
        If its time is over or too far ahead, or its windows never open.
    """
    kept = {name: given.get(name, getattr(campaign, name)) for name in TIMING}
    zone = ZoneInfo(kept["time_zone"])
    if kept["scheduled_at"]:
        instant = moment(kept["scheduled_at"], kept["time_zone"]).instant
        if instant <= at:
            raise _wrong("scheduled_at", _("This time is over."))
        if instant - at > LONGEST_AHEAD:
            raise _wrong("scheduled_at", _("At most 30 days ahead."))
    windows = send_windows.read(kept["windows"])
    if send_windows.next_opening(windows, zone, at) is None:
        raise _wrong("windows", _("These windows never open."))
    return kept


def may_send(listed: Sequence[Mapping[str, Any]], time_zone: str, at: datetime) -> bool:
    """Whether the send windows that a campaign keeps are open at an instant."""
    if not listed:
        return True
    return send_windows.is_open(send_windows.read(listed), ZoneInfo(time_zone), at)


def opens_at(campaign: Campaign, at: datetime) -> datetime | None:
    """Return when the send window opens; nothing while it is open."""
    if may_send(campaign.windows, campaign.time_zone, at):
        return None
    windows, zone = send_windows.read(campaign.windows), ZoneInfo(campaign.time_zone)
    return send_windows.next_opening(windows, zone, at)


def closed_words(campaign: Campaign, at: datetime) -> str:
    """Say that the send window is closed, and until when; empty while it is open."""
    opening = opens_at(campaign, at)
    if opening is None:
        return ""
    zone = ZoneInfo(campaign.time_zone)
    local = opening.astimezone(zone)
    near = opening - at < WEEKDAYS_ALONE
    shown = f"{local:%A %H:%M}" if near else f"{local.day} {local:%B %H:%M}"
    return _(
        "Outside the send window; goes on %(when)s (%(zone)s)",
        when=shown,
        zone=campaign.time_zone,
    )


def at_words(instant: datetime, zone: ZoneInfo) -> str:
    """Return an instant as the clock of a zone has it.

    Examples
    --------
    >>> from datetime import UTC
    >>> at_words(datetime(2026, 11, 23, 7, tzinfo=UTC), ZoneInfo("Europe/Berlin"))
    'Monday 23 November 2026, 08:00 (Europe/Berlin)'
    """
    local = instant.astimezone(zone)
    return f"{local:%A} {local.day} {local:%B %Y, %H:%M} ({zone.key})"


def window_words(listed: Sequence[Mapping[str, Any]]) -> str:
    """Return windows in a line.

    Examples
    --------
    >>> week = {"days": ["mon", "tue", "wed", "sat"], "from": "08:00", "to": "18:00"}
    >>> window_words([week])
    'Mon to Wed, Sat 08:00-18:00'
    """
    return "; ".join(
        f"{_days_words(one['days'])} {one['from']}-{one['to']}" for one in listed
    )


def _days_words(days: Sequence[str]) -> str:
    runs: list[list[str]] = []
    for day in DAYS:
        if day not in days:
            continue
        if runs and DAYS.index(runs[-1][-1]) == DAYS.index(day) - 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    return ", ".join(
        f"{DAY_WORDS[run[0]]} to {DAY_WORDS[run[-1]]}"
        if len(run) > IN_A_ROW
        else ", ".join(DAY_WORDS[day] for day in run)
        for run in runs
    )


def _wrong(field: str, words: str) -> Invalid:
    return Invalid(_("Some values need your attention."), {field: [words]})
