"""What a session's rights are asked with anew, sealed, and when they were: who is signed in signs in once more."""

import sqlalchemy as sa
from alembic import op

revision = "0062"
down_revision = "0061"


def upgrade() -> None:
    """Make the table anew: nothing could prove the rights of sessions that have begun before."""
    op.drop_table("admin_session")
    op.create_table(
        "admin_session",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("login", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("way", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("seen_at", sa.Double, nullable=False),
        sa.Column("notice", sa.Text),
        sa.Column("proof", sa.LargeBinary, nullable=False),
        sa.Column("asked_at", sa.Double, nullable=False),
    )
