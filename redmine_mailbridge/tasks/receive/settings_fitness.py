"""Checks whether a mailbox's settings fit Redmine. If they do not, the mailbox is paused and its mail waits.

Projects are closed, memberships end, trackers are deleted and created again. Cached metadata is used until Redmine
rejects a request; then the cache is cleared and the mail is retried once. If it is rejected again, either the mail or
the settings are at fault: the settings, if Redmine rejects an issue with only the values of the settings for the same
reason. While a mailbox is paused, the mail that caused the pause is retried from time to time with a cleared cache;
when it is accepted or closed in any other way, all waiting mail is processed.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import structlog

from redmine_mailbridge.errors import RedmineRefused, SettingsUnfit
from redmine_mailbridge.model.facts import Facts, Project
from redmine_mailbridge.model.mail import Message
from redmine_mailbridge.model.mail_state import OPEN
from redmine_mailbridge.model.plan import Action, Plan
from redmine_mailbridge.model.stored_mail import StoredMail
from redmine_mailbridge.policy.own_addresses import responsible
from redmine_mailbridge.redmine.formatting import FormatWatch
from redmine_mailbridge.redmine.metadata import MetadataCache
from redmine_mailbridge.redmine.requests import issue_request
from redmine_mailbridge.redmine.trial import TrialRefusal, TrialWrites
from redmine_mailbridge.store.pauses import MailboxPause, MailboxPauses
from redmine_mailbridge.store.queries.messages import MessageFilter, MessageQueries
from redmine_mailbridge.tasks.receive.planner import Planner
from redmine_mailbridge.tasks.receive.result import ProcessingResult
from redmine_mailbridge.util.dataclass import dataclass

log = structlog.get_logger(__name__)

NOT_ALLOWED = frozenset({204, 403})
"""The results of a write that the user lacks the permission for. Redmine drops such a note without an error."""


@dataclass(slots=True)
class DecisionAttempt:
    """The decision of one attempt, as far as it was made before Redmine rejected the mail."""

    plan: Plan | None = None
    facts: Facts | None = None


class SettingsFitness:
    """Pauses mailboxes whose settings do not fit Redmine, and resumes them. Safe to share among threads."""

    def __init__(
        self,
        pauses: MailboxPauses,
        message_queries: MessageQueries,
        planner: Planner,
        metadata: MetadataCache,
        trial: TrialWrites,
        *,
        formatting: FormatWatch,
    ) -> None:
        self._pauses = pauses
        self._message_queries = message_queries
        self._planner = planner
        self._metadata = metadata
        self._trial = trial
        self._formatting = formatting
        self._lock = threading.RLock()
        self._begun = False
        self._paused: dict[str, MailboxPause] = {}

    # ------------------------------------------------------------------ paused mailboxes

    def begin(self) -> None:
        """Restore the stored pauses. Called once, before the first pass. Raise StoreError."""
        with self._lock:
            if self._begun:
                return
            self._paused = self._pauses.all()
            gone = self._paused.keys() - self._planner.contexts.keys()
            if gone:
                self._end(gone)
            if self._paused:
                self._pauses.look_now()  # Redmine or the settings may have changed
            self._begun = True

    def look_now(self) -> None:
        """Retry the mails that caused the pauses at once, because a user requested it."""
        with self._lock:
            if self._paused:
                self._pauses.look_now()

    def words_of(self, mailbox: str) -> str | None:
        """Given a mailbox, return why it is paused, in one line for an admin; None when it is not."""
        with self._lock:
            pause = self._paused.get(mailbox)
        return None if pause is None else pause.words

    def responsible_for(self, message: Message, mailbox: str) -> str:
        """Given a mail and where it was read, return the mailbox whose settings apply."""
        context = self._planner.contexts[mailbox]
        return responsible(message, context.identity, context.route)[0]

    def waiting(self, row: StoredMail, mailbox: str) -> ProcessingResult | None:
        """Given a mail and the mailbox whose settings apply, defer the mail while that mailbox is paused. Return None
        if it is not paused.
        """
        with self._lock:
            self.begin()
            pause = self._paused.get(mailbox)
            if pause is None or pause.mail_id == row.id:
                return None
            if self._is_over(pause):
                self._end({mailbox})
                return None
            return ProcessingResult(row, row.state, self._pauses.wait(row.id, pause))

    def pause(self, row: StoredMail, mailbox: str, lines: Sequence[str]) -> ProcessingResult:
        """Given a mail that was rejected because of this mailbox's settings, and the reasons, pause the mailbox."""
        with self._lock:
            if (waits := self.waiting(row, mailbox)) is not None:  # another mail has paused it
                return waits
            previous = self._paused.get(mailbox)
            paused_at = self._pauses.pause(mailbox, row.id, lines, previous)
            self._paused = self._pauses.all()
            current = self._paused[mailbox]
        if previous is None:
            log.error("mailbox.paused", paused=mailbox, reason=current.words)
        return ProcessingResult(row, row.state, f"waits for the settings: {'; '.join(lines)}", retry_at=paused_at)

    def settled(self, outcome: ProcessingResult) -> None:
        """A mail has been closed: resume the mailboxes that it paused."""
        with self._lock:
            over = {name for name, pause in self._paused.items() if pause.mail_id == outcome.row.id}
            if over and not outcome.open:
                self._end(over)

    def _is_over(self, pause: MailboxPause) -> bool:
        """Whether the mail that caused the pause has been closed in another way."""
        rows = self._message_queries.messages(MessageFilter(ids=[pause.mail_id]))
        return not rows or rows[0].state not in OPEN

    def _end(self, mailboxes: set[str]) -> None:
        count = self._pauses.end(mailboxes)
        self._paused = self._pauses.all()
        for name in sorted(mailboxes):
            log.info("mailbox.resumed", paused=name, waiting=count)

    # ------------------------------------------------------------------ the cause of a rejection

    def ask_anew(self, why: Exception) -> None:
        """Redmine has rejected something: clear the cached metadata."""
        log.info("redmine.cache_cleared", reason=str(why))
        self._metadata.forget()

    def learn(self, attempt: DecisionAttempt, error: Exception) -> bool:
        """Given a decision and its error, record it if Redmine does not let the chosen user write. Return whether this
        was the case.
        """
        plan = attempt.plan
        if plan is None or plan.act_as is None or not isinstance(error, RedmineRefused):
            return False
        permission = {Action.CREATE: "add_issues", Action.NOTE: "add_issue_notes"}.get(plan.action)
        if permission is None or error.status not in NOT_ALLOWED or plan.private_note:
            return False
        user, project = self._metadata.people.by_login(plan.act_as), self._metadata.project(plan.project or "")
        if user is None or project is None:
            return False
        self._metadata.deny(user.id, permission, project)
        return True

    def look(self, message: Message, row: StoredMail, plan: Plan, facts: Facts) -> None:
        """Given a mail that is about to be written, check that Redmine's text format is the configured one and, if the
        mail has paused its mailbox, whether the settings fit now. Raise SettingsUnfit if not.
        """
        with self._lock:
            pause = next((paused for paused in self._paused.values() if paused.mail_id == row.id), None)
        if unfit := self._formatting.unfit(now=pause is not None):
            raise SettingsUnfit(unfit)
        if pause is None:
            return
        lines: tuple[str, ...] = ()
        if plan.action is Action.NOTE:
            lines = self._lacking_for(plan, facts, row.location.mailbox)
        elif plan.project is not None and (project := self._metadata.project(plan.project)) is not None:
            refusal = self._trial.refusal(self._alone(message, row.location.mailbox, facts, project))
            lines = self._reasons(refusal, project) if refusal is not None else ()
        if set(lines) & set(pause.lines):
            raise SettingsUnfit(*lines)

    def blame(self, message: Message, mailbox: str, attempt: DecisionAttempt, error: RedmineRefused) -> tuple[str, ...]:
        """Given a mail, where it was read, the decision, and Redmine's rejection, return what in the settings does not
        fit, one line each; nothing if the cause is the mail itself or its sender's permissions.
        """
        plan, facts = attempt.plan, attempt.facts
        if plan is None or facts is None or plan.action not in {Action.CREATE, Action.NOTE}:
            return ()
        if plan.action is Action.NOTE:
            return self._lacking_for(plan, facts, mailbox)
        project = self._metadata.project(plan.project or "")
        if project is None:
            return (f"project {plan.project} no longer exists, or the bridge's user may not see it",)
        alone = self._alone(message, mailbox, facts, project)
        trial = self._trial.refusal(alone, plan.act_as)
        if trial is None or not _same(trial, error):
            return ()
        ticket_user = self._planner.contexts[mailbox].route.senders.ticket_user or ""
        if plan.act_as is not None and plan.act_as.lower() != ticket_user.lower():
            own_refusal = self._trial.refusal(alone, None)
            return self._reasons(own_refusal, project) if own_refusal is not None else ()
        shared = trial.shared(error.messages) if trial.status == 422 else trial.messages
        return self._reasons(replace(trial, messages=shared), project)

    def _alone(self, message: Message, mailbox: str, facts: Facts, project: Project) -> Mapping[str, Any]:
        """The attributes of an issue with only the values of the settings."""
        return issue_request(self._planner.settings_alone(message, mailbox, facts, project), project).attributes

    def _reasons(self, refusal: TrialRefusal, project: Project) -> tuple[str, ...]:
        """The reasons of a rejection, with what to change if that is known."""
        if refusal.status == 422:
            return tuple(f"project {project.identifier}: {message}" for message in refusal.messages)
        lacking = self._lacking(project, ("view_issues", "add_issues"))
        return lacking or tuple(f"project {project.identifier}: {message}" for message in refusal.messages)

    def _lacking_for(self, plan: Plan, facts: Facts, mailbox: str) -> tuple[str, ...]:
        """The permissions that the bridge's user lacks for a note in a project named in the mailbox's settings."""
        issue = facts.issues.get(plan.issue or 0)
        if plan.act_as is not None or issue is None:
            return ()
        route = self._planner.contexts[mailbox].route
        rules = (rule.project for rule in route.rules)
        names = (route.issue.project, *rules, *(domain.project for domain in route.senders.domains.values()))
        projects = [
            named_project for name in names if name and (named_project := self._metadata.project(name)) is not None
        ]
        project = next((candidate for candidate in projects if candidate.identifier == issue.project), None)
        needed = ("view_issues", "add_issue_notes", *(("set_notes_private",) if plan.private_note else ()))
        return () if project is None else self._lacking(project, needed)

    def _lacking(self, project: Project, permissions: Sequence[str]) -> tuple[str, ...]:
        if not project.active:
            return (f"project {project.identifier} is closed",)
        if not project.issue_tracking:
            return (f"project {project.identifier} has no module Issue tracking",)
        me = self._metadata.people.me().rights
        return tuple(
            f"the bridge's user lacks the permission {permission} in project {project.identifier}"
            for permission in permissions
            if not self._metadata.may(me, permission, project)
        )


def _same(refusal: TrialRefusal, error: RedmineRefused) -> bool:
    """Whether an issue with only the values of the settings is rejected for the same reason as the mail."""
    if refusal.status != error.status:
        return False
    return bool(refusal.shared(error.messages)) if refusal.status == 422 else True
