"""Deletes the bytes of messages older than the retention setting, received and sent; rows and history stay."""

import sqlalchemy as sa
import structlog

from redmine_mailbridge.errors import StoreError
from redmine_mailbridge.model.mail_state import CLOSED
from redmine_mailbridge.side_effects import SideEffect, side_effect
from redmine_mailbridge.store.dialects import is_there
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.outgoing.rows import QUEUED
from redmine_mailbridge.store.tables import mail, outbox, outgoing_content

log = structlog.get_logger(__name__)


def forget_raw(store: Store, *, older_than: float, limit: int = 500) -> int:
    """Given a time (seconds since the epoch), remove the bytes of closed and filed messages changed before it, and
    those of messages sent before it.

    Bytes that another row still needs are kept. Return how many files were removed.
    """
    _forget_sent(store, older_than)
    old = sa.select(mail.c.raw).where(
        mail.c.state.in_(CLOSED), mail.c.filed_at.is_not(None), mail.c.changed_at < older_than, mail.c.raw.is_not(None)
    )
    with store.database.read() as db:
        candidates = {row.raw for row in db.execute(old.limit(limit))}
    removed = 0
    for digest in sorted(candidates):
        same = mail.c.raw == digest
        young = sa.or_(mail.c.state.not_in(CLOSED), mail.c.filed_at.is_(None), mail.c.changed_at >= older_than)
        with store.raw.in_use:  # no one stores the same bytes between the check and the removal
            with store.database.read() as db:
                if is_there(db, sa.select(mail.c.id).where(same, young)):
                    continue
            try:
                store.raw.remove(digest)  # first: a row without bytes is found again, bytes without a row never
            except StoreError as error:  # one file does not affect the others
                log.warning("retention.not_removed", reason=str(error))
                continue
            with side_effect(SideEffect.FORGET_RAW), store.database.write() as db:
                db.execute(sa.update(mail).where(same).values(raw=None))
        removed += 1
    return removed


def _forget_sent(store: Store, older_than: float) -> None:
    over = sa.and_(outbox.c.state != QUEUED, outbox.c.created_at < older_than, outbox.c.content_hash.is_not(None))
    with store.database.read() as db:
        if not is_there(db, sa.select(outbox.c.id).where(over)):
            return
    needed = sa.exists().where(outbox.c.content_hash == outgoing_content.c.hash)
    with side_effect(SideEffect.FORGET_RAW), store.database.write() as db:
        db.execute(sa.update(outbox).where(over).values(content_hash=None))
        db.execute(sa.delete(outgoing_content).where(~needed))
