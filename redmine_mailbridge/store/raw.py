"""Raw mails on disk, addressed by the SHA-256 of their bytes: `raw/ab/abcdef….eml`.

A name is only ever given to a whole, fsynced file, so a file that has its name is good whatever crashed.
"""

import errno
import hashlib
import mmap
import os
import tempfile
import threading
from pathlib import Path

from redmine_mailbridge.effects import Effect, effect
from redmine_mailbridge.errors import RawMissing, StoreError, StoreFull
from redmine_mailbridge.mailboxes.base import RawMail

_MAPPED_FROM = 256 * 1024


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

    def keep(self, raw: RawMail) -> str:
        """Given a raw mail, put its bytes durably on disk. Return their SHA-256 in hex. Raise StoreFull."""
        with effect(Effect.KEEP_RAW):
            try:
                return self._keep(raw)
            except OSError as error:
                raise _store_error(error, self.root) from error

    def _keep(self, raw: RawMail) -> str:
        if raw.path is not None:
            digest = _digest_of_file(raw.path)
            source = raw.path
        else:
            content = raw.content or b""
            digest = hashlib.sha256(content).hexdigest()
            if self.path(digest).exists():
                return digest
            handle, name = tempfile.mkstemp(dir=self.spool)
            source = Path(name)
            with os.fdopen(handle, "wb") as file:
                file.write(content)
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
        """Given a digest, return its bytes: read when small, mapped when large. Raise RawMissing or StoreError."""
        path = self.path(digest)
        try:
            with path.open("rb") as file:
                if os.fstat(file.fileno()).st_size < _MAPPED_FROM:
                    return file.read()
                return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except FileNotFoundError as error:
            raise RawMissing(f"{path}: the mail's bytes are gone from the store") from error
        except OSError as error:
            raise _store_error(error, path) from error

    def remove(self, digest: str) -> None:
        """Given a digest that no row needs any more, remove its bytes."""
        with effect(Effect.REMOVE_RAW):
            self.path(digest).unlink(missing_ok=True)


def _digest_of_file(path: Path) -> str:
    with path.open("rb") as file:
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
