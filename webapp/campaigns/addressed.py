"""The messages to an address, by an index that a launch can afford.

Addresses come in no order, so an index over them alone is written to all over: with a
million messages each new row cost one page of it, twice as much as all else of storing
the row (27 microseconds, and 10 without). So `Message` is indexed in blocks of 16 384
ids, each of which fits in the cache while it fills, and a search looks into each block:
0.5 ms for a million messages.
"""

from collections.abc import Collection
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import aliased

from webapp.campaigns.models import Message

_BITS: Any = sa.literal_column("14")  # written out, as in the index


def to_any(keys: Collection[str]) -> "sa.ColumnElement[bool]":
    """Return the condition that a message goes to one of these address keys."""
    first = sa.select(_block(sa.func.min(Message.id)).label("n"))
    last = sa.select(_block(sa.func.max(Message.id))).scalar_subquery()
    blocks = first.cte("block", recursive=True)
    blocks = blocks.union_all(sa.select(blocks.c.n + 1).where(blocks.c.n < last))
    one = aliased(Message)
    found = (
        sa.select(one.id)
        .join_from(blocks, one, _block(one.id) == blocks.c.n)
        .where(one.address_key.in_(keys))
    )
    return Message.id.in_(found)


def _block(id_: Any) -> Any:
    return id_.op(">>", return_type=sa.Integer())(_BITS)
