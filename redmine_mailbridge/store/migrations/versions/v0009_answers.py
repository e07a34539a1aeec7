"""Agents' answers: what became of each note, and one row of the outbox for each person that a mail goes to."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0007"


def upgrade() -> None:
    """Make the table of answers; let several people get the same mail."""
    op.create_table(
        "answer",
        sa.Column("journal", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("issue", sa.Integer, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("line", sa.Text, nullable=False),
    )
    op.create_index("ix_answer_issue", "answer", ["issue"])
    if op.get_bind().dialect.name == "sqlite":  # its constraints have no names; it cannot drop one but by a new table
        naming = {"uq": "uq_%(table_name)s_%(column_0_name)s"}
        with op.batch_alter_table("outbox", naming_convention=naming, recreate="always") as outbox:
            outbox.drop_constraint("uq_outbox_message_id", type_="unique")
            outbox.create_unique_constraint("uq_outbox_mail", ["message_id", "recipient"])
    else:
        op.drop_constraint("outbox_message_id_key", "outbox", type_="unique")
        op.create_unique_constraint("uq_outbox_mail", "outbox", ["message_id", "recipient"])
