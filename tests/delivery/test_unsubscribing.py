"""Somebody unsubscribes by the link of an earlier mail while the campaign is sent."""

from flask import Flask

from tests.support.sending import Desk, person
from webapp.campaigns import message_tokens
from webapp.campaigns.letters import UNSUBSCRIBE, token_key
from webapp.campaigns.models import Message
from webapp.core.db import db
from webapp.delivery import plans
from webapp.delivery.engine import Engine

ROWS = 60
LATE = 59


def test_who_unsubscribes_during_the_send_is_skipped(
    app: Flask, desk: Desk, engine: Engine
) -> None:
    campaign = desk.campaign(ROWS, desk.sender(max_connections=1))
    late = db.session.query(Message).filter_by(address=person(LATE)).one()
    token = message_tokens.sign(token_key(), late.public_id, UNSUBSCRIBE)
    db.session.rollback()
    usual = desk.server.next_answer
    clicks: list[int] = []

    def answer(*steps: str) -> str | None:
        if "dot" in steps and not clicks:
            clicks.append(app.test_client().post(f"/u/{token}").status_code)
        return usual(*steps)

    desk.server.next_answer = answer  # type: ignore[method-assign]  # the moment matters
    plan = plans.of_campaign(campaign.id, 1)
    assert plan is not None
    engine.work(plan)
    assert clicks == [200]
    assert desk.statuses() == {"sent": ROWS - 1, "skipped": 1}
    assert desk.server.copies()[person(LATE)] == 0
    db.session.rollback()
    skipped = db.session.query(Message).filter_by(address=person(LATE)).one()
    assert "unsubscribed" in skipped.reason
