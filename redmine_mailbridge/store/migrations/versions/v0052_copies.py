"""What tells copies: the digest of a mail's bytes, which stays, and how far its sender is proven."""

import sqlalchemy as sa
from alembic import op

revision = "0052"
down_revision = "0051"

_MADE = "SELECT id, content_key FROM mail WHERE message_id LIKE 'made.%@mailbridge.invalid' AND content_key IS NOT NULL"


def upgrade() -> None:
    """Add the columns; the keys of mails without a Message-ID say so from now on."""
    op.add_column("mail", sa.Column("digest", sa.Text))
    op.add_column("mail", sa.Column("proof", sa.Integer))
    op.execute("UPDATE mail SET digest = raw")
    # a key may stand behind the name of the mailbox that it counts in
    connection = op.get_bind()
    for number, key in connection.execute(sa.text(_MADE)).all():
        scope, slash, bare = key.rpartition("/")
        values = {"old": key, "new": f"{scope}{slash}traced:{bare}", "id": number}
        connection.execute(sa.text("UPDATE mail SET content_key = :new WHERE id = :id"), values)
        connection.execute(sa.text("UPDATE content SET key = :new WHERE key = :old"), values)
