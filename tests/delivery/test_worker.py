"""Whole campaigns through real worker processes, some of which do not survive."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import sqlalchemy as sa

from tests.support.redis_server import running_redis
from tests.support.sending import ROOT, Desk, W, person
from tests.support.smtp_servers import PATIENCE, STALL
from webapp.campaigns.models import Attempt, Message
from webapp.campaigns.states import State
from webapp.core import queue
from webapp.core.clock import now
from webapp.core.db import db, reading
from webapp.delivery.models import Worker
from webapp.suppressions.models import Reason, Suppression


def test_a_campaign_is_sent_each_exactly_once(desk: Desk) -> None:
    campaign = desk.campaign(300)
    desk.start()
    desk.wait_finished(campaign)
    assert desk.statuses() == {"sent": 300}
    assert desk.server.copies() == {person(n): 1 for n in range(1, 301)}
    desk.assert_ledger_agrees()


def test_two_workers_share_a_campaign(desk: Desk) -> None:
    let_go = desk.hold_back()
    campaign = desk.campaign(700)
    first, second = desk.start(), desk.start()
    desk.wait_until(lambda: at_work() == 2, "one does it all")
    let_go.set()
    desk.wait_finished(campaign)
    desk.assert_ledger_agrees()
    assert desk.statuses() == {"sent": 700}
    assert first.poll() is None
    assert second.poll() is None


def at_work() -> int:
    """How many workers have tried to send something."""
    with reading():
        query = sa.select(sa.func.count(sa.distinct(Attempt.worker_id)))
        found = db.session.scalar(query) or 0
        db.session.rollback()
    return found


def slow_down(desk: Desk, seconds: float = 0.02) -> None:
    """Let the server take its time, so that something is always under way."""
    usual = desk.server.next_answer

    def answer(*steps: str) -> str | None:
        if "dot" in steps:
            time.sleep(seconds)
        return usual(*steps)

    desk.server.next_answer = answer  # type: ignore[method-assign]  # only slower


def test_a_killed_worker_and_an_emptied_queue_lose_nothing(desk: Desk) -> None:
    let_go = desk.hold_back(100)
    campaign = desk.campaign(300)
    worker = desk.start()
    desk.server.wait_for(100)
    worker.kill()
    worker.wait(PATIENCE)
    let_go.set()
    held = desk.statuses()["sending"]
    assert 0 < held <= W
    queue.connection().flushall()
    desk.start()
    desk.wait_finished(campaign)
    counts = desk.statuses()
    assert sum(counts.values()) == 300
    assert set(counts) <= {"sent", "unknown"}
    assert counts["unknown"] <= held
    assert max(desk.server.copies().values()) == 1
    desk.assert_ledger_agrees()


def test_sigterm_drains_and_leaves_nothing_in_doubt(desk: Desk) -> None:
    slow_down(desk, 0.05)
    campaign = desk.campaign(100)
    worker = desk.start()
    desk.server.wait_for(30)
    worker.terminate()
    assert worker.wait(PATIENCE) == 0
    counts = desk.statuses(campaign)
    assert set(counts) <= {"sent", "pending", "deferred"}
    assert counts["sent"] == len(desk.server.mails)
    desk.assert_ledger_agrees()
    assert db.session.scalar(sa.select(Worker.stopped_at)) is not None
    db.session.rollback()
    desk.start()
    desk.wait_finished(campaign)
    desk.assert_ledger_agrees()


def test_sigterm_waits_a_bounded_time_for_a_silent_server(desk: Desk) -> None:
    silent, usual = threading.Event(), desk.server.next_answer

    def answer(*steps: str) -> str | None:
        if "dot" not in steps:
            return usual(*steps)
        if len(desk.server.mails) >= 30:
            silent.set()
        return STALL if silent.is_set() else usual(*steps)

    desk.server.next_answer = answer  # type: ignore[method-assign]  # falls silent
    campaign = desk.campaign(300)
    worker = desk.start()
    assert silent.wait(PATIENCE)
    worker.terminate()
    assert worker.wait(120) == 0  # it drains for 20 s; an answer may take 600 s
    counts = desk.statuses(campaign)
    assert 0 < counts["unknown"] <= W
    assert set(counts) <= {"sent", "unknown", "deferred", "pending"}
    assert counts["pending"] >= 300 - 30 - 2 * W
    desk.server.next_answer = usual  # type: ignore[method-assign]  # speaks again
    desk.start()
    desk.wait_finished(campaign)
    desk.assert_ledger_agrees()


def test_a_silent_server_does_not_hold_up_the_others(desk: Desk) -> None:
    desk.server.answer("dot", STALL, STALL)
    campaign = desk.campaign(100)
    desk.start()
    desk.wait_until(
        lambda: desk.statuses() == {"sent": 98, "sending": 2}, "it was held up"
    )
    desk.assert_ledger_agrees()
    other = desk.campaign(20)
    desk.wait_finished(other)
    assert desk.state(campaign) is State.SENDING


def test_an_address_suppressed_in_mid_campaign_is_skipped(desk: Desk) -> None:
    let_go = desk.hold_back(30)
    campaign = desk.campaign(300)
    desk.start()
    desk.server.wait_for(30)
    db.session.add(Suppression(address_key=person(290), reason=Reason.UNSUBSCRIBED))
    db.session.commit()
    let_go.set()
    desk.wait_finished(campaign)
    assert desk.statuses() == {"sent": 299, "skipped": 1}
    assert desk.server.copies()[person(290)] == 0


def test_what_the_server_says_row_by_row(desk: Desk) -> None:
    for number in (7, 70, 170):
        desk.server.answer(f"rcpt:{person(number)}", "451 4.2.0 Greylisted")
    for number in (8, 80):
        desk.server.answer(f"rcpt:{person(number)}", "550 5.1.1 No such user")
    desk.server.answer(f"dot:{person(9)}", "DROP")
    campaign = desk.campaign(200)
    desk.start()
    expected = {"sent": 194, "deferred": 3, "failed": 2, "unknown": 1}
    desk.wait_until(lambda: desk.statuses() == expected, "not as the server said")
    assert desk.state(campaign) is State.SENDING
    db.session.execute(sa.update(Message).values(due_at=now()))
    db.session.commit()
    desk.wait_finished(campaign)
    assert desk.statuses() == {"sent": 197, "failed": 2, "unknown": 1}
    desk.assert_ledger_agrees()


def test_a_campaign_goes_on_without_a_queue_when_it_is_back(
    desk: Desk, tmp_path: Path
) -> None:
    let_go = desk.hold_back(50)
    directory = tmp_path / "own"
    directory.mkdir()
    campaign = desk.campaign(600)
    with running_redis(directory) as address:
        worker = desk.start(REDIS_URL=address)
        desk.server.wait_for(50)
    let_go.set()
    time.sleep(2)
    assert worker.poll() is None
    with running_redis(directory):
        desk.wait_finished(campaign)
    assert desk.statuses() == {"sent": 600}
    desk.assert_ledger_agrees()
    assert "Traceback" not in desk.log()


def run_worker(environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own program
        [sys.executable, str(ROOT / "worker.py")],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environ},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def test_a_wrong_setting_is_named(tmp_path: Path) -> None:
    ended = run_worker({"DATA_DIR": str(tmp_path), "SEND_WORKERS": "many"})
    assert ended.returncode == 2
    assert "SEND_WORKERS" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_database_that_does_not_answer_is_said_in_a_sentence(tmp_path: Path) -> None:
    nowhere = "postgresql://nobody@127.0.0.1:1/nothing"
    ended = run_worker({"DATA_DIR": str(tmp_path / "new"), "DATABASE_URL": nowhere})
    assert ended.returncode == 3
    assert ended.stderr.startswith("DATABASE_URL:")
    assert "Traceback" not in ended.stderr


def test_its_log_holds_no_address(desk: Desk) -> None:
    desk.server.answer(f"dot:{person(3)}", "451 4.3.0 Later", always=True)
    desk.campaign(20)
    desk.start()
    desk.wait_until(lambda: desk.statuses()["sent"] == 19, "the others did not go")
    log = desk.log()
    assert "@example.org" not in log
    assert "Person" not in log
