"""A mailbox over POP3: one folder, UIDLs as UIDs, deletions that take effect when the connection ends.

POP3 shows the messages at the start of the connection. A listing without new messages therefore reconnects. A UIDL may
name another mail the next time (see unique_ids.py): outside the session in which a mail was read, its header is
compared before it is deleted.
"""

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from redmine_mailbridge.errors import (
    FilingRefused,
    FolderMissing,
    LockLost,
    MailboxError,
    MailboxUnreachable,
    MailUnreadable,
)
from redmine_mailbridge.mailboxes.account import Account
from redmine_mailbridge.mailboxes.connection_info import described
from redmine_mailbridge.mailboxes.imap.search import header_values, one_line
from redmine_mailbridge.mailboxes.pop3.fetch import beginning_of, fetch_one, message_id_fields
from redmine_mailbridge.mailboxes.pop3.session import Pop3Refused, Pop3Session
from redmine_mailbridge.mailboxes.pop3.unique_ids import MaildropContents, MaildropMemory
from redmine_mailbridge.mailboxes.refusals import about_server
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
from redmine_mailbridge.util.backoff import throttled

VALIDITY = "pop3"
FOLDER = "INBOX"
STALE = 20.0

FindKnown = Callable[[Sequence[str]], Collection[str]]
"""Given UIDs of the one folder, returns those that the store holds already, so that they are not fetched again."""


class Pop3Mailbox(Account):
    """One account over POP3. `contract.Mailbox` says what each method does; INBOX is the only folder."""

    in_order = False

    def __init__(self, config: MailboxConfig, known: FindKnown | None = None) -> None:
        super().__init__(config)
        self._known = known
        self._contents = MaildropContents(known if isinstance(known, MaildropMemory) else None)
        self._session: Pop3Session | None = None
        self._order: dict[str, int] = {}
        self._doomed: set[str] = set()
        self._seen_anew: Pop3Session | None = None
        """The session that was made to see whether a mail that was refused is still there."""
        self._looked: set[str] | None = None
        self._shown: set[str] = set()
        self._used = 0.0

    def connect(self) -> None:
        """Connect and log in, if not connected; a connection that was idle for long is tried first."""
        if self._session is not None and time.monotonic() - self._used > STALE:
            try:
                self._session.noop()
            except MailboxUnreachable:
                self._forget()
        if self._session is None:
            self._wakeup.refuse_if_cut(self.name)
            session = Pop3Session(self.config)
            try:
                certificates.note(self.config.host, self.config.port, session.socket)
                self._begin(session)
            except BaseException:
                session.drop()
                raise
            self._session = session
        self._used = time.monotonic()

    def _begin(self, session: Pop3Session) -> None:
        """Given a new session, name what lies there, and delete what an earlier one could not delete for sure."""
        self._contents.begin(session.entries, session)
        self._shown = set()
        for uid in self._contents.there:
            self._order.setdefault(uid, len(self._order))
        self._doomed &= self._contents.there.keys()  # the others are gone, whatever became of the last QUIT
        for uid in tuple(self._doomed):
            if self._contents.is_the_same(uid, session):
                self._delete(session, uid)
            else:
                self._doomed.discard(uid)

    def close(self) -> bool:
        """Close the connection; return whether deletions were committed. If not, they are repeated next time."""
        self._end()
        return not self._doomed

    @property
    def session(self) -> Pop3Session:
        """The connection, made when there is none: what `check` asks about TLS, capabilities and the login used."""
        self.connect()
        if self._session is None:  # pragma: no cover - connect() has just made it
            raise MailboxUnreachable(f"mailbox {self.name}: not connected")
        return self._session

    def connected(self) -> ConnectionInfo:
        """Connect; return what the server is and can."""
        with self._using() as session:
            return described(session, moves="none", pushes=False)

    def folders(self) -> tuple[str, ...]:
        """INBOX, and nothing else."""
        with self._using():
            return (FOLDER,)

    def ensure_folder(self, folder: str) -> bool:
        """INBOX is there; no other can be made."""
        self._only(folder)
        return False

    def state(self, folder: str) -> FolderState:
        """Reconnect, unless this connection is unused; return the number of messages."""
        self._only(folder)
        if self._shown:
            self._end()
        with self._using() as session:
            self._shown.add("state")
            return FolderState(name=folder, uid_validity=VALIDITY, messages=len(session.entries))

    def list_new(self, folder: str, *, after: str | None = None, limit: int | None = None) -> tuple[Listed, ...]:
        """List messages unknown to the store; without a store, those that arrived after `after`."""
        self._only(folder)
        with self._using():
            listed_before = "list" in self._shown
            uids = self._new(after)
        if not uids and listed_before:
            self._end()
            with self._using():
                uids = self._new(after)
        self._shown.add("list")
        self._looked = set(self._contents.there)
        return tuple(
            Listed(Location(self.name, folder, VALIDITY, uid), self._contents.there[uid].size)
            for uid in (uids if limit is None else uids[:limit])
        )

    def _new(self, after: str | None) -> list[str]:
        """The order of a listing says nothing: some servers list the newest first."""
        uids = [uid for uid in self._contents.there if uid not in self._doomed]
        if self._known is None:
            last = self._order.get(after, -1) if after is not None else -1
            return [uid for uid in uids if self._order[uid] > last]
        known_uids = self._known(uids) if uids else ()
        return [uid for uid in uids if uid not in known_uids]

    def fetch(self, listed: Sequence[Listed], spool: Path, *, max_size: int) -> Iterator[RawMail]:
        """Yield the bytes of mails, one request each; other calls may come between two of them."""
        for mail in listed:
            with self._using():
                raw = self._fetch_one(mail, spool, max_size)
            if raw is not None:
                yield raw

    def _fetch_one(self, mail: Listed, spool: Path, max_size: int) -> RawMail | None:
        """Given a mail, return its bytes; None if it has vanished. Raise MailUnreadable with the server's words."""
        session = self.session
        entry = self._contents.there.get(mail.location.uid)
        if entry is None or not self._here(mail.location):
            return None
        try:
            raw, usable = fetch_one(session, entry.number, mail, spool, max_size=max_size)
        except Pop3Refused as refusal:
            self._not_handed_out(mail, refusal.reason)
            return None
        self._contents.was_read(mail.location.uid, beginning_of(raw))
        if not usable:
            self._forget()
        return raw

    def _not_handed_out(self, mail: Listed, refusal: str) -> None:
        """Given a mail that the server refused, and its words, return if it has vanished.

        Raise MailUnreadable; MailboxUnreachable where the server only wants to be left alone.
        """
        uid, of_server = mail.location.uid, about_server(refusal)
        if throttled(refusal):
            raise MailboxUnreachable(f"{self.session.where}: {refusal}", answered=True)
        if not of_server:
            if self._session is not self._seen_anew:
                self._end()
                self.connect()
                self._seen_anew = self._session
            if uid not in self._contents.there:
                return
        text = f"{self.session.where}: the server does not hand out {uid}: {refusal}"
        raise MailUnreadable(text, uid=uid, of_server=of_server)

    def file(self, location: Location, folder: str, *, first: bool = False) -> Filing:
        """Raise FolderMissing for any folder but INBOX: nothing can be moved. Return KEPT or GONE."""
        del first
        self._only(folder)
        with self._using():
            return Filing.KEPT if self._here(location) and location.uid in self._contents.there else Filing.GONE

    def empties(self, folder: str) -> bool:
        """INBOX is never emptied by the server. Raise FolderMissing for any other."""
        self._only(folder)
        return False

    def junk(self) -> str | None:
        """POP3 has no folders."""
        return None

    def delete(self, location: Location) -> Filing:
        """Mark one mail for deletion. It is executed by `close`, or by any call that reconnects.

        GONE also where another mail has its UIDL by now.
        """
        with self._using() as session:
            if not self._here(location) or location.uid not in self._contents.there:
                return Filing.GONE
            if not self._contents.is_the_same(location.uid, session):
                return Filing.GONE
            refusal = self._delete(session, location.uid)
            if refusal is not None:
                raise FilingRefused(f"{session.where}: DELE: {refusal}")
            return Filing.DELETED

    def _delete(self, session: Pop3Session, uid: str) -> str | None:
        """Given a mail that lies there, mark it for deletion, to be done until the server confirms it.

        Return None, or the server's words if it rejects the command, which is then not repeated automatically.
        """
        self._doomed.add(uid)
        try:
            session.delete(self._contents.there[uid].number)
        except Pop3Refused as refusal:
            self._doomed.discard(uid)
            return str(refusal)
        del self._contents.there[uid]
        return None

    def mark(self, location: Location) -> Filing:
        """POP3 has no keywords: the mail stays as it is."""
        return self.file(location, FOLDER)

    def message_ids(self, listed: Sequence[Listed]) -> dict[str, str]:
        """Read the header of each: one request each."""
        with self._using() as session:
            uids = [mail.location.uid for mail in listed if self._here(mail.location)]
            fields = message_id_fields(session, self._contents.there, uids)
        return {uid: one_line(field) for uid, field in fields.items() if field}

    def find(self, folder: str, message_id: str) -> tuple[str, ...]:
        """Read the header of every mail there: one request each."""
        self._only(folder)
        with self._using() as session:
            fields = message_id_fields(session, self._contents.there, tuple(self._contents.there))
        return tuple(uid for uid, field in fields.items() if message_id in header_values(field))

    def alike(self, listed: Listed, folder: str) -> tuple[Location, ...]:
        """Nothing: a mail stays where it is, under its UIDL."""
        self._only(folder)
        del listed
        return ()

    def wait(self, folder: str, seconds: float) -> bool:
        """Hang up, pause, and look whether there is something new."""
        self._only(folder)
        if self._has_more():
            return True
        self._end()
        rang, _ = self._wakeup.wait(seconds)
        return not rang and self._has_more()

    def cut(self) -> None:
        """Shut the socket, which whoever reads from it notices at once. What was deleted is asked for again."""
        self._wakeup.cut()
        if (session := self._session) is not None:
            shut(session.client)

    def _has_more(self) -> bool:
        """Reconnect and return whether there are messages that were not in the last listing."""
        self._end()
        with self._using():
            uids = set(self._contents.there)
        self._looked = uids if self._looked is None else self._looked
        return not uids <= self._looked

    def _here(self, location: Location) -> bool:
        return location.uid_validity == VALIDITY and location.folder.upper() == FOLDER

    def _only(self, folder: str) -> None:
        if folder.upper() != FOLDER:
            raise FolderMissing(f"mailbox {self.name}: no folder {folder!r}: POP3 has INBOX and no other")

    def _end(self) -> None:
        """End the connection politely, if there is one, so that what is doomed is deleted; never raises."""
        session, self._session = self._session, None
        if session is None:
            return
        try:
            if session.deleted:
                with side_effect(SideEffect.MOVE):
                    self._check(session)
                    session.quit()
                self._doomed &= self._contents.there.keys()
            else:
                session.quit()
        except (MailboxError, LockLost):
            return  # what is doomed and still there will be deleted by the next connection

    def _check(self, session: Pop3Session) -> None:
        """Before the deletions take effect: do they still concern this process? They are not carried out if not."""
        try:
            if self.config.before_change is not None:
                self.config.before_change()
        except BaseException:
            session.drop()
            raise

    def _forget(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.drop()

    @contextmanager
    def _using(self) -> Iterator[Pop3Session]:
        """Give the session; after any error, its answers may be out of step: drop it."""
        session = self.session
        try:
            yield session
        except (FilingRefused, GeneratorExit):
            raise
        except MailboxUnreachable as error:
            if not error.answered:
                self._forget()
            raise
        except BaseException:
            self._forget()
            raise
        self._used = time.monotonic()
