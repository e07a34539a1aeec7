"""Lists, fetches and stores the new mails of a folder.

When a mailbox is read for the first time, the settings say how far back. When a very large number of mails is suddenly
new, the mailbox is paused until an admin resumes it. A mail that cannot be fetched is skipped (see fetch_each.py).
"""

import datetime as dt
import threading
from collections.abc import Collection, Iterator, Sequence
from typing import Literal

import structlog

from redmine_mailbridge.errors import MailboxError
from redmine_mailbridge.mail.mime.headers import message_ids
from redmine_mailbridge.mailboxes.contract import Mailbox
from redmine_mailbridge.model.mailbox import FolderState, Listed, MailProtocol
from redmine_mailbridge.model.stored_mail import Cursor, StoredMail
from redmine_mailbridge.policy.intake_limits import (
    braked,
    came_later,
    first_taken,
    start_moment,
    taken_again,
    taken_since,
)
from redmine_mailbridge.settings.first_sync import StartSettings
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.tasks.receive.fetch.fetch_each import CHUNK, MessageDownloader
from redmine_mailbridge.util.dataclass import dataclass

log = structlog.get_logger(__name__)

CLOCKS_DIFFER = dt.timedelta(minutes=10)
"""How far the mail server's clock may be slow: checking a mail too many is better than missing one."""


@dataclass(frozen=True, slots=True)
class FetchSettings:
    """The settings of a mailbox that the receive task needs. Sizes in bytes.

    At most `in_hand` mails are processed at once; `batch` of them are filed together while the others keep the workers
    busy. Mail kept on the server is deleted after `keep_for` seconds (None: never). `junk_folder` is the folder for
    spam (None: the account's own). A mail that cannot be read is tried `max_attempts` times. `files_at_the_end`: filing
    takes effect only when the connection ends (POP3).
    """

    folders: tuple[str, ...]
    success_folder: str | None
    failure_folder: str | None
    max_size: int
    in_hand: int
    batch: int
    after_success: Literal["move", "delete", "keep"]
    after_failure: Literal["move", "keep", "delete"]
    keep_for: float | None
    files_at_the_end: bool
    junk_folder: str | None
    max_attempts: int
    start: StartSettings


class TooManyNewMails(MailboxError):
    """The mailbox is paused: more mails are new than its settings allow."""


class StartUndecided(MailboxError):
    """A folder that is read for the first time contains mail, and the settings do not say whether to read it."""


class MailFetcher:
    """Fetches the new mail of one mailbox into the store. Used by one thread at a time."""

    def __init__(self, mailbox: Mailbox, reading: FetchSettings, store: Store, stop: threading.Event) -> None:
        self._mailbox = mailbox
        self._reading = reading
        self._store = store
        self._stop = stop
        self.downloader = MessageDownloader(mailbox, store, max_size=reading.max_size)
        self._counted: tuple[object, int] | None = None
        """How many of the mails that were new when a folder looked so had never been read: asked for once."""

    def new(self, folder: str) -> Iterator[list[StoredMail]]:
        """Given a folder, yield the rows of its new mails in batches, each committed before it is yielded.

        A mail that the server does not deliver is yielded without content (see fetch_each.py). Raise
        MailboxUnreachable, FolderMissing, StartUndecided or TooManyNewMails.
        """
        state = self._mailbox.state(folder)
        name = self._mailbox.name
        cursor, excluded = self._store.cursor(name, folder), self._store.left(name, folder)
        listed: Sequence[Listed] | None = None
        if cursor is not None and self._never_decided(folder, cursor):
            self._store.never_read(name, folder)
            cursor = None
        if cursor is not None and self._went_back(state, cursor):
            log.warning("receive.uids_decreased", folder=folder, read=cursor.uid, next=state.uid_next)
            self._store.end_validity(name, folder)
            cursor = self._store.cursor(name, folder)
        if cursor is None:
            cursor, excluded, any_there = self._first_time(folder, state.uid_validity)
            if not any_there:
                return
        elif cursor.uid_validity != state.uid_validity:
            log.warning("receive.validity_changed", folder=folder, before=cursor.uid_validity, now=state.uid_validity)
            cursor, excluded = self._anew(folder, state.uid_validity)
            listed = self._brake(folder, cursor, excluded)
            self._store.begin_again(name, folder, cursor, left=excluded)
        else:
            if excluded is None and not self._mailbox.in_order:  # begun by a version that did not note it
                _, excluded = self._anew(folder, state.uid_validity)
                self._store.leave(name, folder, excluded)
            listed = self._brake(folder, cursor, excluded or frozenset())
        yield from self._behind(folder, cursor, excluded or frozenset(), listed)

    def _never_decided(self, folder: str, cursor: Cursor) -> bool:
        """Whether only the spool of `deliver` was read so far, all of whose mails are new: it is not decided yet which
        mails of the server are.
        """
        of_spool = cursor.uid_validity.partition("@")[0] == MailProtocol.DELIVER.value
        of_server = not self._reading.start.takes_all
        return of_spool and of_server and not self._store.taken_from(self._mailbox.name, folder)

    def _went_back(self, state: FolderState, cursor: Cursor) -> bool:
        """Whether a folder reuses UIDs because it was restored from a backup. UIDs never decrease otherwise (RFC 9051
        section 2.3.1.1); a UIDNEXT below the UID of an existing mail is just wrong.
        """
        comparable = self._mailbox.in_order and cursor.uid_validity == state.uid_validity and cursor.uid is not None
        if not comparable or state.uid_next is None:
            return False
        last_uid, newest_uid = int(cursor.uid or 0), state.uid_next - 1
        if newest_uid < last_uid:
            return all(int(mail.location.uid) <= newest_uid for mail in self._mailbox.list_new(state.name))
        return newest_uid > last_uid and self._is_anothers(state.name, last_uid)

    def _is_anothers(self, folder: str, uid: int) -> bool:
        """Whether the UID that was read last now belongs to another mail, according to the time of receipt. Then the
        folder was restored from a backup, and new mails have reused the UIDs of those that the backup did not contain.
        """
        mails = self._mailbox.list_new(folder, after=str(uid - 1), limit=1)
        if not mails or mails[0].location.uid != str(uid) or mails[0].received_at is None:
            return False
        received_before = self._store.received_at(mails[0].location)
        return received_before is not None and abs(mails[0].received_at.timestamp() - received_before) >= 1.0

    def _behind(
        self, folder: str, cursor: Cursor, excluded: Collection[str], new_mails: Sequence[Listed] | None
    ) -> Iterator[list[StoredMail]]:
        """Fetch and store the mails after the cursor, in chunks, except those that the first pass excluded.

        `new_mails` contains all of them if they have been listed already. POP3 lists only mails that arrived before the
        login; later ones are left to the next pass.
        """
        more = True
        while more and not self._stop.is_set():
            if new_mails is None:
                new_mails = self._mailbox.list_new(folder, after=cursor.uid, limit=CHUNK + 1)
            more = len(new_mails) > CHUNK or bool(new_mails and not self._reading.files_at_the_end)
            chunk, new_mails = new_mails[:CHUNK], None
            listed = [mail for mail in chunk if mail.location.uid not in excluded]
            if listed:
                cursor = yield from self.downloader.take(listed, cursor)
            elif chunk:
                cursor = Cursor(cursor.uid_validity, chunk[-1].location.uid)
                self._store.move_cursor(self._mailbox.name, folder, cursor)

    def _first_time(self, folder: str, uid_validity: str) -> tuple[Cursor, frozenset[str], bool]:
        """Read a folder for the first time: record the starting point from the settings before any mail is fetched.

        Return the cursor, the mails after it that are excluded, and whether the folder contains any mail. Raise
        StartUndecided when the settings do not define the starting point.
        """
        listed = self._mailbox.list_new(folder)
        if listed and self._reading.start.undecided:
            raise StartUndecided(undecided(self._mailbox.name, folder, listed))
        now, start = dt.datetime.now(dt.UTC), self._reading.start
        taken = first_taken(listed, lambda mail: mail.received_at, start, now)
        log.info("receive.first_sync", folder=folder, there=len(listed), taken=len(taken))
        cursor, excluded = self._before(listed, taken, uid_validity)
        old = [mail for mail in listed if not came_later(mail.received_at, start)]
        until = old[-1].location.uid if old else None
        if not self._mailbox.in_order:
            times = [mail.received_at.timestamp() for mail in old if mail.received_at is not None]
            until = f"@{max(times)}" if times else None
        since = now - CLOCKS_DIFFER if start.first_sync_limit else start_moment(start, now - CLOCKS_DIFFER)
        taken_from = since.timestamp() if since is not None else 0.0
        self._store.begin_folder(self._mailbox.name, folder, cursor, until=until, left=excluded, taken_from=taken_from)
        return cursor, excluded, bool(listed)

    def _anew(self, folder: str, uid_validity: str) -> tuple[Cursor, frozenset[str]]:
        """All UIDs have changed. Exclude the mails that were excluded when the folder was first read, even if the
        settings have changed.

        Return the cursor, and the mails after it that are excluded.
        """
        since = self._store.taken_from(self._mailbox.name, folder)
        listed = self._mailbox.list_new(folder)
        if self._reading.start.takes_all:
            return self._before(listed, listed, uid_validity)
        if since is not None:
            return self._before(listed, taken_since(listed, lambda mail: mail.received_at, since), uid_validity)
        first_read_at = dt.datetime.fromtimestamp(self._store.begun(self._mailbox.name, folder), dt.UTC) - CLOCKS_DIFFER
        taken = taken_again(listed, lambda mail: mail.received_at, self._reading.start, first_read_at)
        return self._before(listed, taken, uid_validity)

    def _before(
        self, listed: Sequence[Listed], taken: Sequence[Listed], uid_validity: str
    ) -> tuple[Cursor, frozenset[str]]:
        """Given the mails in a folder and those to be fetched, return the cursor before the first one to be fetched,
        and the UIDs after it that are excluded.

        If UIDs have no order, the cursor excludes nothing.
        """
        start = 0
        if self._mailbox.in_order:
            start = listed.index(taken[0]) if taken else len(listed)
        taken_uids = {mail.location.uid for mail in taken}
        excluded = frozenset(mail.location.uid for mail in listed[start:]) - taken_uids
        return Cursor(uid_validity, listed[start - 1].location.uid if start else None), excluded

    def _brake(self, folder: str, cursor: Cursor, excluded: Collection[str]) -> Sequence[Listed] | None:
        """Pause the mailbox when too many mails are new. Return the new mails, or None if they have not been listed.

        Raise TooManyNewMails.
        """
        limit = self._reading.start.max_new_mails
        if not limit:
            return None
        name = self._mailbox.name
        listed = self._mailbox.list_new(folder, after=cursor.uid, limit=limit + 1 + len(excluded))
        new_count = sum(mail.location.uid not in excluded for mail in listed)
        if new_count <= limit:
            return listed if new_count else ()
        new_count = self._unknown(folder, cursor, excluded)
        if new_count <= limit:
            log.info("receive.recognized", folder=folder, new=new_count)
            return None
        why = braked(new_count, self._reading.start, self._store.released(name))
        if why is not None:
            self._store.brake(name, new_count)
            raise TooManyNewMails(
                f"{folder}: {why} Nothing is read until you run: redmine-mailbridge mailboxes resume {name}"
            )
        return None

    def _unknown(self, folder: str, cursor: Cursor, excluded: Collection[str]) -> int:
        """The number of new mails that this mailbox has never read, by Message-ID. Known mails appear again when UIDs
        change, the account moves, or an archive is restored; they are no reason to pause.
        """
        name = self._mailbox.name
        new_mails = [
            mail for mail in self._mailbox.list_new(folder, after=cursor.uid) if mail.location.uid not in excluded
        ]
        listing = (folder, cursor, new_mails[-1].location.uid if new_mails else None, len(new_mails))
        if self._counted is None or self._counted[0] != listing:
            headers = self._mailbox.message_ids(new_mails).values()
            ids = [parsed_ids[0] for header in headers if (parsed_ids := message_ids(header))]
            known_ids = self._store.known_ids(name, frozenset(ids))
            self._counted = listing, len(new_mails) - sum(mail_id in known_ids for mail_id in ids)
        return self._counted[1]

    def finish(self) -> None:
        """All folders have been read: end a pause, and discard the admin's permission to resume."""
        self._store.end_brake(self._mailbox.name)


def undecided(mailbox: str, folder: str, listed: Sequence[Listed]) -> str:
    """Given a folder of a mailbox and its mails at the first pass, return what to write in the settings."""
    mails = "1 mail" if len(listed) == 1 else f"{len(listed)} mails"
    alternative = ', or start_from = "now" (only mail that arrives from now on).'
    if not any(mail.received_at is not None for mail in listed):
        alternative = (
            ". This server does not report when mail arrived: first move away the mail that is not to be imported."
        )
    return (
        f"{folder} contains {mails}, and start_from is not set. Add to "
        f'[mailboxes.{mailbox}]: start_from = "all" (each becomes an issue or a note){alternative}'
    )
