"""Who of a recipient table gets a campaign, and who does not and why.

The check and the launch read the table through this one module, in the order of the
row ids, so what the check promised is what the launch does. A suppression that came in
between takes a recipient out; nothing ever puts one in.
"""

import functools
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import aliased

from webapp.campaigns.models import Campaign
from webapp.campaigns.reasons import SKIP_WORDS, SkipClass
from webapp.core.db import db
from webapp.core.words import _
from webapp.recipients.models import Recipient, RecipientTable
from webapp.suppressions.conditions import suppressed
from webapp.suppressions.models import Reason
from webapp.suppressions.service import suppressed_keys

BATCH = 1000
MOST_REPEATED = 50_000  # addresses; they are kept in memory
MOST_READS = 20
NAME_COLUMNS = ("name", "full_name", "fullname")
FIRST_NAMES = ("first_name", "firstname", "given_name")
LAST_NAMES = ("last_name", "lastname", "surname", "family_name")


class Person(NamedTuple):
    """One recipient as a campaign sees it; `skip` says why it gets nothing.

    A tuple, for a launch makes a million: a frozen dataclass takes five times as long.

    `is_as_stored` says that address and values are those of the row itself, so that
    the database can copy them.
    """

    id: int
    row: int
    version: int
    name: str
    address: str
    address_key: str
    values: Mapping[str, Any]
    skip: SkipClass | None
    words: str
    is_as_stored: bool


@dataclass(frozen=True, slots=True)
class Audience:
    """The part of a campaign that decides who gets it.

    Attributes
    ----------
    until
        Rows that were created after this are not part of it; ``None`` takes all.
    repeated
        The addresses that several rows have, where that is known; ``None`` lets the
        database look for an earlier row of each.
    """

    table_id: int
    address_column: str
    columns: tuple[str, ...]
    left_out: frozenset[int]
    until: datetime | None = None
    repeated: frozenset[str] | None = None


def audience_of(campaign: Campaign, table: RecipientTable) -> Audience:
    """Return the audience of a campaign, bounded by its launch if it has one."""
    return Audience(
        table_id=table.id,
        address_column=table.address_column,
        columns=tuple(column.name for column in table.columns),
        left_out=frozenset(campaign.left_out),
        until=campaign.launched_at,
    )


def batches(
    audience: Audience, after: int = 0, number: int = 0, size: int = BATCH
) -> Iterator[list[Person]]:
    """Yield the recipients, so many at a time, in the order of their ids.

    Parameters
    ----------
    after, number
        The id and the row number of the last recipient that is done already.
    """
    while batch := _batch(audience, after, number, size):
        yield batch
        after, number = batch[-1].id, batch[-1].row


class Repeated:
    """The addresses that several rows of a table have, as long as no row changes.

    They are read in one walk along an index, 0.2 microseconds a row. To look in it for
    an earlier row of each takes 4, and twice that where it is larger than the cache.
    """

    def __init__(self) -> None:
        self._version = 0
        self._reads = 0
        self._keys: frozenset[str] | None = None

    def of(self, table: RecipientTable) -> frozenset[str] | None:
        """Return them; None where they are too many, or the rows change too often."""
        if table.rows_version != self._version:
            self._version, self._reads = table.rows_version, self._reads + 1
            self._keys = _repeated(table.id) if self._reads <= MOST_READS else None
        return self._keys


def _repeated(table_id: int) -> frozenset[str] | None:
    key = Recipient.address_key
    query = (
        sa.select(key)
        .where(Recipient.recipient_table_id == table_id, key != "")
        .group_by(key)
        .having(sa.func.count() > 1)
    )
    found = db.session.scalars(query.limit(MOST_REPEATED + 1)).all()
    return frozenset(found) if len(found) <= MOST_REPEATED else None


def first_people(campaign: Campaign, after: int = 0, exact: int = 0) -> list[Person]:
    """Return the recipients after a row id, or one row and those after it.

    Nothing where the campaign has no recipient table yet.
    """
    table = campaign.recipient_table
    if table is None:
        return []
    return _batch(audience_of(campaign, table), exact - 1 if exact else after, 0, 2)


def display_name(values: Mapping[str, Any]) -> str:
    """Return the name of a recipient, from the columns that usually hold it.

    Examples
    --------
    >>> display_name({"first_name": "Ada", "last_name": "Byrne", "city": "Cork"})
    'Ada Byrne'
    >>> display_name({"name": "Zoë"}), display_name({"email": "a@example.org"})
    ('Zoë', '')
    """
    return _name_of(values, *_name_columns(tuple(values)))


def _name_of(
    values: Mapping[str, Any],
    whole: Sequence[str],
    first: Sequence[str],
    last: Sequence[str],
) -> str:
    for column in whole:
        if values[column]:
            return str(values[column])[:200]
    names = f"{_first_filled(values, first)} {_first_filled(values, last)}"
    return names.strip()[:200]


def _first_filled(values: Mapping[str, Any], columns: Sequence[str]) -> str:
    for column in columns:
        if values[column]:
            return str(values[column])
    return ""


@functools.lru_cache(maxsize=64)
def _name_columns(columns: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """Return which columns hold a name, a first and a last name, the best first."""
    found = {column.lower(): column for column in columns}
    return tuple(
        tuple(found[name] for name in names if name in found)
        for names in (NAME_COLUMNS, FIRST_NAMES, LAST_NAMES)
    )


def _query(audience: Audience, after: int) -> "sa.Select[Any]":
    """Return the query of the rows after one, with what the database knows of each."""
    is_again: Any = sa.false()
    if audience.repeated is None:
        earlier = aliased(Recipient)
        is_again = sa.exists().where(
            earlier.recipient_table_id == audience.table_id,
            earlier.address_key == Recipient.address_key,
            earlier.id < Recipient.id,
        )
    query = sa.select(
        Recipient.id,
        Recipient.version,
        Recipient.address,
        Recipient.address_key,
        sa.cast(Recipient.row_values, sa.Text).label("cells"),
        sa.case((Recipient.has_problems, Recipient.problems)).label("problems"),
        is_again.label("is_again"),
        suppressed(Recipient.address_key, audience.table_id).label("is_suppressed"),
    ).where(Recipient.recipient_table_id == audience.table_id, Recipient.id > after)
    if audience.until is not None:
        query = query.where(Recipient.created_at <= audience.until)
    return query.order_by(Recipient.id)


def _batch(audience: Audience, after: int, number: int, limit: int) -> list[Person]:
    rows = db.session.connection().execute(_query(audience, after).limit(limit)).all()
    # The database says of which few addresses there is more to ask.
    again = audience.repeated
    if again is None:
        again = frozenset(row.address_key for row in rows if row.is_again)
    keys = {row.address_key for row in rows if row.address_key in again} - {""}
    first = _first_of(audience, keys) if keys else {}
    keys = {row.address_key for row in rows if row.is_suppressed} - {""}
    known = _Known(first, suppressed_keys(keys, audience.table_id))
    # Taken apart all at once: one by one, this was most of the time.
    every = json.loads(f"[{','.join([row.cells for row in rows])}]")
    columns, naming = set(audience.columns), _name_columns(audience.columns)
    people = []
    for count, (row, stored) in enumerate(zip(rows, every, strict=True), number + 1):
        values = stored
        if values.keys() != columns:
            values = {name: values.get(name) for name in audience.columns}
        shown = row.address or str(values.get(audience.address_column) or "")
        people.append(
            Person(
                row.id,
                count,
                row.version,
                _name_of(values, *naming),
                shown[:320],
                row.address_key,
                values,
                *_verdict(audience, row, shown, known),
                values is stored and shown == row.address,
            )
        )
    return people


class _Known(NamedTuple):
    """What there is to say of some addresses of a batch.

    `first` is the first row that has one, `never` why nothing is written to it.
    """

    first: Mapping[str, int]
    never: Mapping[str, Reason]


def _verdict(
    audience: Audience, row: Any, shown: str, known: _Known
) -> tuple[SkipClass | None, str]:
    key = row.address_key
    if row.id in audience.left_out:
        return _skip(SkipClass.LEFT_OUT)
    if not key:
        return _without_address(audience, row, shown)
    if key in known.first and known.first[key] != row.id:
        return _skip(SkipClass.DUPLICATE)
    if key in known.never:
        why = known.never[key].value.replace("_", " ")
        return SkipClass.SUPPRESSED, _("Suppressed: %(why)s", why=why)
    return None, ""


def _without_address(audience: Audience, row: Any, shown: str) -> tuple[SkipClass, str]:
    if not shown.strip():
        return _skip(SkipClass.NO_ADDRESS)
    why = str((row.problems or {}).get(audience.address_column) or "")
    return SkipClass.BAD_ADDRESS, why or str(SKIP_WORDS[SkipClass.BAD_ADDRESS])


def _skip(kind: SkipClass) -> tuple[SkipClass, str]:
    return kind, str(SKIP_WORDS[kind])


def _first_of(audience: Audience, keys: Collection[str]) -> dict[str, int]:
    """Return for each address the first row that has it and is not left out."""
    rows = db.session.execute(
        sa.select(Recipient.address_key, Recipient.id).where(
            Recipient.recipient_table_id == audience.table_id,
            Recipient.address_key.in_(keys),
        )
    )
    first: dict[str, int] = {}
    for key, id_ in rows:
        if id_ not in audience.left_out and id_ <= first.get(key, id_):
            first[key] = id_
    return first
