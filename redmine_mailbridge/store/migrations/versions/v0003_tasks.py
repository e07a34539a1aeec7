"""The scheduled tasks: what was changed while running, wishes, runs; and replies that wait for the update task."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_Id = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the tables, and the mark of a reply that the update task has let through."""
    op.create_table(
        "task_override",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("active", sa.Boolean),
        sa.Column("every", sa.Double),
        sa.Column("cron", sa.Text),
        sa.Column("next_run", sa.Double),
        sa.Column("changed_at", sa.Double, nullable=False),
    )
    op.create_table(
        "task_wish",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("at", sa.Double, nullable=False),
    )
    op.create_table(
        "task_next",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("at", sa.Double),
    )
    op.create_table(
        "task_run",
        sa.Column("id", _Id, primary_key=True, autoincrement=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("planned_at", sa.Double),
        sa.Column("began_at", sa.Double, nullable=False),
        sa.Column("ended_at", sa.Double),
        sa.Column("done", sa.Integer, nullable=False),
        sa.Column("failed", sa.Integer, nullable=False),
        sa.Column("skipped", sa.Boolean, nullable=False),
        sa.Column("error", sa.Text),
    )
    op.create_index("ix_task_run_name", "task_run", ["name", "id"])
    op.add_column("mail", sa.Column("let_through", sa.Boolean, nullable=False, server_default=sa.false()))
