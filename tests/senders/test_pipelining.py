"""With PIPELINING a message costs one round trip, and proves exactly as much."""

from collections.abc import Iterator

import pytest

from tests.senders.conftest import Open
from tests.support.smtp_servers import (
    DROP,
    RECORD_THEN_DROP,
    STALL,
    RecordingServer,
    smtp_sink,
)
from webapp.senders.outcome import Kind, Outcome, Trouble
from webapp.senders.smtp import SmtpTransport
from webapp.senders.smtp_envelope import Parcel

DESK = "desk@example.org"
ADA, BOB, EVE = "ada@example.com", "bob@example.com", "eve@example.com"
MAIL = b"Subject: x\r\n\r\n.dots\r\n"
LARGE = b"Subject: x\r\n\r\n" + b"x" * 70 + b"\r\n" + b"0123456789\r\n" * 20_000
NO_PIPELINING = ("8BITMIME", "SMTPUTF8")


def parcels(*rcpt_to: str, data: bytes = MAIL) -> list[Parcel]:
    """Return a message to each of these."""
    return [Parcel(DESK, (addr,), data) for addr in rcpt_to]


def send(transport: SmtpTransport, queue: list[Parcel]) -> Iterator[Outcome]:
    """Hand over one after another, each with a look at the next."""
    for number, one in enumerate(queue):

        def ahead(number: int = number) -> Parcel | None:
            return queue[number + 1] if number + 1 < len(queue) else None

        yield transport.hand_over(one.mail_from, one.rcpt_to, one.data, ahead=ahead)


def kinds(outcomes: Iterator[Outcome]) -> list[Kind]:
    return [outcome.kind for outcome in outcomes]


def test_a_message_is_one_write_when_another_came_before(
    server: RecordingServer, transport_to: Open
) -> None:
    transport = transport_to(server.port)
    assert set(kinds(send(transport, parcels(*[ADA] * 20)))) == {Kind.ACCEPTED}
    # EHLO, the first envelope, then twenty times a body with the next envelope.
    assert server.reads == 1 + 1 + 20
    assert server.copies() == {ADA: 20}
    assert all(mail.data == MAIL for mail in server.mails)
    assert "RSET" not in server.said()


def test_without_a_look_ahead_it_is_two_writes(
    server: RecordingServer, transport_to: Open
) -> None:
    transport = transport_to(server.port)
    for _ in range(5):
        transport.hand_over(DESK, [ADA, BOB], MAIL)
    assert server.reads == 1 + 5 * 2


def test_without_the_extension_each_command_waits(transport_to: Open) -> None:
    with RecordingServer(extensions=NO_PIPELINING) as server:
        transport = transport_to(server.port)
        assert set(kinds(send(transport, parcels(ADA, BOB)))) == {Kind.ACCEPTED}
        assert server.reads == 1 + 2 * 4


@pytest.mark.parametrize("answer", ["550 5.1.1 No", "450 4.2.1 Later"])
@pytest.mark.parametrize("step", ["mail", "rcpt", "data", "dot"])
def test_one_that_is_refused_costs_its_neighbours_nothing(
    step: str, answer: str, server: RecordingServer, transport_to: Open
) -> None:
    server.answer(step, "", answer, "")
    transport = transport_to(server.port)
    said = list(send(transport, parcels(ADA, BOB, EVE)))
    expected = Kind.REFUSED if answer.startswith("5") else Kind.DEFERRED
    assert [one.kind for one in said] == [Kind.ACCEPTED, expected, Kind.ACCEPTED]
    assert said[1].code == int(answer[:3])
    assert server.copies() == {ADA: 1, EVE: 1}
    assert server.connections == 1


def test_each_recipient_has_its_own_reply(
    server: RecordingServer, transport_to: Open
) -> None:
    server.answer(f"rcpt:{BOB}", "550 5.1.1 No such user")
    queue = [Parcel(DESK, (ADA, BOB, EVE), MAIL), *parcels(ADA)]
    first, second = send(transport_to(server.port), queue)
    assert [one.kind for one in first.recipients] == [
        Kind.ACCEPTED,
        Kind.REFUSED,
        Kind.ACCEPTED,
    ]
    assert second.kind is Kind.ACCEPTED
    assert server.copies() == {ADA: 2, EVE: 1}


@pytest.mark.parametrize("answer", [DROP, RECORD_THEN_DROP])
def test_silence_after_the_dot_concerns_that_message_alone(
    answer: str, server: RecordingServer, transport_to: Open
) -> None:
    server.answer("dot", "", answer)
    said = kinds(send(transport_to(server.port), parcels(ADA, BOB, EVE)))
    assert said == [Kind.ACCEPTED, Kind.UNKNOWN, Kind.ACCEPTED]
    assert server.copies()[ADA] == server.copies()[EVE] == 1
    assert server.copies()[BOB] == (answer == RECORD_THEN_DROP)
    assert server.connections == 2


@pytest.mark.parametrize("answer", [DROP, "421 4.7.0 Enough for one connection"])
@pytest.mark.parametrize("step", ["mail", "rcpt"])
def test_a_server_that_wants_a_fresh_connection_gets_one(
    step: str, answer: str, server: RecordingServer, transport_to: Open
) -> None:
    server.answer(step, "", answer)
    said = kinds(send(transport_to(server.port), parcels(ADA, BOB, EVE)))
    assert said == [Kind.ACCEPTED] * 3
    assert server.copies() == {ADA: 1, BOB: 1, EVE: 1}
    assert server.connections == 2


def test_a_connection_that_breaks_at_data_proves_that_nothing_was_accepted(
    server: RecordingServer, transport_to: Open
) -> None:
    server.answer("data", "", DROP)
    first, second, third = send(transport_to(server.port), parcels(ADA, BOB, EVE))
    assert (second.kind, second.code) == (Kind.DEFERRED, None)
    assert first.kind is third.kind is Kind.ACCEPTED
    assert server.copies() == {ADA: 1, EVE: 1}


def test_a_421_that_stays_says_that_the_server_is_unwell(
    server: RecordingServer, transport_to: Open
) -> None:
    server.answer("mail", "", "421 4.3.2 Shutting down", always=True)
    first, second = send(transport_to(server.port), parcels(ADA, BOB))
    assert first.kind is Kind.ACCEPTED
    assert (second.kind, second.trouble) == (Kind.UNWELL, Trouble.NETWORK)


@pytest.mark.usefixtures("impatient")
def test_a_stall_behind_the_dot_is_the_next_ones_and_no_unknown(
    server: RecordingServer, transport_to: Open
) -> None:
    server.answer("mail", "", STALL, STALL)
    transport = transport_to(server.port)
    said = kinds(send(transport, parcels(ADA, BOB)))
    assert said == [Kind.ACCEPTED, Kind.DEFERRED]
    assert server.copies() == {ADA: 1}


def test_a_server_that_wants_a_message_for_nobody_gets_an_empty_one(
    server: RecordingServer, transport_to: Open
) -> None:
    server.answer("rcpt", "550 5.1.1 No such user")
    server.answer("data", "354 Go on")
    server.answer("dot", "554 5.5.1 No valid recipients")
    transport = transport_to(server.port)
    said = kinds(send(transport, parcels(BOB, ADA)))
    assert said == [Kind.REFUSED, Kind.ACCEPTED]
    assert [mail.rcpt_to for mail in server.mails] == [(ADA,)]
    assert (server.connections, server.said().count("RSET")) == (1, 0)


def test_a_server_that_wants_a_message_from_nobody_is_left(
    server: RecordingServer, transport_to: Open
) -> None:
    server.answer("mail", "550 5.7.1 Not you")
    server.answer("data", "354 Go on")
    said = kinds(send(transport_to(server.port), parcels(BOB, ADA)))
    assert said == [Kind.REFUSED, Kind.ACCEPTED]
    assert (server.connections, server.copies()) == (2, {ADA: 1})


def test_who_was_looked_at_and_then_not_handed_over_gets_nothing(
    server: RecordingServer, transport_to: Open
) -> None:
    transport = transport_to(server.port)
    bob, eve = parcels(BOB, EVE)
    transport.hand_over(DESK, [ADA], MAIL, ahead=lambda: bob)
    assert transport.hand_over(DESK, eve.rcpt_to, MAIL).kind is Kind.ACCEPTED
    assert server.copies() == {ADA: 1, EVE: 1}
    transport.hand_over(DESK, [ADA], MAIL, ahead=lambda: bob)
    transport.close()
    server.wait_for(3)
    assert BOB not in server.copies()


def test_one_that_cannot_go_this_way_is_not_announced(
    server: RecordingServer, transport_to: Open
) -> None:
    queue = [*parcels(ADA), Parcel(DESK, ("b@x> BODY=7BIT",), MAIL), *parcels(EVE)]
    said = kinds(send(transport_to(server.port), queue))
    assert said == [Kind.ACCEPTED, Kind.REFUSED, Kind.ACCEPTED]
    assert not any("BODY" in line for line in server.commands)


def test_a_large_message_waits_before_its_dot(
    server: RecordingServer, transport_to: Open
) -> None:
    said = kinds(
        send(transport_to(server.port), parcels(ADA, BOB, data=LARGE) + parcels(EVE))
    )
    assert said == [Kind.ACCEPTED] * 3
    assert [mail.data for mail in server.mails] == [LARGE, LARGE, MAIL]


def test_very_many_recipients_are_named_one_by_one(
    server: RecordingServer, transport_to: Open
) -> None:
    many = tuple(f"reader{n}@example.com" for n in range(150))
    queue = [*parcels(ADA), Parcel(DESK, many, MAIL)]
    assert kinds(send(transport_to(server.port), queue)) == [Kind.ACCEPTED] * 2
    assert server.reads > 150
    assert server.mails[1].rcpt_to == many


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), {Kind.ACCEPTED}),
        (("-p",), {Kind.ACCEPTED}),
        (("-r", "RCPT"), {Kind.DEFERRED}),
        (("-f", "DATA"), {Kind.REFUSED}),
        (("-f", "."), {Kind.REFUSED}),
        (("-q", "."), {Kind.UNKNOWN}),
    ],
)
def test_postfix_smtp_sink(
    options: tuple[str, ...], expected: set[Kind], transport_to: Open
) -> None:
    with smtp_sink(*options) as port:
        queue = parcels(*[ADA] * 10)
        assert set(kinds(send(transport_to(port), queue))) == expected
