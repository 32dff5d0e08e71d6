"""Tickets, as jobs: whoever takes one sends what is due then."""

import random

from flask import current_app
from sqlalchemy.exc import DBAPIError

from webapp.campaigns import moves
from webapp.composing.addresses import AddressError
from webapp.core.errors import Unavailable
from webapp.core.queue import job
from webapp.delivery import dead_addresses, plans, reconcile, tickets, troubles
from webapp.delivery.due import PLACES
from webapp.delivery.engine import Engine

EXTENSION = "delivery_engine"
# The reconciler tries again where the database or a render process was away.
FORESEEN = (DBAPIError, Unavailable)


@job("delivery.ticket")
def ticket(campaign_id: int, generation: int) -> None:
    """Send up to 2000 due rows of a campaign; of 0, of the single messages."""
    if campaign_id == tickets.TRANSACTIONAL:
        _single_messages()
        return
    try:
        plan = plans.of_campaign(campaign_id, generation)
        has_worked = plan is not None and _engine().work(plan)
        dead_addresses.write_audit()
    except AddressError as error:
        moves.pause_for(campaign_id, error.words)
        return
    except FORESEEN:
        raise
    except Exception as error:  # noqa: BLE001 - whatever broke, it is held back and said
        troubles.note(campaign_id, error)
        return
    if not has_worked or _engine().stopping.is_set():
        return
    troubles.forget(campaign_id)
    if tickets.is_due(campaign_id):
        tickets.issue(campaign_id)
    elif not reconcile.has_rows_left(campaign_id):
        moves.finish_if_done(campaign_id)


@job("delivery.message")
def message(message_id: int) -> None:
    """Send a message without a campaign, and those that wait with it."""
    del message_id
    _single_messages()


@job("delivery.issue_tickets")
def issue_tickets(campaign_id: int) -> None:
    """Wake workers for a campaign."""
    tickets.issue(campaign_id)


def without_queue() -> None:
    """Send what is due although no queue wakes anybody: the database knows it."""
    for campaign_id in tickets.due_campaigns():
        ticket(campaign_id, random.randrange(PLACES))  # noqa: S311 - spreads, no secret


def _single_messages() -> None:
    for sender_id in tickets.due_senders():
        try:
            plan = plans.of_sender(sender_id)
            has_worked = plan is not None and _engine().work(plan)
            dead_addresses.write_audit()
        except FORESEEN:
            raise
        except Exception as error:  # noqa: BLE001 - as in a campaign; the others go on
            troubles.note(-sender_id, error)
            continue
        if has_worked:
            troubles.forget(-sender_id)


def _engine() -> Engine:
    engine = current_app.extensions[EXTENSION]
    assert isinstance(engine, Engine)
    return engine
