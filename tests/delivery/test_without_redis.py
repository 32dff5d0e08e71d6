"""Redis is killed or frozen, for good: the workers go on without it."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.support.redis_server import running_redis
from tests.support.sending import Desk, person


@pytest.fixture
def redis_address(tmp_path: Path) -> Iterator[str]:
    """A Redis of this test alone."""
    with running_redis(tmp_path) as address:
        yield address


@pytest.fixture
def redis_pid(redis_address: str) -> Iterator[int]:
    """Its process id; it is let go on at the end, so that it can be stopped."""
    with redis.Redis.from_url(redis_address) as client:
        pid = int(client.info("server")["process_id"])
    yield pid
    os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGKILL])
def test_a_campaign_ends_and_another_begins_without_redis(
    desk: Desk, redis_pid: int, number: signal.Signals
) -> None:
    campaign = desk.campaign(200)
    let_go = desk.hold_back(10)
    desk.start()
    desk.server.wait_for(10)
    os.kill(redis_pid, number)
    let_go.set()
    desk.wait_finished(campaign)
    later = desk.campaign(20)
    desk.wait_finished(later)
    assert desk.statuses() == {"sent": 220}
    both, one = range(1, 21), range(21, 201)
    copies = {**{person(n): 2 for n in both}, **{person(n): 1 for n in one}}
    assert desk.server.copies() == copies
    assert "Traceback" not in desk.log()
