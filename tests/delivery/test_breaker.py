"""When a sender is left alone and when a campaign pauses itself, mark by mark."""

from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from tests.support.queries import asking
from tests.support.sending import Desk
from webapp.campaigns.models import Campaign, Message
from webapp.campaigns.states import State, Status
from webapp.core.clock import now
from webapp.core.db import db
from webapp.delivery import breaker
from webapp.delivery.breaker import SoFar
from webapp.delivery.outcomes import Verdict
from webapp.senders.models import Sender

YES = Verdict(Status.SENT, 1)
NO = Verdict(Status.FAILED, 1, reason_class="address", reason="No such user")
OURS = Verdict(
    Status.DEFERRED, 1, reason_class="sender", reason="Refused", reply="530 Not you"
)


def stored(sender_id: int) -> Sender:
    """Return a sender as it is stored now."""
    db.session.rollback()
    return db.session.get_one(Sender, sender_id)


def change(sender_id: int, **values: Any) -> None:
    update = sa.update(Sender).where(Sender.id == sender_id)
    db.session.execute(update.values(**values))
    db.session.commit()


@pytest.fixture
def hour(monkeypatch: pytest.MonkeyPatch) -> datetime:
    """Let breakers open in an hour, so that none closes while a test runs."""
    at = now() + timedelta(hours=1)
    monkeypatch.setattr(breaker, "database_time", lambda: at)
    return at


def wait(sender_id: int, at: datetime) -> float:
    until = stored(sender_id).breaker_until
    assert until is not None
    return (until - at).total_seconds()


def test_a_sender_is_left_alone_longer_each_time_up_to_five_minutes(
    desk: Desk, hour: datetime
) -> None:
    number = desk.sender().id
    waits = []
    for _time in range(8):
        breaker.trip(number, "Nothing answers")
        waits.append(wait(number, hour))
        change(number, breaker_until=now() - timedelta(seconds=1))
    assert waits == [5, 10, 20, 40, 80, 160, 300, 300]


def test_the_first_of_several_workers_that_find_out_counts(
    desk: Desk, hour: datetime
) -> None:
    number = desk.sender().id
    breaker.trip(number, "First")
    breaker.trip(number, "Second", seconds=300)
    found = stored(number)
    assert (found.breaker_failures, found.breaker_words) == (1, "First")
    assert wait(number, hour) == 5


def test_a_sender_that_works_again_begins_anew(desk: Desk) -> None:
    number = desk.sender().id
    edited = stored(number).updated_at
    breaker.trip(number, "Nothing answers")
    assert stored(number).last_error == "Nothing answers"
    breaker.reset(number)
    found = stored(number)
    assert (found.breaker_failures, found.breaker_until, found.breaker_words) == (
        0,
        None,
        "",
    )
    assert found.last_ok_at is not None
    # Nobody edited it, so no page of it is out of date.
    assert found.updated_at == edited


def test_another_sender_is_not_touched(desk: Desk) -> None:
    number, other = desk.sender().id, desk.sender().id
    breaker.trip(other, "Nothing answers")
    breaker.reset(number)
    breaker.note_size(number, 900)
    found = stored(other)
    assert found.breaker_until is not None
    assert (found.breaker_failures, found.server_size) == (1, 0)


def paused(campaign_id: int) -> str | None:
    """Return why a campaign paused, if it did."""
    db.session.rollback()
    found = db.session.get_one(Campaign, campaign_id)
    return found.pause_reason if found.state is State.PAUSED else None


def test_ten_in_a_row_pause_whatever_batches_they_come_in(desk: Desk) -> None:
    number = desk.campaign(1).id
    so_far = SoFar()
    breaker.judge(number, [OURS] * 6, so_far)
    breaker.judge(number, [OURS] * 3, so_far)
    assert (so_far.in_a_row, paused(number)) == (9, None)
    breaker.judge(number, [OURS], so_far)
    assert so_far.in_a_row == 0
    assert paused(number) == breaker.WORDS_IN_A_ROW.format(words="530 Not you")


@pytest.mark.parametrize("other", [YES, NO], ids=["sent", "failed"])
def test_any_other_outcome_between_them_begins_the_row_anew(
    desk: Desk, other: Verdict
) -> None:
    number = desk.campaign(1).id
    so_far = SoFar()
    breaker.judge(number, [*[OURS] * 9, other, *[OURS] * 9], so_far)
    assert so_far.in_a_row == 9
    assert paused(number) is None


def judged(desk: Desk, sent: int, failed: int, *fresh: Verdict, **why: str) -> Any:
    """Return why a campaign with so many outcomes, these the last ones, paused."""
    number = desk.campaign(sent + failed).id
    ended(number, sent, sent + failed, **why)
    breaker.judge(number, fresh, SoFar())
    return paused(number)


def ended(number: int, sent: int, total: int, reason_class: str = "address") -> None:
    """Let the first rows have been sent, and the others up to a number have failed."""
    mine = sa.update(Message).where(Message.campaign_id == number)
    failed = mine.where(Message.row_number <= total)
    db.session.execute(failed.values(status=Status.FAILED, reason_class=reason_class))
    first = mine.where(Message.row_number <= sent)
    db.session.execute(first.values(status=Status.SENT, reason_class=""))
    db.session.commit()


@pytest.mark.parametrize(
    ("sent", "failed", "pauses"),
    [(34, 16, True), (35, 15, False), (189, 11, True), (190, 10, False)],
)
def test_the_shares_of_the_first_fifty_and_two_hundred(
    desk: Desk, sent: int, failed: int, pauses: bool
) -> None:
    words = breaker.WORDS_SHARE.format(failed=failed, final=sent + failed)
    assert judged(desk, sent, failed, NO) == (words if pauses else None)


@pytest.mark.parametrize("sent", [33, 40, 170])
def test_between_the_marks_nobody_is_paused_once_more(desk: Desk, sent: int) -> None:
    assert judged(desk, sent, 16 if sent < 34 else 20, NO, NO) is None


def test_a_batch_that_passes_the_mark_is_judged_as_it_is(desk: Desk) -> None:
    assert judged(desk, 36, 18, *[NO] * 2, *[YES] * 3)


def test_a_message_that_went_may_be_the_one_that_passes_the_mark(desk: Desk) -> None:
    number, so_far = desk.campaign(50).id, SoFar()
    ended(number, 33, 49)
    breaker.judge(number, [NO], so_far)
    assert paused(number) is None
    ended(number, 34, 50)
    breaker.judge(number, [YES], so_far)
    assert paused(number)


def test_what_another_worker_recorded_meanwhile_passes_no_mark_unseen(
    desk: Desk,
) -> None:
    number, so_far = desk.campaign(60).id, SoFar()
    ended(number, 30, 48)
    breaker.judge(number, [NO], so_far)
    assert paused(number) is None
    ended(number, 33, 54)  # three of them by the other worker
    breaker.judge(number, [YES] * 3, so_far)
    assert paused(number)


def test_nobody_counts_what_no_mark_is_about(desk: Desk) -> None:
    number, so_far = desk.campaign(1).id, SoFar()
    so_far.final[number] = 200
    with asking() as asked:
        breaker.judge(number, [NO, YES], so_far)
        breaker.judge(number, [OURS, YES], SoFar())
    assert asked == []


def test_rows_that_cannot_be_rendered_are_no_sign_of_a_bad_list(desk: Desk) -> None:
    assert judged(desk, 34, 16, NO, reason_class="content") is None
    unrendered = Verdict(Status.FAILED, 0, reason_class="content")
    assert judged(desk, 34, 17, *[unrendered] * 3) is None


def test_a_refusal_pauses_the_campaign_of_that_sender(desk: Desk) -> None:
    sender = desk.sender()
    number = desk.campaign(1, sender).id
    breaker.refused(sender.id, number, "The server refused the password.")
    assert paused(number) == "The server refused the password."
    found = stored(sender.id)
    assert found.last_error == "The server refused the password."
    assert found.breaker_until is None


def test_a_refusal_of_a_stand_in_leaves_it_alone_for_five_minutes(
    desk: Desk, hour: datetime
) -> None:
    number, stand_in = desk.campaign(1).id, desk.sender().id
    breaker.refused(stand_in, number, "The server refused the password.")
    assert paused(number) is None
    assert wait(stand_in, hour) == 300


def test_a_refusal_of_a_single_message_s_sender_leaves_it_alone(
    desk: Desk, hour: datetime
) -> None:
    number = desk.sender().id
    breaker.refused(number, None, "The server refused the password.")
    assert wait(number, hour) == 300
