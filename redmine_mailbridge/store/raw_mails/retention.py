"""Deletes the bytes of messages older than the retention setting, received and sent; rows and history stay."""

from collections.abc import Iterator, Mapping

import sqlalchemy as sa

from redmine_mailbridge.model.mail_state import CLOSED
from redmine_mailbridge.side_effects import SideEffect, side_effect
from redmine_mailbridge.store.dialects import is_there
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.outgoing.rows import QUEUED
from redmine_mailbridge.store.tables import mail, outbox, outgoing_content

AT_ONCE, BYTES_AT_ONCE = 50, 64 * 1024 * 1024
"""Messages, and their bytes, that are deleted in one transaction."""


def forget_raw(store: Store, *, older_than: float, limit: int = 500) -> int:
    """Given a time (seconds since the epoch), remove the bytes of closed and filed messages changed before it, and
    those of messages sent before it.

    Bytes that another row still needs are kept. Return how many messages' bytes were removed.
    """
    _forget_sent(store, older_than)
    old = sa.select(mail.c.raw, mail.c.size).where(
        mail.c.state.in_(CLOSED), mail.c.filed_at.is_not(None), mail.c.changed_at < older_than, mail.c.raw.is_not(None)
    )
    with store.database.read() as db:
        sizes = {row.raw: int(row.size) for row in db.execute(old.limit(limit))}
    sizes |= dict.fromkeys(store.raw.table.unreferenced(limit), 0)
    return sum(_forget(store, digests, older_than) for digests in _batches(sizes))


def _batches(sizes: Mapping[str, int]) -> Iterator[list[str]]:
    """Given digests with the sizes of their messages, yield as many at a time as one transaction deletes."""
    batch: list[str] = []
    held = 0
    for digest, size in sorted(sizes.items()):
        batch.append(digest)
        held += size
        if len(batch) >= AT_ONCE or held >= BYTES_AT_ONCE:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch


def _forget(store: Store, digests: list[str], older_than: float) -> int:
    """Remove the bytes with these digests, except those that another row needs. Return how many were removed.

    If this is interrupted, rows without bytes remain, which are found again; never bytes without a row.
    """
    same = mail.c.raw.in_(digests)
    young = sa.or_(mail.c.state.not_in(CLOSED), mail.c.filed_at.is_(None), mail.c.changed_at >= older_than)
    with store.raw.in_use, side_effect(SideEffect.FORGET_RAW), store.database.write() as db:
        store.raw.lock(db, digests)
        needed = set(db.execute(sa.select(mail.c.raw).where(same, young)).scalars())
        store.database.check_held()  # files are removed at once, whatever becomes of the transaction
        gone = store.raw.remove(db, set(digests) - needed)
        db.execute(sa.update(mail).where(mail.c.raw.in_(sorted(gone))).values(raw=None))
    return len(gone)


def _forget_sent(store: Store, older_than: float) -> None:
    over = sa.and_(outbox.c.state != QUEUED, outbox.c.created_at < older_than, outbox.c.content_hash.is_not(None))
    with store.database.read() as db:
        if not is_there(db, sa.select(outbox.c.id).where(over)):
            return
    needed = sa.exists().where(outbox.c.content_hash == outgoing_content.c.hash)
    with side_effect(SideEffect.FORGET_RAW), store.database.write() as db:
        db.execute(sa.update(outbox).where(over).values(content_hash=None))
        db.execute(sa.delete(outgoing_content).where(~needed))
