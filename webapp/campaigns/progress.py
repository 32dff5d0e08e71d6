"""How far a campaign is: from counted rows to the status that pages and the API show.

Pure: `webapp.campaigns.live` counts, this module only calculates.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from webapp.campaigns.reasons import words_of
from webapp.campaigns.states import FINAL, OVER, State, Status
from webapp.core.presentation import duration
from webapp.core.words import _

HALF_LIFE = 30.0
WINDOW = 150
MIN_FINISHED = 10
MIN_SECONDS = 5.0
BINDING = 0.9
MINUTE = 60.0
HOUR = 3600.0
HOURS_OF_DAY = 24
BEFORE_ROWS = frozenset({State.SCHEDULED, State.HOLDING, State.LAUNCHING, State.PAUSED})


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit on the rate, with the words that name it."""

    words: str
    per_minute: float


@dataclass(frozen=True, slots=True)
class Held:
    """What holds messages back besides rates.

    Attributes
    ----------
    seconds
        Until the last one can have gone, where the limit alone decides that.
    slows
        Whether it only keeps the rate from being higher: then a rate that is at its
        limit is named before it.
    """

    words: str
    seconds: int | None = None
    slows: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """What was counted of a campaign at one instant.

    Attributes
    ----------
    planned, planned_skipped
        Rows that the launch will write, and how many of them skipped, as far as it is
        known.
    prepared
        Whether the launch has written all of them.
    failures
        Class of reasons and number of failed messages.
    finished_by_age
        How many messages were sent or failed so many whole seconds ago.
    held
        The limit that holds messages back, where one does.
    closed
        Why nothing leaves just now although it is sending: the send window, in words.
    again_since
        When it was made to send again after it had finished.
    starts_at
        The time of a campaign that is scheduled.
    """

    campaign_id: int
    state: State
    at: datetime
    counts: Mapping[Status, int]
    planned: int = 0
    planned_skipped: int = 0
    prepared: bool = True
    failures: Sequence[tuple[str, int]] = ()
    finished_by_age: Mapping[int, int] = field(default_factory=dict)
    started_at: datetime | None = None
    finished_at: datetime | None = None
    again_since: datetime | None = None
    dry_run: bool = False
    limits: Sequence[Limit] = ()
    answers: Mapping[str, int] = field(default_factory=dict)
    closed: str = ""
    held: Held | None = None
    starts_at: datetime | None = None


def status(counted: Counted) -> dict[str, Any]:
    """Return the status of a campaign as the API gives it.

    The counts always sum to the total; the percentage is that of final messages, cut
    to one decimal so that it is 100 only when none is left.

    Examples
    --------
    >>> from datetime import UTC
    >>> at = datetime(2026, 11, 22, 7, 12, 9, tzinfo=UTC)
    >>> rows = {Status.SENT: 1998, Status.FAILED: 1, Status.PENDING: 1}
    >>> made = status(Counted(campaign_id=7, state=State.SENDING, at=at, counts=rows))
    >>> made["total"], made["percent"], sum(made["counts"].values())
    (2000, 99.9, 2000)
    """
    counts = {one.value: counted.counts.get(one, 0) for one in Status}
    if not counted.prepared and counted.state in BEFORE_ROWS:
        left = max(0, counted.planned - sum(counts.values()))
        skipped = min(left, max(0, counted.planned_skipped - counts["skipped"]))
        counts["skipped"] += skipped
        counts["pending"] += left - skipped
    total = sum(counts.values())
    final = sum(counts[one.value] for one in FINAL)
    rate, limited_by = _rate(counted)
    return {
        "campaign": counted.campaign_id,
        "state": counted.state.value,
        "total": total,
        "counts": counts,
        "percent": final * 1000 // total / 10 if total else 0.0,
        "rate_per_minute": round(rate, 1),
        "eta_seconds": _eta(counted, rate, total - final),
        "starts_at": iso(counted.starts_at),
        "starts_in": _starts_in(counted),
        "started_at": iso(counted.started_at),
        "updated_at": iso(counted.at),
        "failures": [
            {"class": kind, "words": words_of(kind), "count": count}
            for kind, count in counted.failures
        ],
        "answers": dict(counted.answers),
        "needs_decision": counts["unknown"],
        "dry_run": counted.dry_run,
        "limited_by": limited_by,
        "stop": counted.state in OVER and not counts["sending"],
    }


def ewma(by_age: Mapping[int, int], seconds: float) -> float:
    """Return messages per second, where half a minute ago counts half.

    Parameters
    ----------
    by_age
        Messages that were done so many whole seconds ago.
    seconds
        How long the campaign has been sending; the past before it does not count.

    Examples
    --------
    >>> round(ewma({age: 5 for age in range(150)}, 1000), 3)
    5.0
    >>> ewma({}, 60)
    0.0
    """
    ages = range(max(1, min(int(seconds), WINDOW)))
    weights = [float(0.5 ** (age / HALF_LIFE)) for age in ages]
    done = sum(by_age.get(age, 0) * weight for age, weight in enumerate(weights))
    return done / sum(weights)


def _starts_in(counted: Counted) -> str:
    if counted.starts_at is None:
        return ""
    return left_words((counted.starts_at - counted.at).total_seconds())


def elapsed(counted: Counted) -> float:
    """Return for how many seconds the campaign has been sending, or sends again."""
    if counted.started_at is None:
        return 0.0
    begun = counted.started_at
    if counted.state is State.SENDING and counted.again_since is not None:
        begun = max(begun, counted.again_since)
    end = counted.finished_at or counted.at
    return max(0.0, (end - begun).total_seconds())


def in_words(seconds: int) -> str:
    """Return a time that is left as a person would say it.

    Examples
    --------
    >>> in_words(8), in_words(101), in_words(7300)
    ('a few seconds', 'about 2 minutes', 'about 2 hours')
    """
    if seconds < MINUTE / 4:
        return _("a few seconds")
    if seconds < MINUTE * 1.5:
        return _("about a minute")
    if seconds < HOUR * 1.5:
        return _("about %(n)s minutes", n=round(seconds / MINUTE))
    return _("about %(n)s hours", n=round(seconds / HOUR))


def left_words(seconds: float) -> str:
    """Return the time until something as a person would say it.

    Examples
    --------
    >>> left_words(42), left_words(754), left_words(7300), left_words(180_000)
    ('42 s', '12 min 34 s', '2 h 1 min', '2 d 2 h')
    """
    whole = max(0, int(seconds))
    if whole < HOUR * HOURS_OF_DAY:
        return duration(whole)
    hours = whole // int(HOUR)
    days, rest = divmod(hours, HOURS_OF_DAY)
    return _("%(days)s d %(hours)s h", days=days, hours=rest)


def _rate(counted: Counted) -> tuple[float, str | None]:
    seconds = elapsed(counted)
    if counted.state in OVER:
        done = sum(counted.counts.get(one, 0) for one in (Status.SENT, Status.FAILED))
        return (done / seconds * MINUTE if seconds >= 1 else 0.0), None
    if counted.state is not State.SENDING or counted.closed:
        return 0.0, counted.closed or None
    rate = ewma(counted.finished_by_age, seconds) * MINUTE
    held = counted.held
    if held is not None and not held.slows:
        return rate, held.words
    for limit in sorted(counted.limits, key=lambda one: one.per_minute):
        if rate >= BINDING * limit.per_minute:
            return min(rate, limit.per_minute), limit.words
    return rate, held.words if held else None


def _eta(counted: Counted, rate: float, left: int) -> int | None:
    """Return the seconds that are left, where that can be said honestly."""
    done = sum(counted.counts.get(one, 0) for one in (Status.SENT, Status.FAILED))
    early = done < MIN_FINISHED or elapsed(counted) < MIN_SECONDS
    held = counted.held
    if counted.state is State.SENDING and held and held.seconds and not counted.closed:
        return held.seconds
    if counted.state is not State.SENDING or early or rate <= 0:
        return None
    return round(left / rate * MINUTE)


def iso(instant: datetime | None) -> str | None:
    """Return an instant as the API writes it (RFC 3339).

    Examples
    --------
    >>> from datetime import UTC
    >>> iso(datetime(2026, 11, 22, 7, 10, 3, tzinfo=UTC))
    '2026-11-22T07:10:03Z'
    """
    if instant is None:
        return None
    return instant.isoformat(timespec="seconds").replace("+00:00", "Z")
