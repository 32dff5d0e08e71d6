"""Attack what comes back: forged, swapped and repeated proofs, and other people's."""

from collections.abc import Callable

import pytest
import sqlalchemy as sa

from tests.triage.answering import Dsn, about, feedback, person
from tests.triage.conftest import Receive, suppressed, token_of
from webapp.campaigns.message_tokens import BOUNCE, UNSUBSCRIBE
from webapp.campaigns.models import CameBack, Event, Message
from webapp.core.db import db
from webapp.mailboxes.models import Mail
from webapp.suppressions import service as suppressions
from webapp.suppressions.models import Suppression
from webapp.triage.models import Answer

Send = Callable[[str], Message]


def nothing_happened() -> bool:
    """Whether no count, timeline or suppression changed; suggestions may be there."""
    db.session.rollback()
    proven = sa.select(Answer.id).where(Answer.matched_by != "suggestion")
    found = [
        *db.session.scalars(sa.select(Event.id)),
        *db.session.scalars(sa.select(CameBack.message_id)),
        *db.session.scalars(proven),
    ]
    db.session.rollback()
    return not found and suppressed() == []


def test_a_report_about_an_address_that_we_wrote_to_is_no_proof(
    send: Send, receive: Receive
) -> None:
    send("ada@example.org")
    receive(Dsn("ada@example.org").octets(), feedback("ada@example.org", ""))
    assert nothing_happened()
    answer = db.session.scalars(sa.select(Answer)).first()
    assert answer
    assert answer.matched_by == "suggestion"


def forgeries(message: Message) -> list[str]:
    """Return names of a message that anybody could make up."""
    signed = token_of(message)
    return [
        str(message.public_id),
        signed[:-1] + ("a" if signed[-1] != "a" else "b"),
        signed[:27] + "a" * 11,
        token_of(message, UNSUBSCRIBE),
        token_of(message, BOUNCE),
        "a" * 38,
    ]


def test_forged_names_prove_nothing(send: Send, receive: Receive) -> None:
    message = send("ada@example.org")
    known = about(message)
    mails = []
    for name in forgeries(message):
        forged = f"<{name}@desk.example>"
        returned = known.returned.replace(known.message_id, forged)
        returned = returned.replace(known.bounce_address, "bounces@desk.example")
        mails += [
            Dsn(known.to, returned=returned).octets(),
            feedback(known.to, returned),
            person(known.to, "Re: Yours", "Please unsubscribe me", forged),
        ]
        if name != token_of(message, UNSUBSCRIBE):
            mails.append(person(known.to, f"unsubscribe {name}", "unsubscribe"))
        if name != token_of(message, BOUNCE):
            mails.append(Dsn(known.to, to=f"bounces+{name}@desk.example").octets())
    receive(*mails)
    assert db.session.query(Mail).count() == len(mails)
    assert nothing_happened()


@pytest.mark.parametrize("make", [Dsn, None], ids=["bounce", "complaint"])
def test_ones_own_message_says_nothing_about_another_person(
    send: Send, receive: Receive, make: type[Dsn] | None
) -> None:
    mine, victim = send("mallory@example.org"), send("ada@example.org")
    returned = about(mine).returned.replace("Return-Path", "X-Was")
    returned = returned.replace(about(mine).bounce_address, "")
    if make:
        receive(make(victim.address, returned=returned).octets())
    else:
        receive(feedback(victim.address, returned))
    assert nothing_happened()


def test_two_proofs_that_contradict_each_other_prove_nothing(
    send: Send, receive: Receive
) -> None:
    one, other = send("mallory@example.org"), send("ada@example.org")
    swapped = Dsn(
        other.address, to=about(one).bounce_address, returned=about(other).returned
    )
    receive(swapped.octets())
    assert nothing_happened()


def test_a_goodbye_sent_again_undoes_no_undo(send: Send, receive: Receive) -> None:
    goodbye = person("ada@example.org", about(send("ada@example.org")).leave, "")
    receive(goodbye)
    row = db.session.scalars(sa.select(Suppression)).one()
    suppressions.undo(row.id)
    receive(goodbye, goodbye.replace(b"\r\n\r\n", b"\r\nX-Again: 1\r\n\r\n", 1))
    assert suppressed() == []


def test_a_bounce_sent_again_undoes_no_undo(send: Send, receive: Receive) -> None:
    known = about(send("ada@example.org"))
    bounce = Dsn(known.to, returned=known.returned).octets()
    receive(bounce)
    suppressions.undo(db.session.scalars(sa.select(Suppression)).one().id)
    receive(bounce + b"again", bounce + b"once more")
    assert suppressed() == []


def test_a_reply_of_somebody_else_takes_nobody_off(
    send: Send, receive: Receive
) -> None:
    known = about(send("ada@example.org"))
    receive(person("mallory@example.net", "Re: Yours", "STOP", known.message_id))
    assert suppressed() == []
    event = db.session.scalars(sa.select(Event)).one()
    assert event.detail["by"] == "mallory@example.net"


def test_a_copy_of_our_message_is_no_answer(send: Send, receive: Receive) -> None:
    message = send("ada@example.org")
    copy = person("desk@desk.example", "Yours", "Click here: unsubscribe")
    ours = message.message_id_header.encode()
    head, found, rest = copy.partition(b"Message-ID: <")
    receive(head + b"Message-ID: " + ours + b"\r\nX-Old: <" + rest)
    assert found
    assert nothing_happened()
    assert db.session.scalars(sa.select(Mail.kind)).one() == "copy"


def test_robots_are_never_answered(send: Send, receive: Receive) -> None:
    message = send("ada@example.org")
    mid = message.message_id_header
    receive(person("ada@example.org", "Automatic reply: Yours", "Away", mid))
    assert db.session.query(Message).count() == 1
