"""A short storm on SQLite and the embedded Redis; the long one is ``make chaos``."""

from tests.chaos.house import House, W
from tests.chaos.storm import Storm, plan
from tests.support.smtp_servers import PATIENCE

SEED = 14
BLOWS = 10


def test_a_short_storm_loses_nothing_and_sends_nothing_twice(house: House) -> None:
    house.server.seed = SEED
    house.server.pause = 0.03
    storm = Storm(house, aim=PATIENCE)
    watch = storm.run(plan(SEED, BLOWS), 10 * PATIENCE)
    assert "\n".join(house.violations()) == ""
    assert storm.kill_hits, "no kill hit a row that was sending: nothing was shown"
    assert storm.kills >= 5
    assert watch.answers > 0
    assert watch.wrong == []
    assert house.statuses()["unknown"] <= W * len(house.killed) + sum(
        house.server.silences.values()
    )
