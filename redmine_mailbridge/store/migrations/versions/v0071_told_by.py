"""By whom the requester hears of an agent's note: what was decided before is read off its line."""

import sqlalchemy as sa
from alembic import op

revision = "0071"
down_revision = "0062"


def upgrade() -> None:
    """Add the column, and fill it for what was decided."""
    op.add_column("answer", sa.Column("told", sa.Text))
    op.execute("UPDATE answer SET told = 'mailed' WHERE line LIKE '%: mailed to %'")
    op.execute("UPDATE answer SET told = 'redmine' WHERE line LIKE '%: not mailed: Redmine mails %'")
