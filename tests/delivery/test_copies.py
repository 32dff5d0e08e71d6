"""Messages with copies: each address keeps its own outcome, whatever else happens."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from tests.delivery.test_engine import due_now, single
from tests.support.sending import Desk, person
from webapp.campaigns import deciding, steering, tallies
from webapp.campaigns.deciding import Decision
from webapp.campaigns.models import Campaign, Message, MessageAddress
from webapp.campaigns.states import Status
from webapp.core.db import db
from webapp.delivery import liveness, marking, plans
from webapp.delivery.connections import Done, Handed
from webapp.delivery.engine import Engine
from webapp.delivery.liveness import Me
from webapp.delivery.outcomes import Standing, verdict
from webapp.delivery.plans import Plan
from webapp.delivery.preparing import Ready, prepare
from webapp.delivery.ways import settled_of
from webapp.message_templates.rendering import RenderPool
from webapp.senders.models import Sender
from webapp.senders.outcome import Kind, Outcome, RecipientOutcome, Trouble
from webapp.suppressions.models import Reason, Suppression

CC, BCC = "cc@example.org", "bcc@example.org"
Work = Callable[[Campaign], None]


@pytest.fixture
def work(engine: Engine) -> Work:
    """Work through one ticket of a campaign, whatever waits in it."""

    def run(campaign: Campaign) -> None:
        due_now()
        plan = plans.of_campaign(campaign.id, 1)
        assert plan is not None
        engine.work(plan)
        db.session.rollback()

    return run


@pytest.fixture
def waiting(desk: Desk, work: Work) -> Campaign:
    """A campaign of one message that went; its copy was put off."""
    desk.server.answer(f"rcpt:{CC}", "451 4.2.0 Greylisted")
    campaign = desk.campaign(1, cc=[CC])
    work(campaign)
    expected = {person(1): "sent", CC: "deferred"}
    assert (status(), outcomes()) == (Status.DEFERRED, expected)
    return campaign


def composed(campaign: Campaign, ticket: int = 1) -> tuple[Plan, list[Ready]]:
    """Compose all rows of a campaign that are due."""
    plan = plans.of_campaign(campaign.id, ticket)
    assert plan is not None
    with RenderPool() as pool:
        return plan, [one for chunk in prepare(plan, pool) for one in chunk]


def work_as(engine: Engine, sender: Sender) -> None:
    """Work through what one sender has to send."""
    plan = plans.of_sender(sender.id)
    assert plan is not None
    engine.work(plan)
    db.session.rollback()


def suppressed() -> list[str]:
    """All whom a suppression names."""
    return list(db.session.scalars(sa.select(Suppression.address_key)))


def outcomes() -> dict[str, str]:
    """The outcome of each address."""
    query = sa.select(MessageAddress.address, MessageAddress.status)
    found = {addr: status.value for addr, status in db.session.execute(query)}
    db.session.rollback()
    return found


def status() -> Status:
    """The status of the only message."""
    found = db.session.scalars(sa.select(Message.status)).one()
    db.session.rollback()
    return found


def suppress(addr: str) -> None:
    db.session.add(Suppression(address_key=addr, reason=Reason.MANUAL))
    db.session.commit()


@pytest.mark.parametrize(
    "said",
    [
        Outcome(Kind.UNWELL, None, None, "Down", (), Trouble.NETWORK),
        Outcome(Kind.UNKNOWN, None, None, "Something broke here", ()),
    ],
)
def test_a_copy_that_went_is_not_the_message(said: Outcome) -> None:
    day = timedelta(days=1)
    standing = Standing(1, timedelta(0), day, frozenset({"a@x.example"}))
    expected = verdict(said, standing).status
    with_copy = Standing(
        1, timedelta(0), day, frozenset({"a@x.example"}), {CC: Status.SENT}
    )
    assert verdict(said, with_copy).status is expected


def test_a_copy_suppressed_between_two_tries_sends_nobody_a_second_one(
    desk: Desk, work: Work, waiting: Campaign
) -> None:
    suppress(CC)
    work(waiting)
    assert desk.server.copies() == {person(1): 1}
    assert (status(), outcomes()) == (Status.SENT, {person(1): "sent", CC: "skipped"})


def test_a_single_copy_suppressed_between_two_tries_ends_at_once(
    desk: Desk, engine: Engine
) -> None:
    desk.server.answer(f"rcpt:{CC}", "451 4.2.0 Greylisted")
    sender = desk.sender()
    single(desk, sender, "ada@example.org", to=["ada@example.org"], cc=[CC])
    work_as(engine, sender)
    suppress(CC)
    due_now()
    work_as(engine, sender)
    assert desk.server.copies() == {"ada@example.org": 1}
    assert (status(), outcomes()) == (
        Status.SENT,
        {"ada@example.org": "sent", CC: "skipped"},
    )


def test_a_refused_second_reader_is_the_one_who_is_suppressed(
    desk: Desk, engine: Engine
) -> None:
    desk.server.answer("rcpt:gone@example.org", "550 5.1.1 No such user", always=True)
    sender = desk.sender()
    to = ["ada@example.org", "gone@example.org"]
    single(desk, sender, "ada@example.org", to=to)
    work_as(engine, sender)
    assert status() is Status.FAILED
    assert suppressed() == ["gone@example.org"]


def test_a_refused_copy_is_suppressed_too(desk: Desk, work: Work) -> None:
    desk.server.answer(f"rcpt:{CC}", "550 5.1.1 No such user", always=True)
    work(desk.campaign(1, cc=[CC]))
    assert status() is Status.SENT
    assert suppressed() == [CC]


def test_a_copy_suppressed_while_a_ticket_is_worked_on_goes_no_more(
    desk: Desk,
) -> None:
    campaign = desk.campaign(2, cc=[CC])
    plan, rows = composed(campaign)
    me = liveness.register()
    assert len(marking.exchange(plan, me, [], rows[:1]).marked) == 1
    suppress(CC)
    got = marking.exchange(plan, me, [], rows[1:])
    assert (got.marked, got.is_open) == ((), False)
    plan, rows = composed(campaign, 2)
    (handed,) = marking.exchange(plan, me, [], rows).marked
    assert handed.prepared.targets == (person(2),)


def test_who_has_it_was_sent_it_also_when_the_rest_is_cancelled(
    waiting: Campaign,
) -> None:
    steering.cancel(waiting.id)
    assert (status(), outcomes()) == (Status.SENT, {person(1): "sent", CC: "cancelled"})
    assert tallies.differences() == []


def test_who_has_it_was_sent_it_also_when_he_is_suppressed_then(
    desk: Desk, work: Work, waiting: Campaign
) -> None:
    suppress(person(1))
    work(waiting)
    assert desk.server.copies() == {person(1): 1}
    assert (status(), outcomes()) == (Status.SENT, {person(1): "sent", CC: "skipped"})
    assert db.session.scalars(sa.select(Message.reason)).one() == ""


class Marked:
    """A message with a copy, marked by hand."""

    def __init__(self, desk: Desk) -> None:
        self.campaign = desk.campaign(1, cc=[CC])
        self.me: Me = liveness.register()

    def mark(self) -> Handed:
        due_now()
        plan, rows = composed(self.campaign)
        (handed,) = marking.exchange(plan, self.me, [], rows).marked
        return handed

    def record(self, handed: Handed, kind: Kind, code: int | None, of_cc: Kind) -> None:
        recipients = tuple(
            RecipientOutcome(addr, one, code if one is kind else 550, "Words")
            for addr, one in ((person(1), kind), (CC, of_cc))
        )
        said = Outcome(kind, code, None, "Words", recipients)
        settled = settled_of(Done(handed, said))
        assert marking.exchange(None, self.me, [settled], []).is_stored


@pytest.fixture
def marked(desk: Desk) -> Marked:
    return Marked(desk)


def lose(me: Me) -> None:
    """Let a worker be dead."""
    liveness.retire(me)
    db.session.rollback()


def test_the_addresses_of_a_lost_message_are_unknown_and_went_with_it(
    marked: Marked,
) -> None:
    marked.mark()
    lose(marked.me)
    assert (status(), outcomes()) == (
        Status.UNKNOWN,
        {person(1): "unknown", CC: "unknown"},
    )
    deciding.resolve_unknown(marked.campaign.id, Decision.WENT)
    assert (status(), outcomes()) == (Status.SENT, {person(1): "sent", CC: "sent"})


NO, SILENCE = (Kind.REFUSED, 550), (Kind.UNKNOWN, None)


@pytest.mark.parametrize("late", [NO, SILENCE])
def test_a_late_answer_leaves_the_addresses_of_a_newer_try_alone(
    marked: Marked, late: tuple[Kind, int | None]
) -> None:
    early = marked.mark()
    lose(marked.me)
    deciding.resolve_unknown(marked.campaign.id, Decision.SEND_AGAIN)
    marked.me = liveness.register()
    newer = marked.mark()
    marked.record(newer, Kind.DEFERRED, 451, Kind.DEFERRED)
    before = (status(), outcomes())
    marked.record(early, *late, late[0])
    assert (status(), outcomes()) == before


def test_a_late_yes_keeps_the_address_from_a_second_copy(marked: Marked) -> None:
    early = marked.mark()
    lose(marked.me)
    deciding.resolve_unknown(marked.campaign.id, Decision.SEND_AGAIN)
    marked.me = liveness.register()
    newer = marked.mark()
    marked.record(newer, Kind.DEFERRED, 451, Kind.DEFERRED)
    marked.record(early, Kind.ACCEPTED, 250, Kind.REFUSED)
    assert (status(), outcomes()) == (
        Status.DEFERRED,
        {person(1): "sent", CC: "deferred"},
    )
    again: Any = marked.mark()
    assert again.prepared.targets == (CC,)


def test_one_copy_address_has_an_outcome_for_each_message(
    desk: Desk, work: Work
) -> None:
    desk.server.answer(f"rcpt:{CC}", "451 4.2.0 Later", "550 5.7.1 Not from you")
    work(desk.campaign(3, cc=[CC]))
    query = sa.select(MessageAddress.status).where(MessageAddress.address == CC)
    found = sorted(one.value for one in db.session.scalars(query))
    assert found == ["deferred", "failed", "sent"]
