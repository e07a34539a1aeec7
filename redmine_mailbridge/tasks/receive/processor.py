"""Processes one stored mail to its result: facts → decide → execute. All errors are handled here:

Redmine unavailable        → deferred; the circuit breaker stops all writes; never counts against the mail
unavailable for this mail  → deferred with growing pauses while others are processed; fails after several attempts
rejected the first time    → names are read again from Redmine, and the mail is retried once
settings do not fit        → the mailbox is paused and the mail waits; see settings_fitness.py
user no longer exists      → decided again
result unclear             → deferred, then searched for; counts if other mails were written meanwhile
rejected by Redmine        → REJECTED with Redmine's error
internal error             → deferred with growing pauses; fails after several attempts
"""

from collections.abc import Sequence
from dataclasses import replace

import structlog

from redmine_mailbridge.errors import (
    RedmineRefused,
    RedmineUnavailable,
    RedmineUnclear,
    SettingsUnfit,
    StoreError,
    UnknownLogin,
)
from redmine_mailbridge.mail.mime.address_syntax import spellings
from redmine_mailbridge.model.facts import Facts
from redmine_mailbridge.model.mail import AutomaticKind, Message
from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.model.pending_replies import PendingReplies
from redmine_mailbridge.model.plan import Action, Plan
from redmine_mailbridge.model.stored_mail import StoredMail
from redmine_mailbridge.policy.manual import ManualDecision
from redmine_mailbridge.policy.own_addresses import responsible
from redmine_mailbridge.policy.references import referenced
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.outgoing.adding import NewAnswer
from redmine_mailbridge.store.outgoing.outbox import Outbox
from redmine_mailbridge.store.outgoing.rows import QUEUED, SENT
from redmine_mailbridge.store.queries.messages import MessageFilter, MessageQueries
from redmine_mailbridge.tasks.receive.acknowledgements import AutoReplies
from redmine_mailbridge.tasks.receive.circuit_breaker import CircuitBreaker
from redmine_mailbridge.tasks.receive.executor import PlanExecutor
from redmine_mailbridge.tasks.receive.held_replies import ReplyHold
from redmine_mailbridge.tasks.receive.planner import Planner
from redmine_mailbridge.tasks.receive.result import ProcessingResult
from redmine_mailbridge.tasks.receive.settings_fitness import DecisionAttempt, SettingsFitness
from redmine_mailbridge.util.error_boundary import fault, where

log = structlog.get_logger(__name__)

ENDS = {Action.REFUSE: State.REJECTED, Action.HOLD: State.HELD, Action.JUNK: State.REJECTED}
LONGEST_PAUSE = 1800.0
WAIT_AT_MOST = 600.0
"""Maximum seconds between two checks of a mail that another one waits for."""


class MessageProcessor:
    """Processes one mail to its result. Safe to share among threads."""

    def __init__(
        self,
        store: Store,
        planner: Planner,
        executor: PlanExecutor,
        breaker: CircuitBreaker,
        settings_fitness: SettingsFitness,
        *,
        message_queries: MessageQueries,
        outbox: Outbox,
        answers: AutoReplies,
        settle: float,
        max_attempts: int,
        replies: ReplyHold,
    ) -> None:
        self._store = store
        self._message_queries = message_queries
        self._outbox = outbox
        self._planner = planner
        self._executor = executor
        self._breaker = breaker
        self._settings_fitness = settings_fitness
        self._answers = answers
        self._settle = settle
        self._give_up_after = max_attempts
        self._replies = replies

    def read(self, row: StoredMail) -> Message:
        """Given a stored mail, return its message; never fail because of the mail's content."""
        raw = self._store.raw.read(row.raw or "")
        return self._planner.read(raw, row.location.mailbox, truncated=row.truncated)

    def process(self, row: StoredMail, message: Message, copy_of: StoredMail | None) -> ProcessingResult:
        """Given a mail, decide and execute, or continue an earlier attempt. Raise only StoreError."""
        try:
            outcome = self._twice(row, message, copy_of)
        except StoreError:
            raise
        except UnknownLogin as error:  # nothing was written, and the decision is different now
            outcome = self._failed(row, f"will be decided again: {error}")
        except RedmineUnavailable as error:
            outcome = self._away(row, error)
        except RedmineUnclear as error:
            outcome = self._unclear(row, error)
        except RedmineRefused as error:
            outcome = self._end(row, State.REJECTED, f"Redmine refuses: {error}")
        except Exception as error:  # noqa: BLE001 - the boundary of a mail: an error affects only that mail
            # without the error's text, which may contain text of the mail
            log.error("mail.fault", id=row.id, kind=type(error).__name__, where=where(error))  # noqa: TRY400 - the trace may quote the mail
            outcome = self._failed(row, fault(error))
        if outcome.state is State.DONE and outcome.issue is not None and not _ignored(outcome):
            self._breaker.record_success(row.id)
        if not outcome.open:
            self._breaker.settled(row.id)
        self._settings_fitness.settled(outcome)
        return outcome

    def _twice(self, row: StoredMail, message: Message, copy_of: StoredMail | None) -> ProcessingResult:
        """Process the mail. If Redmine rejects it, read all names again from Redmine and retry once."""
        attempt = DecisionAttempt()
        try:
            return self._handle(row, message, copy_of, attempt)
        except (RedmineRefused, SettingsUnfit, UnknownLogin) as error:
            self._settings_fitness.ask_anew(error)
            refused = error
        learnt = self._settings_fitness.learn(attempt, refused)
        try:
            if isinstance(refused, RedmineRefused) and refused.status == 204 and not learnt:  # it may exist, invisible
                raise refused
            attempt = DecisionAttempt()
            (row,) = self._message_queries.messages(MessageFilter(ids=[row.id]))
            return self._handle(row, message, copy_of, attempt)
        except SettingsUnfit as error:
            lines = error.lines
        except RedmineRefused as error:
            lines = self._settings_fitness.blame(message, row.location.mailbox, attempt, error)
            if not lines:
                raise _placed(error, attempt.plan) from None
        if _named_by_hand(row):  # not what the settings name: only this mail is concerned
            return self._end(row, State.HELD, f"Redmine refuses: {'; '.join(lines)}")
        return self._settings_fitness.pause(
            row, self._settings_fitness.responsible_for(message, row.location.mailbox), lines
        )

    def _handle(
        self, row: StoredMail, message: Message, copy_of: StoredMail | None, attempt: DecisionAttempt
    ) -> ProcessingResult:
        if row.state is State.WRITE_PENDING:
            last_try = row.tries >= self._give_up_after
            outcome = self._last_look(row, message) if last_try else self._executor.recover(row, message)
            if outcome is not None:
                return outcome
            (row,) = self._message_queries.messages(MessageFilter(ids=[row.id]))
        manual_decision = _decided(row)
        original = self._store.speaker(row.id) if copy_of is not None and manual_decision is None else None
        if original is not None:
            return self._copy(row, original)
        if row.location.mailbox not in self._planner.contexts:
            name = row.location.mailbox
            return self._end(
                row, State.FAILED, f'mailbox "{name}" is not in the settings: restore it, then run `messages retry`'
            )
        if manual_decision is None:
            name = self._settings_fitness.responsible_for(message, row.location.mailbox)
            if (waits := self._settings_fitness.waiting(row, name)) is not None:
                return waits
        earlier = self._earlier(row, message)
        if earlier is not None:
            return self._wait_for(row, earlier, f"waits for the earlier mail {earlier.id} of the conversation")
        plan, facts = self._planner.plan(
            message,
            row.location.mailbox,
            first_sync=row.first_sync,
            accepted=row.accepted,
            row=row,
            manual_decision=manual_decision,
        )
        attempt.plan, attempt.facts = plan, facts
        if plan.unfit and manual_decision is None:
            raise SettingsUnfit(*plan.unfit)
        return self._follow(row, message, plan, facts)

    def _follow(self, row: StoredMail, message: Message, plan: Plan, facts: Facts) -> ProcessingResult:
        """Execute the decision."""
        if plan.action is Action.NOTE and self._replies.closed and not row.released:
            return self._hold(row, plan)
        if message.automatic.kind is AutomaticKind.BOUNCE:
            self._bounced(message, noted=plan.action is Action.NOTE)
        if plan.action in {Action.CREATE, Action.NOTE}:
            self._settings_fitness.look(message, row, plan, facts)
            if plan.action is Action.CREATE:
                return self._executor.execute(row, plan, plan.project or "", message)
            issue = facts.issues[plan.issue or 0]
            return self._executor.execute(row, plan, issue.project, message, issue)
        if plan.action is Action.IGNORE:
            self._store.done(row.id, plan.reason, issue=None, lines=plan.steps)
            return ProcessingResult(row, State.DONE, plan.reason, issue=plan.issue, plan=plan)
        answers = self._answers.to(row, message, PendingReplies.by(plan), issue=None)
        return self._end(row, ENDS[plan.action], plan.reason, plan, answers)

    def _hold(self, row: StoredMail, plan: Plan) -> ProcessingResult:
        """Hold a reply until the update task runs, if that has its own schedule."""
        reason = f"a reply to #{plan.issue}: waits for the update task"
        return ProcessingResult(
            row, row.state, reason, issue=plan.issue, retry_at=self._store.hold_reply(row.id, reason), plan=plan
        )

    def _bounced(self, message: Message, *, noted: bool) -> None:
        """Given a delivery report, record which sent mails failed permanently. A delay changes nothing. `noted`: the
        report becomes a note, so that another one is needed only for a change of the status.
        """
        failed = {bounced.recipient.lower(): bounced for bounced in message.automatic.bounced if bounced.hard}
        hard = {spelling: bounced for address, bounced in failed.items() for spelling in spellings(address)}
        copies = [copy for copy in self._outbox.copies(message.automatic.about) if copy.state in {QUEUED, SENT}]
        for mail in copies if failed else ():
            only = next(iter(failed.values())) if len(copies) == 1 and len(failed) == 1 else None
            failure = hard.get(mail.recipient) or only  # a relay may have rewritten the address
            if failure is not None:
                reason = " ".join(f"{failure.status} {failure.diagnostic}".split())[:300] or "not delivered"
                context = self._planner.contexts.get(mail.mailbox)
                moves = context is not None and context.route.issue.bounce_status is not None
                self._outbox.bounced(mail, reason, reported=noted and not (moves and self._outbox.may_move(mail)))

    def _copy(self, row: StoredMail, original: StoredMail) -> ProcessingResult:
        """Close a copy with the result of the original."""
        if original.state is State.DONE:
            issue = f" (#{original.issue})" if original.issue is not None else ""
            reason = f"a copy of mail {original.id}{issue}: nothing to do"
            self._store.done(row.id, reason, lines=(reason,))
            return ProcessingResult(row, State.DONE, reason)
        if original.state in {State.REJECTED, State.FAILED}:
            return self._end(
                row, original.state, f"a copy of mail {original.id}: {original.reason}", junk=original.junk
            )
        return self._wait_for(row, original, f"a copy of mail {original.id}, which has not been processed yet")

    def _earlier(self, row: StoredMail, message: Message) -> StoredMail | None:
        """An earlier mail of the conversation whose issue is not known yet."""
        ids = referenced(message)
        context = self._planner.contexts[row.location.mailbox]
        _, route = responsible(message, context.identity, context.route)
        window = route.issue.bundle_window.total_seconds()
        if not ids and not window:
            return None
        same = (message.sender.key, message.subject, row.kept_at - window) if window else None
        return self._message_queries.open_before(row, ids, same=same)

    def _wait_for(self, row: StoredMail, other: StoredMail, reason: str) -> ProcessingResult:
        """Retry right after the other mail's next attempt, with pauses that grow while this mail waits."""
        now = self._store.clock()
        waited = now - row.kept_at if row.kept_at <= now else WAIT_AT_MOST  # the clock was set back
        patience = min(0.5 + waited / 20, WAIT_AT_MOST)
        until_then = min(max(other.next_try_at - now, 0.0), LONGEST_PAUSE)
        pause = WAIT_AT_MOST if other.state is State.HELD else until_then + patience
        return self._defer(row, reason, after=pause, counts=False)

    # ------------------------------------------------------------------ Redmine fails

    def _away(self, row: StoredMail, error: RedmineUnavailable) -> ProcessingResult:
        """Nothing was written: Redmine is unavailable, or fails only on what this mail needs."""
        pause = self._breaker.failed(row.id, error)
        if pause > 0:  # it is due as soon as the breaker closes, which a user may request
            deferred = self._defer(row, error.why_all_waits, after=0.0, counts=False)
            return replace(deferred, retry_at=self._store.clock() + pause)
        if self._is_to_blame(row) or (not error.writing and self._breaker.is_alone(row.id)):
            return self._failed(row, f"Redmine is available, but a request for this mail fails: {error}")
        reason = f"Redmine does not accept it at present: {error}"
        return self._defer(row, reason, after=self._breaker.pause_for(row.id), counts=False)

    def _unclear(self, row: StoredMail, error: RedmineUnclear) -> ProcessingResult:
        """Something may have been written. The intent is recorded; the next attempt searches first.

        The attempt counts only against a mail that Redmine fails on while accepting others.
        """
        self._breaker.in_trouble(row.id)
        blamed = self._is_to_blame(row)
        if not error.settle and blamed:
            return self._failed(row, f"Redmine fails on it: {error}")
        if not error.settle:
            return self._defer(row, f"Redmine fails: {error}", after=self._breaker.pause_for(row.id), counts=False)
        pause = min(self._settle * 2.0 ** min(row.tries, 10), LONGEST_PAUSE) if blamed else self._settle
        return self._defer(row, f"unclear whether it was written: {error}", after=pause, counts=blamed)

    def _is_to_blame(self, row: StoredMail) -> bool:
        """Whether Redmine has accepted another mail since the last attempt; if it accepts none, no mail is to blame."""
        tried_at = row.changed_at if row.last_sent_at is None else row.last_sent_at
        return self._message_queries.wrote_since(tried_at, self._store.clock())

    def _failed(self, row: StoredMail, reason: str) -> ProcessingResult:
        tries = row.tries + 1
        if tries < self._give_up_after:
            return self._defer(row, reason, after=None, counts=True)
        if tries == self._give_up_after and self._message_queries.state(row.id) is State.WRITE_PENDING:
            return self._defer(row, reason, after=self._settle, counts=True)  # one more search, see _last_look
        return self._end(row, State.FAILED, f"failed after {tries} attempts: {reason}")

    def _last_look(self, row: StoredMail, message: Message) -> ProcessingResult:
        """Before a mail fails, check whether its last attempt was successful after all."""
        reason = f"failed after {row.tries} attempts: {row.reason}"
        return self._executor.find_written(row, message) or self._end(row, State.FAILED, reason)

    def _defer(self, row: StoredMail, reason: str, *, after: float | None, counts: bool) -> ProcessingResult:
        retry_at = self._store.defer(row.id, reason, after=after, counts=counts)
        return ProcessingResult(row, row.state, reason, retry_at=retry_at)

    def _end(
        self,
        row: StoredMail,
        state: State,
        reason: str,
        plan: Plan | None = None,
        answers: Sequence[NewAnswer] = (),
        *,
        junk: bool = False,
    ) -> ProcessingResult:
        if state in {State.REJECTED, State.FAILED} and _is_moved(row):  # it is in Redmine, where it was
            state = State.HELD
        junk = junk or (plan is not None and plan.action is Action.JUNK)
        lines = plan.steps if plan else (f"{state.value}: {reason}",)  # a plan's last step is its reason
        self._store.finish(row.id, state, reason, lines, answers, junk=junk)
        return ProcessingResult(row, state, reason, plan=plan, junk=junk)


def _placed(error: RedmineRefused, plan: Plan | None) -> RedmineRefused:
    """A rejection, with its project."""
    if plan is None or not plan.project or plan.project in str(error):
        return error
    return RedmineRefused(f"{error} (project {plan.project})", status=error.status, messages=error.messages)


def _decided(row: StoredMail) -> ManualDecision | None:
    """The decision of a person about the mail, if any."""
    return ManualDecision.read(row.manual_decision) if row.manual_decision is not None else None


def _named_by_hand(row: StoredMail) -> bool:
    """Has a person said where the mail is to go?"""
    decided = _decided(row)
    return decided is not None and (decided.moved or decided.project is not None)


def _is_moved(row: StoredMail) -> bool:
    """Is the mail in Redmine, and to be moved from there?"""
    decided = _decided(row)
    return decided is not None and decided.moved


def _ignored(outcome: ProcessingResult) -> bool:
    """Whether the mail was closed without a write although it belongs to an issue."""
    return outcome.plan is not None and outcome.plan.action is Action.IGNORE
