"""Whether the store ever had all the bytes of a mail: without that, no copy of it anywhere else may go."""

import sqlalchemy as sa

from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.tables import mail


def lacking(store: Store, mail_id: int, state: State) -> str | None:
    """Given a mail and the state that it has come to, return what the store lacks of it, in words; None when nothing.

    Of a mail that is done it is enough that its whole bytes were there when it was read: they may be forgotten since
    (`store.keep_raw`). Of any other the bytes must be there now, as they are nowhere else.
    """
    query = sa.select(mail.c.raw, mail.c.truncated, mail.c.content_key).where(mail.c.id == mail_id)
    with store.database.read() as db:
        row = db.execute(query).one()
    if row.raw is None and row.content_key is None:
        return "its bytes were never fetched"
    if row.truncated:
        return (
            "only its beginning was fetched: it is larger than receive.max_mail_size, or the server handed out no more"
        )
    if state is not State.DONE and (row.raw is None or not store.raw.path(row.raw).exists()):
        return "its bytes are not in the store any more"
    return None
