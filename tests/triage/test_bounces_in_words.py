"""Bounces of servers that write no report, and mails that only sound like one."""

import pytest

from tests.triage.answering import octets, plain
from tests.triage.test_sorting import sorted_of
from webapp.senders.hardness import hardness

BACK = (
    "Received: from desk.example by old.example id 505\n"
    "From: desk@desk.example\nTo: ada@example.org\nSubject: November\n"
    "Message-ID: <1@desk.example>"
)
DAEMON = "From: MAILER-DAEMON@old.example\nTo: desk@desk.example\n"
SAID = "I cannot deliver to <ada@example.org>.\n550 5.1.1 nobody of this name\n\n"

BOUNCES = {
    "from nobody": plain(
        "From: <>\nSubject: Your letter\nIn-Reply-To: <1@desk.example>",
        "You wrote to ada@example.org. That is not a valid user here.",
    ),
    "from nobody with a name": plain(
        'From: "Old Mailer" <>\nSubject: Your letter', f"{SAID}{BACK}"
    ),
    "from a gateway": plain(
        "From: Big_Smtp_Mail_Service@old.example\nSubject: Returned Mail",
        f"{SAID}{BACK}",
    ),
    "from an administrator": plain(
        'From: <"System Administrator"@old.example>\nSubject: Delivery Failure',
        "Failed Recipient: ada@example.org\nReason: 550 unknown user",
    ),
    "known by its subject, and brings the message back": plain(
        "From: scanner@old.example\nSubject: Mail could not be delivered",
        f"{SAID}{BACK}",
    ),
    "known by its subject, and encloses the message": octets(
        "From: scanner@old.example\nSubject: Mail could not be delivered\n"
        "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=q\n\n"
        f"--q\nContent-Type: text/plain\n\n{SAID}\n"
        f"--q\nContent-Type: message/rfc822\n\n{BACK}\n\nHi\n--q--\n"
    ),
    "from a scanner, the empty envelope sender written as sendmail does": plain(
        "Return-Path: <MAILER-DAEMON@desk.example>\nFrom: scanner@old.example\n"
        "Subject: Mail could not be delivered",
        SAID,
    ),
    "a refusal by Sieve, in the form of a receipt": octets(
        "From: Mail Delivery Subsystem <postmaster@old.example>\n"
        "Subject: Automatically rejected mail\nMIME-Version: 1.0\n"
        "Auto-Submitted: auto-replied (rejected)\n"
        "Content-Type: multipart/report; report-type=disposition-notification; "
        "boundary=q\n\n--q\nContent-Type: text/plain\n\n"
        "Your message to <ada@example.org> was automatically rejected:\n"
        "Quota exceeded\n\n--q\nContent-Type: message/disposition-notification\n\n"
        "Final-Recipient: rfc822; ada@example.org\n"
        "Disposition: automatic-action/MDN-sent-automatically; deleted\n\n"
        f"--q\nContent-Type: message/rfc822\n\n{BACK}\n\nHi\n--q--\n"
    ),
    "a report without anything in it": octets(
        f"{DAEMON}Subject: Returned mail: see below\nMIME-Version: 1.0\n"
        "Content-Type: multipart/report; report-type=delivery-status; boundary=q\n\n"
        "<<< nothing was collected >>>\n"
    ),
    "in a language that we do not read": plain(
        f"{DAEMON}Subject: =?utf-8?q?=E2=88=91?=",
        f"Intended recipient: ada@example.org\n\n∑∑∑\n\n{BACK}",
    ),
}

ORDINARY = {
    "a parcel": plain(
        "From: parcels@post.example\nSubject: Delivery failed: your parcel",
        "Your parcel could not be delivered to ada@example.org today.",
    ),
    "a question about one": plain(
        "From: Bo <bo@example.net>\nSubject: Undeliverable mail?",
        f"{SAID}What is that?",
    ),
    "one sent on": plain(
        "From: Bo <bo@example.net>\nSubject: Fwd: Mail delivery failed",
        f"Can you help?\n\n{SAID}{BACK}",
    ),
    "a list that talks about them": plain(
        "From: Bo <bo@example.net>\nSubject: [mta] Returned mail and 550 5.1.1\n"
        "List-Id: <mta.example.org>",
        f"My log says:\n\n{SAID}{BACK}",
    ),
    "a newsletter with a quota": plain(
        "From: news@shop.example\nSubject: Returned Mail, the novel",
        "Over quota! This offer does not exist elsewhere. Call 550 5517.",
    ),
    "a letter that was sent on": plain(
        "From: Bo <bo@example.net>\nSubject: Look at this", f"Nice, is it?\n\n{BACK}"
    ),
}


@pytest.mark.parametrize("name", BOUNCES)
def test_a_bounce_is_known_without_a_report(name: str) -> None:
    assert sorted_of(BOUNCES[name]).kind.value == "bounce"


@pytest.mark.parametrize("name", ORDINARY)
def test_what_only_sounds_like_one_is_none(name: str) -> None:
    assert sorted_of(ORDINARY[name]).kind.value == "other"


def test_a_gateway_that_goes_on_trying_gave_nothing_up() -> None:
    made = sorted_of(
        plain(
            "From: Virus_Smtp_Gateway@old.example\nSubject: Delivery failure",
            "Your message could not be delivered to:\n\nada@example.org\n\n"
            "Delivery attempts will continue to be made for 5 days.",
        )
    )
    assert made.kind.value == "notice"


def test_numbers_of_the_returned_message_are_no_codes() -> None:
    made = sorted_of(
        plain(
            f"{DAEMON}Subject: Undeliverable",
            f"The mailbox exceeds allowed size: ada@example.org\n\n{BACK}",
        )
    )
    assert (made.kind.value, made.status) == ("bounce", "")
    assert made.hardness is not None
    assert made.hardness.value == "full"


def test_an_empty_sender_and_thanks_for_the_mail_is_a_robot() -> None:
    head = "From: Bo <bo@example.net>\nSubject: Thank you for your e-mail\n"
    mail = plain(f"Return-Path: <>\n{head}", "I shall answer soon.")
    assert sorted_of(mail).kind.value == "auto_reply"
    assert sorted_of(plain(head, "I shall answer soon.")).kind.value == "other"


@pytest.mark.parametrize(
    ("status", "words", "how_final"),
    [
        ("4.0.0", "452 <a@b.example> Mailbox size limit exceeded", "full"),
        ("5.0.0", "550 the user has too many messages on the server", "full"),
        ("5.1.1", "550 max message size exceeded", "blocked"),
        ("5.7.1", "550 5.7.1 No mailbox found", "hard"),
        ("5.0.0", "550 <a@b.example> is not a known user on this system", "hard"),
        ("5.0.0", "550 ada is not an active address at this host", "hard"),
        ("5.0.0", "550 BAD_RECIPIENT - see http://www.b.example/undelivered", "hard"),
        ("5.0.0", "[b.example]: Name or service not known", "hard"),
        ("5.0.0", "550 not a known problem of ours", "soft"),
        ("", "This looks like spam and was not handed out.", "blocked"),
        ("", "It was not handed out.", "soft"),
    ],
)
def test_words_say_how_final_it_is(status: str, words: str, how_final: str) -> None:
    assert hardness(status, words).value == how_final
