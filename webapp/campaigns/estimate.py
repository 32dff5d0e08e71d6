"""What a timing comes to: when a campaign begins, how fast it goes, when it ends."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from webapp.campaigns import send_windows, timing
from webapp.campaigns.models import Campaign
from webapp.campaigns.progress import left_words
from webapp.core.presentation import figure
from webapp.core.words import _
from webapp.senders.models import Sender

MINUTE, HOUR, DAY = 60, 3600, 86400


@dataclass(frozen=True, slots=True)
class Estimate:
    """What the page says before somebody confirms; `remark` is about the clock."""

    begins: str
    speed: str
    ends: str
    remark: str = ""


def estimate(
    campaign: Campaign, chosen: Mapping[str, Any], count: int, at: datetime
) -> Estimate:
    """Return what a timing means for so many messages.

    Parameters
    ----------
    chosen
        As `timing.chosen` returns it.
    at
        Now.
    """
    zone = ZoneInfo(chosen["time_zone"])
    windows = send_windows.read(chosen["windows"])
    begins, start, remark = _("Now"), at, ""
    if chosen["scheduled_at"]:
        moment = timing.moment(chosen["scheduled_at"], chosen["time_zone"])
        begins, start, remark = moment.words, moment.instant, moment.remark
    opens = send_windows.next_opening(windows, zone, start)
    if opens is not None and opens > start:
        begins = _(
            "%(when)s, when the send window opens", when=timing.at_words(opens, zone)
        )
    rate = slowest(campaign.sender, chosen["throttle"])
    if rate is None:
        return Estimate(begins, _("As fast as the sender takes them"), "", remark)
    seconds = count / rate * MINUTE
    end = send_windows.end_of(seconds, windows, zone, start)
    return Estimate(
        begins,
        _(
            "At most %(n)s a minute",
            n=figure(round(rate, 1) if rate % 1 else int(rate)),
        ),
        _("More than a year from now") if end is None else _ends(end, zone, seconds),
        remark,
    )


def _ends(end: datetime, zone: ZoneInfo, seconds: float) -> str:
    return _(
        "%(when)s, after %(span)s of sending",
        when=timing.at_words(end, zone),
        span=left_words(seconds),
    )


def slowest(sender: Sender | None, throttle: int) -> float | None:
    """Return the lowest limit in messages a minute; nothing where there is none."""
    rates = [float(throttle)]
    if sender is not None:
        rates += [
            sender.per_second * float(MINUTE),
            sender.per_hour * MINUTE / HOUR,
            sender.per_day * MINUTE / DAY,
        ]
    return min((rate for rate in rates if rate > 0), default=None)
