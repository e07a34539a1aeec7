"""Whether a mail that did not arrive was told on its issue."""

import sqlalchemy as sa
from alembic import op

revision = "0041"
down_revision = "0010"


def upgrade() -> None:
    """Add the column."""
    op.add_column("outbox", sa.Column("told", sa.Boolean, nullable=False, server_default=sa.false()))
