"""How Alembic reaches the models and the database."""

import warnings

import sqlalchemy as sa
from alembic import context

import webapp  # noqa: F401 - imports all models
from webapp.core.db import Base


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
