"""Workers that are killed at a named point: whoever comes after finds the truth."""

from tests.chaos import points, tour
from tests.chaos.house import House, W
from tests.support.smtp_servers import PATIENCE


def test_killed_at_every_named_point(house: House) -> None:
    killed = tour.take(house)
    counts = house.statuses()
    assert set(counts) == {"sent", "unknown"}
    assert 0 < counts["unknown"] <= W * killed
    assert "\n".join(house.violations()) == ""


def test_lost_answers_to_commit(house: House) -> None:
    """One commit took place, the other did not: the worker finds out which."""
    house.campaign(100)
    worker = house.worker(1, points.LOST, points.LOST_BEFORE, fate="lose", nth=2)
    house.wait_quiet(expected={"sent": 100})
    assert len((house.notes / str(worker.pid)).read_text().split()) == 2
    assert house.log().count("the answer to a commit was lost") == 2
    assert house.violations() == []


def test_frozen_between_mark_and_hand_over(house: House) -> None:
    """Its rows are taken for lost; when it wakes, it hands none of them over."""
    house.campaign(100)
    frozen = house.worker(1, "after the mark", fate="freeze", nth=2)
    house.wait_for_note(frozen)
    house.worker(2)
    house.wait_quiet()
    house.note_death(frozen)  # which may leave rows in doubt, and nobody else
    house.settle([], PATIENCE)
    doubtful = house.statuses()["unknown"]
    assert 0 < doubtful <= W
    assert len(house.server.mails) >= 100 - doubtful
    frozen.thaw()
    house.wait_quiet(expected={"sent": 100})
    assert len(house.server.mails) == 100
    assert house.violations() == []
