"""Mails settle what nobody knew: an unknown message went, or went and bounced."""

from collections.abc import Callable

import pytest
import sqlalchemy as sa

from tests.triage.answering import Dsn, about, person
from tests.triage.conftest import Receive, suppressed
from webapp.campaigns.models import Event, Message
from webapp.campaigns.states import Status
from webapp.core.db import db

Send = Callable[[str], Message]


@pytest.fixture
def unknown(send: Send) -> Message:
    """A message of which nobody knows whether it went."""
    message = send("ada@example.org")
    message.status, message.sent_at = Status.UNKNOWN, None
    db.session.commit()
    return message


def story(message: Message) -> tuple[str, list[str]]:
    """Return the status of a message, and its timeline."""
    db.session.rollback()
    query = sa.select(Event.kind).where(Event.message_id == message.id)
    kinds = list(db.session.scalars(query.order_by(Event.at, Event.id)))
    status = db.session.get_one(Message, message.id).status.value
    db.session.rollback()
    return status, kinds


def test_a_bounce_says_that_it_went_and_bounced(
    unknown: Message, receive: Receive
) -> None:
    known = about(unknown)
    receive(Dsn(known.to, returned=known.returned).octets())
    assert story(unknown) == ("sent", ["proved", "bounced"])
    assert suppressed() == [("ada@example.org", "hard_bounce", None)]


def test_a_notice_of_a_delay_is_proof_too(unknown: Message, receive: Receive) -> None:
    known = about(unknown)
    delay = Dsn(known.to, "delayed", "4.4.1", returned=known.returned)
    receive(delay.octets())
    assert story(unknown) == ("sent", ["proved", "notice"])


def test_a_reply_says_that_it_went(unknown: Message, receive: Receive) -> None:
    known = about(unknown)
    receive(person(known.to, "Re: November", "Thanks", known.message_id))
    assert story(unknown) == ("sent", ["proved", "replied"])


def test_a_forged_bounce_and_a_likely_reply_prove_nothing(
    unknown: Message, receive: Receive
) -> None:
    known = about(unknown)
    forged = known.message_id.replace("<", "<x")
    receive(
        Dsn(known.to, returned=f"Message-ID: {forged}").octets(),
        person(known.to, "Re: November newsletter", "Thanks"),
    )
    assert story(unknown) == ("unknown", [])


def test_a_bounce_of_somebody_else_proves_nothing(
    unknown: Message, receive: Receive
) -> None:
    known = about(unknown)
    receive(Dsn("eve@example.net", returned=known.returned).octets())
    assert story(unknown) == ("unknown", [])
