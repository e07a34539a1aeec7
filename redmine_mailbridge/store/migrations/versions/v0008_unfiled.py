"""Mails that stay on the server for some days wait to be filed: the index passes by those whose day has not come."""

from alembic import op

revision = "0008"
down_revision = "0009"


def upgrade() -> None:
    """Make the index anew, with the time of the next try before the state."""
    op.drop_index("ix_mail_unfiled", "mail")
    op.create_index("ix_mail_unfiled", "mail", ["mailbox", "filed_at", "next_file_at", "state"])
