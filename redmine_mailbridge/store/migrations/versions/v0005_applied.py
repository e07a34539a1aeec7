"""What rules of time have done."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0006"


def upgrade() -> None:
    """Make the table of applications."""
    op.create_table(
        "applied",
        sa.Column("rule", sa.Text, primary_key=True),
        sa.Column("issue", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("anchor", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("due_at", sa.Double, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("request", sa.Text),
        sa.Column("after_journal", sa.Integer, nullable=False),
        sa.Column("sent_at", sa.Double, nullable=False),
        sa.Column("changed_at", sa.Double, nullable=False),
        sa.Column("journal", sa.Integer),
        sa.Column("outcome", sa.Text),
    )
    op.create_index("ix_applied_state", "applied", ["state"])
    op.create_index("ix_applied_issue", "applied", ["issue"])
