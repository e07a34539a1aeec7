"""The folders of one mailbox in the spool, and which files in them are mails.

Only plain files with names as `deliver` makes them are mails: links, folders and files of others are left alone.
"""

import contextlib
import os
import re
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from redmine_mailbridge.errors import FolderMissing, MailboxUnreachable
from redmine_mailbridge.mailboxes.delivered.drop import CUR, NEW, TMP
from redmine_mailbridge.model.mailbox import Location

VALIDITY = "deliver"
FOLDER = "INBOX"
ABANDONED_AFTER = 36 * 3600.0
"""Seconds after which a mail that is still being written is removed: its process has died, and the server that started
it delivers the mail again. Maildir uses the same time.
"""
NAME = re.compile(r"[0-9]{20}\.[0-9]{1,10}\.[0-9a-f]{16}")


class SpoolFolders:
    """The folders of the mailbox `name` below `path`."""

    def __init__(self, name: str, path: Path) -> None:
        self._name = name
        self._path = path

    @property
    def kept(self) -> Path:
        """The folder of the mails of INBOX that are done: it may be missing."""
        return self._path / CUR

    def path_of(self, folder: str) -> Path:
        """Given a folder's name, return its path. Raise FolderMissing if it cannot be a folder's name."""
        if is_inbox(folder):
            return self._path / NEW
        if not folder or folder.startswith(".") or "/" in folder or "\0" in folder or folder in {TMP, NEW, CUR}:
            raise FolderMissing(f"mailbox {self._name}: {folder!r} cannot be a folder of the spool")
        return self._path / folder

    def existing(self, folder: str) -> Path:
        """Given a folder's name, return its path. Raise FolderMissing if it does not exist."""
        path = self.path_of(folder)
        try:
            is_folder = stat.S_ISDIR(path.lstat().st_mode)
        except OSError as error:
            raise FolderMissing(f"mailbox {self._name}: {path}: {error.strerror}") from None
        if not is_folder:
            raise FolderMissing(f"mailbox {self._name}: {path} is not a folder")
        return path

    def mail(self, location: Location) -> Path | None:
        """Given a location, also one from before the mailbox had another address, return the path of the mail; None if
        it cannot name one.
        """
        if location.uid_validity.partition("@")[0] != VALIDITY or not NAME.fullmatch(location.uid):
            return None
        path = self.path_of(location.folder) / location.uid
        if is_inbox(location.folder) and not path.exists():
            kept = self.kept / location.uid
            return kept if kept.exists() else path
        return path

    def mails(self, folder: str) -> Iterator[tuple[str, os.stat_result]]:
        """The names and states of the mails in a folder, in any order. Raise FolderMissing, MailboxUnreachable."""
        path = self.existing(folder)
        try:
            with os.scandir(path) as entries:
                for entry in entries:
                    if not NAME.fullmatch(entry.name):
                        continue
                    with contextlib.suppress(FileNotFoundError):
                        status = entry.stat(follow_symlinks=False)
                        if is_mail(status):
                            yield entry.name, status
        except OSError as error:
            raise MailboxUnreachable(f"mailbox {self._name}: {path}: {error.strerror or error}") from None

    def sweep(self) -> None:
        """Remove what processes that died have left in `tmp`. Raise OSError."""
        for path in (self._path / TMP).iterdir():
            with contextlib.suppress(OSError):  # moved meanwhile, or not removable: tried again the next time
                if path.lstat().st_mtime < time.time() - ABANDONED_AFTER:
                    path.unlink()


def is_inbox(folder: str) -> bool:
    """Given a folder's name, does it mean the new mails?"""
    return folder.upper() == FOLDER


def is_mail(status: os.stat_result) -> bool:
    """Is it a plain file with one name? A second name could be that of a file which its owner must not read."""
    return stat.S_ISREG(status.st_mode) and status.st_nlink == 1


def exists(path: Path) -> bool:
    """Does a mail lie there?"""
    try:
        return is_mail(path.lstat())
    except FileNotFoundError:
        return False
