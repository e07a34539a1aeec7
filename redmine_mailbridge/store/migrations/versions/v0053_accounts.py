"""A mailbox is an account: which one stood behind a name last; and from when on a folder's mails are taken."""

import sqlalchemy as sa
from alembic import op

revision = "0053"
down_revision = "0052"


def upgrade() -> None:
    """Make the table and the column."""
    op.create_table(
        "account",
        sa.Column("mailbox", sa.Text, primary_key=True),
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("moves", sa.Integer, nullable=False),
    )
    op.add_column("folder", sa.Column("taken_from", sa.Double))
