"""The receive task: one pass over one mailbox.

    list → fetch → keep → parse → (in the pool) decide and carry out → file

One thread speaks to the mail server; the mails are worked on in a pool that all mailboxes share. A mail that is
known from an earlier pass and still open goes the same way, from the store's bytes instead of the server's.
"""

import queue
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field, replace

import structlog

from redmine_mailbridge.errors import FolderMissing, MailboxError, MailbridgeError, TooManyLogins
from redmine_mailbridge.mailboxes.contract import Mailbox
from redmine_mailbridge.model.mail import Message
from redmine_mailbridge.model.mail_state import OPEN
from redmine_mailbridge.model.mailbox import Connected
from redmine_mailbridge.model.stored_mail import MailRow
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.tasks.receive.circuit_breaker import Gate
from redmine_mailbridge.tasks.receive.fetch.fetcher import Intake, Reading, StartUndecided
from redmine_mailbridge.tasks.receive.fetch.pass_backoff import refused
from redmine_mailbridge.tasks.receive.fetch.refetch import Anew
from redmine_mailbridge.tasks.receive.fetch.succession import Succession
from redmine_mailbridge.tasks.receive.filing import Filer
from redmine_mailbridge.tasks.receive.mail_reader import FindCopies, MailReader, Read
from redmine_mailbridge.tasks.receive.ordering import Conversations, identifiers
from redmine_mailbridge.tasks.receive.result import Outcome
from redmine_mailbridge.tasks.receive.settings_fitness import Fitness
from redmine_mailbridge.util.error_boundary import fault, where

log = structlog.get_logger(__name__)

Handle = Callable[[MailRow, Message, MailRow | None], Outcome]


@dataclass(slots=True)
class PassResult:
    """What one pass over a mailbox did; `error` is the line that ended it early, None when it went through.

    `seen` counts what was new in the mailbox; `found` what moved things on: mails that are no copies of others and were
    new or came to their end. `missing` holds a line for each folder that is not there, while others were read;
    `login_refused` says that the error is the server's no to the login. `paused`: the line that says why what was read
    waits, since the mailbox's settings do not fit Redmine.
    """

    mailbox: str
    seen: int = 0
    found: int = 0
    error: str | None = None
    missing: dict[str, str] = field(default_factory=dict)
    login_refused: bool = False
    paused: str | None = None


@dataclass(frozen=True, slots=True)
class Shared:
    """What all receivers share: the store, the pool, the order of conversations, Redmine's gate, the stop sign, who
    goes on with whose mails, and whether their settings fit Redmine.
    """

    store: Store
    pool: Executor
    conversations: Conversations[Outcome | None]
    gate: Gate
    stop: threading.Event
    succession: Succession
    fitness: Fitness


class Receiver:
    """Receives the mail of one mailbox. `once` is called again and again, by one thread at a time.

    One of all `finishes_others`: it also works on what mailboxes have read that are read no more (see
    fetch/succession.py).
    """

    def __init__(
        self,
        mailbox: Mailbox,
        reading: Reading,
        shared: Shared,
        *,
        read: Read,
        find_copies: FindCopies,
        handle: Handle,
        finishes_others: bool = False,
    ) -> None:
        self.mailbox = mailbox
        self.reading = reading
        self._shared = shared
        self._store = shared.store
        self._handle = handle
        self._finishes_others = finishes_others
        self._finished: queue.SimpleQueue[Future[Outcome | None]] = queue.SimpleQueue()
        self._in_hand = 0
        self._ids_in_hand: set[int] = set()
        self._copies_in_hand: set[int] = set()
        self._missing: frozenset[str] = frozenset()
        self._prepared = False
        self._intake = Intake(mailbox, reading, self._store, shared.stop)
        folders = [folder for folder in (reading.failure_folder, reading.success_folder) if folder]
        self._anew = Anew(mailbox, self._store, self._intake.fetcher, folders)
        self._reader = MailReader(reading, self._store, read=read, find_copies=find_copies, report=self._report)
        self._filer = Filer(mailbox, reading, self._store, on_fault=self._fault)
        self._stations = (
            self._shared.succession.once,
            self._shared.fitness.begin,
            self._work_on_what_is_due,
            self._prepare,
            self._filer.leftovers,
            self._read_folders,
            self._fetch_anew,
        )
        self._on_outcome: Callable[[Outcome], None] = lambda _outcome: None
        self._result = PassResult(mailbox.name)
        self._why = ""
        self._files_now = True
        self._trouble = ""
        """What ended a pass last, but for our own limit of logins."""
        self.undecided = False
        """Did the last pass end since the settings do not say whether the mail that lies there counts?"""

    def once(
        self,
        on_outcome: Callable[[Outcome], None] = lambda _outcome: None,
        *,
        why: str = "by hand",
        server: bool = True,
    ) -> PassResult:
        """Make one pass: what is due, then what is new, then file. Return what was done; never raises.

        `why` is who asked for it, for the record of each new mail. Without `server` the mail server is left alone:
        only what is due is worked on, and filed by a later pass.
        """
        self._result = PassResult(self.mailbox.name)
        self.undecided = False
        self._why = why
        self._on_outcome = on_outcome
        self._files_now = server
        with structlog.contextvars.bound_contextvars(mailbox=self.mailbox.name):
            for station in self._stations if server else self._stations[:3]:
                if not self._went_well(station):
                    break
            self._went_well(self._drain)
            self._went_well(self._filer.finish)
        if self._result.error is None:
            self._trouble = ""
        self._result.paused = self._shared.fitness.words_of(self.mailbox.name)
        return self._result

    def _went_well(self, station: Callable[[], None]) -> bool:
        """Do it. When an error of ours ends it, keep the first one as the pass's, and say so once."""
        try:
            station()
        except MailbridgeError as error:
            self._fault(error)
            return False
        except Exception as error:  # noqa: BLE001 - the border of a mailbox: its thread goes on, and so do the others
            log.error("receive.fault", kind=type(error).__name__, where=where(error))  # noqa: TRY400 - no local values
            self._fault(MailboxError(f"mailbox {self.mailbox.name}: {fault(error)}"))
            return False
        return True

    def _fault(self, error: MailbridgeError) -> None:
        self.undecided = self.undecided or isinstance(error, StartUndecided)
        if self._result.error is not None:
            return
        words = str(error)
        if isinstance(error, TooManyLogins) and self._trouble:
            words = f"{self._trouble} ({words})"  # why the server is left alone is what an admin must know
        else:
            self._trouble = words
        log.warning("receive.interrupted", reason=words)
        self._result.error = words
        self._result.login_refused = refused(error)

    def _prepare(self) -> None:
        """Connect, and make sure that there is somewhere to file to before the first mail is read."""
        self.mailbox.connect()
        self._intake.fetcher.begin(f"run {self._why}; {spoken(self.mailbox.connected())}")
        if self._prepared:
            return
        for folder in (self.reading.success_folder, self.reading.failure_folder):
            if folder and self.mailbox.ensure_folder(folder):
                log.info("receive.folder_made", folder=folder)
        self._prepared = True

    @property
    def names(self) -> tuple[str, ...]:
        """The mailboxes whose mails are worked on here, this one's first."""
        return (self.mailbox.name, *(self._shared.succession.others if self._finishes_others else ()))

    def _work_on_what_is_due(self) -> None:
        """The mails of earlier passes whose time has come; Redmine's work first, the mail server need not be there."""
        tried: set[int] = set()
        while not self._shared.stop.is_set() and self._shared.gate.closed_for == 0.0:
            rows = [row for name in self.names for row in self._store.due(name) if row.id not in tried]
            if not rows:
                return
            tried.update(row.id for row in rows)
            self._work_on(rows)
            for row in rows:
                name = row.location.mailbox
                if row.raw is None and name in self._shared.succession.gone:  # nobody fetches it
                    reason = f'its bytes were not fetched, and the settings know no mailbox "{name}"'
                    self._reader.set_aside(row, reason)
            self._drain()

    # ------------------------------------------------------------------ what is new

    def _read_folders(self) -> None:
        """Read each folder. One that is not there is named, and the others are read all the same."""
        for folder in self.reading.folders:
            try:
                self._read_folder(folder)
            except FolderMissing as error:
                self._result.missing[folder] = str(error)
                if folder not in self._missing:
                    log.warning("receive.folder_missing", folder=folder, reason=str(error))
        self._missing = frozenset(self._result.missing)
        if len(self._missing) == len(self.reading.folders):
            raise FolderMissing("; ".join(self._result.missing.values()))
        if not self._shared.stop.is_set():
            self._intake.finish()

    @property
    def listened_to(self) -> str:
        """The folder to listen to: the first one that was there in the last pass."""
        there = [folder for folder in self.reading.folders if folder not in self._missing]
        return (there or self.reading.folders)[0]

    def _read_folder(self, folder: str) -> None:
        for rows in self._intake.new(folder):
            self._result.seen += len(rows)
            for row in rows:
                if row.raw is None:
                    at = row.next_try_at if row.state in OPEN else None
                    self._report(Outcome(row, row.state, row.reason or "", retry_at=at))
            self._work_on([row for row in rows if row.state in OPEN and row.next_try_at == 0.0], new=True)

    def _fetch_anew(self) -> None:
        """What did not come, or is to be tried again and has no bytes here. Last: it may break the connection."""
        rows = [] if self._shared.stop.is_set() else self._anew.due()
        if not rows:
            return
        self._drain()
        self._filer.finish()
        come: list[MailRow] = []
        for outcome in self._anew.fetch(rows):
            if outcome.row.raw is None:
                self._report(outcome)
            else:
                come.append(outcome.row)
        self._work_on(come, new=True)

    # ------------------------------------------------------------------ work

    def _work_on(self, rows: Sequence[MailRow], *, new: bool = False) -> None:
        """Read these mails and hand them to the pool, in order. `new`: no pass has seen them before."""
        rows = [row for row in rows if row.id not in self._ids_in_hand and row.raw is not None]
        if not rows:
            return
        read, copies = self._reader.open(rows)
        self._copies_in_hand.update(copies)
        self._result.found += sum(row.id not in copies for row, _ in read) if new else 0
        if self._shared.stop.is_set() or self._shared.gate.closed_for > 0:
            return
        for kept, message in read:
            row = replace(kept, message_id=message.message_id, sender=message.sender.key, subject=message.subject)
            while self._in_hand >= self.reading.in_hand:
                self._collect(at_least=self.reading.batch)
            self._submit(row, message, copies.get(row.id))
        self._collect()

    def _submit(self, row: MailRow, message: Message, copy_of: MailRow | None) -> None:
        def one(_before: Iterable[Future[Outcome | None]]) -> Outcome | None:
            """In a thread of the pool: one mail, after those of its conversation. None when it must wait."""
            if self._shared.stop.is_set() or self._shared.gate.closed_for > 0:
                return None
            place = row.location
            with structlog.contextvars.bound_contextvars(
                mailbox=place.mailbox, uid=place.uid, message_id=message.message_id
            ):
                return self._handle(row, message, copy_of)

        self._in_hand += 1
        self._ids_in_hand.add(row.id)
        work = self._shared.conversations.submit(self._shared.pool, identifiers(message), one)
        work.add_done_callback(self._finished.put)

    def _collect(self, *, at_least: int = 0) -> None:
        """Take finished work, waiting until there is so much of it, and file it together."""
        done: list[Outcome] = []
        while self._in_hand:
            try:
                work = self._finished.get(block=at_least > 0)
            except queue.Empty:
                break
            self._in_hand -= 1
            at_least -= 1
            try:
                outcome = work.result()
            except MailbridgeError as error:
                self._fault(error)
                continue
            except Exception as error:  # noqa: BLE001 - the border of a mail in the pool: it is due again next time
                log.error("mail.fault", kind=type(error).__name__, where=where(error))  # noqa: TRY400 - no local values
                self._fault(MailboxError(f"mailbox {self.mailbox.name}: {fault(error)}"))
                continue
            if outcome is not None:
                self._result.found += not outcome.open and outcome.row.id not in self._copies_in_hand
                done.append(outcome)
        ours = [one for one in done if self._files_now and one.row.location.mailbox == self.mailbox.name]
        for outcome in self._filer.file(ours):
            self._report(outcome)
        for outcome in done:
            if outcome not in ours:  # it lies where nobody looks now
                self._report(outcome)

    def _drain(self) -> None:
        """Wait for what is in hand and file it."""
        while self._in_hand:
            self._collect(at_least=1)
        self._copies_in_hand.clear()
        self._ids_in_hand.clear()  # a mail that was not carried to an end is due again in the next pass

    def _report(self, outcome: Outcome) -> None:
        level = log.info if not outcome.open else log.warning
        level("mail", state=outcome.state.value, issue=outcome.issue, reason=outcome.line, id=outcome.row.id)
        self._on_outcome(outcome)


def spoken(found: Connected) -> str:
    """Given what a connection turned out to be, return it in one phrase."""
    over = f"connection to {found.peer}" if found.peer else f"connection to {found.greeting}"
    return f"{over}, {found.tls or 'not encrypted'}, login by {found.mechanism}"
