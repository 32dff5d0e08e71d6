"""What a campaign costs in commits, statements and round trips: counts, not times."""

from collections import Counter
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from tests.support.sending import Desk, W
from tests.support.smtp_servers import PATIENCE
from webapp.core.db import db
from webapp.delivery import engine as engine_module
from webapp.delivery import plans
from webapp.delivery.engine import Engine
from webapp.message_templates import rendering

COUNT = 300


@pytest.fixture(autouse=True)
def _waits_for_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Outcomes are recorded together, however slowly a busy machine brings them."""
    monkeypatch.setattr(engine_module, "WAIT_SECONDS", PATIENCE)


@pytest.fixture
def said(desk: Desk) -> Iterator[Counter[str]]:
    """Count commits, and statements by their first word; one of many rows is one."""
    del desk
    counted: Counter[str] = Counter()

    def execute(*given: object) -> None:
        counted[str(given[2]).split(maxsplit=1)[0].upper()] += 1

    def commit(_connection: object) -> None:
        counted["COMMIT"] += 1

    sa.event.listen(db.engine, "before_cursor_execute", execute)
    sa.event.listen(db.engine, "commit", commit)
    yield counted
    sa.event.remove(db.engine, "before_cursor_execute", execute)
    sa.event.remove(db.engine, "commit", commit)


def send(desk: Desk, engine: Engine, count: int = COUNT) -> None:
    plan = plans.of_campaign(desk.campaign(count).id, 1)
    assert plan is not None
    engine.work(plan)
    assert desk.statuses() == {"sent": count}


def test_one_commit_serves_many_messages(
    desk: Desk, engine: Engine, said: Counter[str]
) -> None:
    send(desk, engine)
    # A commit records and marks at least a quarter of the window at a time.
    assert said["COMMIT"] <= COUNT / (W / 4) + 10


def test_statements_are_counted_by_commits_not_by_messages(
    desk: Desk, engine: Engine, said: Counter[str]
) -> None:
    send(desk, engine)
    writes = said["UPDATE"] + said["INSERT"]
    assert writes <= 8 * said["COMMIT"] + 10
    assert said["SELECT"] <= 3 * said["COMMIT"] + 20


def test_a_message_is_one_round_trip(desk: Desk, engine: Engine) -> None:
    send(desk, engine)
    # EHLO and first envelope of each connection, and where none waited behind a body.
    assert desk.server.reads <= COUNT * 1.5 + 2 * desk.server.connections


def test_the_child_is_asked_once_for_a_message_template_without_logic(
    desk: Desk, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bytes] = []
    usual = rendering._Child.answers

    def answers(self: rendering._Child, request: bytes, count: int) -> Iterator[object]:
        asked.append(request[4:24])
        return usual(self, request, count)

    monkeypatch.setattr(rendering._Child, "answers", answers)
    send(desk, engine)
    assert [request.startswith(b'["segments"') for request in asked] == [True]
