"""OAuth: sealed tokens, and sign-ins that are under way."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0041"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "oauth_token",
        sa.Column("connection", sa.Text, primary_key=True),
        sa.Column("sealed", sa.LargeBinary),
        sa.Column("refused", sa.Text),
        sa.Column("signed_in_as", sa.Text, nullable=False),
        sa.Column("signed_in_at", sa.Double),
        sa.Column("renewed_at", sa.Double),
        sa.Column("renew_at", sa.Double, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("lease_until", sa.Double, nullable=False),
    )
    op.create_table(
        "oauth_flow",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("connection", sa.Text, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("ends_at", sa.Double, nullable=False),
    )
