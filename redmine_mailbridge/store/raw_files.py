"""Raw mails on disk, addressed by the SHA-256 of their bytes: `raw/ab/abcdef….eml`.

A name is only ever given to a whole, fsynced file, so a file that has its name is good whatever crashed.
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
from redmine_mailbridge.side_effects import Effect, effect

_MAPPED_FROM = 256 * 1024
ORPHANED_AFTER = 3600.0
"""Seconds after which a file of the spool that nobody has written to belongs to nobody: each read has a time-out."""


class RawStore:
    """Keeps raw mails below one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.spool = root / "spool"
        self.in_use = threading.Lock()
        """Held from where bytes are kept until their row is, and while bytes that no row needs are removed."""
        try:
            root.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.spool.mkdir(exist_ok=True, mode=0o700)
        except OSError as error:
            raise _store_error(error, root) from error

    def clear_spool(self) -> None:
        """Remove what a crash left half-written; only for the one who holds the service's lock."""
        for leftover in self.spool.iterdir():
            leftover.unlink(missing_ok=True)

    def sweep_spool(self) -> int:
        """Remove what lies in the spool and belongs to nobody any more. Return how many files that were."""
        swept = 0
        try:
            there = list(self.spool.iterdir())
        except OSError as error:
            raise _store_error(error, self.spool) from error
        for path in there:
            with contextlib.suppress(OSError):  # taken away meanwhile, or not to be removed: the next time
                if time.time() - path.stat().st_mtime > ORPHANED_AFTER:
                    path.unlink()
                    swept += 1
        return swept

    def keep(self, raw: RawMail) -> str:
        """Given a raw mail, put its bytes durably on disk. Return their SHA-256 in hex. Raise StoreFull.

        Its file in the spool is used up, also when that fails.
        """
        with effect(Effect.KEEP_RAW):
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
        if self.path(digest).exists():
            return digest
        handle, name = tempfile.mkstemp(dir=self.spool)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(raw.content or b"")
            return self._put(Path(name), digest)
        finally:
            Path(name).unlink(missing_ok=True)

    def _put(self, source: Path, digest: str) -> str:
        """Given a written file and its digest, give it its name, durably. Return the digest."""
        _fsync(source)
        target = self.path(digest)
        if not target.parent.exists():
            target.parent.mkdir(mode=0o700)
            _fsync(self.root)
        source.replace(target)
        _fsync(target.parent)
        return digest

    def path(self, digest: str) -> Path:
        """Where the bytes of this digest lie."""
        return self.root / digest[:2] / f"{digest}.eml"

    def read(self, digest: str) -> bytes | mmap.mmap:
        """Given a digest, return its bytes: read when small, mapped when large.

        Raise RawMissing or RawUnreadable when it is this mail's file alone, StoreError when it is the whole folder.
        """
        path = self.path(digest)
        try:
            with path.open("rb") as file:
                if os.fstat(file.fileno()).st_size < _MAPPED_FROM:
                    return file.read()
                return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except OSError as error:
            self._try_out()
            if isinstance(error, FileNotFoundError):
                raise RawMissing(f"{path}: the mail's bytes are gone from the store") from error
            raise RawUnreadable(f"{path}: the mail's bytes cannot be read: {error.strerror or error}") from error

    def _try_out(self) -> None:
        """Raise StoreError unless the folder is there and its disk gives back what it is given: then not one file is
        at fault, but all of them.
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
        """Given a digest that no row needs any more, remove its bytes. Raise StoreError."""
        with effect(Effect.REMOVE_RAW):
            try:
                self.path(digest).unlink(missing_ok=True)
            except OSError as error:
                raise _store_error(error, self.path(digest)) from error


def discard(raw: RawMail) -> None:
    """Given a mail that was fetched, remove its file from the spool, if it has one there."""
    if raw.path is not None:
        with contextlib.suppress(OSError):  # what cannot be removed now is swept later
            raw.path.unlink(missing_ok=True)


def digest_of(raw: RawMail) -> str:
    """Given a mail that was fetched, return what the store knows its bytes by: their SHA-256 in hex. Raise OSError."""
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
        return StoreFull(f"{text}: make room; nothing more is fetched until there is")
    return StoreError(text)
