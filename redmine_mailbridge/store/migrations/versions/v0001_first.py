"""The first tables: mails, their steps, what speaks for each content, participants, folders."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_Id = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "mail",
        sa.Column("id", _Id, primary_key=True, autoincrement=True),
        sa.Column("mailbox", sa.Text, nullable=False),
        sa.Column("folder", sa.Text, nullable=False),
        sa.Column("validity", sa.Text, nullable=False),
        sa.Column("uid", sa.Text, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("raw", sa.Text),
        sa.Column("truncated", sa.Boolean, nullable=False),
        sa.Column("first_sync", sa.Boolean, nullable=False),
        sa.Column("received_at", sa.Double),
        sa.Column("kept_at", sa.Double, nullable=False),
        sa.Column("message_id", sa.Text),
        sa.Column("content_key", sa.Text),
        sa.Column("sender", sa.Text),
        sa.Column("subject", sa.Text),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("next_try_at", sa.Double, nullable=False),
        sa.Column("accepted", sa.Boolean, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("changed_at", sa.Double, nullable=False),
        sa.Column("request", sa.Text),
        sa.Column("first_sent_at", sa.Double),
        sa.Column("last_sent_at", sa.Double),
        sa.Column("issue", sa.Integer),
        sa.Column("created_issue", sa.Integer, unique=True),
        sa.Column("journal", sa.Integer, unique=True),
        sa.Column("filed_at", sa.Double),
        sa.Column("filed_to", sa.Text),
        sa.Column("file_tries", sa.Integer, nullable=False),
        sa.Column("next_file_at", sa.Double, nullable=False),
        sa.UniqueConstraint("mailbox", "folder", "validity", "uid", name="uq_mail_location"),
    )
    op.create_index("ix_mail_message_id", "mail", ["message_id"])
    op.create_index("ix_mail_open", "mail", ["mailbox", "state", "next_try_at"])
    op.create_index("ix_mail_unfiled", "mail", ["mailbox", "filed_at", "state"])
    op.create_index("ix_mail_issue", "mail", ["issue"])
    op.create_index("ix_mail_raw", "mail", ["raw"])
    op.create_table(
        "step",
        sa.Column("id", _Id, primary_key=True, autoincrement=True),
        sa.Column("mail_id", _Id, sa.ForeignKey("mail.id", ondelete="CASCADE"), nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("line", sa.Text, nullable=False),
    )
    op.create_index("ix_step_mail", "step", ["mail_id"])
    op.create_table(
        "content",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("mail_id", _Id, sa.ForeignKey("mail.id", ondelete="CASCADE"), nullable=False),
    )
    op.create_table(
        "participant",
        sa.Column("issue", sa.Integer, primary_key=True),
        sa.Column("address", sa.Text, primary_key=True),
    )
    op.create_table(
        "folder",
        sa.Column("mailbox", sa.Text, primary_key=True),
        sa.Column("folder", sa.Text, primary_key=True),
        sa.Column("validity", sa.Text, nullable=False),
        sa.Column("uid", sa.Text),
        sa.Column("first_until", sa.Text),
        sa.Column("since", sa.Double, nullable=False),
    )
    op.create_table(
        "outbox",
        sa.Column("id", _Id, primary_key=True, autoincrement=True),
        sa.Column("mail_id", _Id, sa.ForeignKey("mail.id", ondelete="CASCADE"), nullable=False),
        sa.Column("mailbox", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("sender", sa.Text, nullable=False),
        sa.Column("recipient", sa.Text, nullable=False),
        sa.Column("issue", sa.Integer),
        sa.Column("message_id", sa.Text, nullable=False, unique=True),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("next_try_at", sa.Double, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("sent_at", sa.Double),
        sa.Column("reason", sa.Text),
    )
    op.create_index("ix_outbox_due", "outbox", ["state", "next_try_at"])
    op.create_index("ix_outbox_recipient", "outbox", ["recipient", "created_at"])
    op.create_index("ix_outbox_issue", "outbox", ["issue", "created_at"])
    op.create_table(
        "meta",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )
