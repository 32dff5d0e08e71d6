"""What comes back proves that an unknown message went; and nothing more than that."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from tests.campaigns.conftest import Desk, MakeDesk
from webapp.campaigns import coming_back, message_tokens, proving, tallies, timeline
from webapp.campaigns.letters import UNSUBSCRIBE, VIEW, token_key
from webapp.campaigns.models import Attempt, Event, Message, MessageAddress
from webapp.campaigns.states import Status
from webapp.core.clock import now
from webapp.core.db import db
from webapp.core.ids import uuid7


def link(message: Message, purpose: str) -> str:
    return message_tokens.sign(token_key(), message.public_id, purpose)


def prove(message: Message) -> bool:
    done = proving.it_went(message, coming_back.REPLIED)
    db.session.commit()
    return done


def tried(desk: Desk, outcome: str, status: Status) -> Message:
    """A message whose last try ended like that, and which has a status since."""
    attempt, at = uuid7(), now() - timedelta(minutes=16)
    message = desk.set(0, status, attempt=attempt, marked_at=at)
    db.session.add(
        Attempt(
            id=attempt, message_id=message.id, number=1, started_at=at, outcome=outcome
        )
    )
    db.session.commit()
    return desk.messages()[0]


def test_unknown_becomes_sent_at_the_time_of_its_try(desk: Desk) -> None:
    campaign = desk.launched()
    marked = now() - timedelta(minutes=3)
    message = desk.set(0, Status.UNKNOWN, marked_at=marked, reason="Silence")
    assert prove(message)
    found = desk.messages()[0]
    assert (found.status, found.sent_at, found.reason) == (Status.SENT, marked, "")
    counts = tallies.counts(campaign.id)
    assert (counts[Status.SENT], counts[Status.UNKNOWN]) == (1, 0)
    assert tallies.differences() == []


def test_the_timeline_says_what_proved_it(desk: Desk) -> None:
    desk.launched()
    prove(desk.set(0, Status.UNKNOWN))
    line = timeline.timeline(desk.messages()[0])[-1]
    assert (line.title, line.words) == (
        "Proved: it went",
        "A reply to it came back.",
    )


def test_a_second_proof_says_nothing_more(desk: Desk) -> None:
    desk.launched()
    desk.set(0, Status.UNKNOWN)
    assert [prove(desk.messages()[0]) for _time in range(2)] == [True, False]
    assert db.session.query(Event).count() == 1


@pytest.mark.parametrize("status", sorted(set(Status) - {Status.UNKNOWN, Status.SENT}))
def test_other_statuses_stay(desk: Desk, status: Status) -> None:
    desk.launched()
    message = tried(desk, "refused", status)
    assert not prove(message)
    assert desk.messages()[0].status is status


def test_what_a_worker_holds_by_now_stays(desk: Desk) -> None:
    desk.launched()
    message = desk.set(0, Status.UNKNOWN)
    message_id = message.id
    assert message.status is Status.UNKNOWN
    values = {"status": Status.SENDING, "attempt": uuid7()}
    db.session.execute(
        sa.update(Message)
        .where(Message.id == message_id)
        .values(values)
        .execution_options(synchronize_session=False)
    )
    assert not prove(message)
    assert desk.messages()[0].status is Status.SENDING


def test_what_waits_to_be_sent_again_is_not_sent_twice(desk: Desk) -> None:
    desk.launched()
    assert prove(tried(desk, "unknown", Status.PENDING))
    assert desk.messages()[0].status is Status.SENT


def test_copies_of_which_nobody_knew_went_too(make_desk: MakeDesk) -> None:
    desk = make_desk(campaign={"cc": ["desk@example.org"]})
    desk.launched()
    message = desk.set(0, Status.UNKNOWN)
    for address, status in (("a@b.example", "unknown"), ("c@d.example", "failed")):
        db.session.add(
            MessageAddress(
                message_id=message.id,
                kind="cc",
                address=address,
                status=Status(status),
            )
        )
    db.session.commit()
    prove(message)
    rows = db.session.scalars(
        sa.select(MessageAddress).where(MessageAddress.address != "desk@example.org")
    )
    assert {row.address: row.status.value for row in rows} == {
        "a@b.example": "sent",
        "c@d.example": "failed",
    }


def test_opening_it_in_the_browser_proves_it(
    desk: Desk, anonymous: FlaskClient
) -> None:
    desk.launched()
    message = desk.set(0, Status.UNKNOWN)
    assert anonymous.get(f"/v/{link(message, VIEW)}").status_code == 200
    assert desk.messages()[0].status is Status.SENT


def test_an_operator_who_looks_proves_nothing(desk: Desk, client: FlaskClient) -> None:
    desk.launched()
    message = desk.set(0, Status.UNKNOWN)
    assert client.get(f"/v/{link(message, VIEW)}").status_code == 200
    assert desk.messages()[0].status is Status.UNKNOWN


def test_one_click_proves_it_and_looking_at_the_page_does_not(
    desk: Desk, anonymous: FlaskClient
) -> None:
    desk.launched()
    place = f"/u/{link(desk.set(0, Status.UNKNOWN), UNSUBSCRIBE)}"
    anonymous.get(place)
    assert desk.messages()[0].status is Status.UNKNOWN
    anonymous.post(place, data={"List-Unsubscribe": "One-Click"})
    assert desk.messages()[0].status is Status.SENT
