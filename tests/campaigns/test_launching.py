"""The launch: the number confirmed, the hold time, and rows that are written once."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.exc import OperationalError

from tests.campaigns.conftest import PEOPLE, Desk, MakeDesk, desk_of, recipient_of
from tests.conftest import PageClient
from tests.support.queries import asking, scans
from webapp.campaigns import (
    audience,
    launching,
    live,
    message_rows,
    service,
    steering,
    tallies,
)
from webapp.campaigns.message_rows import Turn, write_batch
from webapp.campaigns.models import Campaign
from webapp.campaigns.states import State, Status
from webapp.core import queue
from webapp.core.clock import now
from webapp.core.db import db
from webapp.core.errors import Refused
from webapp.recipients.models import Recipient, RecipientTable

MANY = [{"email": f"p{n}@example.org", "first_name": f"P{n}"} for n in range(25)]


def a_turn(desk: Desk) -> Turn:
    """Write the next rows, once."""
    return write_batch(desk.campaign.id, launching.BATCH, audience.Repeated())


def test_every_recipient_gets_one_pending_row(desk: Desk) -> None:
    campaign = desk.launched()
    assert (campaign.state, campaign.total) == (State.SENDING, 3)
    rows = desk.messages()
    assert [row.address for row in rows] == [one["email"] for one in PEOPLE]
    assert {row.status for row in rows} == {Status.PENDING}
    assert [row.row_number for row in rows] == [1, 2, 3]
    assert rows[0].row_values == {
        "email": "ada@example.org",
        "first_name": "Ada",
        "born": None,
    }
    assert len({row.message_id_header for row in rows}) == 3


def test_another_number_is_refused_with_both(desk: Desk) -> None:
    desk.checked()
    with pytest.raises(Refused, match=r"confirmed 4 .* go to 3"):
        launching.launch(desk.campaign.id, 4)
    assert desk.fresh().state == State.READY


def test_what_was_not_checked_is_not_launched(desk: Desk) -> None:
    with pytest.raises(Refused, match="draft"):
        launching.launch(desk.campaign.id, 3)


def test_a_change_after_the_check_is_refused(desk: Desk) -> None:
    desk.checked()
    desk.table.rows_version += 1
    db.session.commit()
    with pytest.raises(Refused, match="the recipient table"):
        launching.launch(desk.campaign.id, 3)


def test_a_table_deleted_after_the_check_is_refused(desk: Desk) -> None:
    desk.checked()
    desk.table.deleted_at = now()
    db.session.commit()
    with pytest.raises(Refused, match="the recipient table"):
        launching.launch(desk.campaign.id, 3)
    assert desk.messages() == []


def test_a_sender_archived_in_the_hold_time_sends_nothing(desk: Desk) -> None:
    desk.checked()
    launching.launch(desk.campaign.id, 3, 60)
    desk.sender.archived_at = now()
    db.session.commit()
    assert not launching.begin(desk.campaign.id)
    assert desk.fresh().state == State.READY
    assert desk.messages() == []


def test_nothing_happens_in_the_hold_time_and_stop_takes_it_back(desk: Desk) -> None:
    desk.checked()
    launching.launch(desk.campaign.id, 3, 60)
    assert launching.launch_due() == 0
    assert desk.fresh().state == State.HOLDING
    launching.stop(desk.campaign.id)
    assert desk.fresh().state == State.READY
    assert desk.messages() == []


def test_when_the_hold_time_is_over_it_begins_once(desk: Desk) -> None:
    desk.checked()
    launching.launch(desk.campaign.id, 3, 60)
    desk.fresh().hold_until = now() - timedelta(seconds=1)
    db.session.commit()
    assert [launching.launch_due(), launching.launch_due()] == [1, 0]
    assert desk.fresh().state == State.LAUNCHING
    assert queue.queue(queue.Lane.CHORES).job_ids[-1].startswith("launch-")


def test_a_change_in_the_hold_time_stops_it(desk: Desk) -> None:
    desk.checked()
    launching.launch(desk.campaign.id, 3, 60)
    desk.fresh().hold_until = now() - timedelta(seconds=1)
    desk.table.rows_version += 1
    db.session.commit()
    launching.launch_due()
    campaign = desk.fresh()
    assert (campaign.state, campaign.launched_at) == (State.READY, None)
    assert "the recipient table" in campaign.stop_reason


def test_a_launch_cut_in_the_middle_goes_on_without_duplicates(
    make_desk: MakeDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launching, "BATCH", 10)
    desk = make_desk(MANY)
    desk.checked()
    launching.launch(desk.campaign.id, 25, 0)
    assert a_turn(desk) is Turn.WRITTEN
    with monkeypatch.context() as cut:
        cut.setattr(message_rows, "_insert", _killed)
        with pytest.raises(RuntimeError):
            launching.run(desk.campaign.id)
    db.session.rollback()
    assert len(desk.messages()) == 10
    launching.run(desk.campaign.id)
    rows = desk.messages()
    assert [row.row_number for row in rows] == list(range(1, 26))
    assert desk.fresh().state == State.SENDING


def _killed(*_args: object) -> None:
    raise RuntimeError("killed")


def test_a_second_launcher_writes_nothing(desk: Desk) -> None:
    desk.launched()
    launching.run(desk.campaign.id)
    assert len(desk.messages()) == 3


def test_a_silent_launch_is_woken_again(desk: Desk) -> None:
    desk.checked()
    launching.launch(desk.campaign.id, 3, 0)
    assert launching.launch_due() == 0
    campaign = desk.fresh()
    campaign.updated_at = now() - timedelta(minutes=1)
    db.session.commit()
    assert launching.launch_due() == 1


def test_skipped_rows_keep_the_reason(make_desk: MakeDesk) -> None:
    desk = make_desk([*PEOPLE, {"email": "ada@example.org", "first_name": "Twin"}])
    campaign = desk.launched()
    row = desk.messages()[-1]
    assert (row.status, row.reason_class) == (Status.SKIPPED, "duplicate")
    assert campaign.total == 4


def test_rows_added_after_the_launch_get_nothing(desk: Desk) -> None:
    desk.checked()
    launching.launch(desk.campaign.id, 3, 0)
    db.session.add(
        recipient_of(desk.table, {"email": "late@example.org", "first_name": "L"})
    )
    db.session.commit()
    launching.run(desk.campaign.id)
    assert len(desk.messages()) == 3


def test_tickets_are_issued(desk: Desk) -> None:
    campaign = desk.launched()
    ids = queue.queue(queue.Lane.CAMPAIGNS).job_ids
    assert ids == [f"ticket-{campaign.id}-{campaign.generation}"]


def test_pause_in_the_launch_goes_on_with_the_launch(desk: Desk) -> None:
    desk.checked()
    launching.launch(desk.campaign.id, 3, 0)
    steering.pause(desk.campaign.id)
    launching.run(desk.campaign.id)
    assert desk.messages() == []
    steering.resume(desk.campaign.id)
    assert desk.fresh().state == State.LAUNCHING
    launching.run(desk.campaign.id)
    assert desk.fresh().state == State.SENDING


def test_what_is_launched_is_frozen(desk: Desk) -> None:
    campaign = desk.launched()
    assert campaign.message_template_version_id == desk.template.versions[0].id
    assert campaign.sender_snapshot["from_address"] == "news@library.example"
    with pytest.raises(Refused):
        service.edit(campaign.id, name="Other")


def test_a_launcher_that_was_overtaken_writes_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.checked()
    launching.launch(desk.campaign.id, 3, 0)

    def overtaken(*args: Any) -> Iterator[list[audience.Person]]:
        found = list(audience.batches(*args))
        db.session.execute(sa.update(Campaign).values(launched_through=2))
        db.session.commit()
        yield from found

    monkeypatch.setattr(message_rows, "batches", overtaken)
    assert a_turn(desk) is Turn.NOT_OURS
    assert desk.messages() == []


def test_a_row_that_changes_while_it_is_prepared_is_read_anew(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.checked()
    launching.launch(desk.campaign.id, 3, 0)
    whole = message_rows._rows_of
    changes = iter(["Augusta"])

    def changed(*args: Any) -> str:
        for name in changes:
            db.session.rollback()
            ada = sa.update(Recipient).where(Recipient.address_key == "ada@example.org")
            values = {"email": "ada@example.org", "first_name": name, "born": None}
            db.session.execute(ada.values(row_values=values, version=2))
            db.session.commit()
        return whole(*args)

    monkeypatch.setattr(message_rows, "_rows_of", changed)
    assert a_turn(desk) is Turn.CHANGED
    assert desk.messages() == []
    launching.run(desk.campaign.id)
    ada = desk.messages()[0]
    assert (ada.name, ada.row_values["first_name"]) == ("Augusta", "Augusta")
    assert ada.recipient_version == 2
    assert len(desk.messages()) == 3


ODD = 'Zoë "Q" O\'Hara \\ [1] {x} :n \U0001f600'


@pytest.mark.parametrize("database", ["app", "on_postgres"])
def test_what_the_database_takes_apart_is_what_was_put_in(
    database: str, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue(database)
    people = [{"email": "zoe@example.org", "first_name": ODD}] * 2
    desk = desk_of(people, subject="Hello")
    desk.launched()
    row, twin = desk.messages()
    assert row.row_values == {**people[0], "born": None}
    assert (row.name, row.status) == (ODD, Status.PENDING)
    assert (row.reply, row.tries, row.bodies, row.attempt) == ("", 0, None, None)
    assert row.due_at == row.created_at == row.updated_at
    assert (twin.status, twin.reason_class) == (Status.SKIPPED, "duplicate")
    assert tallies.differences() == []


def test_postgresql_knows_how_many_rows_a_large_launch_wrote(
    on_postgres: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    del on_postgres
    monkeypatch.setattr(launching, "MANY", 3)
    desk_of(PEOPLE, subject="Hello").launched()
    known = sa.text("SELECT reltuples FROM pg_class WHERE relname = 'message'")
    assert db.session.scalar(known) == 3
    db.session.rollback()


def test_check_and_launch_read_no_table_from_end_to_end(desk: Desk) -> None:
    with asking() as seen:
        desk.checked()
        launching.launch(desk.campaign.id, 3, 0)
        launching.run(desk.campaign.id)
    assert any("FROM recipient" in text for text, _values in seen)
    assert scans(seen, "recipient", "message") == []


@pytest.fixture
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a launch try again at once."""
    monkeypatch.setattr(launching, "LONGEST_PAUSE", 0)


def refused_by_the_database(row_id: int) -> None:
    """Let the database refuse the message of one recipient."""
    db.session.execute(
        sa.text(
            "CREATE TRIGGER refusing BEFORE INSERT ON message "
            f"WHEN NEW.recipient_id = {row_id} BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
    )
    db.session.commit()


@pytest.mark.usefixtures("_no_waiting")
def test_a_row_that_cannot_be_written_pauses_the_launch_and_is_named(
    make_desk: MakeDesk, client: PageClient
) -> None:
    desk = make_desk(MANY)
    desk.checked()
    launching.launch(desk.campaign.id, 25, 0)
    refused_by_the_database(17)
    launching.run(desk.campaign.id)
    campaign = desk.fresh()
    assert (campaign.state, len(desk.messages())) == (State.PAUSED, 16)
    page = client.get(f"/campaigns/{campaign.id}").text
    assert "The database refused the message of row 17 (IntegrityError)" in page
    assert f"/recipient-tables/{desk.table.id}" in page
    db.session.execute(sa.text("DROP TRIGGER refusing"))
    db.session.commit()
    steering.resume(desk.campaign.id)
    launching.run(desk.campaign.id)
    assert desk.fresh().state == State.SENDING
    assert [row.row_number for row in desk.messages()] == list(range(1, 26))


@pytest.mark.usefixtures("_no_waiting")
def test_rows_that_never_stay_the_same_do_not_keep_a_launch_busy_for_ever(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.checked()
    launching.launch(desk.campaign.id, 3, 0)
    tries: list[int] = []

    def changed(_campaign: int, size: int, _repeated: object) -> Turn:
        tries.append(size)
        return Turn.CHANGED

    monkeypatch.setattr(message_rows, "write_batch", changed)
    launching.run(desk.campaign.id)
    assert (len(tries), tries[0], tries[-1]) == (launching.MOST_TRIES, 3000, 1)
    campaign = desk.fresh()
    assert campaign.state == State.PAUSED
    assert campaign.pause_reason.startswith("Row 1 of the recipient table was changed")


@pytest.mark.usefixtures("_no_waiting")
def test_a_scheduled_one_that_cannot_be_written_asks(desk: Desk) -> None:
    desk.checked()
    later = {"scheduled_at": "2099-01-01T08:00", "time_zone": "UTC"}
    campaign = desk.fresh()
    campaign.scheduled_at, campaign.state = later["scheduled_at"], State.SCHEDULED
    campaign.sender_snapshot = {"kind": "practice", "from_address": "n@example.org"}
    campaign.launched_at = now()
    db.session.commit()
    refused_by_the_database(2)
    launching.run(campaign.id)
    campaign = desk.fresh()
    assert (campaign.state, len(desk.messages())) == (State.SCHEDULED, 1)
    assert campaign.asks_since is not None
    assert "row 2" in campaign.stop_reason
    campaign.updated_at = now() - timedelta(minutes=1)
    db.session.commit()
    assert launching.launch_due() == 0


def test_a_lost_connection_is_left_to_the_next_wake(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.checked()
    launching.launch(desk.campaign.id, 3, 0)

    def cut(*_given: object) -> Turn:
        raise OperationalError("SELECT 1", {}, Exception("gone"))

    with monkeypatch.context() as cutting:
        cutting.setattr(message_rows, "write_batch", cut)
        with pytest.raises(OperationalError):
            launching.run(desk.campaign.id)
    db.session.rollback()
    assert desk.fresh().state == State.LAUNCHING


TWINS = [{"email": f"t{n % 4}@example.org", "first_name": f"T{n}"} for n in range(8)]


@pytest.mark.parametrize("most", [0, 3, 4])
def test_repeated_addresses_get_one_message_whoever_looks_for_them(
    most: int, make_desk: MakeDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audience, "MOST_REPEATED", most)
    desk = make_desk(TWINS)
    repeated = audience.Repeated().of(desk.table)
    assert (repeated is None) == (most < 4)
    desk.launched()
    found = [row.reason_class for row in desk.messages()]
    assert found == [""] * 4 + ["duplicate"] * 4


def test_an_address_that_is_doubled_while_a_launch_runs_gets_one_message(
    desk: Desk,
) -> None:
    desk.checked()
    launching.launch(desk.campaign.id, 3, 0)
    repeated = audience.Repeated()
    assert write_batch(desk.campaign.id, 1, repeated) is Turn.WRITTEN
    kofi = sa.update(Recipient).where(Recipient.address_key == "kofi@example.org")
    db.session.execute(kofi.values(address_key="zoe@example.org", version=2))
    db.session.execute(sa.update(RecipientTable).values(rows_version=9))
    db.session.commit()
    while write_batch(desk.campaign.id, 1, repeated) is Turn.WRITTEN:
        pass
    found = [row.reason_class for row in desk.messages()]
    assert found == ["", "", "duplicate"]


def test_a_launch_that_stands_still_says_so(
    desk: Desk, client: PageClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "trouble", lambda _campaign: "")
    desk.checked()
    launching.launch(desk.campaign.id, 3, 0)
    words = "No message has been written for 5 minutes"
    assert words not in client.get(f"/campaigns/{desk.campaign.id}").text
    desk.fresh().updated_at = now() - timedelta(minutes=5, seconds=1)
    db.session.commit()
    assert words in client.get(f"/campaigns/{desk.campaign.id}").text
    launching.run(desk.campaign.id)
    assert (
        "No message has been" not in client.get(f"/campaigns/{desk.campaign.id}").text
    )
