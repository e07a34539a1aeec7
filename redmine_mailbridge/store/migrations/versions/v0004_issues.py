"""The copy of Redmine's issues that came by mail; mails that go out without answering one."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0001"

_Id = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the tables of the copy, and let the outbox hold mails that answer none."""
    op.create_table(
        "issue",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("mailbox", sa.Text, nullable=False),
        sa.Column("mail_id", sa.BigInteger, nullable=False),
        sa.Column("requester", sa.Text, nullable=False),
        sa.Column("requester_name", sa.Text, nullable=False),
        sa.Column("domain", sa.Text, nullable=False),
        sa.Column("project_id", sa.Integer, nullable=False),
        sa.Column("project", sa.Text, nullable=False),
        sa.Column("project_name", sa.Text, nullable=False),
        sa.Column("project_public", sa.Boolean, nullable=False),
        sa.Column("tracker", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("closed", sa.Boolean, nullable=False),
        sa.Column("priority", sa.Text, nullable=False),
        sa.Column("assignee_id", sa.Integer),
        sa.Column("assignee", sa.Text),
        sa.Column("author_id", sa.Integer),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("private", sa.Boolean, nullable=False),
        sa.Column("created_on", sa.Double, nullable=False),
        sa.Column("updated_on", sa.Double, nullable=False),
        sa.Column("closed_on", sa.Double),
        sa.Column("seen_at", sa.Double, nullable=False),
        sa.Column("settled", sa.Boolean, nullable=False),
        sa.Column("gone", sa.Boolean, nullable=False),
    )
    op.create_index("ix_issue_updated", "issue", ["updated_on"])
    op.create_index("ix_issue_open", "issue", ["closed", "gone"])
    op.create_table(
        "journal",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("issue", sa.Integer, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("user_id", sa.Integer, nullable=False),
        sa.Column("user_name", sa.Text, nullable=False),
        sa.Column("side", sa.Text, nullable=False),
        sa.Column("has_notes", sa.Boolean, nullable=False),
        sa.Column("private", sa.Boolean, nullable=False),
        sa.Column("status_from", sa.Text),
        sa.Column("status_to", sa.Text),
        sa.Column("mail_id", sa.BigInteger),
    )
    op.create_index("ix_journal_issue", "journal", ["issue", "id"])
    with op.batch_alter_table("outbox") as outbox:
        outbox.alter_column("mail_id", existing_type=_Id, nullable=True)
