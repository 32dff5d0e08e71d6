"""Numbers at their bounds, where a server would answer BAD or find another mail."""

import pytest

from webapp.mailboxes.query import (
    EVERYTHING,
    LARGEST_NUMBER,
    And,
    Flagged,
    Larger,
    Not,
    Or,
    Query,
    QueryError,
    Smaller,
    Uids,
    to_imap,
    uid_set,
)
from webapp.mailboxes.query_simplify import NOTHING, simplify

TODO = Flagged("todo")


def test_a_number_has_thirty_two_bits() -> None:
    assert LARGEST_NUMBER == 4_294_967_295


@pytest.mark.parametrize("octets", [-1, 4_294_967_296])
@pytest.mark.parametrize("kind", [Larger, Smaller])
def test_a_size_beyond_its_bounds_is_no_search(
    kind: type[Larger] | type[Smaller], octets: int
) -> None:
    with pytest.raises(QueryError):
        to_imap(kind(octets))


@pytest.mark.parametrize("octets", [0, 4_294_967_295])
def test_a_size_at_its_bounds_is_one(octets: int) -> None:
    assert to_imap(Larger(octets)) == [b"LARGER", str(octets).encode()]


def test_uids_that_no_mail_can_have_are_left_out() -> None:
    some = frozenset({0, 1, 3, 4_294_967_295, 4_294_967_296})
    assert to_imap(Uids(some)) == [b"UID", b"1,3,4294967295"]
    assert to_imap(Uids(frozenset({0, 4_294_967_296}))) == [b"NOT", b"ALL"]


def test_a_set_holds_no_uid_between_two_runs() -> None:
    assert uid_set([8, 1, 2, 5, 4, 10, 2]) == b"1:2,4:5,8,10"
    assert uid_set([]) == b""


@pytest.mark.parametrize(
    ("query", "same"),
    [
        (Not(Larger(9)), Smaller(10)),
        (Not(Smaller(9)), Larger(8)),
        (Not(Smaller(0)), EVERYTHING),
        (Not(Larger(4_294_967_295)), EVERYTHING),
        (And((Or(()), TODO)), NOTHING),
        (Or((And(()), TODO)), EVERYTHING),
        (And((And((Larger(2), TODO)), Larger(7))), And((Larger(7), TODO))),
        (Or((Larger(2), Larger(7))), Larger(2)),
        (And((Smaller(2), Smaller(7))), Smaller(2)),
    ],
)
def test_a_simpler_query_is_the_same(query: Query, same: Query) -> None:
    assert simplify(query) == same
