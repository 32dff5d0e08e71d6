"""An index of the letters of indexed mails, so that a part of a word is found at once.

SQLite: a full-text table of trigrams over the rows of ``indexed_mail``
(https://www.sqlite.org/fts5.html#the_trigram_tokenizer), kept by triggers. PostgreSQL:
indexes of ``pg_trgm``, where the database may have that extension; without it the same
statements read the rows instead.

Revision 0003, after 0002.
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TEXTS = ("sender", "recipients", "copies", "subject")
COLUMNS = ", ".join(TEXTS)
NEW = ", ".join(f"new.{name}" for name in TEXTS)
OLD = ", ".join(f"old.{name}" for name in TEXTS)
SQLITE = (
    f"""CREATE VIRTUAL TABLE indexed_mail_words USING fts5(
        {COLUMNS}, content='indexed_mail', content_rowid='id', tokenize='trigram')""",
    f"""CREATE TRIGGER indexed_mail_words_insert AFTER INSERT ON indexed_mail
        BEGIN INSERT INTO indexed_mail_words (rowid, {COLUMNS})
        VALUES (new.id, {NEW}); END""",
    f"""CREATE TRIGGER indexed_mail_words_delete AFTER DELETE ON indexed_mail BEGIN
        INSERT INTO indexed_mail_words (indexed_mail_words, rowid, {COLUMNS})
        VALUES ('delete', old.id, {OLD}); END""",
)
DROPPED = (
    "DROP TRIGGER indexed_mail_words_delete",
    "DROP TRIGGER indexed_mail_words_insert",
    "DROP TABLE indexed_mail_words",
)


def upgrade() -> None:
    """Create what finds parts of words."""
    connection = op.get_bind()
    if connection.dialect.name == "sqlite":
        for statement in SQLITE:
            connection.exec_driver_sql(statement)
        return
    offered = "SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_trgm'"
    may = "SELECT has_database_privilege(current_database(), 'CREATE')"
    if not connection.exec_driver_sql(offered).scalar():
        return
    if not connection.exec_driver_sql(may).scalar():
        return
    connection.exec_driver_sql("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    for name in TEXTS:
        connection.exec_driver_sql(
            f"CREATE INDEX ix_indexed_mail_{name} ON indexed_mail "
            f"USING gin ({name} gin_trgm_ops)"
        )


def downgrade() -> None:
    """Drop it again; the extension may be of use to others and stays."""
    connection = op.get_bind()
    if connection.dialect.name == "sqlite":
        for statement in DROPPED:
            connection.exec_driver_sql(statement)
        return
    for name in TEXTS:
        connection.exec_driver_sql(f"DROP INDEX IF EXISTS ix_indexed_mail_{name}")
