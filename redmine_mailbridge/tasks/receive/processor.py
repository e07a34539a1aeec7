"""One mail from the store to its outcome: facts → decide → carry out, and every fault told apart at one place.

Redmine away             → deferred; the gate closes for all; never counts against the mail
away for this mail only  → deferred with growing pauses; the others go on; set aside after so many tries
refused, for the first time → names are asked anew, and it is tried once again
what the settings name is not there → the mailbox is paused, the mail waits; see settings_fitness.py
no such user any more    → decided anew
result unclear           → deferred until it has settled, then looked for; counts when others were written meanwhile
refused by Redmine       → REFUSED with Redmine's words
a fault of the mail's    → deferred with growing pauses, set aside after so many tries
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
from redmine_mailbridge.model.mail import AutomaticKind, Message
from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.model.pending_replies import Earned
from redmine_mailbridge.model.plan import Action, Facts, Plan
from redmine_mailbridge.model.stored_mail import MailRow
from redmine_mailbridge.policy.issue_match import referenced
from redmine_mailbridge.policy.manual import Wish
from redmine_mailbridge.policy.own_addresses import responsible
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.outbox import QUEUED, SENT, NewAnswer, Outbox
from redmine_mailbridge.store.queries.messages import Archive, MessageFilter
from redmine_mailbridge.tasks.receive.acknowledgements import Answers
from redmine_mailbridge.tasks.receive.circuit_breaker import Gate
from redmine_mailbridge.tasks.receive.executor import CarryOut
from redmine_mailbridge.tasks.receive.held_replies import ReplyGate
from redmine_mailbridge.tasks.receive.planner import Decider
from redmine_mailbridge.tasks.receive.result import Outcome
from redmine_mailbridge.tasks.receive.settings_fitness import Attempt, Fitness
from redmine_mailbridge.util.error_boundary import fault, where

log = structlog.get_logger(__name__)

ENDS = {Action.REFUSE: State.REFUSED, Action.HOLD: State.HELD}
LONGEST_PAUSE = 1800.0
WAIT_AT_MOST = 600.0
"""Seconds between two looks at a mail that another one waits for."""


class Handler:
    """Takes one mail to its outcome. Safe to share among threads."""

    def __init__(
        self,
        store: Store,
        decider: Decider,
        carry_out: CarryOut,
        gate: Gate,
        fitness: Fitness,
        *,
        answers: Answers,
        settle: float,
        give_up_after: int,
        replies: ReplyGate,
    ) -> None:
        self._store = store
        self._archive = Archive(store.database)
        self._outbox = Outbox(store.database, store.clock)
        self._decider = decider
        self._carry_out = carry_out
        self._gate = gate
        self._fitness = fitness
        self._answers = answers
        self._settle = settle
        self._give_up_after = give_up_after
        self._replies = replies

    def read(self, row: MailRow) -> Message:
        """Given a mail of the store, return its message; never fails on the mail's content."""
        raw = self._store.raw.read(row.raw or "")
        return self._decider.read(raw, row.location.mailbox, truncated=row.truncated)

    def handle(self, row: MailRow, message: Message, copy_of: MailRow | None) -> Outcome:
        """Given a mail, decide and carry out, or go on where an earlier try ended. Raise only StoreError."""
        try:
            outcome = self._twice(row, message, copy_of)
        except StoreError:
            raise
        except UnknownLogin as error:  # nothing was written, and it is another decision now
            outcome = self._failed(row, f"decided anew: {error}")
        except RedmineUnavailable as error:
            outcome = self._away(row, error)
        except RedmineUnclear as error:
            outcome = self._unclear(row, error)
        except RedmineRefused as error:
            outcome = self._end(row, State.REFUSED, f"Redmine refuses: {error}")
        except Exception as error:  # noqa: BLE001 - the one border: whatever a mail brings up stops only that mail
            # without the error's own words, which may hold words of the mail
            log.error("mail.fault", id=row.id, kind=type(error).__name__, where=where(error))  # noqa: TRY400 - the trace may quote the mail
            outcome = self._failed(row, fault(error))
        if outcome.state is State.DONE and outcome.issue is not None and not _ignored(outcome):
            self._gate.went_well(row.id)
        if not outcome.open:
            self._gate.settled(row.id)
        self._fitness.settled(outcome)
        return outcome

    def _twice(self, row: MailRow, message: Message, copy_of: MailRow | None) -> Outcome:
        """Handle it; what Redmine refuses is tried once again, with all names asked anew."""
        attempt = Attempt()
        try:
            return self._handle(row, message, copy_of, attempt)
        except (RedmineRefused, SettingsUnfit, UnknownLogin) as error:
            self._fitness.ask_anew(error)
            refused = error
        learnt = self._fitness.learn(attempt, refused)
        try:
            if isinstance(refused, RedmineRefused) and refused.status == 204 and not learnt:  # maybe there, unseen
                raise refused
            attempt = Attempt()
            (row,) = self._archive.messages(MessageFilter(ids=[row.id]))
            return self._handle(row, message, copy_of, attempt)
        except SettingsUnfit as error:
            lines = error.lines
        except RedmineRefused as error:
            lines = self._fitness.blame(message, row.location.mailbox, attempt, error)
            if not lines:
                raise _placed(error, attempt.plan) from None
        return self._fitness.pause(row, self._fitness.responsible_for(message, row.location.mailbox), lines)

    def _handle(self, row: MailRow, message: Message, copy_of: MailRow | None, attempt: Attempt) -> Outcome:
        if row.state is State.WRITING:
            last = row.tries >= self._give_up_after
            outcome = self._last_look(row, message) if last else self._carry_out.resume(row, message)
            if outcome is not None:
                return outcome
            (row,) = self._archive.messages(MessageFilter(ids=[row.id]))
        wish = Wish.read(row.wish) if row.wish is not None else None
        first = self._store.speaker(row.id) if copy_of is not None and wish is None else None
        if first is not None:
            return self._copy(row, first)
        if row.location.mailbox not in self._decider.contexts:
            name = row.location.mailbox
            return self._end(row, State.ASIDE, f'the settings know no mailbox "{name}": put it back, then `retry`')
        if wish is None:
            name = self._fitness.responsible_for(message, row.location.mailbox)
            if (waits := self._fitness.waiting(row, name)) is not None:
                return waits
        earlier = self._earlier(row, message)
        if earlier is not None:
            return self._wait_for(row, earlier, f"mail {earlier.id} before it in the conversation is not done yet")
        plan, facts = self._decider.plan(
            message,
            row.location.mailbox,
            first_sync=row.first_sync,
            accepted=row.accepted,
            row=row,
            wish=wish,
        )
        attempt.plan, attempt.facts = plan, facts
        if plan.unfit and wish is None:
            raise SettingsUnfit(*plan.unfit)
        return self._follow(row, message, plan, facts)

    def _follow(self, row: MailRow, message: Message, plan: Plan, facts: Facts) -> Outcome:
        """Do what was decided."""
        if plan.action is Action.NOTE and self._replies.closed and not row.let_through:
            return self._hold(row, plan)
        if message.automatic.kind is AutomaticKind.BOUNCE:
            self._bounced(message, noted=plan.action is Action.NOTE)
        if plan.action in {Action.CREATE, Action.NOTE}:
            self._fitness.look(message, row, plan, facts)
            if plan.action is Action.CREATE:
                return self._carry_out.begin(row, plan, plan.project or "", message)
            issue = facts.issues[plan.issue or 0]
            return self._carry_out.begin(row, plan, issue.project, message, issue)
        if plan.action is Action.IGNORE:
            self._store.done(row.id, plan.reason, issue=None, lines=plan.steps)
            return Outcome(row, State.DONE, plan.reason, issue=plan.issue, plan=plan)
        answers = self._answers.to(row, message, Earned.by(plan), issue=None)
        return self._end(row, ENDS[plan.action], plan.reason, plan, answers)

    def _hold(self, row: MailRow, plan: Plan) -> Outcome:
        """A reply, while the update task has times of its own: it waits for that."""
        reason = f"a reply to #{plan.issue}: waits for the update task"
        return Outcome(
            row, row.state, reason, issue=plan.issue, retry_at=self._store.hold_reply(row.id, reason), plan=plan
        )

    def _bounced(self, message: Message, *, noted: bool) -> None:
        """Given a delivery report, note on which of our mails it reports for good. A delay changes nothing."""
        failed = {one.recipient.lower(): one for one in message.automatic.bounced if one.hard}
        hard = {spelling: one for address, one in failed.items() for spelling in spellings(address)}
        copies = [one for one in self._outbox.copies(message.automatic.about) if one.state in {QUEUED, SENT}]
        for mail in copies if failed else ():
            only = next(iter(failed.values())) if len(copies) == 1 and len(failed) == 1 else None
            said = hard.get(mail.recipient) or only  # a relay may have rewritten the address
            if said is not None:
                words = " ".join(f"{said.status} {said.diagnostic}".split())[:300] or "not delivered"
                self._outbox.bounced(mail, words, told=noted)

    def _copy(self, row: MailRow, first: MailRow) -> Outcome:
        """The same mail once more: it ends as the first one does."""
        if first.state is State.DONE:
            made = f" (#{first.issue})" if first.issue is not None else ""
            reason = f"a copy of mail {first.id}{made}: nothing to do"
            self._store.done(row.id, reason, lines=(reason,))
            return Outcome(row, State.DONE, reason)
        if first.state in {State.REFUSED, State.ASIDE}:
            return self._end(row, first.state, f"a copy of mail {first.id}: {first.reason}")
        return self._wait_for(row, first, f"a copy of mail {first.id}, which is not done yet")

    def _earlier(self, row: MailRow, message: Message) -> MailRow | None:
        """A mail that this one may belong to, and whose own issue is not known yet."""
        ids = referenced(message)
        context = self._decider.contexts[row.location.mailbox]
        _, route = responsible(message, context.identity, context.route)
        window = route.issue.bundle_window.total_seconds()
        if not ids and not window:
            return None
        same = (message.sender.key, message.subject, row.kept_at - window) if window else None
        return self._archive.open_before(row, ids, same=same)

    def _wait_for(self, row: MailRow, other: MailRow, reason: str) -> Outcome:
        """Try again right after the other mail is tried again; the later, the longer that has not helped."""
        now = self._store.clock()
        waited = now - row.kept_at if row.kept_at <= now else WAIT_AT_MOST  # the clock was set back
        patience = min(0.5 + waited / 20, WAIT_AT_MOST)
        until_then = min(max(other.next_try_at - now, 0.0), LONGEST_PAUSE)
        pause = WAIT_AT_MOST if other.state is State.HELD else until_then + patience
        return self._defer(row, reason, after=pause, counts=False)

    # ------------------------------------------------------------------ Redmine fails

    def _away(self, row: MailRow, error: RedmineUnavailable) -> Outcome:
        """Nothing was written. Redmine is away, or answers, only not to what this mail needs."""
        pause = self._gate.failed(row.id, error)
        if pause > 0:  # it is due as soon as the gate opens, which somebody may ask for
            deferred = self._defer(row, error.why_all_waits, after=0.0, counts=False)
            return replace(deferred, retry_at=self._store.clock() + pause)
        if self._is_to_blame(row) or (not error.writing and self._gate.is_alone(row.id)):
            return self._failed(row, f"Redmine answers, but not to what this mail needs: {error}")
        reason = f"Redmine does not take it now: {error}"
        return self._defer(row, reason, after=self._gate.pause_for(row.id), counts=False)

    def _unclear(self, row: MailRow, error: RedmineUnclear) -> Outcome:
        """Something may have been written. The intent is recorded; the next try looks first.

        It counts only against a mail that Redmine fails on while it takes others.
        """
        self._gate.in_trouble(row.id)
        blamed = self._is_to_blame(row)
        if not error.settle and blamed:
            return self._failed(row, f"Redmine fails on it: {error}")
        if not error.settle:
            return self._defer(row, f"Redmine fails: {error}", after=self._gate.pause_for(row.id), counts=False)
        pause = min(self._settle * 2.0 ** min(row.tries, 10), LONGEST_PAUSE) if blamed else self._settle
        return self._defer(row, f"unclear whether it was written: {error}", after=pause, counts=blamed)

    def _is_to_blame(self, row: MailRow) -> bool:
        """Has Redmine taken another mail since this one was tried last? A Redmine that cannot write blames no mail."""
        tried_at = row.changed_at if row.last_sent_at is None else row.last_sent_at
        return self._archive.wrote_since(tried_at, self._store.clock())

    def _failed(self, row: MailRow, reason: str) -> Outcome:
        tries = row.tries + 1
        if tries < self._give_up_after:
            return self._defer(row, reason, after=None, counts=True)
        if tries == self._give_up_after and self._archive.state(row.id) is State.WRITING:
            return self._defer(row, reason, after=self._settle, counts=True)  # one look more, see _last_look
        return self._end(row, State.ASIDE, f"set aside after {tries} tries: {reason}")

    def _last_look(self, row: MailRow, message: Message) -> Outcome:
        """Before a mail is set aside, see whether the last try has made something after all."""
        reason = f"set aside after {row.tries} tries: {row.reason}"
        return self._carry_out.adopt(row, message) or self._end(row, State.ASIDE, reason)

    def _defer(self, row: MailRow, reason: str, *, after: float | None, counts: bool) -> Outcome:
        at = self._store.defer(row.id, reason, after=after, counts=counts)
        return Outcome(row, row.state, reason, retry_at=at)

    def _end(
        self, row: MailRow, state: State, reason: str, plan: Plan | None = None, answers: Sequence[NewAnswer] = ()
    ) -> Outcome:
        lines = plan.steps if plan else (f"{state.value}: {reason}",)  # a plan's last step is its reason
        self._store.end(row.id, state, reason, lines, answers)
        return Outcome(row, state, reason, plan=plan)


def _placed(error: RedmineRefused, plan: Plan | None) -> RedmineRefused:
    """A refusal, with the project that it is about."""
    if plan is None or not plan.project or plan.project in str(error):
        return error
    return RedmineRefused(f"{error} (project {plan.project})", status=error.status, messages=error.messages)


def _ignored(outcome: Outcome) -> bool:
    """Was it ended with nothing written, although it belongs to an issue?"""
    return outcome.plan is not None and outcome.plan.action is Action.IGNORE
