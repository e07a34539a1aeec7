"""Raw messages in the database, in parts of at most 256 KiB.

A message that is being written has no digest: it gets it in the transaction of its last part, so that bytes found by
their digest are complete after any crash. A large message is written in several short transactions, since a long one
would keep another process waiting for as long as the network takes.
"""

import hashlib
import mmap
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from redmine_mailbridge.errors import RawMissing, StoreBusy
from redmine_mailbridge.model.mailbox import RawMail
from redmine_mailbridge.side_effects import SideEffect, side_effect
from redmine_mailbridge.store.database import Database
from redmine_mailbridge.store.dialects import insert_new, is_there, one_at_a_time
from redmine_mailbridge.store.raw_mails.spool import ORPHANED_AFTER, Content, content_of, discard, store_error
from redmine_mailbridge.store.tables import mail, raw_mail, raw_mail_part

PART = 256 * 1024
"""Bytes in one row."""
AT_ONCE = 4 * PART
"""Bytes written in one transaction."""


class RawTable:
    """Stores raw messages in the database. `spool` is where large ones are mapped from while they are read."""

    def __init__(self, database: Database, spool: Path, clock: Callable[[], float]) -> None:
        self._database = database
        self._spool = spool
        self._clock = clock

    def keep(self, raw: RawMail) -> str:
        """Given a raw message, write its bytes durably. Return their SHA-256 in hex. Raise StoreFull.

        Its file in the spool is consumed, even if that fails.
        """
        try:
            return self.put(content_of(raw.path) if raw.path is not None else raw.content or b"")
        except OSError as error:
            raise store_error(error, raw.path or self._spool) from error
        finally:
            discard(raw)

    def put(self, content: Content) -> str:
        """Given bytes, write them durably. Return their SHA-256 in hex. Raise StoreFull."""
        digest = hashlib.sha256(content).hexdigest()
        with side_effect(SideEffect.KEEP_RAW):
            if len(content) <= AT_ONCE and self._put_new(digest, content):
                return digest
            if not self.whole(digest):
                self._put_large(digest, content)
        return digest

    def _put_new(self, digest: str, content: Content) -> bool:
        """Given bytes that fit one transaction, write them. Return whether there were none with this digest before."""
        with side_effect(SideEffect.KEEP_PART), self._database.write() as db:
            row = {"digest": digest, "size": len(content), "begun_at": self._clock()}
            number = insert_new(db, raw_mail, row)
            if number is not None:
                _write_parts(db, number, content, 0)
        return number is not None

    def _put_large(self, digest: str, content: Content) -> None:
        """The same for any bytes; they replace damaged ones. Until its last part, the message has no digest."""
        number = 0
        for start in range(0, max(len(content), 1), AT_ONCE):
            with side_effect(SideEffect.KEEP_PART), self._database.write() as db:
                if not start:
                    row = {"digest": None, "size": len(content), "begun_at": self._clock()}
                    number = db.execute(_NEW, row).scalar_one()
                _write_parts(db, number, content, start)
                if start + AT_ONCE >= len(content):
                    self._complete(db, number, digest)

    def _complete(self, db: sa.Connection, number: int, digest: str) -> None:
        """Given a message whose parts are all written, give it its digest. If another process was faster, remove it."""
        one_at_a_time(db, f"raw {digest}")
        this, damaged = raw_mail.c.id == number, raw_mail.c.digest == digest
        if self.whole(digest):
            db.execute(sa.delete(raw_mail).where(this))
            return
        db.execute(sa.delete(raw_mail).where(damaged))
        db.execute(sa.update(raw_mail).where(this).values(digest=digest))

    def read(self, digest: str) -> Content:
        """Given a digest, return its bytes: read if small; if large, written to a nameless file and mapped.

        Raise RawMissing if they are not there or damaged, StoreError if the database or the disk fails.
        """
        with self._database.read() as db:
            first = db.execute(_FIRST, {"digest": digest}).first()
            if first is None:
                raise RawMissing(f"raw message {digest}: the message's bytes are missing in the store")
            content = self._mapped(_parts(db, first)) if first.size > len(first.content) else first.content
        if hashlib.sha256(content).hexdigest() != digest:
            raise RawMissing(
                f"raw message {digest}: the message's bytes are damaged in the store: retry the message, which then is "
                "fetched again from the mail server"
            )
        return content

    def _mapped(self, parts: Iterable[bytes]) -> Content:
        try:
            with tempfile.TemporaryFile(dir=self._spool) as file:
                for part in parts:
                    file.write(part)
                file.flush()
                return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if file.tell() else b""
        except OSError as error:
            raise store_error(error, self._spool) from error

    def whole(self, digest: str) -> bool:
        """Given a digest, are its bytes there, complete and unchanged? Raise StoreError if the database fails."""
        with self._database.read() as db:
            first = db.execute(_FIRST, {"digest": digest}).first()
            if first is None:
                return False
            sha256 = hashlib.sha256()
            for part in _parts(db, first):
                sha256.update(part)
        return sha256.hexdigest() == digest

    def hold(self, db: sa.Connection, digests: Collection[str]) -> None:
        """Within the transaction that writes the rows of these bytes: no other process removes the bytes before it
        ends. Raise StoreBusy if one has.
        """
        query = sa.select(raw_mail.c.digest).where(raw_mail.c.digest.in_(sorted(digests)))
        held = db.execute(query.order_by(raw_mail.c.digest).with_for_update(read=True, key_share=True))
        if set(digests) - set(held.scalars()):
            raise StoreBusy("the store is unavailable: another process has just removed the same message")

    def lock(self, db: sa.Connection, digests: Collection[str]) -> None:
        """Within a transaction that may remove these bytes: wait for those that hold them, and let no other begin."""
        query = sa.select(raw_mail.c.id).where(raw_mail.c.digest.in_(sorted(digests)))
        db.execute(query.order_by(raw_mail.c.digest).with_for_update()).all()

    def remove(self, db: sa.Connection, digests: Collection[str]) -> set[str]:
        """Given digests that no row needs any more, remove their bytes. Return the digests whose bytes are gone."""
        with side_effect(SideEffect.REMOVE_RAW):
            db.execute(sa.delete(raw_mail).where(raw_mail.c.digest.in_(sorted(digests))))
        return set(digests)

    def sweep(self) -> int:
        """Remove messages that were never completely written. Return how many."""
        orphaned = sa.and_(raw_mail.c.digest.is_(None), raw_mail.c.begun_at < self._clock() - ORPHANED_AFTER)
        with self._database.read() as db:
            if not is_there(db, sa.select(raw_mail.c.id).where(orphaned)):
                return 0
        with side_effect(SideEffect.REMOVE_RAW), self._database.write() as db:
            return db.execute(sa.delete(raw_mail).where(orphaned)).rowcount

    def unreferenced(self, limit: int) -> list[str]:
        """The digests of complete messages whose row was not written, since the process ended, or is gone."""
        needed = sa.exists().where(mail.c.raw == raw_mail.c.digest)
        old = sa.and_(raw_mail.c.digest.is_not(None), raw_mail.c.begun_at < self._clock() - ORPHANED_AFTER)
        with self._database.read() as db:
            return list(db.execute(sa.select(raw_mail.c.digest).where(old, ~needed).limit(limit)).scalars())


_NEW = sa.insert(raw_mail).returning(raw_mail.c.id)
_FIRST = (
    sa.select(raw_mail.c.id, raw_mail.c.size, raw_mail_part.c.content)
    .join(raw_mail_part, raw_mail_part.c.raw_mail_id == raw_mail.c.id)
    .where(raw_mail.c.digest == sa.bindparam("digest"), raw_mail_part.c.number == 0)
)
_PART = sa.select(raw_mail_part.c.content).where(
    raw_mail_part.c.raw_mail_id == sa.bindparam("of"), raw_mail_part.c.number == sa.bindparam("number")
)


def _write_parts(db: sa.Connection, of: int, content: Content, start: int) -> None:
    """Write the parts of the next transaction, which begins at the given byte; empty bytes are one empty part."""
    end = min(start + AT_ONCE, len(content))
    for at in range(start, max(end, 1), PART):
        row = {"raw_mail_id": of, "number": at // PART, "content": content[at : min(at + PART, end)]}
        db.execute(_INSERT_PART, row)


_INSERT_PART = sa.insert(raw_mail_part)


def _parts(db: sa.Connection, first: Any) -> Iterator[bytes]:
    """Given the first part with the message's number and size, yield all parts, one query each."""
    yield first.content
    number, done = 1, len(first.content)
    while done < first.size:
        part = db.execute(_PART, {"of": first.id, "number": number}).scalar()
        if not part:
            return
        yield part
        number, done = number + 1, done + len(part)
