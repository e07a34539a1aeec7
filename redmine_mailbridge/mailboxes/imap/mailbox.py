"""A mailbox over IMAP4rev1 and later (RFC 3501, RFC 9051): UIDs, PEEK, and moves of one mail."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from redmine_mailbridge.errors import FilingRefused, FolderMissing, MailboxUnreachable, MailbridgeError
from redmine_mailbridge.mailboxes.account import Account
from redmine_mailbridge.mailboxes.connection_info import described
from redmine_mailbridge.mailboxes.errors import ConnectionLost
from redmine_mailbridge.mailboxes.imap import filing
from redmine_mailbridge.mailboxes.imap.copies import copied
from redmine_mailbridge.mailboxes.imap.fetch import fetch_raw
from redmine_mailbridge.mailboxes.imap.folders import ImapFolders
from redmine_mailbridge.mailboxes.imap.idle import idle
from redmine_mailbridge.mailboxes.imap.search import found_alike, found_by_id, highest_uid, message_ids, new_uids, sized
from redmine_mailbridge.mailboxes.imap.session import ImapSession, Selected
from redmine_mailbridge.mailboxes.wakeup import shut
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
from redmine_mailbridge.util import certificates

STALE = 20.0
"""Seconds without a command after which a connection is tried with NOOP before it is used."""


class ImapMailbox(Account):
    """One account over IMAP. `contract.Mailbox` says what each method does."""

    in_order = True

    def __init__(self, config: MailboxConfig) -> None:
        super().__init__(config)
        self._session: ImapSession | None = None
        self._folders: ImapFolders | None = None
        self._used = 0.0
        self._known_next: dict[str, int] = {}
        self._looked_at: Selected | None = None

    def connect(self) -> None:
        """Connect and log in, if not connected; a connection that was idle for long is tried first."""
        if self._session is not None and time.monotonic() - self._used > STALE:
            try:
                self._session.command("NOOP")
            except ConnectionLost:
                self._forget()
        if self._session is None:
            self._wakeup.refuse_if_cut(self.name)
            self._session = ImapSession(self.config)
            certificates.note(self.config.host, self.config.port, self._session.socket)
            self._folders = ImapFolders(self._session)
        self._used = time.monotonic()

    def close(self) -> bool:
        """Log out."""
        session, self._session, self._folders = self._session, None, None
        if session is not None:
            session.log_out()
        return True

    @property
    def session(self) -> ImapSession:
        """The connection, made when there is none: what `check` asks about TLS, capabilities and the login used."""
        self.connect()
        if self._session is None:  # pragma: no cover - connect() has just made it
            raise MailboxUnreachable(f"mailbox {self.name}: not connected")
        return self._session

    def connected(self) -> ConnectionInfo:
        """Connect; return what the server is and can."""
        with self._using() as (session, _):
            moves: Literal["move", "copy", "mark"] = "copy" if filing.expunges_one(session) else "mark"
            return described(
                session, moves="move" if filing.moves_at_once(session) else moves, pushes=session.has("IDLE")
            )

    def folders(self) -> tuple[str, ...]:
        """List the folders that hold mails, as the server spells them."""
        with self._using() as (_, folders):
            return tuple(sorted(folder.name for folder in folders.listed(fresh=True).values() if folder.selectable))

    def ensure_folder(self, folder: str) -> bool:
        """Make a folder when it is missing; return whether it was made."""
        with self._using() as (_, folders):
            return folders.ensure(folder)

    def state(self, folder: str) -> FolderState:
        """Open a folder; return its status."""
        with self._using() as (session, _):
            looked_at, self._looked_at = self._looked_at, None
            # `wait` has opened it for this very pass
            is_current = looked_at is not None and looked_at is session.selected
            opened = self._open(folder, fresh=not is_current)
            return FolderState(
                name=folder,
                uid_validity=opened.uid_validity,
                messages=opened.answer.number("EXISTS") or 0,
                uid_next=opened.answer.number("UIDNEXT"),
                keywords=filing.keeps_keywords(session),
                read_only=opened.read_only,
                rights=filing.rights(session),
            )

    def list_new(self, folder: str, *, after: str | None = None, limit: int | None = None) -> tuple[Listed, ...]:
        """List what is above `after`, lowest UID first."""
        with self._using() as (session, _):
            above = int(after) if after is not None else 0
            opened = self._look(folder) if above else self._open(folder, fresh=True)
            uids = new_uids(session, opened, above=above, limit=limit)
            self._known_next[folder] = opened.answer.number("UIDNEXT") or (uids[-1] + 1 if uids else above + 1)
            return tuple(sized(session, self.name, folder, opened.uid_validity, uids))

    def fetch(self, listed: Sequence[Listed], spool: Path, *, max_size: int) -> Iterator[RawMail]:
        """Yield the bytes of mails of one folder; other calls may come between two of them."""
        if not listed:
            return
        first = listed[0].location

        def open_folder() -> ImapSession | None:
            self.connect()
            return self._session if self._open_at(first) is not None else None

        with self._using():
            yield from fetch_raw(open_folder, listed, spool, max_size=max_size)

    def file(self, location: Location, folder: str, *, first: bool = False) -> Filing:
        """Move one mail; KEPT when it lies there already, GONE when it is not there."""
        with self._using() as (session, folders):
            target = folders.spell(folder)
            if target == folders.spell(location.folder):
                return Filing.KEPT
            if self._open_writable(location) is None:
                return Filing.GONE
            there_already = not first and copied(session, location.uid, target, folders.wire(target))
            try:
                with side_effect(SideEffect.MOVE):
                    return filing.move(session, location.uid, folders.wire(target), copied=there_already)
            except filing.TargetMissing as missing:
                raise folders.missing(folder, missing.answer) from None

    def empties(self, folder: str) -> bool:
        """Trash and junk, by their marks or, where the server marks none, by their names."""
        with self._using() as (_, folders):
            return folders.empties(folder)

    def junk(self) -> str | None:
        """The folder for spam."""
        with self._using() as (_, folders):
            return folders.junk()

    def delete(self, location: Location) -> Filing:
        """Remove one mail."""
        with self._using() as (session, _):
            if self._open_writable(location) is None:
                return Filing.GONE
            with side_effect(SideEffect.MOVE):
                return filing.delete(session, location.uid)

    def mark(self, location: Location) -> Filing:
        """Set the keyword `$MailbridgeDone` on one mail."""
        with self._using() as (session, _):
            opened = self._open_at(location)
            if opened is None:
                return Filing.GONE
            if opened.read_only:
                return Filing.KEPT
            with side_effect(SideEffect.MOVE):
                return filing.mark(session, location.uid)

    def message_ids(self, listed: Sequence[Listed]) -> dict[str, str]:
        """Ask for that one field of their headers."""
        if not listed:
            return {}
        with self._using() as (session, _):
            if self._open_at(listed[0].location) is None:
                return {}
            return message_ids(session, [mail.location.uid for mail in listed])

    def find(self, folder: str, message_id: str) -> tuple[str, ...]:
        """Search by Message-ID and compare exactly."""
        with self._using() as (session, _):
            self._open(folder, fresh=True)
            return found_by_id(session, message_id)

    def alike(self, listed: Listed, folder: str) -> tuple[Location, ...]:
        """Search around the day on which it was received, and compare size and second."""
        with self._using() as (session, _):
            opened = self._open(folder, fresh=True)
            return found_alike(session, self.name, folder, opened.uid_validity, listed)

    def wait(self, folder: str, seconds: float) -> bool:
        """IDLE, or a pause; the folder's next UID is looked at before it, and after it where the server cannot push."""
        with self._using() as (session, _):
            if self._has_more(folder):
                return True
            if session.has("IDLE"):
                _, news = idle(session, self._wakeup, seconds)
                return news
            rang, _ = self._wakeup.wait(seconds)
        if rang:
            return False
        with self._using():
            return self._has_more(folder)

    def cut(self) -> None:
        """Shut the socket, which whoever reads from it notices at once."""
        self._wakeup.cut()
        if (session := self._session) is not None:
            shut(session.client)

    def _has_more(self, folder: str) -> bool:
        """Given a folder, open it again and return whether its next UID has changed since it was last listed.

        Where the server does not tell (RFC 3501 section 6.3.1 lets it), the highest UID there says what can be said.
        """
        opened = self._open(folder, fresh=True)
        uid_next = opened.answer.number("UIDNEXT")
        after = uid_next if uid_next is not None else highest_uid(self.session, opened) + 1
        before = self._known_next.get(folder, after)
        self._known_next[folder] = after if uid_next is not None else max(before, after)
        more = after != before if uid_next is not None else after > before
        self._looked_at = opened if more and opened.answer.number("UIDNEXT") is not None else None
        return more

    def _look(self, folder: str) -> Selected:
        """Given a folder, open it; if it is open, let the server report changes, which costs less than opening it
        again."""
        session = self.session
        before = session.selected
        opened = self._open(folder)
        if opened is before:
            session.require_ok(session.command("NOOP"))
        return opened

    def _open(self, folder: str, *, fresh: bool = False) -> Selected:
        """Given a folder of the settings, open it. Return it. Raise FolderMissing, MailboxUnreachable."""
        session, folders = self.session, self._folders
        assert folders is not None  # noqa: S101 - set together with the session
        name = folders.spell(folder)
        if session.selected is not None and session.selected.name == name and not fresh:
            return session.selected
        wire = folders.wire(name)
        answer = session.select(name, wire)
        if not answer.ok:
            folders.listed(fresh=True)
            name = folders.spell(folder)
            if folders.wire(name) != wire:
                answer = session.select(name, folders.wire(name))
        if session.selected is not None:
            return session.selected
        if answer.later:
            raise MailboxUnreachable(f"{session.where}: folder {folder!r}: {answer.text}", answered=True)
        if name in folders.listed() and folders.listed()[name].selectable:
            raise FolderMissing(f"{session.where}: folder {folder!r} cannot be opened: {answer.text}")
        raise folders.missing(folder, answer)

    def _open_at(self, location: Location) -> Selected | None:
        """Given a mail, open its folder. Return None when the folder, or its validity, is not the mail's any more."""
        opened = self._open(location.folder)
        return opened if opened.uid_validity == location.uid_validity else None

    def _open_writable(self, location: Location) -> Selected | None:
        """Given a mail, open its folder to change it. Return None as `_open_at`. Raise FilingRefused."""
        opened = self._open_at(location)
        if opened is not None and opened.read_only:
            raise FilingRefused(f"mailbox {self.name}: folder {location.folder!r} is read-only: {opened.answer.text}")
        return opened

    def _forget(self) -> None:
        session, self._session, self._folders = self._session, None, None
        if session is not None:
            session.drop()

    @contextmanager
    def _using(self) -> Iterator[tuple[ImapSession, ImapFolders]]:
        """Give session and folders; after anything that leaves the connection in doubt, drop it."""
        session = self.session
        assert self._folders is not None  # noqa: S101 - set together with the session
        try:
            yield session, self._folders
        except ConnectionLost:
            self._forget()
            raise
        except (MailbridgeError, GeneratorExit):
            raise
        except BaseException:
            self._forget()
            raise
        self._used = time.monotonic()
