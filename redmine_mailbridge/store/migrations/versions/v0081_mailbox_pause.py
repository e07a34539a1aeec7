"""Mailboxes that are paused since their settings do not fit Redmine."""

import sqlalchemy as sa
from alembic import op

revision = "0081"
down_revision = "0071"


def upgrade() -> None:
    """Make the table."""
    identity = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "mailbox_pause",
        sa.Column("mailbox", sa.Text, primary_key=True),
        sa.Column("mail_id", identity, sa.ForeignKey("mail.id", ondelete="CASCADE"), nullable=False),
        sa.Column("since", sa.Double, nullable=False),
        sa.Column("lines", sa.Text, nullable=False),
        sa.Column("looks", sa.Integer, nullable=False),
    )
