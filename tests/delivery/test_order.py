"""Who goes first: a single message before thousands, sending before a long chore."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.conftest import ApiClient
from tests.delivery.test_worker import slow_down
from tests.support.sending import Desk
from tests.support.smtp_servers import PATIENCE
from webapp.campaigns.states import State
from webapp.core.clock import now
from webapp.core.db import db, reading
from webapp.delivery import due, liveness, plans, preparing
from webapp.delivery.engine import Engine
from webapp.delivery.marking import exchange
from webapp.delivery.plans import Plan
from webapp.delivery.preparing import Ready
from webapp.recipients import import_service as imports
from webapp.recipients import service as recipients
from webapp.recipients.models import ImportMode, ImportState, RecipientImport


def test_a_single_message_goes_ahead_of_a_campaign_of_thousands(
    api: ApiClient, desk: Desk
) -> None:
    sender = desk.sender()
    slow_down(desk, 0.1)
    campaign = desk.campaign(4000, sender)
    sender_id = sender.id
    db.session.rollback()
    worker = desk.start()
    desk.server.wait_for(50)
    call = {
        "to": ["ada@example.org"],
        "subject": "Your receipt",
        "text": "Thank you.",
        "sender_id": sender_id,
    }
    had = len(desk.server.mails)
    assert api.post("/messages", call).status_code == 202
    desk.wait_until(lambda: "ada@example.org" in desk.server.copies(), "it waits")
    order = [mail.rcpt_to for mail in desk.server.mails]
    # What half a second lets through, and what was marked; not a whole ticket.
    assert order.index(("ada@example.org",)) - had < 100
    assert desk.server.copies()["ada@example.org"] == 1
    assert desk.state(campaign) is State.SENDING
    before = len(desk.server.mails)
    desk.server.wait_for(before + 50)
    worker.kill()
    worker.wait(PATIENCE)


def test_campaigns_start_and_go_on_while_the_only_worker_imports(desk: Desk) -> None:
    rows = "".join(f"p{n}@example.net,Person {n}\n" for n in range(150_000))
    table = recipients.create("Large", [])
    file = BytesIO(b"email,name\n" + rows.encode())
    made = imports.upload(table.id, file, Path("large.csv").name, {})
    imports.prepare(made.id, made.mapping, ImportMode.ADD, "")
    imports.start(made.id)
    import_id = made.id
    worker = desk.start()
    desk.wait_until(lambda: done(import_id) > 0, "no import")
    campaign = desk.campaign(200)
    launched = desk.campaign(1, state=State.HOLDING, hold_until=now())
    desk.wait_finished(campaign)
    desk.wait_finished(launched)
    assert desk.statuses(campaign) == {"sent": 200}
    assert state(import_id) is ImportState.RUNNING
    worker.kill()
    worker.wait(PATIENCE)


def state(import_id: int) -> ImportState:
    return _of(import_id).state


def done(import_id: int) -> int:
    return _of(import_id).rows_read


def _of(import_id: int) -> RecipientImport:
    query = sa.select(RecipientImport).where(RecipientImport.id == import_id)
    with reading():
        found = db.session.scalars(query.execution_options(populate_existing=True))
        one = found.one()
        db.session.expunge(one)
        db.session.rollback()
    return one


def test_who_meets_another_worker_goes_on_elsewhere(
    desk: Desk, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(due, "SPREAD_ROWS", 10)
    monkeypatch.setattr(preparing, "CHUNK", 20)
    campaign = desk.campaign(200)
    plan = plans.of_campaign(campaign.id, 0)
    assert plan is not None
    other = liveness.register()
    begun: list[int] = []
    usual = engine.prepare

    def met(plan: Plan) -> Iterator[list[Ready]]:
        """Let the other worker be faster with what is read first."""
        begun.append(plan.generation)
        for number, chunk in enumerate(usual(plan)):
            if len(begun) == 1 and number < 5:
                exchange(plan, other, [], chunk)
            yield chunk

    monkeypatch.setattr(engine, "prepare", met)
    engine.work(plan)
    sent = desk.statuses()["sent"]
    assert len(begun) > 1
    assert sent + desk.statuses()["sending"] == 200
    assert sent >= 100
