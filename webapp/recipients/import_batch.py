"""A thousand rows of a file: what becomes of each, and into the database with them."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import sqlalchemy as sa

from webapp.core.clock import now
from webapp.core.db import db
from webapp.recipients import service
from webapp.recipients.mapping import Plan, Reject, judge, raw_cells
from webapp.recipients.models import ImportMode, Recipient
from webapp.recipients.rows import EMPTY, Row
from webapp.recipients.store import (
    insert_rows,
    replace_keys,
    row_columns,
    rows_of_addresses,
    rows_of_keys,
    taken_keys,
)

LONGEST_KEPT = 500  # characters of each cell of a row that was left out
ADDRESS = ""  # stands for the address among the columns that tell rows apart


@dataclass(frozen=True)
class Batch:
    """What all batches of one import have in common."""

    import_id: int
    table_id: int
    mode: ImportMode
    key_column: str
    writing: bool


@dataclass(frozen=True)
class Verdict:
    """What a row of the file is: a row for the table, or a reject."""

    number: int
    cells: Sequence[str]
    raw: dict[str, str]
    result: Row | Reject
    duplicate: bool = False


def sort_out(
    plan: Plan,
    rows: Iterable[tuple[int, list[str]]],
    first_row: Callable[[Iterable[str], int], int | None],
) -> list[Verdict]:
    """Judge rows, and find those that the file had before."""
    verdicts: list[Verdict] = []
    for number, cells in rows:
        raw = raw_cells(plan, cells)
        if isinstance(raw, Reject):
            verdicts.append(Verdict(number, cells, {}, raw))
            continue
        result = judge(plan, raw)
        if isinstance(result, Row):
            before = first_row(_all_keys(result), number)
            if before is not None:
                words = Reject(f"Already in row {before} of this file")
                verdicts.append(Verdict(number, cells, raw, words, duplicate=True))
                continue
        verdicts.append(Verdict(number, cells, raw, result))
    return verdicts


def write(
    batch: Batch, plan: Plan, verdicts: Sequence[Verdict]
) -> tuple[Counter[str], list[dict[str, Any]]]:
    """Put rows into the table, within the caller's transaction.

    Returns
    -------
    tuple
        How many of each kind they were, by the names of the import's counters, and the
        rows that were left out, for ``import_reject``. Without `Batch.writing` nothing
        is written, and the counts say what would be.
    """
    counts: Counter[str] = Counter()
    rejects: list[dict[str, Any]] = []

    def leave_out(verdict: Verdict, reject: Reject, counter: str) -> None:
        counts[counter] += 1
        if counter == "rejected":
            counts["missing_required"] += reject.reason == EMPTY
            bad = bool(reject.column) and reject.column == plan.address_column
            counts["bad_addresses"] += bad and reject.reason != EMPTY
        rejects.append(
            {
                "import_id": batch.import_id,
                "row_number": verdict.number,
                "column": reject.heading[:200],
                "reason": reject.reason[:300],
                "cells": [_kept(cell) for cell in verdict.cells],
            }
        )

    good: list[Verdict] = []
    for verdict in verdicts:
        if isinstance(verdict.result, Reject):
            counter = "duplicates" if verdict.duplicate else "rejected"
            leave_out(verdict, verdict.result, counter)
        else:
            good.append(verdict)
    new = _update(batch, plan, good, counts, leave_out)
    if batch.writing and new:
        rows = [cast(Row, verdict.result) for verdict in new]
        insert_rows(batch.table_id, rows, import_id=batch.import_id)
    if batch.writing and (new or counts["updated"]):
        service.count_rows(batch.table_id, len(new))
    counts["added"] += len(new)
    return counts, rejects


LeaveOut = Callable[[Verdict, Reject, str], None]


def _update(
    batch: Batch,
    plan: Plan,
    good: Sequence[Verdict],
    counts: Counter[str],
    leave_out: LeaveOut,
) -> list[Verdict]:
    """Deal with the rows that the table has already; return those that are new."""
    if batch.mode is ImportMode.UPDATE:
        return _update_by_key(batch, plan, good, counts, leave_out)
    if batch.mode is ImportMode.REPLACE and not batch.writing:
        return list(good)
    rows = [cast(Row, verdict.result) for verdict in good]
    taken = taken_keys(batch.table_id, rows)
    addresses = [row.address_key for row in rows if row.address_key]
    taken |= {
        (ADDRESS, key) for _id, key in rows_of_addresses(batch.table_id, addresses)
    }
    new: list[Verdict] = []
    for verdict, row in zip(good, rows, strict=True):
        if taken.isdisjoint({*row.keys.items(), (ADDRESS, row.address_key)}):
            new.append(verdict)
        else:
            leave_out(verdict, Reject("Already in this table"), "duplicates_in_table")
    return new


def _update_by_key(
    batch: Batch,
    plan: Plan,
    good: Sequence[Verdict],
    counts: Counter[str],
    leave_out: LeaveOut,
) -> list[Verdict]:
    """Change the rows with the same key; an empty cell of the file changes nothing."""
    keys = {
        id(verdict): _key(batch, plan, cast(Row, verdict.result)) for verdict in good
    }
    there = _rows_by_key(batch, plan, [key for key in keys.values() if key])
    new: list[Verdict] = []
    for verdict in good:
        known = there.get(keys[id(verdict)])
        merged = {**known.row_values, **_filled(verdict.raw)} if known else verdict.raw
        result = judge(plan, merged)
        if isinstance(result, Row) and result.keys:
            taken = taken_keys(batch.table_id, [result], known.id if known else None)
            if taken:
                result = Reject("Another row has this value already", "", min(taken)[0])
        if isinstance(result, Reject):
            leave_out(verdict, result, "rejected")
        elif known is None:
            new.append(verdict)
        elif result.values == known.row_values and not known.problems:
            counts["unchanged"] += 1
        else:
            counts["updated"] += 1
            if batch.writing:
                _change(batch.table_id, known, result)
    return new


def _rows_by_key(
    batch: Batch, plan: Plan, keys: Sequence[str]
) -> dict[str, "sa.Row[Any]"]:
    """Return the first row of the table for each key."""
    if batch.key_column == plan.address_column:
        pairs = rows_of_addresses(batch.table_id, keys)
    else:
        pairs = rows_of_keys(batch.table_id, batch.key_column, keys)
    by_id = dict(sorted(pairs, reverse=True))
    ids = {key: row_id for row_id, key in by_id.items()}
    found: dict[str, sa.Row[Any]] = {}
    fields = (Recipient.id, Recipient.row_values, Recipient.problems, Recipient.version)
    wanted = list(ids.values())
    for start in range(0, len(wanted), 400):
        some = sa.select(*fields).where(Recipient.id.in_(wanted[start : start + 400]))
        found.update({by_id[row.id]: row for row in db.session.execute(some)})
    return found


def _change(table_id: int, known: "sa.Row[Any]", row: Row) -> None:
    db.session.execute(
        sa.update(Recipient)
        .where(Recipient.id == known.id)
        .values(**row_columns(row), version=known.version + 1, updated_at=now())
        .execution_options(synchronize_session=False)
    )
    replace_keys(table_id, known.id, row)


def _key(batch: Batch, plan: Plan, row: Row) -> str:
    if batch.key_column == plan.address_column:
        return row.address_key
    return row.keys.get(batch.key_column, "")


def _all_keys(row: Row) -> list[str]:
    keys = [f"{name}\0{key}" for name, key in row.keys.items()]
    return [*keys, f"\0{row.address_key}"] if row.address_key else keys


def _filled(raw: dict[str, str]) -> dict[str, str]:
    return {name: cell for name, cell in raw.items() if cell.strip()}


def _kept(cell: str) -> str:
    return cell.replace("\0", "\ufffd")[:LONGEST_KEPT]
