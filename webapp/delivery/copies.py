"""Messages of several recipients: the row of each address, and what became of it.

An address goes by the rules of its message (`recording`): proof is written over what
was not known, silence over nothing that is, and neither over a newer try. With one
exception: that somebody has the message is kept whatever came later, so that the next
try leaves that address out.
"""

from collections.abc import Sequence
from typing import Any, cast

import sqlalchemy as sa

from webapp.campaigns.models import Message, MessageAddress, has_status
from webapp.campaigns.states import Status
from webapp.core.db import db
from webapp.delivery.connections import Handed
from webapp.delivery.outcomes import PROVABLE, UNPROVEN, Verdict
from webapp.delivery.preparing import SETTLED, Prepared

MESSAGE = cast(sa.Table, Message.__table__)
ADDRESS = cast(sa.Table, MessageAddress.__table__)

LEFT_OUT_WORDS = "Suppressed since it was queued: this address gets nothing."


def begin(rows: Sequence[Prepared]) -> None:
    """Say who is tried now and who is left out; in the mark's transaction."""
    several = [row for row in rows if row.kinds or row.left_out]
    if not several:
        return
    connection = db.session.connection()
    query = sa.select(ADDRESS.c.message_id, ADDRESS.c.address)
    query = query.where(ADDRESS.c.message_id.in_([row.id for row in several]))
    there = {(one.message_id, one.address) for one in connection.execute(query)}
    given = [
        (row.id, addr, kind, status, words)
        for row in several
        for kinds, status, words in (
            (row.kinds, Status.SENDING, ""),
            (row.left_out, Status.SKIPPED, LEFT_OUT_WORDS),
        )
        for addr, kind in kinds.items()
    ]
    names = ("message_id", "address", "kind", "status", "reply")
    fresh = [dict(zip(names, one, strict=True)) for one in given]
    fresh = [one for one in fresh if (one["message_id"], one["address"]) not in there]
    if fresh:
        connection.execute(sa.insert(ADDRESS), fresh)
    tried = [
        {"of_id": row.id, "of_address": addr}
        for row in several
        for addr in row.targets
        if (row.id, addr) in there
    ]
    if tried:
        connection.execute(_TRY, tried)
    for row in (row for row in several if row.left_out):
        connection.execute(_leave_out(row))


def record(settled: Sequence[tuple[Handed, Verdict]]) -> None:
    """Write what became of single addresses; in the transaction of the verdicts."""
    rows = [
        row
        for handed, verdict in settled
        if handed.prepared.kinds
        for row in _rows(handed, verdict)
    ]
    for rule, statement in _WRITE.items():
        of_it = [row for row in rows if _rule_of(row["new_status"]) == rule]
        if of_it:
            db.session.connection().execute(statement, of_it)


def _rows(handed: Handed, verdict: Verdict) -> list[dict[str, Any]]:
    """Return what is written; the same of all that were tried where none is named."""
    same = (verdict.status, verdict.code, verdict.reply)
    of_all = tuple((addr, *same) for addr in handed.prepared.targets)
    return [
        {
            "of_id": handed.prepared.id,
            "of_address": addr,
            "of_attempt": handed.attempt,
            "new_status": status,
            "new_reply_code": code,
            "new_reply": reply,
        }
        for addr, status, code, reply in verdict.addresses or of_all
    ]


def _rule_of(status: Status) -> str:
    return {Status.SENT: "yes", Status.UNKNOWN: "silence"}.get(status, "proof")


def _leave_out(row: Prepared) -> "sa.Update":
    return (
        sa.update(ADDRESS)
        .where(
            ADDRESS.c.message_id == row.id,
            ADDRESS.c.address.in_(row.left_out),
            ADDRESS.c.status.not_in(SETTLED),
        )
        .values(status=Status.SKIPPED, reply=LEFT_OUT_WORDS)
    )


_ONE = (
    ADDRESS.c.message_id == sa.bindparam("of_id"),
    ADDRESS.c.address == sa.bindparam("of_address"),
)
_TRY = sa.update(ADDRESS).where(*_ONE).values(status=Status.SENDING)
_OF_NO_NEWER_TRY = (
    sa.select(MESSAGE.c.id)
    .where(
        MESSAGE.c.id == ADDRESS.c.message_id,
        MESSAGE.c.attempt == sa.bindparam("of_attempt", type_=MESSAGE.c.attempt.type),
    )
    .exists()
)


def _write(*conditions: Any) -> "sa.Update":
    return (
        sa.update(ADDRESS)
        .where(*_ONE, *conditions)
        .values(
            status=sa.bindparam("new_status"),
            reply_code=sa.bindparam("new_reply_code"),
            reply=sa.bindparam("new_reply"),
        )
    )


_WRITE = {
    "yes": _write(ADDRESS.c.status != Status.SENT),
    "proof": _write(has_status(ADDRESS.c.status, *PROVABLE), _OF_NO_NEWER_TRY),
    "silence": _write(has_status(ADDRESS.c.status, *UNPROVEN), _OF_NO_NEWER_TRY),
}
