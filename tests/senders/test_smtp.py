"""What hand_over says is what the server's ledger proves."""

import pytest

from tests.senders.conftest import Open
from tests.support.ports import free_port
from tests.support.smtp_servers import (
    DROP,
    RECORD_THEN_DROP,
    RECORD_THEN_STALL,
    STALL,
    RecordingServer,
    smtp_sink,
)
from webapp.senders.outcome import Kind, Outcome, Trouble

DESK = "desk@example.org"
ADA, BOB, EVE = "ada@example.com", "bob@example.com", "eve@example.com"
MAIL = b"Subject: x\r\n\r\n.dots\r\n"
BIG = b"Subject: x\r\n\r\n" + b"0123456789" * 9 + b"\r\n" + b"x" * 70 + b"\r\n"


def kinds(outcome: Outcome) -> dict[str, Kind]:
    """Return the kind of each recipient's outcome."""
    return {one.addr: one.kind for one in outcome.recipients}


def test_an_accepted_message_is_on_the_ledger(
    server: RecordingServer, transport_to: Open
) -> None:
    outcome = transport_to(server.port).hand_over(DESK, [ADA, BOB], MAIL)
    assert outcome.kind is Kind.ACCEPTED
    assert (outcome.code, outcome.enhanced) == (250, "2.0.0")
    assert outcome.reply == "2.0.0 Ok: recorded"
    assert kinds(outcome) == {ADA: Kind.ACCEPTED, BOB: Kind.ACCEPTED}
    assert server.copies() == {ADA: 1, BOB: 1}
    assert server.mails[0].data == MAIL
    assert server.mails[0].mail_from == DESK


def test_one_connection_serves_many_messages(
    server: RecordingServer, transport_to: Open
) -> None:
    transport = transport_to(server.port)
    for _ in range(5):
        assert transport.hand_over(DESK, [ADA], MAIL).kind is Kind.ACCEPTED
    assert (server.connections, server.copies()) == (1, {ADA: 5})
    assert "RSET" not in server.said()


def test_a_transaction_that_was_broken_off_is_reset(
    server: RecordingServer, transport_to: Open
) -> None:
    server.answer(f"rcpt:{BOB}", "550 5.1.1 No such user")
    transport = transport_to(server.port)
    transport.hand_over(DESK, [BOB], MAIL)
    transport.hand_over(DESK, [ADA], MAIL)
    assert server.said().count("RSET") == 1
    assert server.copies() == {ADA: 1}


def test_the_null_sender(server: RecordingServer, transport_to: Open) -> None:
    transport_to(server.port).hand_over("", [ADA], MAIL)
    assert server.mails[0].mail_from == ""


def test_a_partly_refused_message_has_an_outcome_for_each(
    server: RecordingServer, transport_to: Open
) -> None:
    server.answer(f"rcpt:{BOB}", "550 5.1.1 No such user")
    server.answer(f"rcpt:{EVE}", "452 4.2.2 Mailbox full")
    outcome = transport_to(server.port).hand_over(DESK, [ADA, BOB, EVE], MAIL)
    assert outcome.kind is Kind.ACCEPTED
    assert kinds(outcome) == {ADA: Kind.ACCEPTED, BOB: Kind.REFUSED, EVE: Kind.DEFERRED}
    bob = outcome.recipients[1]
    assert (bob.code, bob.enhanced, bob.reply) == (550, "5.1.1", "5.1.1 No such user")
    assert server.copies() == {ADA: 1}


@pytest.mark.parametrize(
    ("answer", "kind"),
    [("550 5.1.1 No", Kind.REFUSED), ("450 4.2.1 Later", Kind.DEFERRED)],
)
@pytest.mark.parametrize("step", ["mail", "rcpt", "data", "dot"])
def test_a_reply_that_says_no_decides(
    step: str, answer: str, kind: Kind, server: RecordingServer, transport_to: Open
) -> None:
    server.answer(step, answer)
    transport = transport_to(server.port)
    outcome = transport.hand_over(DESK, [ADA], MAIL)
    assert (outcome.kind, outcome.code) == (kind, int(answer[:3]))
    assert outcome.costs_a_try
    assert kinds(outcome) == {ADA: kind}
    assert not server.mails
    assert transport.hand_over(DESK, [ADA], MAIL).kind is Kind.ACCEPTED
    assert server.connections == 1


@pytest.mark.parametrize("extensions", [(), ("PIPELINING",)])
def test_when_all_are_refused_the_one_with_hope_decides(
    extensions: tuple[str, ...], transport_to: Open
) -> None:
    with RecordingServer(extensions=extensions) as server:
        server.answer(f"rcpt:{ADA}", "550 5.1.1 No such user")
        server.answer(f"rcpt:{BOB}", "450 4.2.0 Greylisted")
        outcome = transport_to(server.port).hand_over(DESK, [ADA, BOB], MAIL)
        assert (outcome.kind, outcome.code) == (Kind.DEFERRED, 450)
        assert ("DATA" in server.said()) is bool(extensions)
        assert not server.mails


@pytest.mark.parametrize("step", ["mail", "rcpt", "data"])
def test_a_connection_lost_before_the_dot_proves_that_nothing_was_accepted(
    step: str, server: RecordingServer, transport_to: Open
) -> None:
    server.answer(step, DROP)
    outcome = transport_to(server.port).hand_over(DESK, [ADA], MAIL)
    assert (outcome.kind, outcome.code) == (Kind.DEFERRED, None)
    assert not outcome.costs_a_try
    assert not server.mails


def test_a_connection_lost_in_the_body_proves_it_too(
    server: RecordingServer, transport_to: Open
) -> None:
    server.answer("body", DROP)
    outcome = transport_to(server.port).hand_over(DESK, [ADA], BIG * 100_000)
    assert (outcome.kind, outcome.code) == (Kind.DEFERRED, None)
    assert not outcome.costs_a_try


@pytest.mark.usefixtures("impatient")
def test_silence_before_the_dot_is_no_unknown(
    server: RecordingServer, transport_to: Open
) -> None:
    server.answer("data", STALL)
    transport = transport_to(server.port)
    assert transport.hand_over(DESK, [ADA], MAIL).kind is Kind.DEFERRED


@pytest.mark.parametrize("answer", [DROP, RECORD_THEN_DROP, STALL, RECORD_THEN_STALL])
def test_silence_after_the_dot_is_unknown_whatever_the_server_did(
    answer: str, server: RecordingServer, transport_to: Open
) -> None:
    server.answer("dot", answer)
    outcome = transport_to(server.port, dot_seconds=0.2).hand_over(
        DESK, [ADA, BOB], MAIL
    )
    assert (outcome.kind, outcome.code) == (Kind.UNKNOWN, None)
    assert kinds(outcome) == {ADA: Kind.UNKNOWN, BOB: Kind.UNKNOWN}
    assert "may have been accepted" in outcome.reply
    assert server.copies()[ADA] <= 1


@pytest.mark.parametrize("garbage", ["999 what", "abc", "354 go on"])
def test_an_answer_after_the_dot_that_says_nothing_is_unknown(
    garbage: str, server: RecordingServer, transport_to: Open
) -> None:
    server.answer("dot", garbage)
    assert transport_to(server.port).hand_over(DESK, [ADA], MAIL).kind is Kind.UNKNOWN


def test_a_refused_recipient_stays_refused_when_the_rest_is_unknown(
    server: RecordingServer, transport_to: Open
) -> None:
    server.answer(f"rcpt:{BOB}", "550 5.1.1 No such user")
    server.answer("dot", RECORD_THEN_DROP)
    outcome = transport_to(server.port).hand_over(DESK, [BOB, ADA], MAIL)
    assert outcome.kind is Kind.UNKNOWN
    assert kinds(outcome) == {BOB: Kind.REFUSED, ADA: Kind.UNKNOWN}


def test_nothing_is_sent_again_after_an_unknown(
    server: RecordingServer, transport_to: Open
) -> None:
    server.answer("dot", RECORD_THEN_DROP)
    transport = transport_to(server.port)
    transport.hand_over(DESK, [ADA], MAIL)
    transport.hand_over(DESK, [BOB], MAIL)
    assert server.copies() == {ADA: 1, BOB: 1}


@pytest.mark.parametrize("stale", ["421 4.4.2 Idle for too long", DROP])
def test_a_kept_connection_that_went_stale_is_opened_again(
    stale: str, server: RecordingServer, transport_to: Open
) -> None:
    transport = transport_to(server.port)
    transport.hand_over(DESK, [ADA], MAIL)
    server.answer("mail", stale)
    assert transport.hand_over(DESK, [BOB], MAIL).kind is Kind.ACCEPTED
    assert (server.connections, server.copies()) == (2, {ADA: 1, BOB: 1})


@pytest.mark.parametrize("step", ["greeting", "ehlo", "mail", "rcpt"])
def test_a_421_means_that_the_server_is_unwell(
    step: str, server: RecordingServer, transport_to: Open
) -> None:
    server.answer(step, "421 4.3.2 Shutting down")
    outcome = transport_to(server.port).hand_over(DESK, [ADA], MAIL)
    assert (outcome.kind, outcome.trouble) == (Kind.UNWELL, Trouble.NETWORK)
    assert not outcome.costs_a_try


@pytest.mark.parametrize("step", ["greeting", "ehlo"])
@pytest.mark.parametrize("answer", [DROP, "554 5.3.2 No", "hello there"])
def test_a_session_that_never_began_is_a_network_trouble(
    step: str, answer: str, server: RecordingServer, transport_to: Open
) -> None:
    server.answer(step, answer, always=True)
    outcome = transport_to(server.port).hand_over(DESK, [ADA], MAIL)
    assert (outcome.kind, outcome.trouble) == (Kind.UNWELL, Trouble.NETWORK)


def test_a_greeting_is_never_repeated_to_anybody(
    server: RecordingServer, transport_to: Open
) -> None:
    server.answer("greeting", "554 secret-internal-banner")
    outcome = transport_to(server.port).hand_over(DESK, [ADA], MAIL)
    assert "secret" not in outcome.reply


def test_a_port_where_nobody_listens(transport_to: Open) -> None:
    outcome = transport_to(free_port()).hand_over(DESK, [ADA], MAIL)
    assert (outcome.kind, outcome.trouble) == (Kind.UNWELL, Trouble.NETWORK)
    assert "Nothing answers" in outcome.reply


def test_a_host_that_may_not_be_spoken_to(transport_to: Open) -> None:
    outcome = transport_to(25, host="10.0.0.1").hand_over(DESK, [ADA], MAIL)
    assert (outcome.kind, outcome.trouble) == (Kind.UNWELL, Trouble.NETWORK)
    assert "ALLOWED_PRIVATE_HOSTS" in outcome.reply


def test_an_ipv6_host(transport_to: Open) -> None:
    with RecordingServer(host="::1") as server:
        outcome = transport_to(server.port, host="::1").hand_over(DESK, [ADA], MAIL)
    assert outcome.kind is Kind.ACCEPTED
    assert server.commands[0] == "EHLO [IPv6:::1]"


@pytest.mark.parametrize("mechanisms", ["PLAIN", "LOGIN", "CRAM-MD5 LOGIN PLAIN"])
def test_signing_in(mechanisms: str, transport_to: Open) -> None:
    with RecordingServer(
        credentials=("dæsk", "pässwörd"), mechanisms=mechanisms
    ) as server:
        transport = transport_to(server.port, login="dæsk", password="pässwörd")
        assert transport.hand_over(DESK, [ADA], MAIL).kind is Kind.ACCEPTED
    assert server.mails[0].login == "dæsk"


def test_a_server_that_wants_to_be_told_twice(transport_to: Open) -> None:
    """Some take no initial response with AUTH PLAIN and ask for it (RFC 4954 4)."""
    with RecordingServer(credentials=("desk", "right")) as server:
        server.answer("auth", "334 ")
        transport = transport_to(server.port, login="desk", password="right")
        transport.hand_over(DESK, [ADA], MAIL)
    assert server.commands[1:3] == ["AUTH PLAIN AGRlc2sAcmlnaHQ=", "AGRlc2sAcmlnaHQ="]


def test_a_wrong_password_is_tried_once(transport_to: Open) -> None:
    with RecordingServer(credentials=("desk", "right")) as server:
        transport = transport_to(server.port, login="desk", password="wrong")
        outcome = transport.hand_over(DESK, [ADA], MAIL)
    assert (outcome.kind, outcome.trouble, outcome.code) == (
        Kind.UNWELL,
        Trouble.AUTH,
        535,
    )
    assert server.said().count("AUTH") == 1
    assert "MAIL" not in server.said()


def test_a_server_that_repeats_the_password_is_not_quoted(transport_to: Open) -> None:
    with RecordingServer(credentials=("desk", "right")) as server:
        server.answer(
            "auth", "535 5.7.8 wr0ng-s3cret d3Iwbmctc3M= AGRlc2sAd3IwbmctczNjcmV0"
        )
        transport = transport_to(server.port, login="desk", password="wr0ng-s3cret")
        outcome = transport.hand_over(DESK, [ADA], MAIL)
    assert "wr0ng" not in outcome.reply
    assert "AGRlc2sAd3IwbmctczNjcmV0" not in outcome.reply


def test_a_server_that_is_busy_with_passwords_is_no_auth_trouble(
    transport_to: Open,
) -> None:
    with RecordingServer(credentials=("desk", "right")) as server:
        server.answer("auth", "454 4.7.0 Temporary authentication failure")
        transport = transport_to(server.port, login="desk", password="right")
        assert transport.hand_over(DESK, [ADA], MAIL).trouble is Trouble.NETWORK


def test_no_authentication_where_it_is_wanted(transport_to: Open) -> None:
    with RecordingServer(credentials=("desk", "right")) as server:
        outcome = transport_to(server.port).hand_over(DESK, [ADA], MAIL)
    assert (outcome.kind, outcome.trouble, outcome.code) == (
        Kind.UNWELL,
        Trouble.AUTH,
        530,
    )


def test_a_login_that_nobody_asks_for(
    server: RecordingServer, transport_to: Open
) -> None:
    outcome = transport_to(server.port, login="desk", password="x").hand_over(
        DESK, [ADA], MAIL
    )
    assert (outcome.kind, outcome.trouble) == (Kind.UNWELL, Trouble.AUTH)
    assert server.said() == ["EHLO", "QUIT"] or server.said() == ["EHLO"]


def test_smtputf8_where_it_is_offered(
    server: RecordingServer, transport_to: Open
) -> None:
    transport_to(server.port).hand_over(DESK, ["jörg@example.com"], MAIL, smtputf8=True)
    assert "MAIL FROM:<desk@example.org> BODY=8BITMIME SMTPUTF8" in server.commands
    assert server.copies() == {"jörg@example.com": 1}


def test_smtputf8_where_it_is_not_offered(transport_to: Open) -> None:
    with RecordingServer(extensions=()) as server:
        transport = transport_to(server.port)
        outcome = transport.hand_over(DESK, ["jörg@example.com"], MAIL, smtputf8=True)
    assert (outcome.kind, outcome.code) == (Kind.REFUSED, None)
    assert "beyond ASCII" in outcome.reply
    assert "MAIL" not in server.said()


def test_a_message_that_is_too_large_is_not_even_offered(transport_to: Open) -> None:
    with RecordingServer(extensions=("SIZE 10",)) as server:
        outcome = transport_to(server.port).hand_over(DESK, [ADA], MAIL)
    assert outcome.kind is Kind.REFUSED
    assert "MAIL" not in server.said()


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ((), Kind.ACCEPTED),
        (("-p",), Kind.ACCEPTED),
        (("-e",), Kind.ACCEPTED),
        (("-r", "RCPT"), Kind.DEFERRED),
        (("-f", "RCPT"), Kind.REFUSED),
        (("-r", "MAIL"), Kind.DEFERRED),
        (("-f", "DATA"), Kind.REFUSED),
        (("-r", "."), Kind.DEFERRED),
        (("-f", "."), Kind.REFUSED),
        (("-q", "RCPT"), Kind.DEFERRED),
        (("-q", "DATA"), Kind.DEFERRED),
        (("-q", "."), Kind.UNKNOWN),
        (("-Q", "MAIL"), Kind.UNWELL),
        (("-f", "CONNECT"), Kind.UNWELL),
        (("-A", "0"), Kind.REFUSED),
    ],
)
def test_postfix_smtp_sink(
    options: tuple[str, ...], kind: Kind, transport_to: Open
) -> None:
    with smtp_sink(*options) as port:
        assert transport_to(port).hand_over(DESK, [ADA], MAIL).kind is kind
