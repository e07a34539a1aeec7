"""What the admin page needs: sessions, the record of changes, the log's last lines, and indexes for its lists."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0004"

_Id = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the tables and indexes."""
    op.create_table(
        "admin_session",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("login", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("way", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("seen_at", sa.Double, nullable=False),
        sa.Column("notice", sa.Text),
    )
    op.create_table(
        "audit",
        sa.Column("id", _Id, primary_key=True, autoincrement=True),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
    )
    op.create_index("ix_audit_action", "audit", ["action", "at"])
    op.create_table(
        "log_entry",
        sa.Column("id", _Id, primary_key=True, autoincrement=True),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("level", sa.Text, nullable=False),
        sa.Column("event", sa.Text, nullable=False),
        sa.Column("mailbox", sa.Text, nullable=False),
        sa.Column("line", sa.Text, nullable=False),
    )
    op.add_column("mail", sa.Column("wish", sa.Text))
    op.create_index("ix_mail_state", "mail", ["state", "issue", "mailbox"])
    op.create_index("ix_mail_kept", "mail", ["mailbox", "kept_at", "state", "issue"])
