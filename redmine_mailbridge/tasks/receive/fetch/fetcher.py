"""From the mail server into the store: what is new in a folder is listed, fetched and kept, and nothing else.

Where a mailbox is read for the first time, the settings say how far back; where suddenly very much is new, it
stops and asks. A mail that does not come is passed by (see fetch_each.py).
"""

import datetime as dt
import threading
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import structlog

from redmine_mailbridge.errors import MailboxError
from redmine_mailbridge.mail.mime.headers import message_ids
from redmine_mailbridge.mailboxes.contract import Mailbox
from redmine_mailbridge.model.mailbox import FolderState, Listed
from redmine_mailbridge.model.stored_mail import Cursor, MailRow
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
from redmine_mailbridge.tasks.receive.fetch.fetch_each import CHUNK, Fetcher

log = structlog.get_logger(__name__)

CLOCKS_DIFFER = dt.timedelta(minutes=10)
"""By how much the mail server's clock may be slow: rather a mail too many is looked at than one too few."""


TAKE_ALL = StartSettings(start_from="all")


@dataclass(frozen=True, slots=True)
class Reading:
    """What receiving needs to know of a mailbox's settings. Sizes in bytes.

    `in_hand` is how many mails are in hand at most; of so many, `batch` are filed together, so that the others keep
    the workers busy meanwhile. What is kept on the server is deleted there after `keep_for` seconds (None: never).
    A mail that cannot be read is tried `give_up_after` times. `files_at_the_end` says that filing takes effect only
    when the connection ends (POP3).
    """

    folders: tuple[str, ...]
    success_folder: str | None
    failure_folder: str | None
    max_size: int
    in_hand: int = 16
    batch: int = 4
    after_success: Literal["move", "delete", "keep"] = "move"
    after_failure: Literal["move", "keep", "delete"] = "move"
    keep_for: float | None = None
    files_at_the_end: bool = False
    give_up_after: int = 10
    start: StartSettings = TAKE_ALL


class Braked(MailboxError):
    """The mailbox stopped and asks: more is suddenly new than its settings allow."""


class StartUndecided(MailboxError):
    """Mail lies in a folder that is read for the first time, and the settings do not say whether it counts."""


class Intake:
    """Brings new mail of one mailbox into the store. Used by one thread at a time."""

    def __init__(self, mailbox: Mailbox, reading: Reading, store: Store, stop: threading.Event) -> None:
        self._mailbox = mailbox
        self._reading = reading
        self._store = store
        self._stop = stop
        self.fetcher = Fetcher(mailbox, store, max_size=reading.max_size)
        self._counted: tuple[object, int] | None = None
        """How many of the mails that were new when a folder looked so had never been read: asked for once."""

    def new(self, folder: str) -> Iterator[list[MailRow]]:
        """Given a folder, yield the rows of its new mails in batches, each durable when it is yielded.

        A mail that the server does not hand out is yielded without bytes (see fetch_each.py). Raise MailboxUnreachable,
        FolderMissing, StartUndecided or Braked.
        """
        state = self._mailbox.state(folder)
        name = self._mailbox.name
        cursor, left = self._store.cursor(name, folder), self._store.left(name, folder)
        there: Sequence[Listed] | None = None
        if cursor is not None and self._went_back(state, cursor):
            log.warning("receive.uids_gone_back", folder=folder, read=cursor.uid, next=state.uid_next)
            self._store.end_validity(name, folder)
            cursor = self._store.cursor(name, folder)
        if cursor is None:
            cursor, left, any_there = self._first_time(folder, state.validity)
            if not any_there:
                return
        elif cursor.validity != state.validity:
            log.warning("receive.validity_changed", folder=folder, before=cursor.validity, now=state.validity)
            cursor, left = self._anew(folder, state.validity)
            there = self._brake(folder, cursor, left)
            self._store.begin_again(name, folder, cursor, left=left)
        else:
            if left is None and not self._mailbox.in_order:  # begun by a version that did not note it
                _, left = self._anew(folder, state.validity)
                self._store.leave(name, folder, left)
            there = self._brake(folder, cursor, left or frozenset())
        yield from self._behind(folder, cursor, left or frozenset(), there)

    def _went_back(self, state: FolderState, cursor: Cursor) -> bool:
        """Does a folder begin anew with UIDs that it has used (it was put back from a backup)? UIDs never go back
        otherwise (RFC 9051 section 2.3.1.1); a next UID that mails lie beyond is merely untrue.
        """
        known = self._mailbox.in_order and cursor.validity == state.validity and cursor.uid is not None
        if not known or state.uid_next is None:
            return False
        last, news = int(cursor.uid or 0), state.uid_next - 1
        if news < last:
            return all(int(mail.location.uid) <= news for mail in self._mailbox.list_new(state.name))
        return news > last and self._is_anothers(state.name, last)

    def _is_anothers(self, folder: str, uid: int) -> bool:
        """Does another mail lie under the UID that was read last? Then new mails have taken the place of those that a
        backup did not hold, and are more than these by now. It is told by the time of receipt.
        """
        at = self._mailbox.list_new(folder, after=str(uid - 1), limit=1)
        if not at or at[0].location.uid != str(uid) or at[0].received_at is None:
            return False
        before = self._store.received_at(at[0].location)
        return before is not None and abs(at[0].received_at.timestamp() - before) >= 1.0

    def _behind(
        self, folder: str, cursor: Cursor, left: Collection[str], there: Sequence[Listed] | None
    ) -> Iterator[list[MailRow]]:
        """Fetch and keep what lies behind the cursor, in chunks; what was left lying is passed over.

        `there` is all of it, where it has been listed already. Over POP3, which shows what lay there at the login,
        what comes meanwhile is the next pass's.
        """
        more = True
        while more and not self._stop.is_set():
            if there is None:
                there = self._mailbox.list_new(folder, after=cursor.uid, limit=CHUNK + 1)
            more = len(there) > CHUNK or bool(there and not self._reading.files_at_the_end)
            chunk, there = there[:CHUNK], None
            listed = [mail for mail in chunk if mail.location.uid not in left]
            if listed:
                cursor = yield from self.fetcher.take(listed, cursor)
            elif chunk:
                cursor = Cursor(cursor.validity, chunk[-1].location.uid)
                self._store.move_cursor(self._mailbox.name, folder, cursor)

    def _first_time(self, folder: str, validity: str) -> tuple[Cursor, frozenset[str], bool]:
        """The folder has never been read: note from where on the settings take it, before anything is taken.

        Return the cursor, which mails are left lying beside it, and whether any mail lies there. Raise StartUndecided
        when they do not say it.
        """
        there = self._mailbox.list_new(folder)
        if there and self._reading.start.undecided:
            raise StartUndecided(undecided(self._mailbox.name, folder, there))
        now, start = dt.datetime.now(dt.UTC), self._reading.start
        taken = first_taken(there, lambda mail: mail.received_at, start, now)
        log.info("receive.first_time", folder=folder, there=len(there), taken=len(taken))
        cursor, left = self._before(there, taken, validity)
        old = [mail for mail in there if not came_later(mail.received_at, start)]
        until = old[-1].location.uid if old else None
        if not self._mailbox.in_order:
            times = [mail.received_at.timestamp() for mail in old if mail.received_at is not None]
            until = f"@{max(times)}" if times else None
        since = now - CLOCKS_DIFFER if start.first_sync_limit else start_moment(start, now - CLOCKS_DIFFER)
        taken_from = since.timestamp() if since is not None else 0.0
        self._store.begin_folder(self._mailbox.name, folder, cursor, until=until, left=left, taken_from=taken_from)
        return cursor, left, bool(there)

    def _anew(self, folder: str, validity: str) -> tuple[Cursor, frozenset[str]]:
        """All UIDs are others now. What was left lying when the folder was first read is left again, whatever the
        settings say by now.

        Return the cursor, and which mails are left lying beside it.
        """
        since = self._store.taken_from(self._mailbox.name, folder)
        there = self._mailbox.list_new(folder)
        if since is not None:
            return self._before(there, taken_since(there, lambda mail: mail.received_at, since), validity)
        begun = dt.datetime.fromtimestamp(self._store.begun(self._mailbox.name, folder), dt.UTC) - CLOCKS_DIFFER
        taken = taken_again(there, lambda mail: mail.received_at, self._reading.start, begun)
        return self._before(there, taken, validity)

    def _before(self, there: Sequence[Listed], taken: Sequence[Listed], validity: str) -> tuple[Cursor, frozenset[str]]:
        """Given what lies in a folder and what of it is taken, return the cursor in front of the first that is taken,
        and the UIDs that are not taken and that the cursor does not leave behind.

        Where UIDs have no order a cursor leaves nothing behind.
        """
        first = 0
        if self._mailbox.in_order:
            first = there.index(taken[0]) if taken else len(there)
        wanted = {mail.location.uid for mail in taken}
        left = frozenset(mail.location.uid for mail in there[first:]) - wanted
        return Cursor(validity, there[first - 1].location.uid if first else None), left

    def _brake(self, folder: str, cursor: Cursor, left: Collection[str]) -> Sequence[Listed] | None:
        """Stop and ask when suddenly very much is new. Return all that is new; None: it is still to be listed.

        Raise Braked.
        """
        limit = self._reading.start.brake_at
        if not limit:
            return None
        name = self._mailbox.name
        there = self._mailbox.list_new(folder, after=cursor.uid, limit=limit + 1 + len(left))
        new = sum(mail.location.uid not in left for mail in there)
        if new <= limit:
            return there if new else ()
        new = self._unknown(folder, cursor, left)
        if new <= limit:
            log.info("receive.known_again", folder=folder, new=new)
            return None
        why = braked(new, self._reading.start, self._store.released(name))
        if why is not None:
            self._store.brake(name, new)
            raise Braked(f"{folder}: {why} Nothing is read until you run: redmine-mailbridge release {name}")
        return None

    def _unknown(self, folder: str, cursor: Cursor, left: Collection[str]) -> int:
        """How many of the new mails has this mailbox never read, by their Message-IDs? Those that it has read come
        again when UIDs change, when the account moves, or when an archive is put back, and are no reason to ask.
        """
        name = self._mailbox.name
        new = [mail for mail in self._mailbox.list_new(folder, after=cursor.uid) if mail.location.uid not in left]
        asked = (folder, cursor, new[-1].location.uid if new else None, len(new))
        if self._counted is None or self._counted[0] != asked:
            written = self._mailbox.message_ids(new).values()
            ids = [found[0] for value in written if (found := message_ids(value))]
            known = self._store.known_ids(name, frozenset(ids))
            self._counted = asked, len(new) - sum(one in known for one in ids)
        return self._counted[1]

    def finish(self) -> None:
        """All folders have been read: a stop is over, and a release that it got does not count again."""
        self._store.end_brake(self._mailbox.name)


def undecided(mailbox: str, folder: str, there: Sequence[Listed]) -> str:
    """Given a folder of a mailbox and what lies in it at the first look, return what to write in the settings."""
    mails = "1 mail lies" if len(there) == 1 else f"{len(there)} mails lie"
    other = ', or start_from = "now" (only what comes from now on).'
    if not any(mail.received_at is not None for mail in there):
        other = ". This server does not tell what came when: move away first what is not to count."
    return (
        f"{mails} in {folder} at the first look, and nothing says whether they count. Write below "
        f'[mailboxes.{mailbox}]: start_from = "all" (each becomes an issue or a note){other}'
    )
