"""Bytes of outgoing mail once for all whom it goes to; when a mail was first offered; what agents are to be told; and
nothing any more of what was typed at a sign-in that was refused.
"""

import sqlalchemy as sa
from alembic import op

revision = "0061"
down_revision = "0053"


def upgrade() -> None:
    """Make the tables, and move the bytes out of the outbox."""
    op.create_table(
        "outgoing_content",
        sa.Column("hash", sa.Text, primary_key=True),
        sa.Column("content", sa.LargeBinary, nullable=False),
    )
    identity = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "notice",
        sa.Column("id", identity, primary_key=True, autoincrement=True),
        sa.Column("issue", sa.Integer, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("mail_id", identity, sa.ForeignKey("mail.id", ondelete="SET NULL")),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("told_at", sa.Double),
        sa.UniqueConstraint("issue", "key", name="uq_notice_once"),
    )
    op.create_index("ix_notice_told", "notice", ["told_at"])
    op.add_column("outbox", sa.Column("content_hash", sa.Text))
    op.add_column("outbox", sa.Column("offered_at", sa.Double))
    op.execute(
        "INSERT INTO outgoing_content (hash, content) "
        "SELECT 'row ' || CAST(id AS TEXT), content FROM outbox WHERE length(content) > 0"
    )
    op.execute("UPDATE outbox SET content_hash = 'row ' || CAST(id AS TEXT) WHERE length(content) > 0")
    # a try that failed was an offer: what was put off for days before is not begun anew
    op.execute("UPDATE outbox SET offered_at = created_at WHERE tries > 0")
    with op.batch_alter_table("outbox") as table:
        table.drop_column("content")
    op.create_index("ix_outbox_content", "outbox", ["content_hash"])
    # what was typed as a login may have been an API key or a password
    op.execute("UPDATE audit SET who = 'somebody' WHERE action = 'sign-in refused' AND who <> 'admin'")
