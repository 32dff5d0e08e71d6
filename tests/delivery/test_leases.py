"""All workers together never have more connections open than the sender may."""

from datetime import timedelta
from uuid import UUID

import pytest
import sqlalchemy as sa
from flask import Flask

from tests.delivery.test_worker import at_work
from tests.support.sending import Desk, person
from tests.support.smtp_servers import PATIENCE
from webapp.core.db import db
from webapp.delivery import leases, liveness, plans
from webapp.delivery.engine import Engine
from webapp.delivery.leases import Asked, Grant
from webapp.delivery.liveness import Me
from webapp.delivery.models import Worker
from webapp.senders.models import ConnectionLease


def held() -> dict[UUID, int]:
    db.session.rollback()
    rows = db.session.scalars(sa.select(ConnectionLease)).all()
    found = {one.worker_id: one.held for one in rows}
    db.session.rollback()
    return found


def fall_silent(me: Me) -> None:
    at = liveness.database_time() - timedelta(seconds=60)
    query = sa.update(Worker).where(Worker.id == me.id)
    db.session.execute(query.values(beat_at=at))
    db.session.commit()


@pytest.fixture
def pair(app: Flask) -> tuple[Me, Me]:
    """Two workers that live."""
    del app
    return liveness.register(), liveness.register()


def test_the_second_waits_until_the_first_has_closed_some(
    desk: Desk, pair: tuple[Me, Me]
) -> None:
    number, (one, two) = desk.sender().id, pair
    assert leases.renew(one, Asked(number, 4, 4, 0)).count == 4
    assert leases.renew(two, Asked(number, 4, 4, 0)).count == 0
    asked = leases.renew(one, Asked(number, 4, 4, 4))
    assert (asked.count, asked.others_lack) == (2, True)
    assert held()[one.id] == 4
    assert leases.renew(two, Asked(number, 4, 4, 0)).count == 0
    assert leases.renew(one, Asked(number, 4, 4, 2)).count == 2
    assert leases.renew(two, Asked(number, 4, 4, 0)).count == 2
    assert sum(held().values()) == 4


def test_who_has_nothing_to_send_makes_room(desk: Desk, pair: tuple[Me, Me]) -> None:
    number, (one, two) = desk.sender().id, pair
    leases.renew(one, Asked(number, 1, 1, 0))
    assert leases.renew(one, Asked(number, 1, 0, 1)).count == 1
    assert leases.renew(two, Asked(number, 1, 1, 0)).count == 0
    assert leases.renew(one, Asked(number, 1, 0, 1)).count == 0
    leases.renew(one, Asked(number, 1, 0, 0))
    assert leases.renew(two, Asked(number, 1, 1, 0)).count == 1
    assert held() == {two.id: 1}


def test_a_silent_worker_loses_its_connections_and_its_epoch(
    desk: Desk, pair: tuple[Me, Me]
) -> None:
    number, (one, two) = desk.sender().id, pair
    leases.renew(one, Asked(number, 4, 4, 0))
    fall_silent(one)
    assert leases.renew(two, Asked(number, 4, 4, 0)).count == 4
    before = one.epoch
    liveness.beat(one)
    assert one.epoch == before + 1
    assert leases.renew(one, Asked(number, 4, 4, 4)).count == 0


def test_who_asked_long_ago_wants_no_more_and_keeps_what_it_holds(
    desk: Desk, pair: tuple[Me, Me]
) -> None:
    number, (one, two) = desk.sender().id, pair
    leases.renew(two, Asked(number, 4, 4, 0))
    assert leases.renew(one, Asked(number, 4, 4, 0)).count == 0
    mine = sa.update(ConnectionLease).where(ConnectionLease.worker_id == one.id)
    for seconds, grant in ((60, Grant(2, True)), (-60, Grant(4, False))):
        at = liveness.database_time() + timedelta(seconds=seconds)
        db.session.execute(mine.values(asked_at=at))
        db.session.commit()
        assert leases.renew(two, Asked(number, 4, 4, 4)) == grant


def test_the_connections_of_one_sender_are_no_other_s(
    desk: Desk, pair: tuple[Me, Me]
) -> None:
    first, second = desk.sender().id, desk.sender().id
    one, two = pair
    assert leases.renew(one, Asked(first, 4, 4, 0)).count == 4
    assert leases.renew(two, Asked(second, 4, 4, 0)).count == 4
    leases.renew(two, Asked(second, 4, 0, 0))
    assert held() == {one.id: 4}


def test_a_clock_that_is_set_back_keeps_no_dead_worker_alive(
    desk: Desk, pair: tuple[Me, Me]
) -> None:
    number, (one, two) = desk.sender().id, pair
    leases.renew(one, Asked(number, 4, 4, 0))
    ahead = liveness.database_time() + timedelta(hours=1)
    db.session.execute(
        sa.update(Worker).where(Worker.id == one.id).values(beat_at=ahead)
    )
    db.session.commit()
    assert leases.renew(two, Asked(number, 4, 4, 0)).count == 4


def test_a_worker_without_a_connection_sends_nothing(
    desk: Desk, engine: Engine
) -> None:
    sender = desk.sender(max_connections=1)
    leases.renew(liveness.register(), Asked(sender.id, 1, 1, 0))
    campaign = desk.campaign(3, sender)
    plan = plans.of_campaign(campaign.id, 1)
    assert plan is not None
    assert not engine.work(plan)
    assert desk.statuses() == {"pending": 3}
    assert desk.server.connections == 0


def test_three_workers_share_the_connections_and_never_have_more(desk: Desk) -> None:
    let_go = desk.hold_back()
    campaign = desk.campaign(360, desk.sender(max_connections=3))
    workers = [desk.start() for _ in range(3)]
    desk.wait_until(
        lambda: at_work() >= 2 and desk.server.most_open == 3, "one has them all"
    )
    let_go.set()
    desk.wait_finished(campaign)
    assert desk.server.most_open == 3
    desk.assert_ledger_agrees()
    assert desk.server.copies() == {person(n): 1 for n in range(1, 361)}
    assert all(worker.poll() is None for worker in workers)


def test_the_connection_of_a_killed_worker_is_free_again(desk: Desk) -> None:
    let_go = desk.hold_back(30)
    campaign = desk.campaign(120, desk.sender(max_connections=1))
    first = desk.start()
    desk.server.wait_for(30)
    desk.start()
    desk.wait_for_workers(2)
    first.kill()
    first.wait(PATIENCE)
    let_go.set()
    desk.wait_finished(campaign)
    assert desk.server.most_open == 1
    assert set(desk.statuses()) <= {"sent", "unknown"}
    assert max(desk.server.copies().values()) == 1
