"""Segments as they come from the limited child: lists for JSON, nothing trusted."""

from collections.abc import Iterator
from typing import Any

from webapp.message_templates.segments import Piece, Segments
from webapp.message_templates.skeleton import Address
from webapp.message_templates.slots import Slot


def packed_segments(found: Segments) -> list[object]:
    """Return segments as a list for JSON."""
    slots = [[slot.name, [[n, list(a)] for n, a in slot.calls]] for slot in found.slots]
    addresses = [[list(one.pieces), one.kind] for one in found.addresses]
    return [slots, {k: list(v) for k, v in found.parts.items()}, addresses]


def unpacked_segments(row: Any) -> Segments:
    """Return the segments in a list, every field checked for its type.

    Raises
    ------
    ValueError
        When the list is not that.
    """
    match row:
        case [list(slots), dict(parts), list(addresses)]:
            return Segments(
                [_slot_in(one) for one in slots],
                {str(name): [*_pieces(pieces)] for name, pieces in parts.items()},
                [_address_in(one) for one in addresses],
            )
    raise ValueError("these are not segments")


def _slot_in(row: Any) -> Slot:
    match row:
        case [str(name), list(calls)]:
            return Slot(name, tuple((str(n), tuple(a)) for n, a in calls))
    raise ValueError("this is not a slot")


def _address_in(row: Any) -> Address:
    match row:
        case [list(pieces), str(kind)]:
            plain = [one for one in _pieces(pieces) if not isinstance(one, tuple)]
            return Address(tuple(plain), kind)
    raise ValueError("this is not an address")


def _pieces(row: Any) -> Iterator[Piece]:
    for one in row:
        match one:
            case bool():
                raise ValueError("this is not a piece")
            case str() | int():
                yield one
            case [int(number)]:
                yield (number,)
            case _:
                raise ValueError("this is not a piece")
