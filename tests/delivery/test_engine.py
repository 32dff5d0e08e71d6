"""One engine against a server that answers as it is told."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from tests.support.sending import Desk, person
from tests.support.smtp_servers import (
    DROP,
    PATIENCE,
    RECORD_THEN_DROP,
    RECORD_THEN_STALL,
    RecordingServer,
    smtp_sink,
)
from webapp.campaigns.models import (
    Attempt,
    Campaign,
    CampaignEvent,
    Event,
    Message,
    MessageAddress,
)
from webapp.campaigns.states import State, Status
from webapp.core import blobs
from webapp.core.clock import now
from webapp.core.db import db
from webapp.delivery import connections, liveness, plans
from webapp.delivery import engine as engine_module
from webapp.delivery.engine import Engine
from webapp.senders.models import Sender, TransportKind
from webapp.senders.server import Security
from webapp.suppressions.models import Reason, Suppression

Send = Callable[[Campaign], None]


@pytest.fixture
def send(engine: Engine) -> Send:
    """Work through one ticket of a campaign."""

    def work(campaign: Campaign) -> None:
        plan = plans.of_campaign(campaign.id, 1)
        if plan is not None:
            engine.work(plan)

    return work


def row(number: int = 1) -> Message:
    """The message to a recipient, as it is stored now."""
    db.session.rollback()
    return db.session.scalars(
        sa.select(Message).where(Message.address == person(number))
    ).one()


def due_now() -> None:
    """Let the waiting be over."""
    db.session.execute(sa.update(Message).values(due_at=now() - timedelta(seconds=1)))
    db.session.commit()


def kinds_of(message: Message) -> list[str]:
    query = sa.select(Event.kind).where(Event.message_id == message.id)
    return list(db.session.scalars(query.order_by(Event.id)))


def test_a_row_tells_how_it_was_sent(desk: Desk, send: Send) -> None:
    campaign = desk.campaign(1)
    send(campaign)
    message = row()
    assert message.status is Status.SENT
    assert message.reply_code == 250
    assert message.sent_at is not None
    assert kinds_of(message) == ["rendered", "sent"]
    attempt = db.session.scalars(sa.select(Attempt)).one()
    assert (attempt.number, attempt.outcome, attempt.reply_code) == (1, "accepted", 250)
    mail = desk.server.mails[0]
    assert f"Message-ID: {message.message_id_header}".encode() in mail.data
    assert b"Dear Person 1, you are number 1." in mail.data


@pytest.mark.parametrize(
    ("options", "status", "code"),
    [
        ((), Status.SENT, 250),
        (("-r", "rcpt"), Status.DEFERRED, 450),
        (("-f", "rcpt"), Status.FAILED, 500),
        (("-p",), Status.SENT, 250),
    ],
)
def test_postfix_smtp_sink_decides_for_a_whole_campaign(
    desk: Desk, send: Send, options: tuple[str, ...], status: Status, code: int
) -> None:
    with smtp_sink(*options) as port:
        campaign = desk.campaign(40, desk.sender(port=port))
        send(campaign)
        db.session.rollback()
        query = sa.select(Message.status, Message.reply_code, sa.func.count())
        found = db.session.execute(query.group_by(Message.status, Message.reply_code))
        assert [tuple(one) for one in found] == [(status, code, 40)]


def test_4xx_waits_and_the_second_try_sends_the_same_bytes(
    desk: Desk, send: Send
) -> None:
    desk.server.answer("dot", "451 4.3.0 Later", "250 2.0.0 Ok")
    campaign = desk.campaign(1)
    before = now()
    send(campaign)
    message = row()
    assert (message.status, message.tries) == (Status.DEFERRED, 1)
    assert "Later" in message.reply
    assert before + timedelta(seconds=53) < message.due_at
    assert message.due_at < now() + timedelta(seconds=67)
    first = (message.message_id_header, message.dated_at)
    send(campaign)
    assert row().status is Status.DEFERRED
    due_now()
    send(campaign)
    message = row()
    assert message.status is Status.SENT
    assert (message.message_id_header, message.dated_at) == first
    assert desk.server.copies() == {person(1): 1}
    numbers = db.session.scalars(sa.select(Attempt.number).order_by(Attempt.number))
    assert list(numbers) == [1, 2]


def test_5xx_fails_with_class_and_words(desk: Desk, send: Send) -> None:
    desk.server.answer(f"rcpt:{person(2)}", "550 5.1.1 No such user")
    send(desk.campaign(3))
    message = row(2)
    assert (message.status, message.reason_class) == (Status.FAILED, "address")
    assert "No such user" in message.reply
    assert desk.statuses() == {"sent": 2, "failed": 1}
    desk.assert_ledger_agrees()


@pytest.mark.parametrize("step", ["mail", "data"])
def test_a_connection_lost_before_the_dot_costs_no_try(
    desk: Desk, send: Send, step: str
) -> None:
    desk.server.answer(step, DROP)
    campaign = desk.campaign(1)
    send(campaign)
    message = row()
    assert (message.status, message.tries) == (Status.DEFERRED, 0)
    due_now()
    send(campaign)
    assert row().status is Status.SENT
    desk.assert_ledger_agrees()


@pytest.mark.parametrize(("answer", "copies"), [(DROP, 0), (RECORD_THEN_DROP, 1)])
def test_silence_after_the_dot_is_unknown_and_stays_so(
    desk: Desk, send: Send, answer: str, copies: int
) -> None:
    desk.server.answer("dot", answer)
    campaign = desk.campaign(1)
    send(campaign)
    due_now()
    send(campaign)
    assert row().status is Status.UNKNOWN
    assert desk.server.copies()[person(1)] == copies


def test_a_server_that_is_down_trips_the_breaker_and_no_try_is_used(
    desk: Desk, send: Send, engine: Engine
) -> None:
    sender = desk.sender(port=1)
    campaign = desk.campaign(40, sender)
    send(campaign)
    assert set(desk.statuses()) <= {"pending", "deferred"}
    assert db.session.scalar(sa.select(sa.func.max(Message.tries))) == 0
    db.session.rollback()
    found = db.session.get_one(Sender, sender.id)
    assert found.breaker_until is not None
    assert found.breaker_until > now()
    assert found.breaker_words
    assert plans.of_campaign(campaign.id, 2) is None
    del engine


def test_after_trouble_one_message_goes_ahead_and_closes_the_breaker(
    desk: Desk, send: Send
) -> None:
    sender = desk.sender(breaker_failures=3, breaker_until=now() - timedelta(seconds=1))
    campaign = desk.campaign(20, sender)
    send(campaign)
    assert desk.statuses() == {"sent": 20}
    found = db.session.get_one(Sender, sender.id)
    assert (found.breaker_failures, found.breaker_until) == (0, None)


def test_a_refused_sign_in_pauses_the_campaign_in_words(desk: Desk, send: Send) -> None:
    desk.server.credentials = ("desk", "right")
    sender = desk.sender(login="desk")
    campaign = desk.campaign(30, sender)
    send(campaign)
    assert desk.state(campaign) is State.PAUSED
    paused = db.session.get_one(Campaign, campaign.id)
    assert "password" in paused.pause_reason
    kinds = db.session.scalars(sa.select(CampaignEvent.kind)).all()
    assert kinds == ["paused"]
    assert set(desk.statuses()) <= {"pending", "deferred"}
    assert not desk.server.mails


def test_ten_sender_errors_in_a_row_pause_the_campaign(desk: Desk, send: Send) -> None:
    desk.server.answer("mail", "530 5.7.0 Authentication required", always=True)
    campaign = desk.campaign(60, desk.sender(max_connections=1))
    send(campaign)
    assert desk.state(campaign) is State.PAUSED
    assert desk.statuses()["pending"] + desk.statuses()["deferred"] >= 30


def test_a_third_of_the_first_fifty_failing_pauses_it(desk: Desk, send: Send) -> None:
    for number in range(1, 300, 3):
        desk.server.answer(f"rcpt:{person(number)}", "550 5.1.1 No such user")
    campaign = desk.campaign(300)
    send(campaign)
    assert desk.state(campaign) is State.PAUSED
    assert desk.statuses()["pending"] > 200


def test_a_row_that_cannot_be_rendered_fails_and_the_others_go(
    desk: Desk, send: Send
) -> None:
    campaign = desk.campaign(3, text="You are {{ 6 / (number - 2) }}")
    send(campaign)
    message = row(2)
    assert (message.status, message.reason_class) == (Status.FAILED, "content")
    assert desk.statuses() == {"sent": 2, "failed": 1}


def test_an_address_that_was_suppressed_meanwhile_is_skipped(
    desk: Desk, send: Send
) -> None:
    campaign = desk.campaign(4)
    db.session.add(Suppression(address_key=person(2), reason=Reason.COMPLAINT))
    db.session.add(
        Suppression(
            address_key=person(3),
            reason=Reason.UNSUBSCRIBED,
            recipient_table_id=campaign.recipient_table_id,
        )
    )
    db.session.add(
        Suppression(address_key=person(4), reason=Reason.MANUAL, recipient_table_id=99)
    )
    db.session.commit()
    send(campaign)
    assert desk.statuses() == {"sent": 2, "skipped": 2}
    assert row(2).reason == "Suppressed since the launch: complained"
    assert row(2).reason_class == "suppressed"
    assert kinds_of(row(2)) == ["skipped"]
    desk.assert_ledger_agrees()


@pytest.mark.parametrize("state", [State.PAUSED, State.CANCELLED, State.FINISHED])
def test_nothing_leaves_a_campaign_that_is_not_sending(
    desk: Desk, engine: Engine, state: State
) -> None:
    campaign = desk.campaign(20)
    plan = plans.of_campaign(campaign.id, 1)
    assert plan is not None
    campaign.state = state
    db.session.commit()
    engine.work(plan)
    assert desk.statuses() == {"pending": 20}
    assert not desk.server.mails


def test_a_4xx_in_a_cancelled_campaign_ends_cancelled(desk: Desk, send: Send) -> None:
    campaign = desk.campaign(1)

    def cancel_while_it_is_under_way(server: RecordingServer) -> None:
        server.answer("dot", "451 4.3.0 Later")
        usual = server.next_answer

        def answer(*steps: str) -> str | None:
            if "dot" in steps:
                with desk.app.app_context():
                    db.session.execute(
                        sa.update(Campaign).values(state=State.CANCELLED)
                    )
                    db.session.commit()
            return usual(*steps)

        server.next_answer = answer  # type: ignore[method-assign]  # the moment matters

    cancel_while_it_is_under_way(desk.server)
    send(campaign)
    assert row().status is Status.CANCELLED


def test_a_dry_run_keeps_the_bytes_and_sends_nothing(desk: Desk, send: Send) -> None:
    campaign = desk.campaign(3, desk.sender(kind=TransportKind.DRY_RUN))
    send(campaign)
    assert desk.statuses() == {"sent": 3}
    assert not desk.server.mails
    message = row(2)
    assert message.is_dry_run
    kept = b"".join(blobs.read(message.mime_sha256))
    assert b"you are number 2" in kept


def test_each_recipient_of_a_message_has_an_outcome_of_its_own(
    desk: Desk, send: Send
) -> None:
    desk.server.answer("rcpt:cc@example.org", "451 4.2.0 Greylisted")
    desk.server.answer("rcpt:bcc@example.org", "550 5.1.1 No such user")
    campaign = desk.campaign(1, cc=["cc@example.org"], bcc=["bcc@example.org"])
    send(campaign)
    assert row().status is Status.DEFERRED
    due_now()
    send(campaign)
    assert row().status is Status.SENT
    found = db.session.execute(
        sa.select(MessageAddress.address, MessageAddress.kind, MessageAddress.status)
    ).all()
    assert {tuple(one) for one in found} == {
        (person(1), "to", Status.SENT),
        ("cc@example.org", "cc", Status.SENT),
        ("bcc@example.org", "bcc", Status.FAILED),
    }
    assert desk.server.copies() == {person(1): 1, "cc@example.org": 1}
    assert b"bcc@example.org" not in desk.server.mails[0].data


def test_a_suppressed_copy_is_left_out(desk: Desk, send: Send) -> None:
    db.session.add(Suppression(address_key="cc@example.org", reason=Reason.MANUAL))
    db.session.commit()
    send(desk.campaign(1, cc=["cc@example.org"]))
    assert desk.server.copies() == {person(1): 1}


def single(desk: Desk, sender: Sender, address: str, **bodies: Any) -> Message:
    message = Message(
        sender_id=sender.id,
        address=address,
        address_key=address,
        bodies={"subject": "Your receipt", "text": "Thank you.", **bodies},
    )
    db.session.add(message)
    db.session.commit()
    del desk
    return message


def test_a_message_without_a_campaign_takes_the_same_engine(
    app: Flask, desk: Desk, engine: Engine
) -> None:
    sender = desk.sender()
    single(desk, sender, "ada@example.org", to=["Ada <ada@example.org>"])
    single(desk, sender, "bob@example.org", to=["bob@example.org", "no address"])
    db.session.add(
        Suppression(address_key="ada@example.org", reason=Reason.UNSUBSCRIBED)
    )
    db.session.commit()
    plan = plans.of_sender(sender.id)
    assert plan is not None
    engine.work(plan)
    assert desk.statuses() == {"sent": 1, "failed": 1}
    assert desk.server.copies() == {"ada@example.org": 1}
    del app


def test_a_bounced_address_gets_no_single_message_either(
    desk: Desk, engine: Engine
) -> None:
    sender = desk.sender()
    single(desk, sender, "ada@example.org")
    db.session.add(
        Suppression(address_key="ada@example.org", reason=Reason.HARD_BOUNCE)
    )
    db.session.commit()
    plan = plans.of_sender(sender.id)
    assert plan is not None
    engine.work(plan)
    assert desk.statuses() == {"skipped": 1}


def work_until(
    desk: Desk, engine: Engine, campaign: Campaign, expected: dict[str, int]
) -> None:
    """Work through tickets until it is so.

    One may end early where the machine is busy: it goes on for a moment only.
    """

    def work() -> bool:
        plan = plans.of_campaign(campaign.id, 1)
        assert plan is not None
        engine.work(plan)
        return desk.statuses() == expected

    desk.wait_until(work, f"never {expected}")


def test_draining_does_not_wait_for_ever_for_a_silent_server(
    desk: Desk, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.server.answer("dot", RECORD_THEN_STALL)
    monkeypatch.setattr(engine_module, "LINGER_SECONDS", 0.6)
    monkeypatch.setattr(engine_module, "DRAIN_SECONDS", 0.3)
    # Another connection takes over what waits behind the silent one.
    monkeypatch.setattr(connections, "TAKE_OVER_SECONDS", 0.1)
    work_until(desk, engine, desk.campaign(30), {"sent": 29, "sending": 1})
    engine.drain()
    liveness.retire(engine.me)
    assert desk.statuses() == {"sent": 29, "unknown": 1}
    desk.assert_ledger_agrees()


def test_what_waits_behind_a_silent_server_is_taken_back(
    desk: Desk, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender = desk.sender(max_connections=1)
    desk.server.answer("dot", RECORD_THEN_STALL)
    monkeypatch.setattr(engine_module, "LINGER_SECONDS", 0.3)
    monkeypatch.setattr(engine_module, "DRAIN_SECONDS", 0.3)
    work_until(desk, engine, desk.campaign(3, sender), {"sending": 1, "deferred": 2})
    engine.drain()
    liveness.retire(engine.me)
    assert desk.statuses() == {"unknown": 1, "deferred": 2}
    desk.assert_ledger_agrees()


def test_what_comes_back_after_its_ticket_is_settled_later(
    desk: Desk, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "LINGER_SECONDS", 0.1)
    usual, spoken = desk.server.next_answer, threading.Event()

    def slow(*steps: str) -> str | None:
        if "dot" in steps:
            spoken.wait(PATIENCE)
        return usual(*steps)

    desk.server.next_answer = slow  # type: ignore[method-assign]  # only slower
    work_until(desk, engine, desk.campaign(1), {"sending": 1})
    spoken.set()

    def settled() -> bool:
        engine.settle()
        return desk.statuses() == {"sent": 1}

    desk.wait_until(settled, "nobody settles it")
    assert desk.server.copies() == {person(1): 1}


def test_the_size_that_the_server_takes_is_kept_and_holds_before_data(
    desk: Desk, send: Send
) -> None:
    desk.server.extensions = ("PIPELINING", "SIZE 900")
    sender = desk.sender()
    campaign = desk.campaign(2, sender, text="{{ 'x' * (number - 1) * 900 }}.")
    send(campaign)
    assert (row(1).status, row(2).status) == (Status.SENT, Status.FAILED)
    assert row(2).reason == "The message is larger than the server takes (900 octets)."
    assert desk.server.said().count("MAIL") == 1
    db.session.rollback()
    assert db.session.get_one(Sender, sender.id).server_size == 900


def test_the_pauses_after_a_4xx_are_the_sender_s_own(desk: Desk, send: Send) -> None:
    desk.server.answer("dot", "451 4.3.0 Later", always=True)
    campaign = desk.campaign(1, desk.sender(retry_minutes=[2, 7]))
    for minutes in (2, 7, 7):
        before = now()
        send(campaign)
        due_at = row().due_at
        assert before + timedelta(minutes=0.85 * minutes) < due_at
        assert due_at < now() + timedelta(minutes=1.15 * minutes)
        due_now()
    assert row().tries == 3


def test_a_server_without_the_tls_that_is_required_pauses_the_campaign(
    desk: Desk, send: Send
) -> None:
    campaign = desk.campaign(5, desk.sender(security=Security.STARTTLS))
    send(campaign)
    assert desk.state(campaign) is State.PAUSED
    reason = db.session.get_one(Campaign, campaign.id).pause_reason
    assert "does not offer STARTTLS" in reason
    assert set(desk.statuses()) <= {"pending", "deferred"}
    assert db.session.scalar(sa.select(sa.func.max(Message.tries))) == 0


def test_it_gives_up_when_the_queue_lifetime_is_over(desk: Desk, send: Send) -> None:
    desk.server.answer("dot", "451 4.3.0 Still later", always=True)
    campaign = desk.campaign(1, desk.sender(queue_lifetime=3600))
    send(campaign)
    old = now() - timedelta(hours=2)
    db.session.execute(sa.update(Message).values(dated_at=old))
    due_now()
    send(campaign)
    assert row().status is Status.FAILED
    assert "Still later" in row().reply
    assert desk.server.copies() == {}
