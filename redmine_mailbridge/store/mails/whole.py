"""Whether the store has ever had all bytes of a message: otherwise no copy of it elsewhere may be deleted."""

import sqlalchemy as sa

from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.tables import mail

_BYTES = sa.select(mail.c.raw, mail.c.truncated, mail.c.content_key).where(mail.c.id == sa.bindparam("of"))


def lacking(store: Store, mail_id: int, state: State) -> str | None:
    """Given a message and its new state, return what the store lacks, as text; None if nothing.

    For a processed message it is enough that its bytes were complete when it was read: they may have been deleted since
    (`store.raw_retention`). For any other the bytes must be present, since they exist nowhere else.
    """
    with store.database.read() as db:
        row = db.execute(_BYTES, {"of": mail_id}).one()
    if row.raw is None and row.content_key is None:
        return "its bytes were never fetched"
    if row.truncated:
        return "it was fetched partially: it is larger than receive.max_mail_size, or the server returned no more"
    if state is not State.DONE and (row.raw is None or not store.raw.whole(row.raw)):
        return "its bytes are no longer in the store"
    return None
