"""Imports, and reading rows again after a change of columns, as jobs."""

from webapp.core.queue import Lane, job, wake
from webapp.recipients import import_run, row_service, service


@job(service.IMPORT_JOB)
def run_import(import_id: int) -> None:
    """Check or import a file; one that was killed goes on where it was."""
    import_run.work(import_id)


@job(service.REREAD_JOB)
def reread(table_id: int) -> None:
    """Read all rows of a table again; one that was killed goes on where it was."""
    while row_service.reread(table_id):
        pass


def wake_reread(table_id: int) -> None:
    """Have rows read again: a small table at once, a large one by a worker."""
    if row_service.reread(table_id):
        unique = f"recipients-reread-{table_id}"
        wake(service.REREAD_JOB, table_id, lane=Lane.IMPORTS, unique=unique)
