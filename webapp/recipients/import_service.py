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
from webapp.core.queue import Lane, enqueue
from webapp.operators import audit
from webapp.recipients import service
from webapp.recipients.csv_detect import Inspector
from webapp.recipients.csv_files import DELIMITERS, ENCODINGS, FileProblem
from webapp.recipients.import_plan import (
    plan_of,
    problems_of,
    sample_of,
    suggested_mapping,
)
from webapp.recipients.models import (
    ImportMode,
    ImportReject,
    ImportState,
    RecipientImport,
)

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


def latest(table_id: int) -> RecipientImport | None:
    """Return the last import that wrote into a table, if there was one."""
    wrote = (ImportState.RUNNING, ImportState.FINISHED, ImportState.STOPPED)
    query = sa.select(RecipientImport).where(
        RecipientImport.recipient_table_id == table_id,
        RecipientImport.state.in_(wrote),
    )
    found: RecipientImport | None = db.session.scalar(
        query.order_by(RecipientImport.id.desc()).limit(1)
    )
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
    if mode is ImportMode.UPDATE:
        found.key_column = key_column or plan.address_column
    wrong = problems_of(plan, mode, found.key_column)
    fields = {"mapping": wrong} if wrong else {}
    if mode is ImportMode.REPLACE and typed_name not in {None, table.name}:
        fields["typed_name"] = ["This is not the name of the table."]
    if fields:
        db.session.rollback()
        raise Invalid("The import cannot begin like this.", fields)
    try:
        service.checked_columns(plan.columns, table.address_column)
    except Invalid as error:
        db.session.rollback()
        lines = [line for lines in error.fields.values() for line in lines]
        raise Invalid(error.words, {"mapping": lines}) from error
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
    table, plan = service.get(found.recipient_table_id), plan_of(found)
    new = plan.columns[len(table.columns) :]
    if new:
        service.add_columns(table, new)
        found.mapping = {str(place): name for place, name in plan.targets.items()}
    audit.record("recipients.import", "recipient_import", found.id, found.file_name)
    return _set_off(found, ImportState.RUNNING, as_job=as_job)


def stop(import_id: int) -> RecipientImport:
    """Ask an import to stop; rows that are in stay in."""
    found = get(import_id)
    if found.state in AT_WORK:
        found.stop_asked = True
        db.session.commit()
    return found


def back_to_columns(import_id: int) -> RecipientImport:
    """Choose the columns again after a check.

    Raises
    ------
    Refused
        If the import is at work or over.
    """
    found = _waiting(import_id)
    found.state = ImportState.UPLOADED
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
        enqueue(service.IMPORT_JOB, found.id, lane=Lane.IMPORTS)
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
