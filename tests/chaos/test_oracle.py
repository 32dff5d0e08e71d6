"""The oracle finds each way in which the promise can be broken."""

import uuid

import pytest

from tests.chaos.oracle import Ledger, Row, violations
from webapp.campaigns.states import Status

ADA = "ada@example.org"
DEAD, ALIVE = uuid.UUID(int=1), uuid.UUID(int=2)


@pytest.mark.parametrize(
    ("status", "copies"),
    [
        (Status.SENT, 0),
        (Status.SENT, 2),
        (Status.FAILED, 1),
        (Status.SKIPPED, 1),
        (Status.CANCELLED, 1),
        (Status.UNKNOWN, 2),
        (Status.PENDING, 0),
        (Status.SENDING, 0),
        (Status.DEFERRED, 0),
    ],
)
def test_a_row_that_does_not_tell_the_truth(status: Status, copies: int) -> None:
    row = Row(ADA, status, DEAD)
    assert len(violations([row], Ledger({ADA: copies}), [DEAD], 16)) == 1


def test_unknown_needs_a_killed_worker_or_a_silent_server() -> None:
    row = Row(ADA, Status.UNKNOWN, ALIVE)
    assert violations([row], Ledger({ADA: 1}), [DEAD], 16)
    assert violations([row], Ledger({ADA: 1}, {ADA: 1}), [DEAD], 16) == []
    assert violations([row], Ledger({ADA: 1}), [ALIVE], 16) == []


def test_a_killed_worker_leaves_no_more_than_it_may_have_marked() -> None:
    rows = [Row(f"p{n}@example.org", Status.UNKNOWN, DEAD) for n in range(17)]
    assert len(violations(rows, Ledger({}), [DEAD], 16)) == 1
    assert violations(rows[1:], Ledger({}), [DEAD], 16) == []


def test_a_copy_for_nobody_and_a_person_with_two_rows() -> None:
    row = Row(ADA, Status.SENT)
    assert violations([row], Ledger({ADA: 1, "eve@example.org": 1}), [], 16)
    assert violations([row, row], Ledger({ADA: 1}), [], 16)
