"""Time entries, what is computed from them, what was written to custom fields, which budgets were warned of."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0003"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "time_entry",
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("issue", sa.Integer),
        sa.Column("project_id", sa.Integer, nullable=False),
        sa.Column("user_id", sa.Integer, nullable=False),
        sa.Column("user", sa.Text, nullable=False),
        sa.Column("activity", sa.Text, nullable=False),
        sa.Column("ticks", sa.BigInteger, nullable=False),
        sa.Column("spent_on", sa.Text, nullable=False),
        sa.Column("created_on", sa.Double, nullable=False),
        sa.Column("updated_on", sa.Double, nullable=False),
    )
    op.create_index("ix_time_entry_issue", "time_entry", ["issue"])
    op.create_table(
        "figure",
        sa.Column("issue", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("ticks", sa.BigInteger, nullable=False),
        sa.Column("first_answer", sa.Double),
        sa.Column("first_answer_business", sa.Double),
        sa.Column("resolution", sa.Double),
        sa.Column("resolution_business", sa.Double),
        sa.Column("mails_in", sa.Integer, nullable=False),
        sa.Column("mails_out", sa.Integer, nullable=False),
        sa.Column("reopened", sa.Integer, nullable=False),
        sa.Column("computed_at", sa.Double, nullable=False),
    )
    op.create_table(
        "field_written",
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("of", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("field", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("refused", sa.Text),
    )
    op.create_table(
        "budget_warning",
        sa.Column("budget", sa.Text, primary_key=True),
        sa.Column("period", sa.Text, primary_key=True),
        sa.Column("threshold", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("line", sa.Text, nullable=False),
    )
