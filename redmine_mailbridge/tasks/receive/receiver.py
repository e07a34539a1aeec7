"""The receive task: one pass over one mailbox.

    list → fetch → store → parse → (in the pool) decide and execute → file

One thread communicates with the mail server; the mails are processed in a pool that all mailboxes share. An open mail
of an earlier pass is processed in the same way, with its stored content.
"""

import queue
import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import field, replace

import structlog

from redmine_mailbridge.errors import FolderMissing, MailboxError, MailbridgeError, TooManyLogins
from redmine_mailbridge.mailboxes.contract import Mailbox
from redmine_mailbridge.model.mail import Message
from redmine_mailbridge.model.mail_state import OPEN
from redmine_mailbridge.model.mailbox import ConnectionInfo
from redmine_mailbridge.model.stored_mail import StoredMail
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.tasks.receive.circuit_breaker import CircuitBreaker
from redmine_mailbridge.tasks.receive.fetch.fetcher import FetchSettings, MailFetcher, StartUndecided
from redmine_mailbridge.tasks.receive.fetch.pass_backoff import refused
from redmine_mailbridge.tasks.receive.fetch.refetch import Refetcher
from redmine_mailbridge.tasks.receive.fetch.succession import Succession
from redmine_mailbridge.tasks.receive.filing import Filer
from redmine_mailbridge.tasks.receive.mail_reader import FindCopies, MailReader, ReadMail
from redmine_mailbridge.tasks.receive.ordering import ConversationOrder, identifiers
from redmine_mailbridge.tasks.receive.result import ProcessingResult
from redmine_mailbridge.tasks.receive.settings_fitness import SettingsFitness
from redmine_mailbridge.util.dataclass import dataclass
from redmine_mailbridge.util.error_boundary import fault, where

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class PassResult:
    """The result of one pass over a mailbox. `error` is the error that ended it early; None after a complete pass.

    `seen` is the number of new mails in the mailbox; `handled` is the number of mails that were new or were closed,
    without copies. `missing` contains an error for each missing folder when others were read. `login_refused`: the
    error is a refused login. `paused`: why mail waits because the mailbox's settings do not fit Redmine.
    """

    mailbox: str
    seen: int = 0
    handled: int = 0
    error: str | None = None
    missing: dict[str, str] = field(default_factory=dict)
    login_refused: bool = False
    paused: str | None = None


@dataclass(frozen=True, slots=True)
class SharedResources:
    """The objects that all receivers share: the store, the pool, the order of conversations, the circuit breaker, the
    stop event, the succession of mailboxes, and the check of their settings against Redmine.
    """

    store: Store
    pool: Executor
    conversations: ConversationOrder[ProcessingResult | None]
    breaker: CircuitBreaker
    stop: threading.Event
    succession: Succession
    settings_fitness: SettingsFitness


class Receiver:
    """Receives the mail of one mailbox. `once` is called repeatedly, by one thread at a time.

    `carry_on` carries out decisions about messages that are in Redmine.

    Exactly one receiver has `finishes_others`: it also processes the mail of mailboxes that are no longer read (see
    fetch/succession.py).
    """

    def __init__(
        self,
        mailbox: Mailbox,
        reading: FetchSettings,
        shared: SharedResources,
        *,
        read: ReadMail,
        find_copies: FindCopies,
        handle: Callable[[StoredMail, Message, StoredMail | None], ProcessingResult],
        carry_on: Callable[[Collection[str]], None],
        finishes_others: bool = False,
    ) -> None:
        self.mailbox = mailbox
        self.reading = reading
        self._shared = shared
        self._store = shared.store
        self._handle = handle
        self._carry_on = carry_on
        self._finishes_others = finishes_others
        self._finished: queue.SimpleQueue[Future[ProcessingResult | None]] = queue.SimpleQueue()
        self._in_hand = 0
        self._ids_in_hand: set[int] = set()
        self._copies_in_hand: set[int] = set()
        self._missing: frozenset[str] = frozenset()
        self._prepared = False
        self._fetcher = MailFetcher(mailbox, reading, self._store, shared.stop)
        folders = [folder for folder in (reading.failure_folder, reading.success_folder) if folder]
        self._anew = Refetcher(mailbox, self._store, self._fetcher.downloader, folders)
        self._reader = MailReader(reading, self._store, read=read, find_copies=find_copies, report=self._report)
        self._filer = Filer(mailbox, reading, self._store, on_fault=self._fault)
        self._steps = (
            self._shared.succession.once,
            self._shared.settings_fitness.begin,
            self._work_on_what_is_due,
            self._prepare,
            self._filer.leftovers,
            self._read_folders,
            self._fetch_anew,
        )
        self._on_outcome: Callable[[ProcessingResult], None] = lambda _outcome: None
        self._result = PassResult(mailbox.name)
        self._why = ""
        self._files_now = True
        self._trouble = ""
        """The last error of a pass, except the login limit of this program."""
        self.undecided = False
        """Whether the last pass ended because the settings do not say whether to read existing mail."""

    def once(
        self,
        on_outcome: Callable[[ProcessingResult], None] = lambda _outcome: None,
        *,
        why: str = "requested by a user",
        server: bool = True,
    ) -> PassResult:
        """Make one pass: process due mail, then new mail, then file. Return the result; never raise.

        `why` is the trigger, for the history of each new mail. Without `server`, the mail server is not contacted: only
        due mail is processed, and filed by a later pass.
        """
        self._result = PassResult(self.mailbox.name)
        self.undecided = False
        self._why = why
        self._on_outcome = on_outcome
        self._files_now = server
        with structlog.contextvars.bound_contextvars(mailbox=self.mailbox.name):
            for step in self._steps if server else self._steps[:3]:
                if not self._went_well(step):
                    break
            self._went_well(self._drain)
            self._went_well(self._filer.finish)
        if self._result.error is None:
            self._trouble = ""
        self._result.paused = self._shared.settings_fitness.words_of(self.mailbox.name)
        return self._result

    def _went_well(self, step: Callable[[], None]) -> bool:
        """Run a step. If it raises an error of this program, keep the first one as the error of the pass."""
        try:
            step()
        except MailbridgeError as error:
            self._fault(error)
            return False
        except Exception as error:  # noqa: BLE001 - the boundary of a mailbox: its thread and the others continue
            log.error("receive.fault", kind=type(error).__name__, where=where(error))  # noqa: TRY400 - no local values
            self._fault(MailboxError(f"mailbox {self.mailbox.name}: {fault(error)}"))
            return False
        return True

    def _fault(self, error: MailbridgeError) -> None:
        self.undecided = self.undecided or isinstance(error, StartUndecided)
        if self._result.error is not None:
            return
        reason = str(error)
        if isinstance(error, TooManyLogins) and self._trouble:
            reason = f"{self._trouble} ({reason})"  # an admin needs to know why the server is not contacted
        else:
            self._trouble = reason
        log.warning("receive.interrupted", reason=reason)
        self._result.error = reason
        self._result.login_refused = refused(error)

    def _prepare(self) -> None:
        """Connect, and ensure that the folders for filing exist before the first mail is read."""
        self.mailbox.connect()
        self._fetcher.downloader.begin(f"run: {self._why}; {connection_line(self.mailbox.connected())}")
        if self._prepared:
            return
        for folder in (self.reading.success_folder, self.reading.failure_folder):
            if folder and self.mailbox.ensure_folder(folder):
                log.info("receive.folder_created", folder=folder)
        self._prepared = True

    @property
    def names(self) -> tuple[str, ...]:
        """The mailboxes whose mail is processed here, this one first."""
        return (self.mailbox.name, *(self._shared.succession.others if self._finishes_others else ()))

    def _work_on_what_is_due(self) -> None:
        """Process the due mails of earlier passes. This comes first, since it does not need the mail server."""
        tried: set[int] = set()
        while not self._shared.stop.is_set() and self._shared.breaker.closed_for == 0.0:
            rows = [row for name in self.names for row in self._store.due(name) if row.id not in tried]
            if not rows:
                break
            tried.update(row.id for row in rows)
            self._work_on(rows)
            for row in rows:
                name = row.location.mailbox
                if row.raw is None and name in self._shared.succession.gone:  # no mailbox fetches it any more
                    reason = f'its content was not fetched, and mailbox "{name}" is not in the settings'
                    self._reader.set_aside(row, reason)
            self._drain()
        if not self._shared.stop.is_set() and self._shared.breaker.closed_for == 0.0:
            self._carry_on(self.names)

    # ------------------------------------------------------------------ what is new

    def _read_folders(self) -> None:
        """Read each folder. A missing one is reported, and the others are read nevertheless."""
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
            self._fetcher.finish()

    @property
    def listened_to(self) -> str:
        """The folder to watch by IDLE: the first one that existed in the last pass."""
        existing = [folder for folder in self.reading.folders if folder not in self._missing]
        return (existing or self.reading.folders)[0]

    def _read_folder(self, folder: str) -> None:
        for rows in self._fetcher.new(folder):
            self._result.seen += len(rows)
            for row in rows:
                if row.raw is None:
                    retry_at = row.next_try_at if row.state in OPEN else None
                    self._report(ProcessingResult(row, row.state, row.reason or "", retry_at=retry_at))
            self._work_on([row for row in rows if row.state in OPEN and row.next_try_at == 0.0], new=True)

    def _fetch_anew(self) -> None:
        """Fetch mails that failed before, or that are retried without stored content. Last, as it may break the
        connection.
        """
        rows = [] if self._shared.stop.is_set() else self._anew.due()
        if not rows:
            return
        self._drain()
        self._filer.finish()
        come: list[StoredMail] = []
        for outcome in self._anew.fetch(rows):
            if outcome.row.raw is None:
                self._report(outcome)
            else:
                come.append(outcome.row)
        self._work_on(come, new=True)

    # ------------------------------------------------------------------ work

    def _work_on(self, rows: Sequence[StoredMail], *, new: bool = False) -> None:
        """Parse these mails and submit them to the pool, in order. `new`: no earlier pass has seen them."""
        rows = [row for row in rows if row.id not in self._ids_in_hand and row.raw is not None]
        if not rows:
            return
        opened, copies = self._reader.open(rows)
        self._copies_in_hand.update(copies)
        self._result.handled += sum(row.id not in copies for row, _ in opened) if new else 0
        if self._shared.stop.is_set() or self._shared.breaker.closed_for > 0:
            return
        for stored, message in opened:
            row = replace(stored, message_id=message.message_id, sender=message.sender.key, subject=message.subject)
            while self._in_hand >= self.reading.in_hand:
                self._collect(at_least=self.reading.batch)
            self._submit(row, message, copies.get(row.id))
        self._collect()

    def _submit(self, row: StoredMail, message: Message, copy_of: StoredMail | None) -> None:
        def process(_before: Iterable[Future[ProcessingResult | None]]) -> ProcessingResult | None:
            """Process one mail in a thread of the pool, after those of its conversation. None when it must wait."""
            if self._shared.stop.is_set() or self._shared.breaker.closed_for > 0:
                return None
            place = row.location
            with structlog.contextvars.bound_contextvars(
                mailbox=place.mailbox, uid=place.uid, message_id=message.message_id
            ):
                return self._handle(row, message, copy_of)

        self._in_hand += 1
        self._ids_in_hand.add(row.id)
        work = self._shared.conversations.submit(self._shared.pool, identifiers(message), process)
        work.add_done_callback(self._finished.put)

    def _collect(self, *, at_least: int = 0) -> None:
        """Wait for at least `at_least` results, and file all finished mails together."""
        done: list[ProcessingResult] = []
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
            except Exception as error:  # noqa: BLE001 - the boundary of a mail in the pool: it is due again in the next pass
                log.error("mail.fault", kind=type(error).__name__, where=where(error))  # noqa: TRY400 - no local values
                self._fault(MailboxError(f"mailbox {self.mailbox.name}: {fault(error)}"))
                continue
            if outcome is not None:
                self._result.handled += not outcome.open and outcome.row.id not in self._copies_in_hand
                done.append(outcome)
        own_results = [
            result for result in done if self._files_now and result.row.location.mailbox == self.mailbox.name
        ]
        for outcome in self._filer.file(own_results):
            self._report(outcome)
        for outcome in done:
            if outcome not in own_results:  # it is in a mailbox that is not read now
                self._report(outcome)

    def _drain(self) -> None:
        """Wait for the mails being processed and file them."""
        while self._in_hand:
            self._collect(at_least=1)
        self._copies_in_hand.clear()
        self._ids_in_hand.clear()  # an unfinished mail is due again in the next pass

    def _report(self, outcome: ProcessingResult) -> None:
        level = log.info if not outcome.open else log.warning
        level("mail", state=outcome.state.value, issue=outcome.issue, reason=outcome.line, id=outcome.row.id)
        self._on_outcome(outcome)


def connection_line(connection: ConnectionInfo) -> str:
    """Given the properties of a connection, return them in one phrase."""
    target = f"connection to {connection.peer}" if connection.peer else f"connection to {connection.greeting}"
    return f"{target}, {connection.tls or 'not encrypted'}, login by {connection.mechanism}"
