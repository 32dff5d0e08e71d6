"""What comes back changes what it proves, once, and nothing else."""

from collections.abc import Callable
from dataclasses import replace

import sqlalchemy as sa

from tests.triage.answering import Dsn, about, feedback, person, plain
from tests.triage.conftest import Receive, suppressed
from webapp.campaigns import coming_back, proving, unsubscribing
from webapp.campaigns.models import Event, Message, MessageAddress
from webapp.campaigns.states import Status
from webapp.core.db import db
from webapp.mailboxes.models import Mail
from webapp.suppressions import service as suppressions
from webapp.suppressions.models import Suppression
from webapp.triage.models import Answer

Send = Callable[[str], Message]


def counts(message: Message) -> dict[str, int]:
    db.session.rollback()
    campaign_id = db.session.get_one(Message, message.id).campaign_id
    assert campaign_id
    found = coming_back.counts_of(campaign_id)
    db.session.rollback()
    return {kind: number for kind, number in found.items() if number}


def kinds() -> list[str]:
    found = [
        one.value for one in db.session.scalars(sa.select(Mail.kind).order_by(Mail.id))
    ]
    db.session.rollback()
    return found


def copied_to_bo(message: Message) -> None:
    copy = MessageAddress(message_id=message.id, kind="cc", address="bo@example.org")
    copy.status = Status.SENT
    db.session.add(copy)
    db.session.commit()


def test_a_hard_bounce_suppresses_the_address_everywhere(
    send: Send, receive: Receive
) -> None:
    message = send("ada@example.org")
    known = about(message)
    receive(Dsn(known.to, returned=known.returned).octets())
    assert kinds() == ["bounce"]
    assert suppressed() == [("ada@example.org", "hard_bounce", None)]
    assert counts(message) == {"bounced": 1}
    event = db.session.scalars(sa.select(Event)).one()
    mail = db.session.scalars(sa.select(Mail)).one()
    assert event.detail["mail"] == mail.id
    assert event.detail["status"] == "5.1.1"


def test_the_same_bounce_twice_is_once(send: Send, receive: Receive) -> None:
    message = send("ada@example.org")
    known = about(message)
    bounce = Dsn(known.to, to=known.bounce_address, returned=known.returned).octets()
    receive(bounce)
    receive(bounce)
    assert counts(message) == {"bounced": 1}
    assert len(suppressed()) == 1
    assert db.session.query(Event).count() == 1


def test_full_blocked_and_late_are_no_dead_addresses(
    send: Send, receive: Receive
) -> None:
    mails = []
    first = send("ada@example.org")
    for number, (status, words) in enumerate(
        (
            ("5.2.2", "smtp; 552 5.2.2 mailbox full"),
            ("5.7.1", "smtp; 550 5.7.1 refused by policy"),
            ("4.4.7", "smtp; 451 4.4.7 gave up after five days"),
            ("5.3.4", "smtp; 552 5.3.4 message too large"),
        )
    ):
        known = about(send(f"p{number}@example.org"))
        dsn = Dsn(known.to, status=status, diagnostic=words, returned=known.returned)
        mails.append(dsn.octets())
    receive(*mails)
    assert suppressed() == []
    assert counts(first) == {"bounced": 4}


def test_many_soft_bounces_are_one_dead_address(send: Send, receive: Receive) -> None:
    for number in range(5):
        assert suppressed() == []
        known = about(send("ada@example.org"))
        soft = Dsn(
            known.to,
            status="4.4.1",
            diagnostic=f"smtp; 451 4.4.1 try {number} timed out",
            returned=known.returned,
        ).octets()
        receive(soft, soft + b"again")
    assert suppressed() == [("ada@example.org", "hard_bounce", None)]


def test_after_an_undo_soft_bounces_are_counted_anew(
    send: Send, receive: Receive
) -> None:
    for number in range(7):
        known = about(send("ada@example.org"))
        late = f"smtp; 451 4.4.1 try {number} timed out"
        receive(
            Dsn(known.to, "failed", "4.4.1", late, returned=known.returned).octets()
        )
        if number == 4:
            suppressions.undo(db.session.scalars(sa.select(Suppression.id)).one())
    assert suppressed() == []


def test_of_a_report_each_address_has_its_own_verdict(
    send: Send, receive: Receive
) -> None:
    message = send("ada@example.org")
    copied_to_bo(message)
    known = about(message)
    dead = "\nFinal-Recipient: rfc822; bo@example.org\nAction: failed\nStatus: 5.1.1\n"
    full = Dsn(known.to, "failed", "5.2.2", "552 5.2.2 full", returned=known.returned)
    receive(replace(full, extra=dead).octets())
    assert suppressed() == [("bo@example.org", "hard_bounce", None)]
    assert counts(message) == {"bounced": 1}
    assert db.session.scalars(sa.select(Answer)).one().detail["hardness"] == "full"


def test_who_forwards_bounces_as_the_address_that_we_wrote_to(
    send: Send, receive: Receive
) -> None:
    forwarded, nameless = send("ada@example.org"), send("bo@example.org")
    known = about(nameless)
    receive(
        Dsn("elsewhere@forward.example", to=about(forwarded).bounce_address).octets(),
        Dsn("", returned=known.returned.partition("\n")[2]).octets(),
    )
    assert suppressed() == [
        ("ada@example.org", "hard_bounce", None),
        ("bo@example.org", "hard_bounce", None),
    ]


def test_a_stranger_s_address_names_none_of_several_recipients(
    send: Send, receive: Receive
) -> None:
    message = send("ada@example.org")
    copied_to_bo(message)
    receive(Dsn("elsewhere@forward.example", to=about(message).bounce_address).octets())
    assert suppressed() == []
    assert counts(message) == {}


def test_the_bounce_of_a_copy_is_not_the_recipient_s(
    send: Send, receive: Receive
) -> None:
    message = send("ada@example.org")
    copied_to_bo(message)
    receive(Dsn("bo@example.org", to=about(message).bounce_address).octets())
    assert suppressed() == [("bo@example.org", "hard_bounce", None)]
    assert counts(message) == {}
    kinds = [event.kind for event in db.session.scalars(sa.select(Event))]
    assert kinds == [proving.COPY_BOUNCED]


def test_a_delay_is_no_bounce(send: Send, receive: Receive) -> None:
    message = send("ada@example.org")
    known = about(message)
    receive(
        Dsn(
            known.to,
            action="delayed",
            status="4.4.1",
            diagnostic="smtp; 451 4.4.1 no answer",
            returned=known.returned,
        ).octets()
    )
    assert kinds() == ["notice"]
    assert counts(message) == {}
    assert suppressed() == []


def test_a_complaint_suppresses_the_address_everywhere(
    send: Send, receive: Receive
) -> None:
    message = send("ada@example.org")
    known = about(message)
    receive(feedback(known.to, known.returned))
    assert suppressed() == [("ada@example.org", "complaint", None)]
    assert counts(message) == {"complained": 1}


def test_two_who_complain_of_one_message_are_both_left_alone(
    send: Send, receive: Receive
) -> None:
    message = send("ada@example.org")
    copied_to_bo(message)
    returned = about(message).returned
    receive(feedback("ada@example.org", returned), feedback("bo@example.org", returned))
    assert [one for one, _why, _table in suppressed()] == [
        "ada@example.org",
        "bo@example.org",
    ]
    assert counts(message) == {"complained": 1}


def test_a_provider_that_hides_who_complained_means_whom_we_wrote_to(
    send: Send, receive: Receive
) -> None:
    ada, bo = about(send("ada@example.org")), about(send("bo@example.org"))
    by_return_path = f"Original-Mail-From: <{bo.bounce_address}>"
    receive(
        feedback("redacted-0123456789abcdef@provider.example", ada.returned),
        feedback("elsewhere@forward.example", "X-None: 1", extra=by_return_path),
    )
    assert suppressed() == [
        ("ada@example.org", "complaint", None),
        ("bo@example.org", "complaint", None),
    ]


def test_a_complaint_sent_again_undoes_no_undo(send: Send, receive: Receive) -> None:
    message = send("ada@example.org")
    known = about(message)
    complaint = feedback(known.to, known.returned)
    receive(complaint)
    suppressions.undo(db.session.scalars(sa.select(Suppression)).one().id)
    receive(complaint + b"again")
    assert suppressed() == []
    assert db.session.query(Event).count() == 1


def test_a_goodbye_by_our_link_is_of_its_table_alone(
    send: Send, receive: Receive
) -> None:
    message = send("ada@example.org")
    table = message.campaign.recipient_table_id if message.campaign else 0
    receive(person("ada@example.org", about(message).leave, "unsubscribe"))
    assert suppressed() == [("ada@example.org", "unsubscribed", table)]
    assert counts(message) == {"unsubscribed": 1}


def test_a_goodbye_that_is_taken_back_counts_no_more(send: Send) -> None:
    message = send("ada@example.org")
    unsubscribing.unsubscribe(message)
    assert counts(message) == {"unsubscribed": 1}
    unsubscribing.choose(message, unsubscribing.Wish.ALL)
    assert (counts(message), suppressed()) == ({}, [])
    unsubscribing.unsubscribe(message)
    assert counts(message) == {"unsubscribed": 1}


def test_a_goodbye_in_words_waits_for_a_person(send: Send, receive: Receive) -> None:
    message = send("ada@example.org")
    mid = about(message).message_id
    receive(
        person("ada@example.org", "Re: Your November", "Please unsubscribe me", mid)
    )
    assert suppressed() == []
    assert kinds() == ["unsubscribe"]
    assert counts(message) == {"replied": 1}


def test_a_reply_and_a_robot(send: Send, receive: Receive) -> None:
    ada, bo = send("ada@example.org"), send("bo@example.org")
    mid = about(bo).message_id
    receive(
        person("ada@example.org", "Re: Yours", "Thank you!", about(ada).message_id),
        plain(
            "From: bo@example.org\nSubject: Automatic reply: Yours\n"
            f"Auto-Submitted: auto-replied\nIn-Reply-To: {mid}\nTo: desk@desk.example",
            "I am away.",
        ),
    )
    assert kinds() == ["reply", "auto_reply"]
    assert counts(ada) == {"replied": 1, "auto_replied": 1}
    assert suppressed() == []


def test_sender_and_subject_are_only_a_suggestion(send: Send, receive: Receive) -> None:
    message = send("ada@example.org")
    message.bodies = {"subject": "Your November"}
    db.session.commit()
    receive(person("ada@example.org", "Re: Your November", "Thank you!"))
    answer = db.session.scalars(sa.select(Answer)).one()
    assert (answer.message_id, answer.matched_by) == (message.id, "suggestion")
    assert counts(message) == {}
