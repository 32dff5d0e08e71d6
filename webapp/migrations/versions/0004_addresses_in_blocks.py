"""The index over the addresses of messages, in blocks; see `campaigns.addressed`.

Autogenerate sees no index over an expression. A later migration that makes the table
``message`` anew on SQLite has to create this one anew as well.

Revision 0004, after 0003.
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the index."""
    op.execute("CREATE INDEX ix_message_address ON message ((id >> 14), address_key)")


def downgrade() -> None:
    """Drop the index."""
    op.execute("DROP INDEX ix_message_address")
