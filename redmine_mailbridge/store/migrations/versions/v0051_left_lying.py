"""Mails that were left lying when a folder was first read, where no order of UIDs tells them from new ones."""

import sqlalchemy as sa
from alembic import op

revision = "0051"
down_revision = "0005"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "left_lying",
        sa.Column("mailbox", sa.Text, primary_key=True),
        sa.Column("folder", sa.Text, primary_key=True),
        sa.Column("uid", sa.Text, primary_key=True),
    )
