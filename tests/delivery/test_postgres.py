"""The same engine on PostgreSQL and a Redis of its own, as on several machines."""

import threading
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from flask import Flask

import config
import webapp
from tests.support.postgres import Cluster
from tests.support.redis_server import running_tcp_redis
from tests.support.sending import Desk, W
from tests.support.smtp_servers import RecordingServer
from webapp.campaigns import steering
from webapp.campaigns.models import Campaign, Message
from webapp.campaigns.states import State
from webapp.core import queue, schema
from webapp.core.db import Base, db
from webapp.core.ids import uuid7
from webapp.delivery import liveness, marking, plans, tickets
from webapp.delivery.marking import exchange
from webapp.delivery.preparing import Prepared, Ready, prepare
from webapp.message_templates.rendering import RenderPool


@pytest.fixture(scope="module")
def settings(
    postgres_cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[config.Settings]:
    """Settings of an installation that embeds nothing."""
    directory = tmp_path_factory.mktemp("apart")
    with running_tcp_redis(directory, "secret") as redis_url:
        settings = config.read(
            {
                "DATA_DIR": str(directory),
                "DATABASE_URL": postgres_cluster.new_database(),
                "REDIS_URL": redis_url,
                "SECRET_KEY": "test " * 8,
                "ALLOWED_PRIVATE_HOSTS": "127.0.0.1",
            }
        )
        schema.upgrade(settings.database_url)
        yield settings


@pytest.fixture
def app(settings: config.Settings) -> Iterator[Flask]:
    """The application on that database, emptied."""
    app = webapp.create_app(settings)
    with app.app_context():
        names = ", ".join(f'"{table.name}"' for table in Base.metadata.sorted_tables)
        db.session.execute(sa.text(f"TRUNCATE {names} CASCADE"))
        db.session.commit()
        queue.connection().flushdb()
        yield app
        db.session.remove()
        db.engine.dispose()


def ready(campaign: Campaign) -> tuple[plans.Plan, list[Ready]]:
    plan = plans.of_campaign(campaign.id, 1)
    assert plan is not None
    with RenderPool() as pool:
        return plan, [one for chunk in prepare(plan, pool) for one in chunk]


def test_a_campaign_survives_a_killed_worker_and_an_emptied_queue(desk: Desk) -> None:
    campaign = desk.campaign(300, cc=["copy@example.org"])
    worker = desk.start()
    desk.server.wait_for(100, 30)
    worker.kill()
    worker.wait(10)
    held = desk.statuses()["sending"]
    assert held <= W
    queue.connection().flushall()
    desk.start()
    desk.start()
    desk.wait_finished(campaign, 60)
    counts = desk.statuses()
    assert sum(counts.values()) == 300
    assert set(counts) <= {"sent", "unknown"}
    assert counts["unknown"] <= held
    desk.assert_ledger_agrees()


def test_a_cap_is_exact_over_two_workers(desk: Desk) -> None:
    campaign = desk.campaign(120, desk.sender(per_day=70))
    desk.start()
    desk.start()
    desk.wait_until(lambda: desk.statuses()["sent"] == 70, "the cap was not reached")
    desk.wait_until(lambda: campaign.id not in tickets.due_campaigns(), "it is due")
    assert desk.statuses() == {"sent": 70, "pending": 50}
    assert len(desk.server.mails) == 70


def test_what_the_server_says_row_by_row(desk: Desk, server: RecordingServer) -> None:
    server.answer("rcpt:person7@example.org", "451 4.2.0 Greylisted")
    server.answer("rcpt:person8@example.org", "550 5.1.1 No such user")
    server.answer("dot:person9@example.org", "DROP")
    desk.campaign(60)
    desk.start()
    expected = {"sent": 57, "deferred": 1, "failed": 1, "unknown": 1}
    desk.wait_until(lambda: desk.statuses() == expected, "not as the server said")
    desk.assert_ledger_agrees()


def test_pause_answers_only_when_no_mark_is_under_way(
    app: Flask, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = desk.campaign(5)
    campaign_id = campaign.id
    plan, rows = ready(campaign)
    me = liveness.register()
    usual, answered = marking._begin, threading.Event()

    def pause() -> None:
        with app.app_context():
            steering.pause(campaign_id)
            answered.set()

    pausing = threading.Thread(target=pause)

    def begin(*given: object) -> None:
        pausing.start()
        assert not answered.wait(0.5)
        usual(*given)  # type: ignore[arg-type]  # passed on

    monkeypatch.setattr(marking, "_begin", begin)
    assert len(exchange(plan, me, [], rows).marked) == 5
    pausing.join(10)
    assert answered.is_set()
    assert desk.state(campaign) is State.PAUSED
    monkeypatch.undo()
    _, others = plan, [one for one in rows if isinstance(one, Prepared)]
    assert exchange(plan, me, [], others).marked == ()


def test_a_lost_commit_that_is_still_under_way_is_waited_for(
    app: Flask, desk: Desk
) -> None:
    campaign = desk.campaign(1)
    plan, rows = ready(campaign)
    me = liveness.register()
    attempt, begun, end = uuid7(), threading.Event(), threading.Event()

    def slow_commit() -> None:
        """Stand for the server that lost us and is still committing."""
        with app.app_context():
            db.session.execute(
                sa.update(Message).values(attempt=attempt, status="sending")
            )
            begun.set()
            end.wait(10)
            db.session.commit()

    committing = threading.Thread(target=slow_commit)
    committing.start()
    assert begun.wait(10)
    threading.Timer(0.5, end.set).start()
    prepared = [one for one in rows if isinstance(one, Prepared)]
    won, is_stored = marking._read_back(attempt, prepared, me)
    committing.join(10)
    assert won == {prepared[0].id}
    assert is_stored
    del plan
