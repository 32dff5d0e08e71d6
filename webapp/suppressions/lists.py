"""Whole lists of suppressions: a file's taken in, and all that hold given out.

What was given out and is taken in again is as it was: from which recipient table, why,
since when and whence.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from webapp.core.clock import now
from webapp.core.db import db, reading
from webapp.core.errors import Invalid
from webapp.core.words import _
from webapp.operators import audit
from webapp.suppressions import files, service
from webapp.suppressions.files import Line, NotAList, Reject
from webapp.suppressions.models import Channel, Reason, Suppression

AT_ONCE = 400


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did."""

    added: int
    already: int
    rejects: Sequence[Reject]


def import_file(data: bytes, table_id: int | None, name: str) -> Imported:
    """Suppress everybody whom a file names, everywhere or from one recipient table.

    Lines that cannot be taken are told; the others are taken. A line of our own export
    that names its recipient table holds from that one, unless `table_id` is given.

    Raises
    ------
    Invalid
        If the file is no list, or nothing in it can be taken.
    """
    try:
        lines, rejects = files.read(data)
    except NotAList as error:
        raise Invalid(str(error), {"file": [str(error)]}) from error
    if not lines:
        words = _("No line of this file names an address, a domain or a phone.")
        raise Invalid(words, {"file": [words]})
    source, added, at = f"Import: {name}"[:200], 0, now()
    for first in range(0, len(lines), AT_ONCE):
        added += _take(lines[first : first + AT_ONCE], table_id, source, at)
        db.session.commit()
    audit.record(
        "suppression.imported", "suppression", "", name, added=added, lines=len(lines)
    )
    db.session.commit()
    return Imported(added, len(lines) - added, rejects)


def _take(
    lines: Sequence[Line], table_id: int | None, source: str, at: datetime
) -> int:
    """Suppress what lines say, those of a kind at once; return how many are new."""
    added = 0
    groups: dict[tuple[Channel, Reason, int | None], list[Line]] = {}
    for one in lines:
        kind = (one.channel, one.reason, table_id or one.table_id)
        groups.setdefault(kind, []).append(one)
    for (channel, reason, table), group in groups.items():
        rows = [(one.key, one.address, one.source or source) for one in group]
        since = {one.key: min(one.since, at) for one in group if one.since}
        made = service.suppress_many(rows, reason, at, (channel, table), since)
        added += len(made)
    return added


def exported() -> Iterator[Sequence[object]]:
    """Yield every suppression that holds, in pieces: never all in memory."""
    last = 0
    while True:
        with reading():
            query = service.all_suppressions().where(Suppression.id > last)
            rows = db.session.scalars(query.order_by(Suppression.id).limit(AT_ONCE))
            found = [_exported(row) for row in rows]
            db.session.expunge_all()
            db.session.rollback()
        if not found:
            return
        last = found[-1][0]
        yield from (cells for _id, cells in found)


def _exported(row: Suppression) -> tuple[int, Sequence[object]]:
    since = row.created_at.isoformat(timespec="seconds")
    return row.id, (
        row.address_key,
        row.channel.value,
        row.reason.value,
        row.recipient_table_id,
        row.source,
        since,
    )
