"""What the dashboard counts: running campaigns, last days, failures, unread mail."""

import datetime
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import sqlalchemy as sa

from webapp.campaigns import live, schedules, tallies
from webapp.campaigns.models import Campaign
from webapp.campaigns.reasons import words_of
from webapp.campaigns.states import RUNNING, State, Status
from webapp.core.clock import now
from webapp.core.db import db
from webapp.core.presentation import zone
from webapp.core.words import _
from webapp.mailboxes.models import Folder, Mailbox
from webapp.pages import days

DAYS = 30
SHOWN = 5


@dataclass(frozen=True)
class Running:
    """A campaign that is at work, with how far it is, or one that will be."""

    campaign: Campaign
    live: live.Live | None


@dataclass(frozen=True)
class Unread:
    """The unread mail of one mailbox; nothing where it was never counted."""

    mailbox: Mailbox
    unseen: int | None


class NavigationCounts:
    """The figures beside the navigation, counted when a page shows them."""

    @cached_property
    def campaigns(self) -> int:
        """Return how many campaigns are running."""
        running = sa.select(sa.func.count()).where(Campaign.state.in_(RUNNING))
        return db.session.scalar(running) or 0

    @cached_property
    def unread(self) -> int:
        """Return how many mails are unread in all inboxes."""
        return sum(one.unseen or 0 for one in unread())


def running() -> list[Running]:
    """Return the campaigns that are running, scheduled or paused by a person.

    A scheduled one that asks instead of starting is a matter of attention.
    """
    waiting = sa.and_(Campaign.state == State.PAUSED, Campaign.pause_reason == "")
    states = Campaign.state.in_([*RUNNING, State.SCHEDULED])
    found = db.session.scalars(
        sa.select(Campaign)
        .where(sa.or_(states, waiting), Campaign.archived_at.is_(None))
        .order_by(Campaign.launched_at.desc(), Campaign.id.desc())
    ).all()
    at = now()
    return [_progress(one) for one in found if not schedules.asks(one, at)]


def _progress(campaign: Campaign) -> Running:
    if campaign.state is State.SCHEDULED:
        return Running(campaign, None)
    return Running(campaign, live.live(campaign, with_chart=False))


def counts_of(campaign_id: int) -> dict[Status, int]:
    """Return the numbers of a campaign's messages by status."""
    return tallies.counts(campaign_id)


def last_days() -> days.DayChart:
    """Return the chart of the last 30 days, in the operator's time zone.

    What a dry run kept was not sent.
    """
    today = now().astimezone(zone()).date()
    first = datetime.datetime.combine(
        today - datetime.timedelta(days=DAYS - 1), datetime.time(), zone()
    )
    sent: Counter[datetime.date] = Counter()
    failed: Counter[datetime.date] = Counter()
    for at, went, did_not in tallies.by_quarter(first):
        day = at.astimezone(zone()).date()
        sent[day] += went
        failed[day] += did_not
    return days.draw(today, DAYS, sent, failed)


def why_failed() -> Sequence[tuple[str, int, float]]:
    """Return why messages failed in the last days: words, number, share of the most."""
    rows = tallies.why_failed(now() - datetime.timedelta(days=DAYS), SHOWN)
    most = max((count for _kind, count in rows), default=1)
    return [
        (words_of(kind) or _("Another reason"), n, round(n * 100 / most, 1))
        for kind, n in rows
    ]


def unread() -> list[Unread]:
    """Return the mailboxes with what is unread in their inboxes."""
    inbox = sa.func.sum(Folder.unseen)
    rows = db.session.execute(
        sa.select(Mailbox, inbox)
        .outerjoin(
            Folder,
            sa.and_(
                Folder.mailbox_id == Mailbox.id,
                Folder.gone_at.is_(None),
                sa.func.lower(Folder.role) == "inbox",
            ),
        )
        .where(Mailbox.deleted_at.is_(None))
        .group_by(Mailbox.id)
        .order_by(Mailbox.name)
    )
    return [
        Unread(mailbox, None if number is None else int(number))
        for mailbox, number in rows
    ]
