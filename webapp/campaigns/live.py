"""What the live page and the status of a campaign count, in few and indexed queries."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from webapp.campaigns import binding, coming_back, progress, schedules, tallies
from webapp.campaigns.chart import Chart, draw
from webapp.campaigns.models import Campaign
from webapp.campaigns.reasons import ADVICE, RETRYABLE
from webapp.campaigns.states import FINAL, OVER, WAITING, State, Status
from webapp.campaigns.timing import Moment, closed_words, moment_of, window_words
from webapp.campaigns.workers import trouble
from webapp.core.clock import now
from webapp.core.presentation import figure
from webapp.core.words import _

NOT_BEGUN = frozenset({State.SCHEDULED, State.HOLDING, State.LAUNCHING})
STANDSTILL_MINUTES = 2
IN_MOTION = frozenset({State.LAUNCHING, State.SENDING})


@dataclass(frozen=True, slots=True)
class Live:
    """All that the live page shows of a campaign besides its messages.

    Attributes
    ----------
    status
        As the API gives it.
    bar
        Percentage that was sent and that failed, for the lengths of the bar.
    starts, asks
        When a scheduled campaign starts; why it does not start by itself.
    windows
        The send windows in a line; empty where there are none.
    trouble
        What keeps the campaign from going on, in words; empty when nothing does.
    """

    status: dict[str, Any]
    eta_words: str
    elapsed: float
    done: int
    bar: tuple[float, float]
    failures: list[dict[str, Any]]
    retryable: int
    trouble: str
    hold_left: int
    starts: Moment | None = None
    asks: str = ""
    windows: str = ""
    chart: Chart | None = None


def status_of(campaign: Campaign) -> dict[str, Any]:
    """Return the status of a campaign, as the API gives it."""
    return progress.status(counted(campaign))


def counted(campaign: Campaign) -> progress.Counted:
    """Count a campaign."""
    at = now()
    sending = campaign.state == State.SENDING
    counts = tallies.counts(campaign.id)
    return progress.Counted(
        campaign_id=campaign.id,
        state=campaign.state,
        at=at,
        counts=counts,
        planned=campaign.total,
        planned_skipped=campaign.total - campaign.check_result.get("recipients", 0),
        prepared=campaign.prepared_at is not None,
        failures=tallies.failures(campaign.id) if counts[Status.FAILED] else (),
        finished_by_age=_finished_by_age(campaign.id) if sending else {},
        started_at=None if campaign.state in NOT_BEGUN else campaign.prepared_at,
        finished_at=campaign.finished_at,
        again_since=campaign.again_since,
        dry_run=campaign.is_dry_run,
        limits=_limits(campaign),
        held=binding.held_by(campaign, _waiting(counts), at) if sending else None,
        closed=closed_words(campaign, at) if sending else "",
        starts_at=_starts_at(campaign),
        answers=coming_back.counts_of(campaign.id),
    )


def live(campaign: Campaign, *, with_chart: bool = True) -> Live:
    """Return what the live page shows."""
    numbers = counted(campaign)
    status = progress.status(numbers)
    counts = status["counts"]
    wanted = status["total"] - counts["skipped"] or 1
    eta = status["eta_seconds"]
    moving = campaign.state in IN_MOTION
    hold = campaign.hold_until if campaign.state == State.HOLDING else None
    left = (hold - numbers.at).total_seconds() if hold else 0
    return Live(
        status=status,
        eta_words=progress.in_words(eta) if eta is not None else "",
        elapsed=progress.elapsed(numbers),
        done=sum(counts[one.value] for one in FINAL),
        bar=(
            round(counts["sent"] * 100 / wanted, 2),
            round(counts["failed"] * 100 / wanted, 2),
        ),
        failures=[
            {**one, "advice": _advice(one), "retryable": one["class"] in RETRYABLE}
            for one in status["failures"]
        ],
        retryable=sum(
            one["count"] for one in status["failures"] if one["class"] in RETRYABLE
        ),
        trouble=(trouble(campaign.id) or _standstill(campaign)) if moving else "",
        hold_left=max(0, round(left)),
        starts=moment_of(campaign) if campaign.state == State.SCHEDULED else None,
        asks=schedules.words_of(campaign)
        if schedules.asks(campaign, numbers.at)
        else "",
        windows=window_words(campaign.windows),
        chart=_chart(campaign, numbers) if with_chart else None,
    )


def _standstill(campaign: Campaign) -> str:
    """Say that a launch has written nothing for a while, though a worker is there."""
    if campaign.state != State.LAUNCHING:
        return ""
    minutes = int((now() - campaign.updated_at).total_seconds() // 60)
    if minutes < STANDSTILL_MINUTES:
        return ""
    return _(
        "No message has been written for %(n)s minutes, though it is tried again every "
        "few seconds. Look at the log and at the room on the disk. Nothing is lost.",
        n=minutes,
    )


def _starts_at(campaign: Campaign) -> datetime | None:
    moment = moment_of(campaign) if campaign.state == State.SCHEDULED else None
    return moment.instant if moment else None


def totals(campaign_ids: list[int]) -> dict[int, dict[str, int]]:
    """Return the counts of several campaigns by status, in one query."""
    return {
        campaign_id: {status.value: count for status, count in found.items()}
        for campaign_id, found in tallies.counts_of(campaign_ids).items()
    }


def _finished_by_age(campaign_id: int) -> dict[int, int]:
    """Count what was sent or failed in the last minutes, by age in seconds."""
    at = now()
    since = at - timedelta(seconds=progress.WINDOW)
    by_age: Counter[int] = Counter()
    for second, count in tallies.seconds(campaign_id, since).items():
        by_age[max(0, int(at.timestamp()) - second)] += count
    return dict(by_age)


def _chart(campaign: Campaign, numbers: progress.Counted) -> Chart | None:
    if campaign.prepared_at is None:
        return None
    return draw(*tallies.by_interval(campaign.id, progress.elapsed(numbers)))


def _waiting(counts: Mapping[Status, int]) -> int:
    return sum(counts.get(one, 0) for one in WAITING)


def _limits(campaign: Campaign) -> list[progress.Limit]:
    sender = campaign.sender
    if sender is None or campaign.state in OVER:
        return []
    rates = [
        (_("Campaign"), float(campaign.throttle)),
        (_("Sender"), sender.per_second * 60.0),
        (_("Sender"), sender.per_hour / 60.0),
    ]
    return [
        progress.Limit(
            _("%(whose)s: %(n)s a minute", whose=whose, n=figure(round(rate))), rate
        )
        for whose, rate in rates
        if rate
    ]


def _advice(failure: Mapping[str, Any]) -> str:
    return str(ADVICE.get(failure["class"], ""))
