"""Raw messages on disk, addressed by the SHA-256 of their bytes: `raw/ab/abcdef….eml`.

Only a complete, fsynced file gets its final name, so a file with that name is valid after any crash.
"""

import contextlib
import errno
import hashlib
import mmap
import os
import tempfile
import threading
import time
from pathlib import Path

from redmine_mailbridge.errors import RawMissing, RawUnreadable, StoreError, StoreFull
from redmine_mailbridge.model.mailbox import RawMail
from redmine_mailbridge.side_effects import SideEffect, side_effect

_MAPPED_FROM = 256 * 1024
ORPHANED_AFTER = 3600.0
"""Seconds after which an unmodified file of the spool is orphaned: each read has a timeout."""


class RawStore:
    """Stores raw messages below one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.spool = root / "spool"
        self.in_use = threading.Lock()
        """Held from storing bytes until their row exists, and while unreferenced bytes are removed."""
        try:
            root.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.spool.mkdir(exist_ok=True, mode=0o700)
        except OSError as error:
            raise _store_error(error, root) from error

    def clear_spool(self) -> None:
        """Remove partial files left by a crash; only for the holder of the service's lock."""
        for leftover in self.spool.iterdir():
            leftover.unlink(missing_ok=True)

    def sweep_spool(self) -> int:
        """Remove orphaned files of the spool. Return how many."""
        swept = 0
        try:
            there = list(self.spool.iterdir())
        except OSError as error:
            raise _store_error(error, self.spool) from error
        for path in there:
            with contextlib.suppress(OSError):  # removed meanwhile, or not removable: retried the next time
                if time.time() - path.stat().st_mtime > ORPHANED_AFTER:
                    path.unlink()
                    swept += 1
        return swept

    def keep(self, raw: RawMail) -> str:
        """Given a raw message, write its bytes durably. Return their SHA-256 in hex. Raise StoreFull.

        Its file in the spool is consumed, even if that fails.
        """
        with side_effect(SideEffect.KEEP_RAW):
            try:
                return self._keep(raw)
            except OSError as error:
                raise _store_error(error, self.root) from error
            finally:
                discard(raw)

    def _keep(self, raw: RawMail) -> str:
        digest = digest_of(raw)
        if raw.path is not None:
            return self._put(raw.path, digest)
        if self.whole(digest):
            return digest
        handle, name = tempfile.mkstemp(dir=self.spool)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(raw.content or b"")
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

    def read(self, digest: str) -> bytes | mmap.mmap:
        """Given a digest, return its bytes: read if small, mapped if large.

        Raise RawMissing (also for other bytes than these) or RawUnreadable if only this file is affected, StoreError if
        the whole folder is.
        """
        path = self.path(digest)
        try:
            with path.open("rb") as file:
                small = os.fstat(file.fileno()).st_size < _MAPPED_FROM
                content = file.read() if small else mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
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
                raise _store_error(error, self.root) from error

    def remove(self, digest: str) -> None:
        """Given a digest that no row references any more, remove its bytes. Raise StoreError."""
        with side_effect(SideEffect.REMOVE_RAW):
            try:
                self.path(digest).unlink(missing_ok=True)
            except OSError as error:
                raise _store_error(error, self.path(digest)) from error


def discard(raw: RawMail) -> None:
    """Given a fetched message, remove its file from the spool, if it has one."""
    if raw.path is not None:
        with contextlib.suppress(OSError):  # what cannot be removed now is removed later
            raw.path.unlink(missing_ok=True)


def digest_of(raw: RawMail) -> str:
    """Given a fetched message, return the id of its bytes in the store: their SHA-256 in hex. Raise OSError."""
    if raw.path is None:
        return hashlib.sha256(raw.content or b"").hexdigest()
    with raw.path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fsync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _store_error(error: OSError, path: Path) -> StoreError:
    text = f"{path}: {error.strerror or error}"
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return StoreFull(f"{text}: free some space; no message is fetched until then")
    return StoreError(text)
