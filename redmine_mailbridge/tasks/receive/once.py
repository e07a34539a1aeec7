"""Sends a write intent to Redmine exactly once.

    (may exist already? search) → found: done
                                → not found: record the intent → send → written: done
                                                                      → unclear, or rejected in this form: repeat

Every form in which the request was sent is recorded, so that a search finds whichever was accepted. Another form
(without 4-byte characters, without optional fields) is sent only if none of the earlier ones exists in Redmine: they
were rejected, or a search found nothing.
"""

import datetime as dt
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import structlog

from redmine_mailbridge.errors import RedmineRefused, RedmineUnavailable, RedmineUnclear, UnknownLogin
from redmine_mailbridge.model.mail import TextFormat
from redmine_mailbridge.model.stored_mail import StoredMail
from redmine_mailbridge.redmine.newest import IssueMark
from redmine_mailbridge.redmine.requests import IssueRequest, NoteRequest
from redmine_mailbridge.redmine.size_limits import may_contain_4byte_chars
from redmine_mailbridge.redmine.write_intent import WriteIntent
from redmine_mailbridge.redmine.writer import Writer, Written
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.queries.messages import MessageQueries
from redmine_mailbridge.tasks.receive.claims import ClaimedIds
from redmine_mailbridge.tasks.receive.settle import seconds_left, stamped
from redmine_mailbridge.tasks.receive.uploads import FileUploader
from redmine_mailbridge.util.dataclass import dataclass
from redmine_mailbridge.util.lazy import lazy_import

if TYPE_CHECKING:
    import tenacity
else:  # a pass that writes nothing repeats nothing
    tenacity = lazy_import("tenacity")

log = structlog.get_logger(__name__)

IN_HAND_TRIES = 3
NARROWED = "4-byte characters replaced: this Redmine's database does not take them; the raw mail keeps them"
ChangeIntent = Callable[[WriteIntent], tuple[WriteIntent, str]]
"""Given an intent, returns another form of it, and a line that describes the difference."""


@dataclass(slots=True)
class WriteAttempt:
    """An attempt to write an intent. `lines` are for the mail's history. `doubtful`: a request may have been executed,
    so a search comes before the next request. `fresh`: the upload tokens were not used in an earlier request. `other`
    is the form to send next if nothing is found. `spent`: the upload tokens may be used up, so no other form is sent.
    """

    row: StoredMail
    intent: WriteIntent
    lines: tuple[str, ...] = ()
    doubtful: bool = False
    fresh: bool = True
    other: ChangeIntent | None = None
    spent: bool = False


class DecideAgain(RedmineUnavailable):
    """The intent of a mail cannot be executed, nothing was written, and it is withdrawn: the mail is decided again."""


class _Otherwise(RedmineRefused):
    """Redmine rejects this form of the request: search for it, or send another form."""


class OnceWriter:
    """Writes intents. `settle` in seconds. Safe to share among threads; a mail is processed by one thread at a time."""

    def __init__(  # noqa: PLR0917 - what it is wired to
        self,
        store: Store,
        message_queries: MessageQueries,
        writer: Writer,
        stop: threading.Event,
        settle: float,
        text_format: TextFormat,
    ) -> None:
        self._store = store
        self._message_queries = message_queries
        self._writer = writer
        self._stop = stop
        self._settle = settle
        self.files = FileUploader(writer, self.tries, text_format)

    def send(self, sending: WriteAttempt) -> Written:
        """Given an attempt, ensure that its intent is executed once. Return what was written.

        Raise RedmineUnavailable or RedmineUnclear (the intent stays recorded), RedmineRefused, and DecideAgain or
        UnknownLogin when nothing was written and the intent is withdrawn.
        """
        while True:
            try:
                return self.tries()(self._step, sending)
            except _Otherwise:
                continue

    def wait(self, row: StoredMail) -> float:
        """Given a mail whose intent is recorded, return the seconds until its result can be known."""
        return seconds_left(row.request or "{}", self._settle, partial(self._store.rewrite, row.id))

    def intended(self, row: StoredMail) -> WriteIntent:
        """Given a mail whose intent is recorded, return the intent."""
        intent = WriteIntent.from_json(row.request or "{}")
        if intent.after is not None:
            return intent
        # the first version stored only the time of sending
        sent = dt.datetime.fromtimestamp(row.first_sent_at or row.kept_at, dt.UTC)
        return intent.marked(self._writer.recovery.newest_issue_before(sent) if intent.creates else IssueMark(), 0)

    def find_written(self, row: StoredMail, intent: WriteIntent) -> Written | None:
        """Given a mail and its intent, return its result in Redmine that no other mail has claimed; None if not found.

        Raise RedmineError.
        """
        if intent.creates:
            shared = self._message_queries.another_writes(row)
            accepted = self._writer.recovery.find_issue(intent.issues, intent.mark, self._others(intent), shared=shared)
            return None if accepted is None else self._writer.adopt_issue(*accepted)
        try:
            written = self._writer.confirm_note(intent.notes, intent.mark.number, self._others(intent), taken=False)
        except RedmineRefused as error:
            if error.status != 404:
                raise
            return None  # the issue was deleted together with its notes
        return None if written.journal is None else written

    def tries(self) -> "tenacity.Retrying":
        """The immediate retries after a simple failure inside Redmine, such as a locked database."""
        return tenacity.Retrying(
            stop=tenacity.stop_after_attempt(IN_HAND_TRIES),
            wait=tenacity.wait_random_exponential(multiplier=0.3, max=3.0),
            retry=tenacity.retry_if_exception(self._worth_another),
            sleep=self._pause,
            reraise=True,
            before_sleep=_say_again,
        )

    def _pause(self, seconds: float) -> None:
        self._stop.wait(seconds)

    def _worth_another(self, error: BaseException) -> bool:
        """Whether the failed request has ended inside Redmine, so that a search is reliable at once."""
        return isinstance(error, RedmineUnclear) and not error.settle and not self._stop.is_set()

    def _step(self, sending: WriteAttempt) -> Written:
        """Search if necessary, then send once."""
        if sending.doubtful and (written := self.find_written(sending.row, sending.intent)) is not None:
            return written
        if sending.spent:
            self._withdraw(sending)
            raise DecideAgain("its files no longer exist in Redmine")
        if sending.other is not None:
            sending.intent, line = sending.other(sending.intent)
            sending.lines, sending.other = (*sending.lines, line), None
        sending.intent = self._marked(sending.intent)
        requester = sending.intent.requester_address or None
        self._store.record_intent(sending.row.id, stamped(sending.intent.to_json()), sending.lines, requester=requester)
        sending.lines = ()
        try:
            return self._request(sending)
        except UnknownLogin:  # neither this request nor the earlier ones wrote anything
            self._withdraw(sending)
            raise
        except RedmineUnclear as error:
            sending.doubtful = True
            if sending.other is None and may_contain_4byte_chars(sending.intent.request, error):
                sending.other = retry_without_4byte_chars
                if error.settle:  # a later pass searches, and continues with the other form
                    sending.intent = replace(sending.intent, wide=True)
                    self._store.rewrite(sending.row.id, stamped(sending.intent.to_json()))
            raise
        except RedmineRefused as error:
            self._refused(sending, error)
            raise

    def _request(self, sending: WriteAttempt) -> Written:
        intent = sending.intent
        if isinstance(intent.request, IssueRequest):
            return self._writer.create_issue(intent.request)
        self._writer.add_note(intent.request)
        sending.doubtful = True  # in case it is refused from here on: a success of it could not be seen
        written = self._writer.confirm_note(intent.notes, intent.mark.number, self._others(intent))
        if written.journal is None and (intent.request.notes.strip() or intent.request.uploads):
            raise RedmineRefused("; ".join(written.mismatches), status=204)
        return written

    def _others(self, intent: WriteIntent) -> ClaimedIds:
        """The issues, or the notes of the issue, that were written by other mails."""
        claimed = self._message_queries.claimed_issue
        if isinstance(intent.request, NoteRequest):
            claimed = partial(self._message_queries.claimed_journal, issue=intent.request.issue)
        return ClaimedIds(lambda number: not intent.number_again(number) and claimed(number))

    def _refused(self, sending: WriteAttempt, error: RedmineRefused) -> None:
        """Redmine rejects the request. Raise _Otherwise if another form can be sent, else record the rejection."""
        intent = sending.intent
        # an earlier request may have used the uploads after the search, or Redmine has deleted them
        sending.spent = error.status == 422 and bool(intent.request.uploads) and not sending.fresh
        sending.other = None if sending.spent else self._other(intent, error)
        if sending.spent or sending.other is not None:
            raise _Otherwise(str(error), status=error.status) from error
        if sending.doubtful:
            self._store.rewrite(sending.row.id, stamped(intent.ended(dropped=error.status == 204).to_json()))
        else:
            self._withdraw(sending)

    def _withdraw(self, sending: WriteAttempt) -> None:
        """Withdraw an intent without a result, except that of a further note, since its mail has been written."""
        if sending.intent.first is None:
            self._store.withdraw(sending.row.id)

    def _other(self, intent: WriteIntent, error: RedmineRefused) -> ChangeIntent | None:
        if may_contain_4byte_chars(intent.request, error):
            return retry_without_4byte_chars
        if error.status != 422:
            return None
        reduction = intent.without_optional_fields()
        if reduction is None:
            return None
        reduced, left_out = reduction
        return lambda _intent: (reduced, f"{error}: sent again without {', '.join(left_out)}")

    def _marked(self, intent: WriteIntent) -> WriteIntent:
        """Given an intent that is about to be sent, return it with the newest existing issue."""
        if intent.after is not None:
            return intent
        claimed = self._message_queries.newest_claimed()
        return intent.marked(self._writer.recovery.newest_issue(), claimed)


def retry_without_4byte_chars(intent: WriteIntent) -> tuple[WriteIntent, str]:
    """Given an intent, return it without characters of 4 bytes in UTF-8, and a line that says so."""
    return intent.without_4byte_chars(), NARROWED


def _say_again(state: "tenacity.RetryCallState") -> None:
    error = state.outcome.exception() if state.outcome else None
    log.warning("redmine.retry", attempt=state.attempt_number, reason=str(error))
