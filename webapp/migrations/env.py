"""How Alembic reaches the models and the database."""

import warnings

import sqlalchemy as sa
from alembic import context

from webapp.campaigns import models as campaigns
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
    triage,
)


def run() -> None:
    """Run the migrations on the address that the caller gave."""
    url = context.config.attributes["url"]
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            render_as_batch=engine.dialect.name == "sqlite",
            compare_type=True,
            user_module_prefix="webapp.core.db.",
        )
        with context.begin_transaction():
            context.run_migrations()
    engine.dispose()


warnings.filterwarnings("ignore", category=sa.exc.SAWarning)
run()
