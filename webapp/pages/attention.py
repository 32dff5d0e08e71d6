"""What is wrong right now, each with what is safe and what to do."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa
from flask import url_for

from webapp.campaigns import schedules, tallies
from webapp.campaigns.models import Campaign
from webapp.campaigns.states import WAITING, State, Status
from webapp.core import queue
from webapp.core.clock import now
from webapp.core.db import db
from webapp.core.presentation import figure
from webapp.core.words import _
from webapp.delivery.models import TicketTrouble
from webapp.mailboxes.models import Mailbox, MailboxState
from webapp.pages import health, overview
from webapp.senders.models import Sender

UNREACHABLE_AFTER = timedelta(minutes=15)


@dataclass(frozen=True)
class Attention:
    """One thing that is wrong; `actions` are labels with addresses, main one first."""

    key: str
    tone: str
    icon: str
    title: str
    words: str
    actions: tuple[tuple[str, str], ...] = ()


def everything() -> list[Attention]:
    """Return all that needs somebody; the parts that all else stands on come first."""
    return [
        *_queue(),
        *_workers(),
        *_paused(),
        *_asking(),
        *_broken(),
        *_unknown(),
        *_senders(),
        *_mailboxes(),
    ]


def _queue() -> Iterator[Attention]:
    if queue.depths() is None:
        yield Attention(
            "queue",
            "failed",
            "alert",
            _("The queue does not answer"),
            _(
                "Nothing is lost: what is waiting stands in the database and goes on "
                "by itself when Redis is back. Reading works meanwhile."
            ),
            ((_("What to do"), url_for("pages.help_page") + "#queue"),),
        )


def _workers() -> Iterator[Attention]:
    if not health.workers_beating():
        yield Attention(
            "workers",
            "deferred",
            "alert",
            _("No worker is at work"),
            _(
                "Campaigns wait until one runs, and none of their messages is lost. "
                "Checks and imports wait, too."
            ),
            ((_("What to do"), url_for("pages.help_page") + "#workers"),),
        )


def _paused() -> Iterator[Attention]:
    paused = sa.select(Campaign).where(
        Campaign.state == State.PAUSED, Campaign.pause_reason != ""
    )
    campaigns = db.session.scalars(paused.order_by(Campaign.id)).all()
    counts = tallies.counts_of([campaign.id for campaign in campaigns])
    for campaign in campaigns:
        sent, waiting = _sent_and_waiting(counts.get(campaign.id, {}))
        yield Attention(
            f"campaign-{campaign.id}",
            "failed",
            "pause",
            _("“%(name)s” paused itself", name=campaign.name),
            campaign.pause_reason
            + " "
            + _(
                "%(sent)s were sent; %(waiting)s are waiting and none is lost.",
                sent=figure(sent),
                waiting=figure(waiting),
            ),
            (
                (
                    _("See the campaign"),
                    url_for("campaigns.show", campaign_id=campaign.id),
                ),
                (_("Senders"), url_for("senders.index")),
            ),
        )


def _asking() -> Iterator[Attention]:
    for campaign in schedules.asking(now()):
        here = url_for("campaigns.show", campaign_id=campaign.id)
        yield Attention(
            f"asks-{campaign.id}",
            "failed",
            "clock",
            _("“%(name)s” did not start by itself", name=campaign.name),
            schedules.words_of(campaign)
            + " "
            + _(
                "Nothing has left; %(n)s messages wait for your decision.",
                n=figure(overview.counts_of(campaign.id).get(Status.PENDING, 0)),
            ),
            (
                (_("Send now, later, or cancel"), here),
                (
                    _("Another time"),
                    url_for("campaigns.schedule", campaign_id=campaign.id),
                ),
            ),
        )


def _broken() -> Iterator[Attention]:
    """Say what breaks here again and again, before it pauses itself."""
    often = sa.select(TicketTrouble).where(TicketTrouble.failures > 1)
    for trouble in db.session.scalars(often.order_by(TicketTrouble.campaign_id)):
        number = trouble.campaign_id
        campaign = db.session.get(Campaign, number) if number > 0 else None
        sender = db.session.get(Sender, -number) if number < 0 else None
        of_it = campaign or sender
        if of_it is None or (campaign and campaign.state is not State.SENDING):
            continue
        yield Attention(
            f"broken-{number}",
            "failed",
            "alert",
            _("Something breaks here while “%(name)s” sends", name=of_it.name),
            _(
                "It broke %(n)s times and is tried again by itself. Nothing is lost. "
                "The log says what under the reference %(reference)s.",
                n=figure(trouble.failures),
                reference=trouble.reference,
            ),
            (
                (
                    (
                        _("See the campaign"),
                        url_for("campaigns.show", campaign_id=number),
                    )
                    if campaign
                    else (_("See the sender"), f"/senders/{-number}")
                ),
            ),
        )


def _sent_and_waiting(counts: Mapping[Status, int]) -> tuple[int, int]:
    return counts.get(Status.SENT, 0), sum(counts.get(one, 0) for one in WAITING)


def _unknown() -> Iterator[Attention]:
    tally = tallies.unknown()
    unknown = (
        sa.select(Campaign.id, Campaign.name, tally.c.unknown)
        .join(tally, tally.c.campaign_id == Campaign.id)
        .where(Campaign.archived_at.is_(None))
        .order_by(Campaign.id)
    )
    for campaign_id, name, number in db.session.execute(unknown):
        yield Attention(
            f"unknown-{campaign_id}",
            "unknown",
            "question",
            _("“%(name)s” needs your decision", name=name),
            _(
                "Of %(n)s messages nobody knows whether they arrived. They are not "
                "sent again unless you say so.",
                n=figure(number),
            ),
            ((_("Decide"), url_for("campaigns.show", campaign_id=campaign_id)),),
        )


def _senders() -> Iterator[Attention]:
    unwell = sa.select(Sender).where(
        Sender.archived_at.is_(None),
        Sender.last_error_at.is_not(None),
        sa.or_(
            Sender.breaker_until > now(),
            Sender.last_ok_at.is_(None),
            Sender.last_ok_at < Sender.last_error_at,
        ),
    )
    for sender in db.session.scalars(unwell.order_by(Sender.id)):
        yield Attention(
            f"sender-{sender.id}",
            "failed",
            "key",
            _("The sender “%(name)s” is unwell", name=sender.name),
            sender.breaker_words or sender.last_error,
            ((_("Mend the sender"), f"/senders/{sender.id}"),),
        )


def _mailboxes() -> Iterator[Attention]:
    silent = sa.func.coalesce(Mailbox.last_ok_at, Mailbox.created_at)
    unwell = sa.select(Mailbox).where(
        Mailbox.deleted_at.is_(None),
        sa.or_(
            Mailbox.state == MailboxState.NEEDS_ATTENTION,
            sa.and_(
                Mailbox.state == MailboxState.RETRYING,
                silent < now() - UNREACHABLE_AFTER,
            ),
        ),
    )
    for mailbox in db.session.scalars(unwell.order_by(Mailbox.id)):
        wrong = mailbox.state is MailboxState.NEEDS_ATTENTION
        title = _("The mailbox “%(name)s” needs attention", name=mailbox.name)
        waiting = _("The mailbox “%(name)s” cannot be reached", name=mailbox.name)
        yield Attention(
            f"mailbox-{mailbox.id}",
            "failed" if wrong else "deferred",
            "mail",
            title if wrong else waiting,
            mailbox.state_words or _("It is tried again by itself; no mail is lost."),
            ((_("See the mailbox"), f"/mailboxes/{mailbox.id}"),),
        )
