"""One import at work: the file read in batches, each judged, written and committed.

A batch and the number of the row that it ends with are one transaction. So a worker
that is killed loses nothing and doubles nothing: who goes on reads the file from its
start and writes from behind that row. Only the worker whose token stands in `run` may
commit; one that was only slow and comes back finds another token there and stops.

Duplicates in the file are found with a private database on disk, so that memory does
not grow with the file.
"""

import hashlib
import logging
import sqlite3
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from itertools import islice
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError, OperationalError

from webapp.core.clock import now
from webapp.core.db import db, reading
from webapp.core.errors import DomainError
from webapp.recipients import import_plan, import_service, service
from webapp.recipients.csv_files import FileProblem, read_rows
from webapp.recipients.import_batch import Batch, Verdict, sort_out, write
from webapp.recipients.mapping import Plan
from webapp.recipients.models import (
    ImportMode,
    ImportReject,
    ImportState,
    Recipient,
    RecipientImport,
)
from webapp.recipients.store import drop_rows

log = logging.getLogger(__name__)

ROWS_A_COMMIT = 1_000
PAUSE = 0.02  # seconds after a commit on SQLite, so that others get to write
BEAT_EVERY = 50_000
TRIES = 3


class Lost(Exception):
    """Another worker has taken this import over, or a person stopped it."""


class Seen:
    """Which keys the file had already, and in which row; on disk, not in memory."""

    def __init__(self) -> None:
        # An empty name is a private database that SQLite keeps in a temporary file.
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.execute("PRAGMA cache_size = -16000")
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.execute("PRAGMA journal_mode = OFF")
        self._db.execute(
            "CREATE TABLE seen (key BLOB PRIMARY KEY, row INTEGER) WITHOUT ROWID"
        )

    def first_row(self, keys: Iterable[str], row: int) -> int | None:
        """Return the row that had one of these keys first; if none had, note them."""
        digests = [
            hashlib.blake2b(key.encode(), digest_size=16).digest() for key in keys
        ]
        for digest in digests:
            found = self._db.execute("SELECT row FROM seen WHERE key = ?", (digest,))
            if before := found.fetchone():
                return int(before[0])
        self._db.executemany(
            "INSERT OR IGNORE INTO seen VALUES (?, ?)", [(one, row) for one in digests]
        )
        return None

    def close(self) -> None:
        """Give the file back."""
        self._db.close()


def work(import_id: int) -> None:
    """Do what is asked of an import, from where it is, unless somebody is at it."""
    run = _claim(import_id)
    if run is None:
        return
    try:
        _work(import_id, run)
    except Lost:
        log.info("import %d goes on elsewhere or was stopped", import_id)
    except (FileProblem, DomainError) as error:
        _end(import_id, run, ImportState.FAILED, str(error))
    except OperationalError:
        raise  # the database is away: whoever is woken next goes on
    except Exception:
        words = "Something went wrong on our side. Rows that are in stay in."
        _end(import_id, run, ImportState.FAILED, words)
        raise


def _work(import_id: int, run: uuid.UUID) -> None:
    found = import_service.get(import_id)
    writing = found.state is ImportState.RUNNING
    plan, mode = import_plan.plan_of(found), found.mode
    table_id, key = found.recipient_table_id, found.key_column
    done, total = found.rows_read, found.rows_total
    file, layout = import_plan.file_of(found), import_plan.layout_of(found)
    db.session.rollback()
    if writing and total is None:
        _scan(import_id, run, read_rows(file, layout))
    if writing and mode is ImportMode.REPLACE:
        _empty(import_id, run, table_id)
    batch = Batch(import_id, table_id, mode, key, writing)
    with closing(Seen()) as seen:
        rows = _numbered(read_rows(file, layout))
        while some := list(islice(rows, ROWS_A_COMMIT)):
            verdicts = sort_out(plan, [row for _count, row in some], seen.first_row)
            fresh = [
                verdict
                for (count, _row), verdict in zip(some, verdicts, strict=True)
                if count > done
            ]
            if fresh:
                _commit(batch, run, plan, fresh, (some[-1][0], file.tell()))
    _end(import_id, run, ImportState.FINISHED if writing else ImportState.CHECKED)


def _commit(
    batch: Batch,
    run: uuid.UUID,
    plan: Plan,
    verdicts: Sequence[Verdict],
    at: tuple[int, int],
) -> None:
    """Write one batch and where it ends, together; again if somebody came between."""
    for left in reversed(range(TRIES)):
        try:
            counts, rejects = write(batch, plan, verdicts)
            if rejects:
                table = cast(sa.Table, ImportReject.__table__)
                db.session.execute(sa.insert(table), rejects)
            _move_on(batch.import_id, run, counts, at)
            db.session.commit()
        except IntegrityError:
            db.session.rollback()
            if not left:
                raise
        else:
            break
    if db.engine.dialect.name == "sqlite":
        time.sleep(PAUSE)


def _move_on(
    import_id: int, run: uuid.UUID, counts: Counter[str], at: tuple[int, int]
) -> None:
    """Count a batch, if this import is still ours and nobody stopped it.

    Raises
    ------
    Lost
        If it is not; what the transaction wrote is rolled back.
    """
    columns = RecipientImport.__table__.c
    values: dict[str, Any] = {
        name: columns[name] + more for name, more in counts.items()
    }
    values |= {"rows_read": at[0], "octets_read": at[1], "beat_at": now()}
    won = db.session.execute(
        sa.update(RecipientImport)
        .where(*_ours(import_id, run), RecipientImport.stop_asked.is_(False))
        .values(**values)
        .execution_options(synchronize_session=False)
        .returning(RecipientImport.id)
    )
    if won.scalar() is None:
        db.session.rollback()
        _end(import_id, run, ImportState.STOPPED, "Stopped. Rows that are in stay in.")
        raise Lost


def _claim(import_id: int) -> uuid.UUID | None:
    """Take an import for this worker, unless another one is at it."""
    run = uuid.uuid4()
    won = db.session.execute(
        sa.update(RecipientImport)
        .where(
            RecipientImport.id == import_id,
            RecipientImport.state.in_(import_service.AT_WORK),
            sa.or_(
                RecipientImport.run.is_(None),
                RecipientImport.beat_at < now() - service.SILENT,
            ),
        )
        .values(run=run, beat_at=now())
        .execution_options(synchronize_session=False)
        .returning(RecipientImport.id)
    )
    mine = won.scalar() is not None
    db.session.commit()
    return run if mine else None


def _ours(import_id: int, run: uuid.UUID) -> tuple[Any, ...]:
    return (
        RecipientImport.id == import_id,
        RecipientImport.run == run,
        RecipientImport.state.in_(import_service.AT_WORK),
    )


def _end(import_id: int, run: uuid.UUID, state: ImportState, words: str = "") -> None:
    db.session.rollback()
    values: dict[str, Any] = {
        "state": state,
        "words": words[:500],
        "finished_at": now(),
    }
    if state is ImportState.CHECKED:
        values["rows_total"] = RecipientImport.rows_read
    db.session.execute(
        sa.update(RecipientImport)
        .where(*_ours(import_id, run))
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    db.session.commit()


def _scan(
    import_id: int, run: uuid.UUID, rows: Iterator[tuple[int, list[str]]]
) -> None:
    """Read the file once through, so that what is wrong with it is known before."""
    total = 0
    for total, _row in enumerate(rows, 1):
        if total % BEAT_EVERY == 0:
            _note(import_id, run, beat_at=now())
    _note(import_id, run, rows_total=total)


def _note(import_id: int, run: uuid.UUID, **values: Any) -> None:
    db.session.execute(
        sa.update(RecipientImport)
        .where(*_ours(import_id, run))
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    db.session.commit()


def _empty(import_id: int, run: uuid.UUID, table_id: int) -> None:
    """Move the rows that were there before to the deleted ones, some at a time."""
    others = sa.or_(Recipient.import_id.is_(None), Recipient.import_id != import_id)
    old = sa.select(Recipient.id).where(
        Recipient.recipient_table_id == table_id, others
    )
    name = service.new_batch()
    while True:
        with reading():
            ids = list(db.session.scalars(old.limit(ROWS_A_COMMIT)))
            db.session.rollback()
        if not ids:
            return
        gone = drop_rows(table_id, name, Recipient.id.in_(ids))
        service.count_rows(table_id, -gone)
        _note(import_id, run, beat_at=now())


def _numbered(
    rows: Iterator[tuple[int, list[str]]],
) -> Iterator[tuple[int, tuple[int, list[str]]]]:
    yield from enumerate(rows, 1)
