"""Forgets mails older than the retention setting, those that came and those that went; rows and steps stay."""

import sqlalchemy as sa
import structlog

from redmine_mailbridge.errors import StoreError
from redmine_mailbridge.model.mail_state import CLOSED
from redmine_mailbridge.side_effects import Effect, effect
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.outbox import QUEUED
from redmine_mailbridge.store.tables import mail, outbox, outgoing_content

log = structlog.get_logger(__name__)


def forget_raw(store: Store, *, older_than: float, limit: int = 500) -> int:
    """Given a time (seconds since the epoch), remove the bytes of closed and filed mails changed before it, and those
    of mails that were sent before it.

    Bytes that another row still needs stay. Return how many files were removed.
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
        with store.raw.in_use:  # nobody keeps the same bytes anew between the question and the removal
            with store.database.read() as db:
                if db.execute(sa.select(mail.c.id).where(same, young).limit(1)).first() is not None:
                    continue
            try:
                store.raw.remove(digest)  # first: a row whose bytes are gone is found again, bytes without a row never
            except StoreError as error:  # one file stops only itself
                log.warning("retention.not_removed", reason=str(error))
                continue
            with effect(Effect.FORGET_RAW), store.database.write() as db:
                db.execute(sa.update(mail).where(same).values(raw=None))
        removed += 1
    return removed


def _forget_sent(store: Store, older_than: float) -> None:
    over = sa.and_(outbox.c.state != QUEUED, outbox.c.created_at < older_than, outbox.c.content_hash.is_not(None))
    with store.database.read() as db:
        if db.execute(sa.select(outbox.c.id).where(over).limit(1)).first() is None:
            return
    needed = sa.exists().where(outbox.c.content_hash == outgoing_content.c.hash)
    with effect(Effect.FORGET_RAW), store.database.write() as db:
        db.execute(sa.update(outbox).where(over).values(content_hash=None))
        db.execute(sa.delete(outgoing_content).where(~needed))
