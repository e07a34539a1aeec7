"""A mail server in memory that passes the contract of mailboxes: for tests of what stands above it."""

import datetime as dt
import secrets
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from pathlib import Path

from redmine_mailbridge.errors import FilingRefused, FolderMissing, LoginRefused, MailboxUnreachable, MailUnreadable
from redmine_mailbridge.model.mailbox import ConnectionInfo, Filing, FolderState, Listed, Location, RawMail
from redmine_mailbridge.side_effects import SideEffect, side_effect

HEAD = 256 << 10
LARGE = 1 << 20


@dataclass(slots=True)
class Kept:
    """A mail on the server: its bytes, when it came, its flags."""

    raw: bytes
    received_at: dt.datetime
    flags: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Folder:
    """Mails by UID, and the UID that comes next."""

    validity: int
    uid_next: int = 1
    mails: dict[int, Kept] = field(default_factory=dict)
    read_only: bool = False


class MemoryServer:
    """The account that `MemoryMailbox` opens. Set `down` or `refuse_login` (the server's words) to make it fail,
    `refuse_filing` to make it refuse moves; `breaks_after` cuts the connection after so many mails of a fetch,
    `not_handed_out` are UIDs that are there and cannot be fetched, `crashes` those whose fetching cuts the connection.
    """

    def __init__(self) -> None:
        self.folders: dict[str, Folder] = {"INBOX": Folder(1)}
        self.changed = threading.Condition()
        self.down = ""
        self.refuse_login = ""
        self.refuse_filing = ""
        self.breaks_after: int | None = None
        self.not_handed_out: set[int] = set()
        self.crashes: set[int] = set()

    def append(self, *mails: bytes, folder: str = "INBOX") -> None:
        """Given mails, put them into a folder."""
        with self.changed:
            into = self.folders[folder]
            for raw in mails:
                into.mails[into.uid_next] = Kept(raw, dt.datetime.now(dt.UTC).replace(microsecond=0))
                into.uid_next += 1
            self.changed.notify_all()

    def create(self, *folders: str) -> None:
        """Given names, make the folders."""
        for name in folders:
            self.folders[name] = Folder(len(self.folders) + 1)

    def renew(self, folder: str) -> None:
        """Given a folder, give it another validity: the same mails under other UIDs."""
        old = self.folders[folder]
        new = self.folders[folder] = Folder(old.validity + 100, uid_next=old.uid_next + 1000)
        for kept in old.mails.values():
            new.mails[new.uid_next] = kept
            new.uid_next += 1

    def contents(self, folder: str = "INBOX") -> list[tuple[int, frozenset[str], bytes]]:
        """Given a folder, return UID, flags and bytes of every mail in it."""
        found = self.folders.get(folder)
        return [(uid, frozenset(mail.flags), mail.raw) for uid, mail in found.mails.items()] if found else []

    def remove(self, uid: int, folder: str = "INBOX") -> None:
        """Given a UID, remove the mail, as another program would."""
        del self.folders[folder].mails[uid]


class MemoryMailbox:
    """One connection to a `MemoryServer`."""

    in_order = True
    commands = 0

    def __init__(self, server: MemoryServer, name: str = "memory") -> None:
        self.server = server
        self.name = name
        self._interrupted = False
        self._known_next: dict[str, int] = {}

    def connect(self) -> None:
        if self.server.down:
            raise MailboxUnreachable(f"mailbox {self.name}: {self.server.down}")
        if self.server.refuse_login:
            raise LoginRefused(f"mailbox {self.name}: {self.server.refuse_login}")

    def connected(self) -> ConnectionInfo:
        self.connect()
        return ConnectionInfo("ready", "memory", (), "", None, "move", pushes=True)

    def close(self) -> bool:
        return True

    def folders(self) -> tuple[str, ...]:
        self.connect()
        return tuple(sorted(self.server.folders))

    def ensure_folder(self, folder: str) -> bool:
        self.connect()
        name = self._spell(folder)
        if name in self.server.folders:
            return False
        if "\0" in name:
            raise FolderMissing(f"mailbox {self.name}: no folder {folder!r}: invalid name")
        with side_effect(SideEffect.MAKE_FOLDER):
            self.server.create(name)
        return True

    def state(self, folder: str) -> FolderState:
        found = self._open(folder)
        return FolderState(folder, str(found.validity), len(found.mails), found.uid_next, True, found.read_only)

    def list_new(self, folder: str, *, after: str | None = None, limit: int | None = None) -> tuple[Listed, ...]:
        found = self._open(folder)
        self._known_next[folder] = found.uid_next
        above = int(after) if after is not None else 0
        new = [(uid, mail) for uid, mail in found.mails.items() if uid > above and "$MailbridgeDone" not in mail.flags]
        return tuple(
            Listed(Location(self.name, folder, str(found.validity), str(uid)), len(mail.raw), mail.received_at)
            for uid, mail in new[:limit]
        )

    def fetch(self, listed: Sequence[Listed], spool: Path, *, max_size: int) -> Iterator[RawMail]:
        for count, one in enumerate(listed):
            if self.server.breaks_after == count:
                self.server.breaks_after = None
                raise MailboxUnreachable(f"mailbox {self.name}: connection broken")
            kept = self._mail(one.location)
            if kept is None:
                continue
            if int(one.location.uid) in self.server.crashes:
                raise MailboxUnreachable(f"mailbox {self.name}: connection broken")
            if int(one.location.uid) in self.server.not_handed_out:
                raise MailUnreadable(f"mailbox {self.name}: UID {one.location.uid}: broken", uid=one.location.uid)
            if len(kept.raw) > max_size:
                yield RawMail(one, content=kept.raw[:HEAD], truncated=True)
            elif len(kept.raw) > LARGE:
                path = spool / f"{one.location.uid}-{secrets.token_hex(8)}.eml"
                path.write_bytes(kept.raw)
                yield RawMail(one, path=path)
            else:
                yield RawMail(one, content=kept.raw)

    def file(self, location: Location, folder: str, *, first: bool = False) -> Filing:
        del first
        target, source = self._spell(folder), self._spell(location.folder)
        if target == source:
            return Filing.KEPT
        with side_effect(SideEffect.MOVE):
            if not self._changeable(location):
                return Filing.GONE
            if target not in self.server.folders:
                raise FolderMissing(f"mailbox {self.name}: no folder {folder!r}: [TRYCREATE]")
            kept = self.server.folders[source].mails.pop(int(location.uid))
            into = self.server.folders[target]
            into.mails[into.uid_next] = kept
            into.uid_next += 1
        return Filing.MOVED

    def empties(self, folder: str) -> bool:
        return self._spell(folder).partition("/")[0] in {"Trash", "Junk"}

    def junk(self) -> str | None:
        return next((name for name in self.server.folders if name == "Junk"), None)

    def delete(self, location: Location) -> Filing:
        with side_effect(SideEffect.MOVE):
            if not self._changeable(location):
                return Filing.GONE
            del self.server.folders[self._spell(location.folder)].mails[int(location.uid)]
        return Filing.DELETED

    def mark(self, location: Location) -> Filing:
        kept = self._mail(location)
        if kept is None:
            return Filing.GONE
        with side_effect(SideEffect.MOVE):
            kept.flags.add("$MailbridgeDone")
        return Filing.KEPT

    def message_ids(self, listed: Sequence[Listed]) -> dict[str, str]:
        there = {one.location.uid: kept.raw for one in listed if (kept := self._mail(one.location)) is not None}
        fields = {uid: message_from_bytes(raw, policy=policy.compat32)["Message-ID"] for uid, raw in there.items()}
        return {uid: " ".join(str(value).split()) for uid, value in fields.items() if value}

    def find(self, folder: str, message_id: str) -> tuple[str, ...]:
        def identity(raw: bytes) -> str:
            return str(message_from_bytes(raw, policy=policy.compat32).get("Message-ID", "")).strip().strip("<>")

        return tuple(str(uid) for uid, kept in self._open(folder).mails.items() if identity(kept.raw) == message_id)

    def alike(self, listed: Listed, folder: str) -> tuple[Location, ...]:
        found = self._open(folder)
        return tuple(
            Location(self.name, folder, str(found.validity), str(uid))
            for uid, kept in found.mails.items()
            if (len(kept.raw), kept.received_at) == (listed.size, listed.received_at)
        )

    def wait(self, folder: str, seconds: float) -> bool:
        before = self._known_next.setdefault(folder, self._open(folder).uid_next)
        with self.server.changed:
            self.server.changed.wait_for(
                lambda: self._interrupted or self._open(folder).uid_next != before, timeout=seconds
            )
            self._interrupted = False
            after = self._known_next[folder] = self._open(folder).uid_next
            return after != before

    def interrupt(self) -> None:
        with self.server.changed:
            self._interrupted = True
            self.server.changed.notify_all()

    def cut(self) -> None:
        self.interrupt()

    def _spell(self, folder: str) -> str:
        return "INBOX" + folder[5:] if folder.split("/", 1)[0].upper() == "INBOX" else folder

    def _open(self, folder: str) -> Folder:
        self.connect()
        found = self.server.folders.get(self._spell(folder))
        if found is None:
            raise FolderMissing(f"mailbox {self.name}: no folder {folder!r}")
        return found

    def _mail(self, location: Location) -> Kept | None:
        found = self._open(location.folder)
        return found.mails.get(int(location.uid)) if str(found.validity) == location.uid_validity else None

    def _changeable(self, location: Location) -> bool:
        if self._mail(location) is None:
            return False
        if self._open(location.folder).read_only:
            raise FilingRefused(f"mailbox {self.name}: folder {location.folder!r} is read-only")
        if self.server.refuse_filing:
            raise FilingRefused(f"mailbox {self.name}: {self.server.refuse_filing}")
        return True
