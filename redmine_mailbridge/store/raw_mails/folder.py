"""Raw messages on disk, addressed by the SHA-256 of their bytes: `raw/ab/abcdef….eml`.

Only a complete, fsynced file gets its final name, so a file with that name is valid after any crash.
"""

import errno
import hashlib
import os
import tempfile
from collections.abc import Collection
from pathlib import Path

import sqlalchemy as sa
import structlog

from redmine_mailbridge.errors import RawMissing, RawUnreadable
from redmine_mailbridge.model.mailbox import RawMail
from redmine_mailbridge.side_effects import SideEffect, side_effect
from redmine_mailbridge.store.raw_mails.spool import Content, content_of, digest_of, discard, store_error

log = structlog.get_logger(__name__)


class RawFolder:
    """Stores raw messages below one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.spool = root / "spool"
        try:
            root.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.spool.mkdir(exist_ok=True, mode=0o700)
        except OSError as error:
            raise store_error(error, root) from error

    def keep(self, raw: RawMail) -> str:
        """Given a raw message, write its bytes durably. Return their SHA-256 in hex. Raise StoreFull.

        Its file in the spool is consumed, even if that fails.
        """
        with side_effect(SideEffect.KEEP_RAW):
            try:
                if raw.path is not None:
                    return self._put(raw.path, digest_of(raw))
                return self._write(raw.content or b"")
            except OSError as error:
                raise store_error(error, self.root) from error
            finally:
                discard(raw)

    def put(self, content: Content) -> str:
        """Given bytes, write them durably. Return their SHA-256 in hex. Raise StoreFull."""
        with side_effect(SideEffect.KEEP_RAW):
            try:
                return self._write(content)
            except OSError as error:
                raise store_error(error, self.root) from error

    def _write(self, content: Content) -> str:
        digest = hashlib.sha256(content).hexdigest()
        if self.whole(digest):
            return digest
        handle, name = tempfile.mkstemp(dir=self.spool)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            return self._put(Path(name), digest)
        finally:
            Path(name).unlink(missing_ok=True)

    def _put(self, source: Path, digest: str) -> str:
        """Given a written file and its digest, rename it durably. Return the digest."""
        _fsync(source)
        target = self.path(digest)
        if not target.parent.exists():
            target.parent.mkdir(mode=0o700)
            _fsync(self.root)
        source.replace(target)
        _fsync(target.parent)
        return digest

    def path(self, digest: str) -> Path:
        """The path of the bytes with this digest."""
        return self.root / digest[:2] / f"{digest}.eml"

    def read(self, digest: str) -> Content:
        """Given a digest, return its bytes: read if small, mapped if large.

        Raise RawMissing (also for other bytes than these) or RawUnreadable if only this file is affected, StoreError if
        the whole folder is.
        """
        path = self.path(digest)
        try:
            content = content_of(path)
        except OSError as error:
            self._try_out()
            if isinstance(error, FileNotFoundError):
                raise RawMissing(f"{path}: the message's bytes are missing in the store") from error
            raise RawUnreadable(f"{path}: the message's bytes cannot be read: {error.strerror or error}") from error
        if hashlib.sha256(content).hexdigest() != digest:
            raise RawMissing(
                f"{path}: the message's bytes are damaged in the store: restore this file from a "
                "backup, or retry the message, which then is fetched again from the mail server"
            )
        return content

    def whole(self, digest: str) -> bool:
        """Given a digest, are its bytes there, complete and unchanged?"""
        try:
            with self.path(digest).open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest() == digest
        except OSError:
            return False

    def _try_out(self) -> None:
        """Raise StoreError unless the folder exists and its disk returns written data: otherwise not one file is
        affected, but all of them.
        """
        try:
            with tempfile.TemporaryFile(dir=self.spool) as file:
                file.write(b"well?")
                file.flush()
                os.fsync(file.fileno())
                file.seek(0)
                file.read()
        except OSError as error:
            if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
                raise store_error(error, self.root) from error

    def hold(self, db: sa.Connection, digests: Collection[str]) -> None:
        """Nothing: bytes whose file is removed before their row exists are missed at the next read."""

    def remove(self, db: sa.Connection, digests: Collection[str]) -> set[str]:
        """Given digests that no row needs any more, remove their bytes. Return the digests whose bytes are gone: a
        file that cannot be removed is logged, and stays.
        """
        del db
        gone = set()
        for digest in sorted(digests):
            with side_effect(SideEffect.REMOVE_RAW):
                try:
                    self.path(digest).unlink(missing_ok=True)
                except OSError as error:  # one file does not affect the others
                    log.warning("retention.not_removed", reason=str(store_error(error, self.path(digest))))
                else:
                    gone.add(digest)
        return gone


def _fsync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
