"""What comes back in manners that are rarer: each is still what it is."""

import base64
import uuid

import pytest

from tests.triage.answering import Dsn, octets, person, plain
from tests.triage.test_sorting import KEY, KNOWN, OURS, sorted_of
from webapp.campaigns import message_tokens
from webapp.campaigns.message_tokens import MESSAGE_ID
from webapp.triage.sorting import Sorted

TO, MID, BACK = KNOWN.to, KNOWN.message_id, KNOWN.returned
ANSWERS = f"In-Reply-To: {MID}\n"


def head(subject: str, more: str = ANSWERS, sender: str = TO) -> str:
    return f"From: {sender}\nTo: desk@desk.example\nSubject: {subject}\n{more}"


def is_proven(made: Sorted) -> bool:
    return made.proof is not None and made.proof.public_id == OURS


# --- bounces ------------------------------------------------------------------------


def test_each_recipient_of_a_report_has_a_verdict_of_its_own() -> None:
    second = (
        f"\nFinal-Recipient: rfc822; {TO}\nAction: failed\nStatus: 5.1.1\n"
        "Diagnostic-Code: smtp; 550 5.1.1 nobody\n"
    )
    full = Dsn("bo@example.net", "failed", "5.2.2", "smtp; 552 5.2.2 full")
    report = octets_of(full, extra=second)
    said = [(one.recipients, str(one.hardness)) for one in sorted_of(report).verdicts]
    assert said == [(("bo@example.net",), "full"), ((TO,), "hard")]


def octets_of(dsn: Dsn, **more: str) -> bytes:
    fields = {name: getattr(dsn, name) for name in dsn.__dataclass_fields__}
    return Dsn(**{**fields, "returned": BACK, **more}).octets()


def test_the_original_address_is_read_as_xtext_too() -> None:
    fields = "Original-Recipient: rfc822; ada+2Bnews@example.org\n"
    made = sorted_of(octets_of(Dsn("forward@example.net"), extra=fields))
    assert "ada+news@example.org" in made.recipients


def test_parts_in_base64_are_read() -> None:
    report = octets_of(Dsn(TO)).decode()
    status = report.partition("message/delivery-status\r\n\r\n")[2].partition("--=_b")
    coded = base64.encodebytes(status[0].encode()).decode()
    coding = "Content-Transfer-Encoding: base64\r\n\r\n"
    report = report.replace("\r\n\r\n" + status[0], f"\r\n{coding}{coded}")
    made = sorted_of(report.encode())
    assert (made.kind.value, str(made.hardness)) == ("bounce", "hard")
    assert made.recipients == (TO,)


def test_a_report_that_only_names_the_original_id_is_proof() -> None:
    made = sorted_of(
        octets_of(Dsn(TO), extra=f"Original-Message-ID: {MID}\n", returned="")
    )
    assert is_proven(made)


def test_references_of_a_reply_that_bounces_in_words_do_not_confuse() -> None:
    other = message_tokens.sign(KEY, uuid.UUID(int=9), MESSAGE_ID)
    back = BACK.replace("Message-ID", f"References: <{other}@desk.example>\nMessage-ID")
    daemon = head("failure notice", "Return-Path: <>\n", "MAILER-DAEMON@old.example")
    text = f"I could not deliver your message.\n<{TO}>: 550 5.1.1 no such user\n\n"
    assert is_proven(sorted_of(plain(daemon, text + back)))


def test_a_bounce_that_a_person_passes_on_is_no_proof() -> None:
    subject = "Undelivered Mail Returned to Sender"
    text = "Look:\n\n550 5.1.1 user unknown\n\nReceived: by x\n" + BACK
    mail = plain(head(subject, "", "Bo <bo@example.net>"), text)
    assert sorted_of(mail).proof is None
    sent = b"Return-Path: <bo@example.net>\r\n" + mail
    assert sorted_of(sent).kind.value == "other"


def test_a_bounce_that_a_person_attaches_is_an_ordinary_mail() -> None:
    inner = octets_of(Dsn(TO))
    outer = head("Undeliverable: what is this?", "", "Bo <bo@example.net>")
    mixed = f"{outer}MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=o\n\n"
    first = "--o\nContent-Type: text/plain\n\nIt failed, 550 5.1.1.\n\n"
    start = octets(f"{mixed}{first}--o\nContent-Type: message/rfc822\n\n")
    assert sorted_of(start + inner + b"\r\n--o--\r\n").kind.value == "other"


# --- robots and receipts ------------------------------------------------------------


@pytest.mark.parametrize("mode", ["manual-action", "automatic-action"])
def test_a_receipt_is_no_reply(mode: str) -> None:
    kind = "multipart/report; report-type=disposition-notification; boundary=m"
    fields = f"Final-Recipient: rfc822; {TO}\nOriginal-Message-ID: {MID}\n"
    made = sorted_of(
        octets(
            head("Read: Your November")
            + f"MIME-Version: 1.0\nContent-Type: {kind}\n\n"
            + "--m\nContent-Type: text/plain\n\nYour message was shown.\n\n"
            + "--m\nContent-Type: message/disposition-notification\n\n"
            + f"{fields}Disposition: {mode}/MDN-sent; displayed\n\n--m--\n"
        )
    )
    assert made.kind.value == "auto_reply"
    assert is_proven(made)


@pytest.mark.parametrize(
    "subject",
    [
        "Je suis absent jusqu'au 3",
        "Ausencia: Your November",
        "Resposta automàtica: novembre",
        "Автоматична відповідь: листопад",
        "Automatski odgovor: studeni",
        "Automaatvastus: november",
        "Trả lời tự động: tháng mười một",
        "ตอบกลับอัตโนมัติ: พฤศจิกายน",
        "תשובה אוטומטית: נובמבר",
        "رد تلقائي: نوفمبر",
    ],
)
def test_robots_speak_many_languages(subject: str) -> None:
    assert sorted_of(plain(head(subject), "…")).kind.value == "auto_reply"


def test_who_says_to_be_no_robot_is_none() -> None:
    mail = head("Automatic reply to your question", f"{ANSWERS}Auto-Submitted: no\n")
    assert sorted_of(plain(mail, "Here it is.")).kind.value == "reply"


# --- people -------------------------------------------------------------------------


def test_a_goodbye_in_html_alone_is_one() -> None:
    page = "<style>p { color: red }</style><p>Please unsubscribe me</p><p>Ada</p>"
    mail = head("Re: November") + f"Content-Type: text/html\n\n<html>{page}</html>\n"
    made = sorted_of(octets(mail))
    assert (made.kind.value, made.proposed) == ("unsubscribe", True)


def test_the_second_of_two_in_reply_to_counts() -> None:
    mail = head("Re: November", f"In-Reply-To: <x@y.example>\n{ANSWERS}")
    assert is_proven(sorted_of(plain(mail, "Thanks")))


def test_a_token_of_another_installation_is_none() -> None:
    foreign = message_tokens.sign(b"another key", OURS, MESSAGE_ID)
    made = sorted_of(person(TO, "Re: Hi", "Thanks", f"<{foreign}@desk.example>"))
    assert (made.kind.value, made.named) == ("other", ())
