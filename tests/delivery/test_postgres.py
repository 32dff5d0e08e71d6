"""The same engine on PostgreSQL and a Redis of its own, as on several machines."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from flask import Flask

import config
from tests.support.application import running_app
from tests.support.postgres import Cluster
from tests.support.redis_server import running_tcp_redis
from tests.support.sending import DAY, Desk, W, stay_in_one
from tests.support.smtp_servers import PATIENCE, RecordingServer
from webapp.campaigns import steering
from webapp.campaigns.models import Campaign, Message
from webapp.campaigns.states import State
from webapp.core import queue
from webapp.core.db import Base, db
from webapp.core.ids import uuid7
from webapp.delivery import leases, liveness, marking, plans, tickets
from webapp.delivery.leases import Asked
from webapp.delivery.marking import exchange
from webapp.delivery.preparing import Prepared, Ready, prepare
from webapp.message_templates.rendering import RenderPool
from webapp.senders.models import ConnectionLease

TURNS = 20


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
                "DATABASE_URL": postgres_cluster.new_desk(),
                "REDIS_URL": redis_url,
                "SECRET_KEY": "test " * 8,
                "ALLOWED_PRIVATE_HOSTS": "127.0.0.1",
            }
        )
        yield settings


@pytest.fixture
def app(settings: config.Settings) -> Iterator[Flask]:
    """The application on that database, emptied."""
    with running_app(settings) as app:
        names = ", ".join(f'"{table.name}"' for table in Base.metadata.sorted_tables)
        db.session.execute(sa.text(f"TRUNCATE {names} CASCADE"))
        db.session.commit()
        queue.connection().flushdb()
        yield app


def ready(campaign: Campaign) -> tuple[plans.Plan, list[Ready]]:
    plan = plans.of_campaign(campaign.id, 1)
    assert plan is not None
    with RenderPool() as pool:
        return plan, [one for chunk in prepare(plan, pool) for one in chunk]


def test_a_campaign_survives_a_killed_worker_and_an_emptied_queue(desk: Desk) -> None:
    campaign = desk.campaign(300, cc=["copy@example.org"])
    worker = desk.start()
    desk.server.wait_for(100)
    worker.kill()
    worker.wait(PATIENCE)
    held = desk.statuses()["sending"]
    assert held <= W
    queue.connection().flushall()
    desk.start()
    desk.start()
    desk.wait_finished(campaign)
    counts = desk.statuses()
    assert sum(counts.values()) == 300
    assert set(counts) <= {"sent", "unknown"}
    assert counts["unknown"] <= held
    desk.assert_ledger_agrees()


def test_a_cap_is_exact_over_two_workers(desk: Desk) -> None:
    stay_in_one(DAY, 240)
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
    pausing.join(PATIENCE)
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
            end.wait(PATIENCE)
            db.session.commit()

    committing = threading.Thread(target=slow_commit)
    committing.start()
    assert begun.wait(PATIENCE)
    threading.Timer(0.5, end.set).start()
    prepared = [one for one in rows if isinstance(one, Prepared)]
    won, is_stored = marking._read_back(attempt, prepared, me)
    committing.join(PATIENCE)
    assert won == {prepared[0].id}
    assert is_stored
    del plan


def test_limits_are_exact_with_several_workers_and_one_is_killed(desk: Desk) -> None:
    stay_in_one(DAY, 240)
    sender = desk.sender(
        max_connections=3,
        per_day=90,
        per_domain={"slow.example": {"per_day": 20}, "*": {"per_day": 500}},
    )
    campaign = desk.campaign(200, sender)
    slow = sa.update(Message).where(Message.row_number % 3 == 0)
    key = "p" + sa.cast(Message.id, sa.String) + "@slow.example"
    db.session.execute(slow.values(address=key, address_key=key))
    db.session.commit()
    workers = [desk.start() for _ in range(2)]
    desk.server.wait_for(30)
    workers[0].kill()
    workers[0].wait(PATIENCE)
    desk.wait_until(
        lambda: not desk.statuses()["sending"] and not tickets.is_due(campaign.id),
        "it did not come to rest",
    )
    copies = desk.server.copies()
    to_slow = sum(n for addr, n in copies.items() if addr.endswith("@slow.example"))
    counts = desk.statuses()
    # What the killed worker had marked is spent, and may not have left.
    wasted = counts["unknown"]
    assert 90 - wasted <= sum(copies.values()) <= 90
    assert 20 - wasted <= to_slow <= 20
    assert counts["sent"] + counts["unknown"] == 90
    assert desk.server.most_open <= 3
    assert max(copies.values()) == 1
    desk.assert_ledger_agrees()


def test_two_workers_ask_for_connections_at_once(app: Flask, desk: Desk) -> None:
    number = desk.sender(max_connections=5).id
    workers = [liveness.register() for _ in range(4)]
    granted = [0] * len(workers)

    def ask(place: int) -> int:
        with app.app_context():
            asked = Asked(number, 5, 5, granted[place])
            count = leases.renew(workers[place], asked).count
            total = sa.select(sa.func.sum(ConnectionLease.held))
            assert (db.session.scalar(total) or 0) <= 5
            db.session.rollback()
            return count

    # Who was first has all of them, and lets go when the others have asked.
    with ThreadPoolExecutor(len(workers)) as threads:
        for _turn in range(TURNS):
            granted = list(threads.map(ask, range(len(workers))))
            if sorted(granted) == [1, 1, 1, 2]:
                break
    assert sorted(granted) == [1, 1, 1, 2]
