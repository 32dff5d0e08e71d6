"""A tour of the named points: at each a worker is killed, and others go on."""

import os
import signal
import time

from tests.chaos.house import House, Part
from tests.support.smtp_servers import PATIENCE

AT_MARK = (
    "before the mark",
    "in the mark",
    "after the mark",
    "before the record",
    "in the record",
)
AT_SERVER = ("data", "body", "dot")
BEFORE = ("in launch", "between launch batches", "launched, nobody told")
AFTER = ("in reconcile", "looking for tickets", "in finish")
PEOPLE = 600


def take(house: House) -> int:
    """Go to every point with one campaign; return how many workers were killed.

    One campaign, so that each successor finds what the others left.
    """
    house.server.pause = 0.02
    house.campaign(PEOPLE)
    for point in BEFORE:
        wait_for_death(
            house, [house.worker(point, point, nth=1 + (point in BEFORE[:2]))]
        )
    assert house.statuses() == {"pending": PEOPLE}
    wait_for_death(house, [house.worker(one, one, nth=3) for one in AT_MARK])
    wait_for_death(house, [house.worker(AFTER[0], AFTER[0])])
    for step in AT_SERVER:
        house.server.strike(step, lambda pid: os.kill(pid, signal.SIGKILL))
        wait_for_death(house, [house.worker(step)], has_note=False)
    for point in AFTER[1:]:
        wait_for_death(house, [house.worker(point, point)])
    house.wait_quiet(["worker 1"])
    house.settle(["worker 1"], PATIENCE)
    return len(BEFORE) + len(AT_MARK) + len(AT_SERVER) + len(AFTER)


def wait_for_death(
    house: House, parts: list[Part], *, has_note: bool = True, seconds: float = PATIENCE
) -> None:
    """Wait until each was killed at its point."""
    until = time.monotonic() + seconds
    while any(part.is_alive for part in parts):
        left = [part.name for part in parts if part.is_alive]
        assert time.monotonic() < until, f"still there: {left}\n{house.log()[-3000:]}"
        time.sleep(0.02)
    for part in parts:
        assert part.process.returncode == -signal.SIGKILL, house.log()[-3000:]
        assert (house.notes / str(part.pid)).exists() == has_note, part.name
        house.note_death(part)
