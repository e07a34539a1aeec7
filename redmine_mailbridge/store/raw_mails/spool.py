"""The spool: a folder for the temporary files of large mails. No file in it is needed after a restart."""

import contextlib
import errno
import hashlib
import mmap
import os
import stat
import tempfile
import time
from pathlib import Path

from redmine_mailbridge.errors import StoreError, StoreFull
from redmine_mailbridge.model.mailbox import RawMail

ORPHANED_AFTER = 3600.0
"""Seconds after which an unmodified file of the spool, or a half-written mail, is orphaned: each read has a timeout."""
MAPPED_FROM = 256 * 1024
"""A mail of this many bytes or more is mapped into memory in place of being read."""

Content = bytes | mmap.mmap
"""The bytes of a mail."""


def temporary_spool() -> Path:
    """Make the spool of a store without a folder, below TMPDIR or /var/tmp, and return it. Raise StoreError.

    It is not below /tmp, which often is in memory. Only its owner may have access to it.
    """
    base = Path(os.environ.get("TMPDIR") or "/var/tmp")  # noqa: S108 - the name is fixed, and what is there is checked
    spool = (base if base.is_dir() else Path(tempfile.gettempdir())) / f"redmine-mailbridge-{os.geteuid()}"
    try:
        with contextlib.suppress(FileExistsError):  # what is there is checked, whatever it is
            spool.mkdir(mode=0o700)
        status = spool.lstat()
    except OSError as error:
        raise store_error(error, spool) from error
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o077:
        raise StoreError(f"{spool}: is not a folder that only this user may access; remove it, or set TMPDIR")
    return spool


def clear_spool(spool: Path) -> None:
    """Remove partial files left by a crash; only for a process that is alone on the store."""
    for leftover in spool.iterdir():
        leftover.unlink(missing_ok=True)


def sweep_spool(spool: Path) -> int:
    """Remove orphaned files of the spool. Return how many."""
    swept = 0
    try:
        there = list(spool.iterdir())
    except OSError as error:
        raise store_error(error, spool) from error
    for path in there:
        with contextlib.suppress(OSError):  # removed meanwhile, or not removable: retried the next time
            if time.time() - path.stat().st_mtime > ORPHANED_AFTER:
                path.unlink()
                swept += 1
    return swept


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


def content_of(path: Path) -> Content:
    """Given a file, return its bytes: read if small, mapped if large. Raise OSError."""
    with path.open("rb") as file:
        small = os.fstat(file.fileno()).st_size < MAPPED_FROM
        return file.read() if small else mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def store_error(error: OSError, path: Path) -> StoreError:
    """Given an error of a file, return the store's error with the path and the reason; StoreFull if the disk is."""
    text = f"{path}: {error.strerror or error}"
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return StoreFull(f"{text}: free some space; no message is fetched until then")
    return StoreError(text)
