"""The status: its counts sum to the total at every poll; it promises nothing vain."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from tests.campaigns.conftest import Desk, MakeDesk, body
from tests.conftest import PageClient
from webapp.campaigns import launching, live
from webapp.campaigns.audience import Repeated
from webapp.campaigns.message_rows import Turn, write_batch
from webapp.campaigns.progress import Counted, Limit, status
from webapp.campaigns.states import State, Status
from webapp.core.db import db

AT = datetime(2026, 11, 22, 7, 12, 9, tzinfo=UTC)


def made(**values: Any) -> dict[str, Any]:
    """The status of a campaign that has been sending for two minutes."""
    return status(
        Counted(
            **{
                "campaign_id": 7,
                "state": State.SENDING,
                "at": AT,
                "counts": {},
                "started_at": AT - timedelta(minutes=2),
                **values,
            }
        )
    )


@given(
    st.dictionaries(st.sampled_from(list(Status)), st.integers(0, 10**6)),
    st.sampled_from(list(State)),
    st.booleans(),
    st.integers(0, 10**6),
)
def test_counts_sum_to_the_total(
    counts: dict[Status, int], state: State, prepared: bool, planned: int
) -> None:
    found = made(counts=counts, state=state, prepared=prepared, planned=planned)
    assert sum(found["counts"].values()) == found["total"]
    assert 0 <= found["percent"] <= 100


@given(st.integers(1, 10**6), st.integers(1, 10**6))
def test_100_percent_means_that_none_is_left(done: int, left: int) -> None:
    assert made(counts={Status.SENT: done, Status.PENDING: left})["percent"] < 100
    assert made(counts={Status.SENT: done, Status.UNKNOWN: left})["percent"] == 100


def test_a_launch_that_is_half_written_counts_the_rest_as_pending() -> None:
    found = made(
        state=State.LAUNCHING, prepared=False, planned=100, counts={Status.PENDING: 40}
    )
    assert (found["total"], found["counts"]["pending"]) == (100, 100)


def test_the_time_left_is_hidden_until_it_can_be_said() -> None:
    rates = dict.fromkeys(range(120), 5)
    many = {Status.SENT: 600, Status.PENDING: 600}
    assert made(counts=many, finished_by_age=rates)["eta_seconds"] == 120
    few = {Status.SENT: 9, Status.PENDING: 600}
    assert made(counts=few, finished_by_age=rates)["eta_seconds"] is None
    soon = AT - timedelta(seconds=4)
    early = made(counts=many, finished_by_age=rates, started_at=soon)
    assert early["eta_seconds"] is None
    paused = made(counts=many, finished_by_age=rates, state=State.PAUSED)
    assert (paused["eta_seconds"], paused["rate_per_minute"]) == (None, 0)


def test_a_limit_that_binds_is_named_and_governs() -> None:
    rates = dict.fromkeys(range(120), 6)
    many = {Status.SENT: 600, Status.PENDING: 320}
    limits = [Limit("Sender: 320 a minute", 320.0), Limit("far", 9000.0)]
    found = made(counts=many, finished_by_age=rates, limits=limits)
    assert (found["limited_by"], found["eta_seconds"]) == ("Sender: 320 a minute", 60)
    slow = made(counts=many, finished_by_age={1: 6}, limits=limits)
    assert slow["limited_by"] is None


def test_stop_is_said_when_nothing_moves_any_more() -> None:
    assert made(state=State.FINISHED)["stop"]
    assert not made(state=State.CANCELLED, counts={Status.SENDING: 1})["stop"]
    assert not made(state=State.PAUSED)["stop"]


def test_it_sums_at_every_poll_of_a_launch(make_desk: MakeDesk) -> None:
    people = [{"email": f"p{n}@example.org", "first_name": "P"} for n in range(23)]
    desk = make_desk(people)
    desk.checked()
    launching.launch(desk.campaign.id, 23, 0)
    totals, repeated = [], Repeated()
    while write_batch(desk.campaign.id, 5, repeated) is Turn.WRITTEN:
        found = live.status_of(desk.fresh())
        totals.append(found["total"])
        assert sum(found["counts"].values()) == found["total"]
    assert totals == [23] * 5


def test_failures_are_grouped_with_words(desk: Desk) -> None:
    desk.launched()
    desk.set(0, Status.FAILED, reason_class="address")
    desk.set(1, Status.FAILED, reason_class="address")
    desk.set(2, Status.FAILED, reason_class="policy")
    assert live.status_of(desk.fresh())["failures"] == [
        {"class": "address", "words": "Address does not exist", "count": 2},
        {
            "class": "policy",
            "words": "Rejected by the receiving system (spam or policy)",
            "count": 1,
        },
    ]


@contextmanager
def counting() -> Iterator[list[str]]:
    """Collect the statements that the database is asked."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        seen.append(statement)

    sa.event.listen(db.engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        sa.event.remove(db.engine, "before_cursor_execute", note)


def test_the_live_page_asks_the_same_few_questions_at_any_size(
    client: PageClient, make_desk: MakeDesk
) -> None:
    people = [{"email": f"p{n}@example.org", "first_name": "P"} for n in range(120)]
    desk = make_desk(people)
    place = f"/campaigns/{desk.launched().id}"
    for path, most in (("", 20), ("/status.json", 10), ("?fragment=counts", 12)):
        with counting() as seen:
            assert client.get(place + path).status_code == 200
        assert len(seen) <= most, "\n".join(seen)


def test_the_status_reads_no_message(desk: Desk) -> None:
    desk.launched()
    desk.set(0, Status.FAILED, reason_class="address")
    with counting() as seen:
        live.live(desk.fresh())
    assert any("FROM campaign_tally" in text for text in seen)
    assert not [text for text in seen if "FROM message" in text]


def test_an_unchanged_status_costs_no_body(client: PageClient, desk: Desk) -> None:
    place = f"/campaigns/{desk.launched().id}/status.json"
    first = client.get(place)
    assert body(first)["total"] == 3
    again = client.get(place, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    desk.set(0, Status.SENT)
    changed = client.get(place, headers={"If-None-Match": first.headers["ETag"]})
    assert changed.status_code == 200


def test_status_json_needs_a_session(anonymous: PageClient, desk: Desk) -> None:
    answer = anonymous.get(f"/campaigns/{desk.campaign.id}/status.json")
    assert answer.status_code == 401


@pytest.mark.parametrize(
    "fragment",
    ["all", "notices", "progress", "counts", "chart", "failures", "messages"],
)
def test_fragments_are_pieces_of_the_page(
    client: PageClient, desk: Desk, fragment: str
) -> None:
    desk.launched()
    page = client.get(f"/campaigns/{desk.campaign.id}?fragment={fragment}").text
    assert "<html" not in page
    wanted = "progress" if fragment == "all" else fragment
    assert f'id="{wanted}"' in page
