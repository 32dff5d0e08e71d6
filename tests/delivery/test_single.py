"""Single messages, from the call to the server, through a real engine and worker."""

from base64 import b64encode
from email import message_from_bytes
from email.message import Message as Mail
from typing import Any

import pytest
import sqlalchemy as sa

from tests.conftest import ApiClient
from tests.delivery.test_engine import due_now
from tests.support.sending import Desk
from tests.support.smtp_servers import PATIENCE
from webapp.campaigns import single as service
from webapp.campaigns.models import Message, MessageAddress
from webapp.campaigns.states import Status
from webapp.core.db import db
from webapp.delivery import liveness, marking, plans
from webapp.delivery.engine import Engine
from webapp.delivery.preparing import prepare
from webapp.message_templates.rendering import RenderPool
from webapp.senders.models import Sender
from webapp.suppressions.models import Reason, Suppression

ONE: dict[str, Any] = {
    "to": ["Ada <ada@example.org>", "zoe@example.org"],
    "cc": ["kofi@example.org"],
    "bcc": ["hidden@example.org"],
    "subject": "Your receipt",
    "text": "Thank you.",
}
PNG = b"\x89PNG\r\n\x1a\n picture"


def queued(api: ApiClient, **values: Any) -> int:
    """Queue a message by the API; its id."""
    answer = api.post("/messages", {**ONE, **values})
    assert answer.status_code == 202, answer.json
    db.session.rollback()
    assert answer.json
    return int(answer.json["id"])


def work(engine: Engine, sender: Sender) -> None:
    """Send what is due, as a ticket would."""
    due_now()
    plan = plans.of_sender(sender.id)
    assert plan is not None
    engine.work(plan)
    db.session.rollback()


def outcomes() -> dict[str, str]:
    """The outcome of each address."""
    query = sa.select(MessageAddress.address, MessageAddress.status)
    found = {addr: status.value for addr, status in db.session.execute(query)}
    db.session.rollback()
    return found


def status_of(message_id: int) -> Status:
    """The status of the message now."""
    query = sa.select(Message.status).where(Message.id == message_id)
    status = db.session.scalars(query).one()
    db.session.rollback()
    return status


def test_each_address_has_its_own_outcome_and_only_the_rest_is_tried_again(
    api: ApiClient, desk: Desk, engine: Engine
) -> None:
    sender = desk.sender()
    desk.server.answer("rcpt:zoe@example.org", "451 4.2.0 Greylisted")
    desk.server.answer("rcpt:kofi@example.org", "550 5.1.1 No such user")
    made = queued(api)
    work(engine, sender)
    assert status_of(made) is Status.DEFERRED
    assert outcomes() == {
        "ada@example.org": "sent",
        "zoe@example.org": "deferred",
        "kofi@example.org": "failed",
        "hidden@example.org": "sent",
    }
    work(engine, sender)
    assert status_of(made) is Status.SENT
    assert [mail.rcpt_to for mail in desk.server.mails] == [
        ("ada@example.org", "hidden@example.org"),
        ("zoe@example.org",),
    ]
    assert desk.server.mails[0].data == desk.server.mails[1].data


def test_a_blind_copy_is_nowhere_to_be_seen(
    api: ApiClient, desk: Desk, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    sender = desk.sender()
    made = queued(api)
    work(engine, sender)
    assert "hidden@example.org" in desk.server.mails[0].rcpt_to
    shown = [
        desk.server.mails[0].data,
        api.get(f"/messages/{made}").data,
        api.get(f"/messages/{made}/source").data,
        caplog.text.encode(),
    ]
    assert not [one for one in shown if b"hidden" in one or b"Bcc" in one]


def test_a_message_of_blind_copies_alone_is_fine(
    api: ApiClient, desk: Desk, engine: Engine
) -> None:
    sender = desk.sender()
    made = queued(api, to=[], cc=[])
    work(engine, sender)
    assert status_of(made) is Status.SENT
    assert b"To: undisclosed-recipients:;" in desk.server.mails[0].data


def test_who_unsubscribed_gets_it_and_whose_address_bounced_does_not(
    api: ApiClient, desk: Desk, engine: Engine
) -> None:
    sender = desk.sender()
    for who, why in (
        ("ada", Reason.HARD_BOUNCE),
        ("kofi", Reason.COMPLAINT),
        ("zoe", Reason.UNSUBSCRIBED),
    ):
        db.session.add(Suppression(address_key=f"{who}@example.org", reason=why))
    db.session.commit()
    made = queued(api)
    work(engine, sender)
    assert status_of(made) is Status.SENT
    assert outcomes() == {
        "ada@example.org": "skipped",
        "zoe@example.org": "sent",
        "kofi@example.org": "skipped",
        "hidden@example.org": "sent",
    }
    assert set(desk.server.copies()) == {"zoe@example.org", "hidden@example.org"}


def test_who_is_suppressed_while_it_waits_is_left_out(
    api: ApiClient, desk: Desk, engine: Engine
) -> None:
    sender = desk.sender()
    queued(api)
    for who in ("zoe", "hidden"):
        key = f"{who}@example.org"
        db.session.add(Suppression(address_key=key, reason=Reason.COMPLAINT))
    db.session.commit()
    work(engine, sender)
    assert set(desk.server.copies()) == {"ada@example.org", "kofi@example.org"}


def test_the_first_recipient_suppressed_while_it_waits_costs_only_that_address(
    api: ApiClient, desk: Desk, engine: Engine
) -> None:
    sender = desk.sender()
    made = queued(api, bcc=[])
    key = "ada@example.org"
    db.session.add(Suppression(address_key=key, reason=Reason.HARD_BOUNCE))
    db.session.commit()
    work(engine, sender)
    assert status_of(made) is Status.SENT
    assert set(desk.server.copies()) == {"zoe@example.org", "kofi@example.org"}
    assert outcomes() == {
        "ada@example.org": "skipped",
        "zoe@example.org": "sent",
        "kofi@example.org": "sent",
    }
    assert b"ada@" not in desk.server.mails[0].data


def test_whoever_is_suppressed_between_composing_and_the_mark_gets_nothing(
    api: ApiClient, desk: Desk
) -> None:
    sender = desk.sender()
    made = queued(api, cc=[], bcc=[])
    due_now()
    plan = plans.of_sender(sender.id)
    assert plan is not None
    with RenderPool() as pool:
        rows = [one for chunk in prepare(plan, pool) for one in chunk]
    add = Suppression(address_key="ada@example.org", reason=Reason.COMPLAINT)
    db.session.add(add)
    db.session.commit()
    me = liveness.register()
    assert marking.exchange(plan, me, [], rows).marked == ()
    assert status_of(made) is Status.PENDING
    with RenderPool() as pool:
        again = [one for chunk in prepare(plan, pool) for one in chunk]
    (handed,) = marking.exchange(plan, me, [], again).marked
    assert handed.prepared.targets == ("zoe@example.org",)
    assert outcomes() == {"ada@example.org": "skipped", "zoe@example.org": "sending"}


def test_a_message_to_nobody_but_suppressed_ones_is_skipped(
    api: ApiClient, desk: Desk, engine: Engine
) -> None:
    sender = desk.sender()
    suppressed = Suppression(address_key="ada@example.org", reason=Reason.HARD_BOUNCE)
    db.session.add(suppressed)
    db.session.commit()
    made = queued(api, to=["ada@example.org"], cc=[], bcc=[])
    work(engine, sender)
    assert status_of(made) is Status.SKIPPED
    assert not desk.server.mails


def test_what_arrives_is_nested_mixed_related_alternative(
    api: ApiClient, desk: Desk, engine: Engine
) -> None:
    sender = desk.sender()
    queued(
        api,
        html="<p>Thank you.</p><img src='cid:photo'>",
        attachments=[
            {
                "filename": "photo.png",
                "content": b64encode(PNG).decode(),
                "content_id": "photo",
            },
            {"filename": "Größe.txt", "content": b64encode(b"plan").decode()},
        ],
        headers={"X-Ticket": "7"},
        envelope_from="bounce@example.org",
        reply_to=["desk@example.net"],
    )
    work(engine, sender)
    taken = desk.server.mails[0]
    mail = message_from_bytes(taken.data)
    assert [part.get_content_type() for part in mail.walk()] == [
        "multipart/mixed",
        "multipart/alternative",
        "text/plain",
        "multipart/related",
        "text/html",
        "image/png",
        "text/plain",
    ]
    image = _part(mail, "image/png")
    assert (image["Content-ID"], image.get_content_disposition()) == (
        "<photo>",
        "inline",
    )
    assert image.get_payload(decode=True) == PNG
    assert not [part.defects for part in mail.walk() if part.defects]
    assert (mail["X-Ticket"], mail["Reply-To"]) == ("7", "desk@example.net")
    assert taken.mail_from == "bounce@example.org"


def _part(mail: "Mail[Any, Any]", kind: str) -> "Mail[Any, Any]":
    return next(part for part in mail.walk() if part.get_content_type() == kind)


def test_a_waiting_call_gets_the_outcome_from_a_real_worker(
    api: ApiClient, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "LONGEST_WAIT", int(PATIENCE))
    desk.sender()
    desk.server.answer("rcpt:kofi@example.org", "550 5.1.1 No such user")
    desk.start()
    wait = {"Prefer": f"wait={int(PATIENCE)}"}
    answer = api.post("/messages", ONE, headers=wait)
    assert answer.status_code == 200
    assert answer.json
    assert answer.json["status"] == "sent"
    shown = {one["address"]: one["status"] for one in answer.json["addresses"]}
    assert shown == {
        "ada@example.org": "sent",
        "zoe@example.org": "sent",
        "kofi@example.org": "failed",
    }
