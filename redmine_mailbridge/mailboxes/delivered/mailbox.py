"""A mailbox whose mail `deliver` puts into the spool: INBOX is its folder `new`, file names are UIDs.

A mail keeps its name when it is filed.
"""

import datetime as dt
import os
import re
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

from redmine_mailbridge.errors import FilingRefused, FolderMissing, MailboxUnreachable, MailUnreadable
from redmine_mailbridge.mailboxes.account import Account
from redmine_mailbridge.mailboxes.delivered.drop import CUR, NEW, TMP, folder_of
from redmine_mailbridge.mailboxes.delivered.folders import FOLDER, VALIDITY, SpoolFolders, exists, is_inbox, is_mail
from redmine_mailbridge.mailboxes.delivered.preparation import make_folder, sync
from redmine_mailbridge.mailboxes.imap.search import header_values, message_id_field, one_line
from redmine_mailbridge.mailboxes.spool import HEAD, PIECE, to_file
from redmine_mailbridge.model.mailbox import (
    ConnectionInfo,
    Filing,
    FolderState,
    Listed,
    Location,
    MailboxConfig,
    RawMail,
)
from redmine_mailbridge.side_effects import SideEffect, side_effect

LOOK_EVERY = 0.25
"""Seconds between two looks into the spool while waiting."""


class DeliveredMailbox(Account):
    """One mailbox in the spool. `contract.Mailbox` says what each method does."""

    in_order = False

    def __init__(self, config: MailboxConfig, known: Callable[[Sequence[str]], Collection[str]] | None = None) -> None:
        """`known`, given UIDs, returns those that the store holds already; only the service gives it."""
        super().__init__(config)
        self._known = known
        self._looked: frozenset[str] | None = None
        self.path = (config.spool_dir or Path()) / folder_of(config.username)
        self._folders = SpoolFolders(config.name, self.path)

    def connect(self) -> None:
        """Prepare the spool, if this is the service. Raise MailboxUnreachable if mails cannot be read there."""
        self._wakeup.refuse_if_cut(self.name)
        try:
            self.config.prepare()
            self._folders.existing(FOLDER)
            if self._known is not None:
                self._folders.sweep()
        except FolderMissing as error:
            raise MailboxUnreachable(f"{error}; the service creates it when it starts") from None
        except OSError as error:
            raise self._away(error) from None

    def close(self) -> bool:
        """Nothing to close."""
        return True

    def connected(self) -> ConnectionInfo:
        """The path of the spool in place of a server's address."""
        self.connect()
        return ConnectionInfo(
            greeting="", mechanism="", capabilities=(), tls="", certificate_until=None, moves="move", pushes=True,
            peer=str(self.path),
        )  # fmt: skip

    def folders(self) -> tuple[str, ...]:
        """INBOX, and the folders to which mails were filed."""
        self.connect()
        try:
            with os.scandir(self.path) as entries:
                names = sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
        except OSError as error:
            raise self._away(error) from None
        return (FOLDER, *(name for name in names if name not in {TMP, NEW, CUR} and not name.startswith(".")))

    def ensure_folder(self, folder: str) -> bool:
        """Make a folder beside `new`, if it is missing."""
        path = self._folders.path_of(folder)
        self.connect()
        try:
            with side_effect(SideEffect.MAKE_FOLDER):
                make_folder(path)
        except FileExistsError:
            self._folders.existing(folder)
            return False
        except OSError as error:
            raise FolderMissing(f"mailbox {self.name}: {path}: {error.strerror}") from None
        return True

    def state(self, folder: str) -> FolderState:
        """The number of mails there."""
        return FolderState(name=folder, uid_validity=VALIDITY, messages=sum(1 for _ in self._folders.mails(folder)))

    def list_new(self, folder: str, *, after: str | None = None, limit: int | None = None) -> tuple[Listed, ...]:
        """List mails unknown to the store; without a store, those with later names than `after`.

        Mails that this user may not read come last, so that whoever may deliver holds no others up with them.
        """
        statuses = dict(self._folders.mails(folder))
        uids = sorted(statuses)
        if is_inbox(folder):
            self._looked = frozenset(uids)
            if self._known is not None:
                known_uids = self._known(uids) if uids else ()
                uids = [uid for uid in uids if uid not in known_uids]
        if self._known is None and after is not None:
            uids = [uid for uid in uids if uid > after]
        path = self._folders.path_of(folder)
        uids.sort(key=lambda uid: not os.access(path / uid, os.R_OK, effective_ids=True))
        return tuple(self._listed(folder, uid, statuses[uid]) for uid in uids[:limit])

    def _listed(self, folder: str, uid: str, status: os.stat_result) -> Listed:
        try:
            received_at = dt.datetime.fromtimestamp(status.st_mtime, dt.UTC)
        except (ValueError, OverflowError, OSError):  # whoever may deliver can set any time
            received_at = None
        return Listed(Location(self.name, folder, VALIDITY, uid), status.st_size, received_at)

    def fetch(self, listed: Sequence[Listed], spool: Path, *, max_size: int) -> Iterator[RawMail]:
        """Yield the bytes of mails. One that is no longer a plain file is left out."""
        for mail in listed:
            descriptor = self._open(mail.location)
            if descriptor is None:
                continue
            with os.fdopen(descriptor, "rb") as file:
                if mail.size > max_size:
                    raw = RawMail(mail, content=file.read(HEAD), truncated=True)
                elif mail.size > PIECE:
                    raw = to_file(spool, mail, iter(lambda: file.read(PIECE), b""), max_size)
                else:
                    raw = RawMail(mail, content=file.read(PIECE + 1))
            yield raw

    def _open(self, location: Location) -> int | None:
        """Open a mail; None if there is none. Raise MailUnreadable."""
        path = self._folders.mail(location)
        if path is None or not exists(path):
            return None
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise MailUnreadable(f"mailbox {self.name}: {path}: {error.strerror}", uid=location.uid) from None
        if is_mail(os.fstat(descriptor)):
            return descriptor
        os.close(descriptor)
        return None

    def file(self, location: Location, folder: str, *, first: bool = False) -> Filing:
        """Move a mail to another folder of the spool; within INBOX to those that are done."""
        del first
        target = self._folders.existing(folder)
        path = self._folders.mail(location)
        if path is None or not exists(path):
            return Filing.GONE
        if path.parent == target or (is_inbox(folder) and path.parent == self._folders.kept):
            return Filing.KEPT
        return self._kept(path) if is_inbox(folder) else self._moved(path, target)

    def _kept(self, path: Path) -> Filing:
        """Move a mail to those of INBOX that are done. Raise FilingRefused."""
        try:
            if not self._folders.kept.exists():
                with side_effect(SideEffect.MAKE_FOLDER):
                    make_folder(self._folders.kept)
        except OSError as error:
            raise FilingRefused(f"mailbox {self.name}: {path}: {error.strerror}") from None
        return self._moved(path, self._folders.kept)

    def _moved(self, path: Path, target: Path) -> Filing:
        """Move a mail to this folder. Raise FilingRefused."""
        try:
            with side_effect(SideEffect.MOVE):
                path.rename(target / path.name)
                sync(target)
        except FileNotFoundError:
            return Filing.GONE
        except OSError as error:
            raise FilingRefused(f"mailbox {self.name}: {path}: {error.strerror}") from None
        return Filing.MOVED

    def empties(self, folder: str) -> bool:
        """Nothing removes filed mails. Raise FolderMissing."""
        self._folders.existing(folder)
        return False

    def junk(self) -> str | None:
        """The spool has no folder for spam."""
        return None

    def delete(self, location: Location) -> Filing:
        """Remove a mail from the spool."""
        path = self._folders.mail(location)
        if path is None or not exists(path):
            return Filing.GONE
        try:
            with side_effect(SideEffect.MOVE):
                path.unlink()
        except FileNotFoundError:
            return Filing.GONE
        except OSError as error:
            raise FilingRefused(f"mailbox {self.name}: {path}: {error.strerror}") from None
        return Filing.DELETED

    def mark(self, location: Location) -> Filing:
        """Move a mail that is done from `new` to `cur`, where no other store takes it for a new one."""
        path = self._folders.mail(location)
        if path is None or not exists(path):
            return Filing.GONE
        if path.parent.name == NEW and self._kept(path) is Filing.GONE:
            return Filing.GONE
        return Filing.KEPT

    def message_ids(self, listed: Sequence[Listed]) -> dict[str, str]:
        """Read the beginning of each mail."""
        fields = {mail.location.uid: self._message_id(mail.location) for mail in listed}
        return {uid: one_line(field) for uid, field in fields.items() if field}

    def find(self, folder: str, message_id: str) -> tuple[str, ...]:
        """Read the beginning of every mail there."""
        uids = sorted(uid for uid, _ in self._folders.mails(folder))
        fields = {uid: self._message_id(Location(self.name, folder, VALIDITY, uid)) for uid in uids}
        return tuple(uid for uid, field in fields.items() if message_id in header_values(field))

    def _message_id(self, location: Location) -> bytes:
        descriptor = self._open(location)
        if descriptor is None:
            return b""
        with os.fdopen(descriptor, "rb") as file:
            head = file.read(HEAD)
        end = re.search(rb"\r?\n\r?\n", head)
        return message_id_field(head[: end.start()] if end else head)

    def alike(self, listed: Listed, folder: str) -> tuple[Location, ...]:
        """The mail of the same name: it keeps it when it is moved."""
        self._folders.existing(folder)
        location = Location(self.name, folder, VALIDITY, listed.location.uid)
        path = self._folders.mail(location)
        return (location,) if path is not None and exists(path) else ()

    def wait(self, folder: str, seconds: float) -> bool:
        """Look into the spool four times a second: that works on every file system, and the user as whom `deliver`
        runs needs no right to reach the service.
        """
        until = time.monotonic() + seconds
        while True:
            there = {uid for uid, _ in self._folders.mails(folder)}
            if self._looked is None or not there <= self._looked:
                return bool(there)
            remaining = until - time.monotonic()
            if remaining <= 0 or self._wakeup.wait(min(LOOK_EVERY, remaining))[0]:
                return False

    def cut(self) -> None:
        """End the present wait, and begin nothing any more."""
        self._wakeup.cut()

    def _away(self, error: OSError) -> MailboxUnreachable:
        return MailboxUnreachable(f"mailbox {self.name}: {self.path}: {error.strerror or error}")
