"""The table from what was proven to what is written."""

from datetime import timedelta

import pytest

from webapp.campaigns.states import Status, may_move
from webapp.delivery.outcomes import (
    JITTER,
    RETRY_AFTER,
    Standing,
    Verdict,
    not_tried,
    verdict,
)
from webapp.senders.outcome import Kind, Outcome, RecipientOutcome, Trouble

ADA, BOB, EVE = "ada@example.org", "bob@example.org", "eve@example.org"
LIFETIME = timedelta(days=5)


def standing(tries: int = 0, age: float = 0, **values: object) -> Standing:
    primary = frozenset({ADA})
    given = {"primary": primary, "settled": {}, **values}
    return Standing(tries, timedelta(seconds=age), LIFETIME, **given)  # type: ignore[arg-type]  # a test's shorthand


def outcome(
    kind: Kind, code: int | None = None, enhanced: str | None = None, **others: Kind
) -> Outcome:
    """What the server said, with Ada first."""
    reply = "The server's words"
    of_ada = RecipientOutcome(ADA, kind, code, reply, enhanced)
    rest = tuple(
        RecipientOutcome(f"{name}@example.org", of, code, reply)
        for name, of in others.items()
    )
    return Outcome(kind, code, enhanced, reply, (of_ada, *rest))


ONE = (
    (outcome(Kind.ACCEPTED, 250), Status.SENT, 1, ""),
    (outcome(Kind.DEFERRED, 451, "4.3.0"), Status.DEFERRED, 1, "busy"),
    (outcome(Kind.DEFERRED), Status.DEFERRED, 0, "network"),
    (outcome(Kind.REFUSED, 550, "5.1.1"), Status.FAILED, 1, "address"),
    (outcome(Kind.REFUSED, 552, "5.2.2"), Status.FAILED, 1, "busy"),
    (outcome(Kind.REFUSED, 550, "5.7.1"), Status.FAILED, 1, "policy"),
    (outcome(Kind.REFUSED), Status.FAILED, 0, "content"),
    (outcome(Kind.UNKNOWN), Status.UNKNOWN, 1, ""),
)


@pytest.mark.parametrize(("said", "status", "tries", "reason_class"), ONE)
def test_each_kind_of_proof_has_its_status(
    said: Outcome, status: Status, tries: int, reason_class: str
) -> None:
    made = verdict(said, standing())
    assert (made.status, made.tries, made.reason_class) == (status, tries, reason_class)
    assert may_move(Status.SENDING, made.status)


@pytest.mark.parametrize(
    ("trouble", "reason_class"),
    [
        (Trouble.NETWORK, "network"),
        (Trouble.AUTH, "sender"),
        (Trouble.TLS, "sender"),
    ],
)
def test_a_server_that_is_unwell_costs_no_try(
    trouble: Trouble, reason_class: str
) -> None:
    said = Outcome(Kind.UNWELL, 421, "4.7.0", "Not now", (), trouble)
    made = verdict(said, standing(tries=3))
    assert (made.status, made.tries, made.delay) == (Status.DEFERRED, 3, 0.0)
    assert made.reason_class == reason_class


def test_what_was_not_tried_is_due_at_once() -> None:
    assert not_tried(standing(tries=2)) == Verdict(Status.DEFERRED, 2)


@pytest.mark.parametrize(("tries", "delay"), [*enumerate(RETRY_AFTER), (9, 10800)])
def test_the_waits_grow(tries: int, delay: float) -> None:
    later = outcome(Kind.DEFERRED, 451)
    young = standing(tries=tries)
    assert verdict(later, young, 0.5).delay == pytest.approx(delay)
    assert verdict(later, young, 0.0).delay == pytest.approx(delay * (1 - JITTER))
    assert verdict(later, young, 1.0).delay == pytest.approx(delay * (1 + JITTER))


def test_it_gives_up_after_the_lifetime_with_the_servers_words() -> None:
    old = standing(tries=8, age=6 * 86400)
    made = verdict(outcome(Kind.DEFERRED, 452, "4.2.2"), old)
    assert (made.status, made.reason_class) == (Status.FAILED, "busy")
    assert made.reply == "The server's words"


def test_a_retry_by_a_person_is_not_given_up_at_its_first_4xx() -> None:
    again = standing(tries=0, age=6 * 86400)
    assert verdict(outcome(Kind.DEFERRED, 452), again).status is Status.DEFERRED


def test_one_refused_copy_is_its_own_outcome() -> None:
    both = standing(primary=frozenset({ADA}))
    made = verdict(outcome(Kind.ACCEPTED, 250, bob=Kind.REFUSED), both)
    assert made.status is Status.SENT
    assert {addr: status for addr, status, _, _ in made.addresses} == {
        ADA: Status.SENT,
        BOB: Status.FAILED,
    }


def test_a_message_that_one_of_its_readers_refused_is_not_sent() -> None:
    both = standing(primary=frozenset({ADA, BOB}))
    made = verdict(outcome(Kind.ACCEPTED, 250, bob=Kind.REFUSED), both)
    assert made.status is Status.FAILED
    assert {addr: status for addr, status, _, _ in made.addresses} == {
        ADA: Status.SENT,
        BOB: Status.FAILED,
    }


def test_one_deferred_copy_keeps_the_message_going() -> None:
    made = verdict(outcome(Kind.ACCEPTED, 250, bob=Kind.DEFERRED), standing())
    assert made.status is Status.DEFERRED


def test_a_later_try_for_the_rest_counts_what_went_before() -> None:
    said = Outcome(
        Kind.ACCEPTED,
        250,
        None,
        "Ok",
        (RecipientOutcome(BOB, Kind.ACCEPTED, 250, "Ok"),),
    )
    made = verdict(said, standing(tries=1, settled={ADA: Status.SENT}))
    assert made.status is Status.SENT
    refused = standing(tries=1, settled={ADA: Status.FAILED, EVE: Status.SENT})
    assert verdict(said, refused).status is Status.FAILED
