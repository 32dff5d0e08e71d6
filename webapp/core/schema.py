"""The database's shape: brought up to date by Alembic, before anything else starts."""

from pathlib import Path

import alembic.command
import alembic.config

MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"


def alembic_config(url: str) -> alembic.config.Config:
    """Return Alembic's settings for a database address."""
    settings = alembic.config.Config()
    settings.set_main_option("script_location", str(MIGRATIONS))
    settings.attributes["url"] = url
    return settings


def upgrade(url: str) -> None:
    """Bring a database to the newest shape; one that has it stays as it is."""
    alembic.command.upgrade(alembic_config(url), "head")


def revise(url: str, message: str, revision: str) -> None:
    """Write a migration from what the models say and the database has."""
    alembic.command.revision(
        alembic_config(url), message, autogenerate=True, rev_id=revision
    )
