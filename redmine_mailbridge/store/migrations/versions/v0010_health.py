"""How everything that runs is doing."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0008"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "health",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("ok_at", sa.Double),
        sa.Column("failing_since", sa.Double),
        sa.Column("error", sa.Text),
        sa.Column("doing", sa.Text, nullable=False),
        sa.Column("certificate_until", sa.Double),
        sa.Column("alerted_at", sa.Double),
    )
