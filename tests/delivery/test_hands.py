"""What an operator does acts now, and what a killed worker leaves behind is nothing."""

import time

import psutil

from tests.delivery.test_worker import slow_down
from tests.support.sending import Desk, W
from tests.support.smtp_servers import PATIENCE
from webapp.campaigns import steering


def sending(desk: Desk) -> int:
    return desk.statuses()["sending"]


def test_twenty_pauses_change_nothing(desk: Desk) -> None:
    """After the answer of each, only what was marked before it still goes."""
    slow_down(desk, 0.01)
    campaign = desk.campaign(900)
    desk.start()
    desk.start()
    for cycle in range(20):
        desk.server.wait_for(10 * (cycle + 1))
        steering.pause(campaign.id)
        at_most = sending(desk) + len(desk.server.mails)
        desk.wait_until(lambda: not sending(desk), "something hangs")
        assert len(desk.server.mails) <= at_most
        steering.resume(campaign.id)
    desk.wait_finished(campaign)
    assert desk.statuses() == {"sent": 900}
    desk.assert_ledger_agrees()


def test_cancel_stops_two_workers_at_once(desk: Desk) -> None:
    let_go = desk.hold_back(60)
    campaign = desk.campaign(400)
    desk.start()
    desk.start()
    desk.server.wait_for(60)
    steering.cancel(campaign.id)
    at_most = sending(desk) + len(desk.server.mails)
    let_go.set()
    desk.wait_until(lambda: not sending(desk), "something hangs")
    assert len(desk.server.mails) <= at_most
    assert desk.statuses() == {
        "sent": len(desk.server.mails),
        "cancelled": 400 - len(desk.server.mails),
    }
    desk.assert_ledger_agrees()


def test_a_killed_worker_leaves_no_process_that_sends(desk: Desk) -> None:
    let_go = desk.hold_back(30)
    desk.campaign(300)
    worker = desk.start()
    desk.server.wait_for(30)
    family = psutil.Process(worker.pid).children(recursive=True)
    worker.kill()
    worker.wait(PATIENCE)
    let_go.set()
    _gone, left = psutil.wait_procs(family, timeout=PATIENCE)
    assert left == []
    desk.wait_for_silence()
    had = len(desk.server.mails)
    time.sleep(0.5)
    assert len(desk.server.mails) == had
    assert 0 < sending(desk) <= W
