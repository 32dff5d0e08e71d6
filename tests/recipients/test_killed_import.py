"""A worker that is killed in the middle of an import: nothing lost, nothing twice."""

import io
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa

import config
from tests.conftest import ApiClient
from tests.recipients.factories import make_table
from webapp.core.clock import now
from webapp.core.db import db, reading
from webapp.recipients import import_run, import_service, service
from webapp.recipients.models import ImportMode, Recipient, RecipientImport

ROOT = Path(__file__).resolve().parents[2]
ROWS = 3_000
WORKER = """
import sys, time, config, webapp
from webapp.recipients import import_run
import_run.ROWS_A_COMMIT = 50
move_on = import_run._move_on
def stop_in_the_middle(import_id, run, counts, at):
    if at[0] > 300:
        print("in the middle", flush=True)
        time.sleep(600)
    move_on(import_id, run, counts, at)
import_run._move_on = stop_in_the_middle
with webapp.create_app(config.read()).app_context():
    import_run.work(int(sys.argv[1]))
"""


def rows_read(import_id: int) -> int:
    query = sa.select(RecipientImport.rows_read).where(RecipientImport.id == import_id)
    with reading():
        found = db.session.scalar(query) or 0
        db.session.rollback()
    return found


def test_a_killed_worker_costs_nothing(
    api: ApiClient, settings: config.Settings
) -> None:
    del api
    table_id = make_table().id
    lines = [f"p{n}@example.org\n" for n in range(ROWS)]
    file = io.BytesIO(("email\n" + "".join(lines)).encode())
    import_id = import_service.upload(table_id, file, "m.csv", {}).id
    import_service.prepare(import_id, {"0": "email"}, ImportMode.ADD)
    import_service.start(import_id)
    db.session.rollback()
    worker = subprocess.Popen(  # noqa: S603 - this very Python
        [sys.executable, "-c", WORKER, str(import_id)],
        cwd=ROOT,
        env={
            **os.environ,
            "DATA_DIR": str(settings.data_dir),
            "REDIS_URL": settings.redis_url or "",
            "SECRET_KEY": "test " * 8,
        },
        stdout=subprocess.PIPE,
    )
    with worker:
        assert worker.stdout is not None
        told = worker.stdout.readline()
        worker.kill()
    assert told == b"in the middle\n"
    assert rows_read(import_id) == 300
    silent = sa.update(RecipientImport).values(beat_at=now() - timedelta(minutes=2))
    db.session.execute(silent)
    db.session.commit()
    import_run.work(import_id)
    db.session.expire_all()
    addresses = list(db.session.scalars(sa.select(Recipient.address_key)))
    assert len(addresses) == len(set(addresses)) == ROWS
    found = import_service.get(import_id)
    assert (found.added, found.rows_read, found.duplicates) == (ROWS, ROWS, 0)
    assert service.get(table_id).recipients_count == ROWS
