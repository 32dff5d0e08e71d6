"""The same query with *not* at its leaves and no two comparisons of a kind together.

Pure. Dovecot 2.3 merges comparisons of a kind itself, and wrongly below *or* and *not*
(``OR NOT LARGER 0 NOT LARGER 282`` finds nothing), so it is given nothing to merge.
"""

from collections.abc import Iterable

from webapp.mailboxes.query import (
    EVERYTHING,
    LARGEST_NUMBER,
    And,
    Dated,
    Larger,
    Not,
    Or,
    Query,
    Smaller,
    When,
)

NOTHING = Or(())
OPPOSITE = {When.SINCE: When.BEFORE, When.BEFORE: When.SINCE}
LATER_IS_NARROWER = {
    When.SINCE: True,
    When.BEFORE: False,
    When.SENT_SINCE: True,
    When.SENT_BEFORE: False,
}


def simplify(query: Query) -> Query:
    """Return a query that finds the same.

    Examples
    --------
    >>> simplify(Not(And((Larger(0), Larger(282)))))
    Smaller(octets=283)
    """
    match query:
        case Not(part):
            return _negated(part)
        case And(parts):
            return _joined(And, [simplify(part) for part in parts])
        case Or(parts):
            return _joined(Or, [simplify(part) for part in parts])
        case _:
            return query


def _negated(query: Query) -> Query:
    match query:
        case Not(part):
            return simplify(part)
        case And(parts):
            return _joined(Or, [_negated(part) for part in parts])
        case Or(parts):
            return _joined(And, [_negated(part) for part in parts])
        case _:
            return _negated_leaf(query)


def _negated_leaf(query: Query) -> Query:
    match query:
        case Larger(octets):
            return EVERYTHING if octets >= LARGEST_NUMBER else Smaller(octets + 1)
        case Smaller(octets):
            return EVERYTHING if octets <= 0 else Larger(octets - 1)
        case Dated(when, day, zone) if when in OPPOSITE:
            return Dated(OPPOSITE[when], day, zone)
        case _:
            return Not(query)


def _joined(kind: type[And] | type[Or], parts: list[Query]) -> Query:
    """Join parts, flat, each once, with comparisons of one kind merged."""
    absorbing, neutral = (NOTHING, EVERYTHING) if kind is And else (EVERYTHING, NOTHING)
    flat = list(_flat(kind, parts))
    if absorbing in flat:
        return absorbing
    kept: dict[object, Query] = {}
    for part in flat:
        if part == neutral:
            continue
        key = _kind_of(part)
        before = kept.get(key)
        kept[key] = part if before is None else _stricter(kind, before, part)
    merged = tuple(kept.values())
    return merged[0] if len(merged) == 1 else kind(merged)


def _flat(kind: type[And] | type[Or], parts: list[Query]) -> Iterable[Query]:
    for part in parts:
        if isinstance(part, kind) and part.parts:
            yield from part.parts
        else:
            yield part


def _kind_of(query: Query) -> object:
    match query:
        case Larger() | Smaller():
            return type(query)
        case Dated(when, _, zone) if when in LATER_IS_NARROWER:
            return when, zone
        case Not(Dated(when, _, zone)) if when in LATER_IS_NARROWER:
            return "not", when, zone
        case _:
            return query


def _stricter(kind: type[And] | type[Or], one: Query, other: Query) -> Query:
    """Return the one that decides: the narrower below *and*, the wider below *or*."""
    both = sorted((one, other), key=_narrowness)
    return both[-1] if kind is And else both[0]


def _narrowness(query: Query) -> int:
    match query:
        case Larger(octets):
            return octets
        case Smaller(octets):
            return -octets
        case Dated(when, day) if when in LATER_IS_NARROWER:
            return day.toordinal() * (1 if LATER_IS_NARROWER[when] else -1)
        case Not(part):
            return -_narrowness(part)
        case _:
            return 0
