"""Sends a job until it is carried out, once.

    (may be there already? look) → there? done
                                 → not there: record the intent → send → carried out? done
                                                                       → unclear, or refused as it is: once more

Each form in which it was sent is remembered, so that whichever Redmine has taken is found. It is sent in another form
(in simpler characters, without what an issue can do without) only when none of those before is there: Redmine refused
them, or a look found nothing.
"""

import datetime as dt
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import structlog
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from redmine_mailbridge.errors import RedmineRefused, RedmineUnavailable, RedmineUnclear, UnknownLogin
from redmine_mailbridge.model.mail import TextFormat
from redmine_mailbridge.model.stored_mail import MailRow
from redmine_mailbridge.redmine.newest import Mark
from redmine_mailbridge.redmine.requests import IssueRequest, NoteRequest
from redmine_mailbridge.redmine.size_limits import may_be_wide
from redmine_mailbridge.redmine.write_intent import Job
from redmine_mailbridge.redmine.writer import Writer, Written
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.queries.messages import Archive
from redmine_mailbridge.tasks.receive.claims import Claimed
from redmine_mailbridge.tasks.receive.settle import seconds_left, stamped
from redmine_mailbridge.tasks.receive.uploads import Files

log = structlog.get_logger(__name__)

IN_HAND_TRIES = 3
NARROWED = "4-byte characters replaced: this Redmine's database does not take them; the raw mail keeps them"
Form = Callable[[Job], tuple[Job, str]]
"""Makes another form of a job, and tells in a line how."""


@dataclass(slots=True)
class Sending:
    """A job on its way. `lines` are for the mail's record. `doubtful`: something that was sent may be there, so that a
    look comes before the next request. `fresh`: the tokens of its files were in no request of an earlier time. `other`
    is the form to go on with when nothing is there. `spent`: its tokens may be used up, so that there is none.
    """

    row: MailRow
    job: Job
    lines: tuple[str, ...] = ()
    doubtful: bool = False
    fresh: bool = True
    other: Form | None = None
    spent: bool = False


class Anew(RedmineUnavailable):
    """Nothing of a mail is in Redmine, and its intent is withdrawn, as it cannot be carried out: it is decided anew."""


class _Otherwise(RedmineRefused):
    """Redmine refuses it as it is: it is looked for, or sent in another form."""


class Once:
    """Sends jobs. `settle` in seconds. Safe to share among threads; a mail is in one thread's hand at a time."""

    def __init__(
        self, store: Store, writer: Writer, stop: threading.Event, settle: float, text_format: TextFormat
    ) -> None:
        self._store = store
        self._archive = Archive(store.database)
        self._writer = writer
        self._stop = stop
        self._settle = settle
        self.files = Files(writer, self.tries, text_format)

    def send(self, sending: Sending) -> Written:
        """Given a job, see to it that it is carried out once. Return what is there.

        Raise RedmineUnavailable and RedmineUnclear (its intent is recorded), RedmineRefused, and Anew or UnknownLogin
        when nothing is there and the intent is withdrawn.
        """
        while True:
            try:
                return self.tries()(self._step, sending)
            except _Otherwise:
                continue

    def wait(self, row: MailRow) -> float:
        """Given a mail whose intent is recorded, return for how many seconds what became of it cannot be known yet."""
        return seconds_left(row.request or "{}", self._settle, partial(self._store.rewrite, row.id))

    def intended(self, row: MailRow) -> Job:
        """Given a mail whose intent is recorded, return its job."""
        job = Job.from_json(row.request or "{}")
        if job.after is not None:
            return job
        # the first version kept only when it was sent
        sent = dt.datetime.fromtimestamp(row.first_sent_at or row.kept_at, dt.UTC)
        return job.marked(self._writer.look.newest_issue_before(sent) if job.creates else Mark(), 0)

    def look(self, row: MailRow, job: Job) -> Written | None:
        """Given a mail and its job, return what is there of it, and is no other mail's; None when it is not there.

        Raise RedmineError.
        """
        if job.creates:
            shared = self._archive.another_writes(row)
            found = self._writer.look.find_issue(job.issues, job.mark, self._others(job), shared=shared)
            return None if found is None else self._writer.adopt_issue(*found)
        try:
            written = self._writer.confirm_note(job.notes, job.mark.number, self._others(job), taken=False)
        except RedmineRefused as error:
            if error.status != 404:
                raise
            return None  # the issue is gone, and whatever was noted there with it
        return None if written.journal is None else written

    def tries(self) -> Retrying:
        """A plain failure inside Redmine, as of a locked database, is tried again in hand."""
        return Retrying(
            stop=stop_after_attempt(IN_HAND_TRIES),
            wait=wait_random_exponential(multiplier=0.3, max=3.0),
            retry=retry_if_exception(self._worth_another),
            sleep=self._pause,
            reraise=True,
            before_sleep=_say_again,
        )

    def _pause(self, seconds: float) -> None:
        self._stop.wait(seconds)

    def _worth_another(self, error: BaseException) -> bool:
        """Is it a failure that has ended inside Redmine, so that a look tells the truth at once?"""
        return isinstance(error, RedmineUnclear) and not error.settle and not self._stop.is_set()

    def _step(self, sending: Sending) -> Written:
        """Look if need be, then send once."""
        if sending.doubtful and (written := self.look(sending.row, sending.job)) is not None:
            return written
        if sending.spent:
            self._withdraw(sending)
            raise Anew("its files are not in Redmine any more")
        if sending.other is not None:
            sending.job, line = sending.other(sending.job)
            sending.lines, sending.other = (*sending.lines, line), None
        sending.job = self._marked(sending.job)
        self._store.intend(sending.row.id, stamped(sending.job.to_json()), sending.lines)
        sending.lines = ()
        try:
            return self._request(sending)
        except UnknownLogin:  # nothing was written, neither by this nor by what was looked for
            self._withdraw(sending)
            raise
        except RedmineUnclear as error:
            sending.doubtful = True
            if sending.other is None and may_be_wide(sending.job.request, error):
                sending.other = narrowed
                if error.settle:  # another pass looks, and goes on with the other form
                    sending.job = replace(sending.job, wide=True)
                    self._store.rewrite(sending.row.id, stamped(sending.job.to_json()))
            raise
        except RedmineRefused as error:
            self._refused(sending, error)
            raise

    def _request(self, sending: Sending) -> Written:
        job = sending.job
        if isinstance(job.request, IssueRequest):
            return self._writer.create_issue(job.request)
        self._writer.add_note(job.request)
        sending.doubtful = True  # should it be refused from here on: nothing can be seen of it, which was a success
        written = self._writer.confirm_note(job.notes, job.mark.number, self._others(job))
        if written.journal is None and (job.request.notes.strip() or job.request.uploads):
            raise RedmineRefused("; ".join(written.drift), status=204)
        return written

    def _others(self, job: Job) -> Claimed:
        """The issues, or notes of its issue, that other mails made."""
        claimed = self._archive.claimed_issue
        if isinstance(job.request, NoteRequest):
            claimed = partial(self._archive.claimed_journal, issue=job.request.issue)
        return Claimed(lambda number: not job.number_again(number) and claimed(number))

    def _refused(self, sending: Sending, error: RedmineRefused) -> None:
        """Redmine refuses. Raise _Otherwise where that is not the end of it, else note what is known."""
        job = sending.job
        # a request of an earlier time may have taken its files after the look, or Redmine has forgotten them
        sending.spent = error.status == 422 and bool(job.request.uploads) and not sending.fresh
        sending.other = None if sending.spent else self._other(job, error)
        if sending.spent or sending.other is not None:
            raise _Otherwise(str(error), status=error.status) from error
        if sending.doubtful:
            self._store.rewrite(sending.row.id, stamped(job.ended(dropped=error.status == 204).to_json()))
        else:
            self._withdraw(sending)

    def _withdraw(self, sending: Sending) -> None:
        """Nothing of the request is there: it is forgotten; but not that of a further note, whose mail is there."""
        if sending.job.first is None:
            self._store.withdraw(sending.row.id)

    def _other(self, job: Job, error: RedmineRefused) -> Form | None:
        if may_be_wide(job.request, error):
            return narrowed
        if error.status != 422:
            return None
        softer = job.softer()
        if softer is None:
            return None
        made, left_out = softer
        return lambda _job: (made, f"{error}: sent again without {', '.join(left_out)}")

    def _marked(self, job: Job) -> Job:
        """Given a job that is about to be sent, return it with the newest issue that is there before."""
        if job.after is not None:
            return job
        claimed = self._archive.newest_claimed()
        return job.marked(self._writer.look.newest_issue(), claimed)


def narrowed(job: Job) -> tuple[Job, str]:
    """Given a job, return it without characters of 4 bytes in UTF-8, and the line that tells it."""
    return job.narrowed(), NARROWED


def _say_again(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    log.warning("redmine.again", attempt=state.attempt_number, reason=str(error))
