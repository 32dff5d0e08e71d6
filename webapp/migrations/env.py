"""How Alembic reaches the models and the database."""

import warnings
from typing import Any

import sqlalchemy as sa
from alembic import context

from webapp.campaigns import models as campaigns
from webapp.campaigns import tallies
from webapp.core import blobs
from webapp.core.db import Base
from webapp.delivery import models as delivery
from webapp.mailboxes import models as mailboxes
from webapp.message_templates import models as message_templates
from webapp.operators import models as operators
from webapp.recipients import models as recipients
from webapp.senders import models as senders
from webapp.suppressions import models as suppressions
from webapp.triage import models as triage

# Imported for what they declare.
DECLARED = (
    blobs,
    campaigns,
    delivery,
    mailboxes,
    message_templates,
    operators,
    recipients,
    senders,
    suppressions,
    tallies,
    triage,
)


ALONE = 0x506F7374  # "Post": the advisory lock of whoever migrates


def run() -> None:
    """Run the migrations on the address that the caller gave.

    One transaction under a lock: of two processes that start at once, the second waits
    and then finds nothing to do; one that is cut off leaves nothing half done.
    """
    url = context.config.attributes["url"]
    engine = sa.create_engine(url)
    if engine.dialect.name == "sqlite":
        begin_alone(engine)
    with engine.connect() as connection:
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            transactional_ddl=True,
            render_as_batch=engine.dialect.name == "sqlite",
            compare_type=True,
            user_module_prefix="webapp.core.db.",
        )
        with context.begin_transaction():
            if engine.dialect.name == "postgresql":
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(ALONE)))
            context.run_migrations()
    engine.dispose()


def begin_alone(engine: sa.Engine) -> None:
    """Let each transaction of an SQLite engine begin as the only writer.

    Not `webapp.core.db.prepare_sqlite`: foreign keys stay off, because changing a table
    here means to make it anew, and dropping the old one would empty those that point
    to it (https://www.sqlite.org/lang_altertable.html, section 7).
    """

    @sa.event.listens_for(engine, "connect")
    def _connect(connection: Any, record: object) -> None:
        del record
        connection.isolation_level = None
        connection.execute("PRAGMA busy_timeout = 30000")
        connection.execute("PRAGMA journal_mode = WAL")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


warnings.filterwarnings("ignore", category=sa.exc.SAWarning)
run()
