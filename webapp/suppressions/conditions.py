"""Suppressions as SQL conditions, for statements that have to decide and act at once.

Whether a message may go is asked in the statement that marks it: a suppression that was
committed a moment earlier must win, with no read in between.
"""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from webapp.suppressions.models import Channel, Reason, Suppression

# Who unsubscribes from a newsletter still gets the receipt that they asked for.
STOPS_EVERYTHING = tuple(reason for reason in Reason if reason != Reason.UNSUBSCRIBED)


class domain_of(FunctionElement[str]):  # noqa: N801 - reads as the SQL function that it is
    """The part of an address key after its only @; anything where there is none."""

    type = sa.String()
    inherit_cache = True
    name = "domain_of"


@compiles(domain_of)
def _domain_of(element: domain_of, compiler: Any, **kw: Any) -> str:
    return f"split_part({compiler.process(element.clauses, **kw)}, '@', 2)"


@compiles(domain_of, "sqlite")
def _domain_of_sqlite(element: domain_of, compiler: Any, **kw: Any) -> str:
    key = compiler.process(element.clauses, **kw)
    return f"substr({key}, instr({key}, '@') + 1)"


def not_suppressed(
    address_key: Any,
    table_id: Any = None,
    *,
    transactional: bool = False,
    channel: Channel = Channel.EMAIL,
) -> "sa.ColumnElement[bool]":
    """Return the condition that nothing stops mail to an address, for use in a WHERE.

    Parameters
    ----------
    address_key
        A column of the statement (or a text): the address as
        `webapp.composing.addresses.address_key` has it; for phones the E.164 number.
    table_id
        The recipient table (a number or a column), whose own suppressions count as well
        as those that hold everywhere; ``None`` where there is no table.
    transactional
        Whether the mail was asked for by what the person did; then having unsubscribed
        does not count.
    """
    if channel is Channel.PHONE:
        return ~_found(Channel.PHONE, address_key, table_id, transactional)
    whole_domain = domain_of(
        sa.literal(address_key) if isinstance(address_key, str) else address_key
    )
    return sa.and_(
        ~_found(Channel.EMAIL, address_key, table_id, transactional),
        ~_found(Channel.DOMAIN, whole_domain, table_id, transactional),
    )


def suppressed(
    address_key: Any, table_id: Any = None, *, transactional: bool = False
) -> "sa.ColumnElement[bool]":
    """Return the opposite of `not_suppressed`, for lists and counts."""
    return sa.not_(not_suppressed(address_key, table_id, transactional=transactional))


def holds_for(table_id: Any) -> "sa.ColumnElement[bool]":
    """Return the condition that a suppression holds everywhere, or from this table."""
    everywhere = Suppression.recipient_table_id.is_(None)
    if table_id is None:
        return everywhere
    return sa.or_(everywhere, Suppression.recipient_table_id == table_id)


def _found(
    channel: Channel, key: Any, table_id: Any, transactional: bool
) -> "sa.Exists":
    found = (
        sa.select(sa.literal(1))
        .where(
            Suppression.channel == channel,
            Suppression.address_key == key,
            Suppression.undone_at.is_(None),
            holds_for(table_id),
        )
        .correlate_except(Suppression)
    )
    if transactional:
        found = found.where(Suppression.reason.in_(STOPS_EVERYTHING))
    return sa.exists(found)
