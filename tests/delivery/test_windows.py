"""Send windows hold where it counts: at the mark, whatever a ticket was told before."""

import threading
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from tests.support.sending import Desk
from webapp.campaigns import live
from webapp.campaigns.models import Campaign, Message
from webapp.campaigns.send_windows import DAYS
from webapp.campaigns.states import Status
from webapp.core.clock import now
from webapp.core.db import db
from webapp.delivery import liveness, marking, plans, reconcile, tickets
from webapp.delivery.engine import Engine
from webapp.delivery.preparing import prepare
from webapp.message_templates.rendering import RenderPool


def window(opens: datetime, closes: datetime) -> list[dict[str, Any]]:
    """A window on all days, from this minute to that one."""
    return [{"days": [*DAYS], "from": f"{opens:%H:%M}", "to": f"{closes:%H:%M}"}]


def closed_now() -> list[dict[str, Any]]:
    """A window that opened three hours ago and closed two hours ago."""
    return window(now() - timedelta(hours=3), now() - timedelta(hours=2))


def open_now() -> list[dict[str, Any]]:
    """A window from two hours ago to in two hours."""
    return window(now() - timedelta(hours=2), now() + timedelta(hours=2))


def change(campaign_id: int, windows: list[dict[str, Any]]) -> None:
    """Move the windows, as time would."""
    update = sa.update(Campaign).where(Campaign.id == campaign_id)
    db.session.execute(update.values(windows=windows))
    db.session.commit()


def test_outside_nobody_is_woken_and_no_ticket_does_anything(
    desk: Desk, engine: Engine
) -> None:
    campaign_id = desk.campaign(3, windows=closed_now()).id
    assert campaign_id not in tickets.due_campaigns()
    assert plans.of_campaign(campaign_id, 1) is None
    reconcile.tick()
    assert desk.statuses() == {"pending": 3}
    del engine


def test_inside_it_goes(desk: Desk, engine: Engine) -> None:
    campaign_id = desk.campaign(3, windows=open_now()).id
    assert tickets.due_campaigns() == [campaign_id]
    plan = plans.of_campaign(campaign_id, 1)
    assert plan is not None
    engine.work(plan)
    assert desk.statuses() == {"sent": 3}


def test_a_ticket_on_its_way_stops_when_the_window_closes(
    desk: Desk, engine: Engine
) -> None:
    campaign_id = desk.campaign(120, windows=open_now()).id
    usual, closing = desk.server.next_answer, threading.Lock()

    def answer(*steps: str) -> str | None:
        # Several connections may get there together; the first one closes it.
        if "dot" in steps and len(desk.server.mails) >= 20 and closing.acquire(False):
            with desk.app.app_context():
                change(campaign_id, closed_now())
                db.session.remove()
        return usual(*steps)

    desk.server.next_answer = answer  # type: ignore[method-assign]  # closes it on the way
    plan = plans.of_campaign(campaign_id, 1)
    assert plan is not None
    engine.work(plan)
    counts = desk.statuses()
    assert 20 <= counts["sent"] < 120 - 16
    assert counts["sent"] + counts["pending"] + counts["deferred"] == 120
    desk.assert_ledger_agrees()


def test_nothing_is_marked_at_the_instant_when_it_has_closed(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign_id = desk.campaign(3, windows=open_now()).id
    plan = plans.of_campaign(campaign_id, 1)
    assert plan is not None
    with RenderPool() as pool:
        rows = [one for chunk in prepare(plan, pool) for one in chunk]
    me = liveness.register()
    real = liveness.database_time()
    late = real + timedelta(hours=2, minutes=1)
    monkeypatch.setattr(marking, "database_time", lambda: late)
    got = marking.exchange(plan, me, [], rows)
    assert (got.marked, got.is_open) == ((), False)
    monkeypatch.setattr(marking, "database_time", lambda: real)
    assert len(marking.exchange(plan, me, [], rows).marked) == 3


def test_deferred_messages_wait_for_the_window_too(desk: Desk, engine: Engine) -> None:
    campaign_id = desk.campaign(2, windows=open_now()).id
    db.session.execute(sa.update(Message).values(status=Status.DEFERRED, tries=1))
    db.session.commit()
    change(campaign_id, closed_now())
    assert tickets.due_campaigns() == []
    change(campaign_id, open_now())
    plan = plans.of_campaign(campaign_id, 1)
    assert plan is not None
    engine.work(plan)
    assert desk.statuses() == {"sent": 2}


def test_the_status_says_until_when_it_waits(app: Flask, desk: Desk) -> None:
    del app
    opens = now() + timedelta(hours=5)
    closes = opens + timedelta(hours=1)
    campaign = desk.campaign(2, windows=window(opens, closes))
    found = live.status_of(campaign)
    words = f"Outside the send window; goes on {opens:%A %H:%M} (UTC)"
    assert found["limited_by"] == words
    assert (found["state"], found["eta_seconds"]) == ("sending", None)
    change(campaign.id, open_now())
    assert (
        live.status_of(db.session.get_one(Campaign, campaign.id))["limited_by"] is None
    )
