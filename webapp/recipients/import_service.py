"""What can be done with an import: upload, map, check, start, stop.

The work itself is a job; see `webapp.recipients.import_run`.
"""

from collections.abc import Mapping, Sequence
from typing import IO, Any

import sqlalchemy as sa

from webapp.core import blobs
from webapp.core.clock import now
from webapp.core.db import db
from webapp.core.errors import Invalid, NotFound, Refused, Unavailable
from webapp.core.queue import enqueue
from webapp.operators import audit
from webapp.recipients import service
from webapp.recipients.columns import ADDRESS_KINDS
from webapp.recipients.csv_files import (
    DELIMITERS,
    ENCODINGS,
    FileProblem,
    Inspector,
    Layout,
    first_rows,
    headings,
)
from webapp.recipients.kinds import ColumnKind, ColumnSpec
from webapp.recipients.mapping import Plan, guess_targets, new_column
from webapp.recipients.models import (
    ImportMode,
    ImportReject,
    ImportState,
    RecipientImport,
)

LEFT_OUT = ""
AT_WORK = frozenset({ImportState.CHECKING, ImportState.RUNNING})
COUNTERS = (
    "rows_read",
    "octets_read",
    "added",
    "updated",
    "unchanged",
    "rejected",
    "duplicates",
    "duplicates_in_table",
    "bad_addresses",
    "missing_required",
)


def get(import_id: int) -> RecipientImport:
    """Return an import.

    Raises
    ------
    NotFound
        If there is none, or its table was deleted.
    """
    found = db.session.get(RecipientImport, import_id)
    if found is None:
        raise NotFound("There is no such import.")
    service.get(found.recipient_table_id)
    return found


def upload(
    table_id: int, file: IO[bytes], file_name: str, layout: Mapping[str, Any]
) -> RecipientImport:
    """Keep a file and look at it; nothing is imported yet.

    Parameters
    ----------
    layout
        ``encoding``, ``delimiter`` and ``has_header`` as far as a person said; the rest
        is detected.

    Raises
    ------
    Invalid
        If it is no table of text, or has no rows.
    """
    table = service.get(table_id)
    inspector = Inspector()
    try:
        sha256, size = blobs.put_file(file, inspector.feed)
        detected = inspector.layout()
    except FileProblem as error:
        raise Invalid(str(error), {"file": [str(error)]}) from error
    found = RecipientImport(
        recipient_table_id=table.id,
        file_name=file_name.strip()[-255:] or "file",
        file_sha256=sha256,
        file_size=size,
        encoding=detected.encoding,
        delimiter=detected.delimiter,
        has_header=detected.has_header,
    )
    _lay_out(found, layout)
    db.session.add(found)
    db.session.flush()
    found.mapping = suggested_mapping(found)
    db.session.commit()
    return found


def file_of(found: RecipientImport) -> blobs.BlobFile:
    """Return the file as one to read."""
    return blobs.BlobFile(found.file_sha256, found.file_size)


def layout_of(found: RecipientImport) -> Layout:
    """Return how the file is read."""
    return Layout(found.encoding, found.delimiter, found.has_header)


def headings_of(found: RecipientImport) -> list[str]:
    """Return the headings of the file."""
    return headings(file_of(found), layout_of(found))


def sample_of(found: RecipientImport, count: int = 5) -> list[list[str]]:
    """Return the first rows of the file."""
    return first_rows(file_of(found), layout_of(found), count)


def change_layout(import_id: int, layout: Mapping[str, Any]) -> RecipientImport:
    """Read the file in another way, and suggest where its columns go.

    Raises
    ------
    Invalid
        If it cannot be read so.
    Refused
        If the import is at work or over.
    """
    found = _waiting(import_id)
    _lay_out(found, layout)
    found.mapping = suggested_mapping(found)
    found.state, found.rows_total = ImportState.UPLOADED, None
    db.session.commit()
    return found


def suggested_mapping(found: RecipientImport) -> dict[str, Any]:
    """Return where each column of the file goes: what is known by name, the rest new.

    In a table that has columns already, unknown ones are left out.
    """
    columns = service.specs(service.get(found.recipient_table_id))
    names, sample = headings_of(found), sample_of(found)
    known = guess_targets(names, columns)
    mapping: dict[str, Any] = {}
    taken = [column.name for column in columns]
    for place, heading in enumerate(names):
        if place in known:
            mapping[str(place)] = known[place]
            continue
        mapping[str(place)] = LEFT_OUT
        if not columns:
            values = [row[place] for row in sample if place < len(row)]
            spec = new_column(heading, values, taken)
            taken.append(spec.name)
            mapping[str(place)] = {
                "new": spec.name,
                "kind": spec.kind,
                "label": heading,
            }
    return mapping


def plan_of(found: RecipientImport) -> Plan:
    """Return what the import does with each row."""
    table = service.get(found.recipient_table_id)
    columns = service.specs(table)
    targets: dict[int, str] = {}
    for place, target in found.mapping.items():
        if isinstance(target, dict):
            kind = ColumnKind(target.get("kind", "text"))
            columns.append(ColumnSpec(target["new"], kind, target.get("label", "")))
            targets[int(place)] = target["new"]
        elif target:
            targets[int(place)] = target
    address = table.address_column or next(
        (spec.name for spec in columns if spec.kind in ADDRESS_KINDS), ""
    )
    return Plan(tuple(columns), address, targets, tuple(headings_of(found)))


def prepare(
    import_id: int,
    mapping: Mapping[str, Any],
    mode: ImportMode,
    key_column: str = "",
    typed_name: str | None = None,
) -> RecipientImport:
    """Decide where the columns go and what happens to rows that are there.

    Parameters
    ----------
    mapping
        Number of a column of the file (from 0, as text) to the name of a column of the
        table, to ``{"new": name, "kind": kind}``, or to nothing: it is left out.
    typed_name
        For `ImportMode.REPLACE`, what a person typed to confirm; ``None`` where a
        program asks.

    Raises
    ------
    Invalid
        If the mapping is not possible.
    Refused
        If the import is at work or over.
    """
    found = _waiting(import_id)
    table = service.get(found.recipient_table_id)
    found.mapping = dict(mapping)
    found.mode, found.key_column = mode, key_column
    plan = plan_of(found)
    wrong = _mapping_problems(plan)
    if mode is not ImportMode.UPDATE:
        wrong += _missing(plan)
        found.key_column = ""
    else:
        found.key_column = key_column or plan.address_column
        wrong += _key_problems(plan, found.key_column)
    fields = {"mapping": wrong} if wrong else {}
    if mode is ImportMode.REPLACE and typed_name not in {None, table.name}:
        fields["typed_name"] = ["This is not the name of the table."]
    if fields:
        db.session.rollback()
        raise Invalid("The import cannot begin like this.", fields)
    service.checked_columns(plan.columns, table.address_column)
    found.state, found.rows_total = ImportState.UPLOADED, None
    db.session.commit()
    return found


def check(import_id: int) -> RecipientImport:
    """Count what an import would do, as a job; nothing is imported."""
    return _set_off(_waiting(import_id), ImportState.CHECKING)


def start(import_id: int, *, as_job: bool = True) -> RecipientImport:
    """Import the good rows, as a job, or leave it to the caller to do it at once.

    Raises
    ------
    Refused
        If the import is at work or over.
    Unavailable
        If the queue does not answer; then nothing has changed.
    """
    found = _waiting(import_id)
    new = plan_of(found).columns[
        len(service.specs(service.get(found.recipient_table_id))) :
    ]
    if new:
        service.add_columns(service.get(found.recipient_table_id), new)
        found.mapping = {
            place: target["new"] if isinstance(target, dict) else target
            for place, target in found.mapping.items()
        }
    audit.record("recipients.import", "recipient_import", found.id, found.file_name)
    return _set_off(found, ImportState.RUNNING, as_job=as_job)


def stop(import_id: int) -> RecipientImport:
    """Ask an import to stop; rows that are in stay in."""
    found = get(import_id)
    if found.state in AT_WORK:
        found.stop_asked = True
        db.session.commit()
    return found


def discard(import_id: int) -> None:
    """Forget an import that has not begun."""
    db.session.delete(_waiting(import_id))
    db.session.commit()


def percent(found: RecipientImport) -> float:
    """Return how far the file is read, as a percentage."""
    if found.state in {ImportState.CHECKED, ImportState.FINISHED}:
        return 100.0
    return round(100 * found.octets_read / max(found.file_size, 1), 1)


def rejects_after(import_id: int, reject_id: int, limit: int) -> Sequence[ImportReject]:
    """Return the rows that were left out, in the order of the file."""
    query = sa.select(ImportReject).where(
        ImportReject.import_id == import_id, ImportReject.id > reject_id
    )
    return db.session.scalars(query.order_by(ImportReject.id).limit(limit)).all()


def _waiting(import_id: int) -> RecipientImport:
    found = get(import_id)
    if found.state in AT_WORK:
        raise Refused("This import is at work. Stop it first.")
    if found.state in {ImportState.FINISHED, ImportState.STOPPED}:
        raise Refused("This import is over. Upload the file again to import it again.")
    return found


def _set_off(
    found: RecipientImport, state: ImportState, *, as_job: bool = True
) -> RecipientImport:
    """Commit, wake a worker, and go back to where it was if there is no queue."""
    before = found.state
    found.state, found.words, found.stop_asked = state, "", False
    found.run, found.beat_at, found.started_at = None, now(), now()
    for name in COUNTERS:
        setattr(found, name, 0)
    db.session.execute(
        sa.delete(ImportReject).where(ImportReject.import_id == found.id)
    )
    db.session.commit()
    if not as_job:
        return found
    try:
        enqueue(service.IMPORT_JOB, found.id)
    except Unavailable:
        found.state = before
        db.session.commit()
        raise
    return found


def _lay_out(found: RecipientImport, layout: Mapping[str, Any]) -> None:
    encoding, delimiter = layout.get("encoding"), layout.get("delimiter")
    if encoding and encoding not in ENCODINGS:
        raise Invalid(
            "We do not know this encoding.", {"encoding": ["Choose another."]}
        )
    if delimiter and delimiter not in DELIMITERS:
        words = "The delimiter is , ; | or a tab."
        raise Invalid(words, {"delimiter": [words]})
    found.encoding = encoding or found.encoding
    found.delimiter = delimiter or found.delimiter
    if layout.get("has_header") is not None:
        found.has_header = bool(layout["has_header"])
    try:
        sample_of(found, 1)
    except (FileProblem, UnicodeError) as error:
        words = (
            str(error) if isinstance(error, FileProblem) else "It is not so encoded."
        )
        db.session.rollback()
        raise Invalid(words, {"file": [words]}) from error


def _mapping_problems(plan: Plan) -> list[str]:
    names = {column.name for column in plan.columns}
    wrong = [
        f"The table has no column “{name}”."
        for name in plan.targets.values()
        if name not in names
    ]
    used = list(plan.targets.values())
    twice = sorted({name for name in used if used.count(name) > 1})
    wrong += [f"Two columns of the file go to “{name}”." for name in twice]
    if not used:
        wrong.append("All columns of the file are left out.")
    if any(place >= len(plan.headings) for place in plan.targets):
        wrong.append("The file has fewer columns.")
    return wrong


def _missing(plan: Plan) -> list[str]:
    used = set(plan.targets.values())
    return [
        f"“{column.name}” is required, but no column of the file goes there."
        for column in plan.columns
        if column.required and column.name not in used
    ]


def _key_problems(plan: Plan, key_column: str) -> list[str]:
    keys = {column.name for column in plan.columns if column.unique}
    if key_column not in keys | {plan.address_column}:
        return ["Rows are found again by the address or by a unique column."]
    if key_column not in plan.targets.values():
        return [f"No column of the file goes to “{key_column}”, the key."]
    return []
