"""The mails that were queued lately, for limits that count a person under all subaddresses."""

from alembic import op

revision = "0082"
down_revision = "0081"


def upgrade() -> None:
    """Make the index."""
    op.create_index("ix_outbox_created", "outbox", ["created_at"])
