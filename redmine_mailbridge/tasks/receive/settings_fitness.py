"""Whether Redmine, as it is now, has and takes what a mailbox's settings name; a mailbox whose settings do not fit is
paused, and its mail waits.

Projects are closed, memberships end, a tracker is made anew. What is kept in memory of that is believed until Redmine
refuses something; then all is asked anew, and the mail is tried once again. What is still refused is either the mail's
own fault, or that of the settings: of them it is when Redmine refuses an issue that holds nothing of the mail with the
same words. One mail of a paused mailbox, the one that found it out, is tried now and then, with names asked anew; when
it gets through, or comes to any other end, all that waits goes on.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import structlog

from redmine_mailbridge.errors import RedmineRefused, SettingsUnfit
from redmine_mailbridge.model.mail import Message
from redmine_mailbridge.model.mail_state import OPEN
from redmine_mailbridge.model.plan import Action, Facts, Plan, Project
from redmine_mailbridge.model.stored_mail import MailRow
from redmine_mailbridge.policy.own_addresses import responsible
from redmine_mailbridge.redmine.formatting import FormatWatch
from redmine_mailbridge.redmine.metadata import Directory
from redmine_mailbridge.redmine.requests import issue_request
from redmine_mailbridge.redmine.trial import Refusal, Trial
from redmine_mailbridge.store.pauses import MailboxPause, MailboxPauses
from redmine_mailbridge.store.queries.messages import Archive, MessageFilter
from redmine_mailbridge.tasks.receive.planner import Decider
from redmine_mailbridge.tasks.receive.result import Outcome

log = structlog.get_logger(__name__)

NOT_ALLOWED = frozenset({204, 403})
"""How a user's write ends that Redmine does not let write: a note is dropped, which the key's own user would see."""


@dataclass(slots=True)
class Attempt:
    """What was decided in one try at a mail, as far as it came: known when Redmine refuses it."""

    plan: Plan | None = None
    facts: Facts | None = None


class Fitness:
    """Pauses mailboxes whose settings do not fit, and ends that. Safe to share among threads."""

    def __init__(
        self,
        pauses: MailboxPauses,
        archive: Archive,
        decider: Decider,
        directory: Directory,
        trial: Trial,
        *,
        formatting: FormatWatch,
    ) -> None:
        self._pauses = pauses
        self._archive = archive
        self._decider = decider
        self._directory = directory
        self._trial = trial
        self._formatting = formatting
        self._lock = threading.RLock()
        self._begun = False
        self._paused: dict[str, MailboxPause] = {}

    # ------------------------------------------------------------------ who waits

    def begin(self) -> None:
        """Once, before the first pass: go on with the pauses of an earlier time. Raise StoreError."""
        with self._lock:
            if self._begun:
                return
            self._paused = self._pauses.all()
            gone = self._paused.keys() - self._decider.contexts.keys()
            if gone:
                self._end(gone)
            if self._paused:
                self._pauses.look_now()  # Redmine or the settings may be others by now
            self._begun = True

    def look_now(self) -> None:
        """Somebody wants to know now: have the mails tried that found out why a mailbox is paused."""
        with self._lock:
            if self._paused:
                self._pauses.look_now()

    def words_of(self, mailbox: str) -> str | None:
        """Given a mailbox, why it is paused, in one line for an admin; None when it is not."""
        with self._lock:
            pause = self._paused.get(mailbox)
        return None if pause is None else pause.words

    def responsible_for(self, message: Message, mailbox: str) -> str:
        """Given a mail and where it was read, return the name of the mailbox whose settings hold."""
        context = self._decider.contexts[mailbox]
        return responsible(message, context.identity, context.route)[0]

    def waiting(self, row: MailRow, mailbox: str) -> Outcome | None:
        """Given a mail and the mailbox whose settings hold for it, have it wait while that is paused; None: go on."""
        with self._lock:
            self.begin()
            pause = self._paused.get(mailbox)
            if pause is None or pause.mail_id == row.id:
                return None
            if self._is_over(pause):
                self._end({mailbox})
                return None
            return Outcome(row, row.state, self._pauses.wait(row.id, pause))

    def pause(self, row: MailRow, mailbox: str, lines: Sequence[str]) -> Outcome:
        """Given a mail that found out that the settings of this mailbox do not fit, and what does not, pause it."""
        with self._lock:
            if (waits := self.waiting(row, mailbox)) is not None:  # another mail was first
                return waits
            before = self._paused.get(mailbox)
            at = self._pauses.pause(mailbox, row.id, lines, before)
            self._paused = self._pauses.all()
            now = self._paused[mailbox]
        if before is None:
            log.error("mailbox.paused", paused=mailbox, reason=now.words)
        return Outcome(row, row.state, f"waits for the settings: {'; '.join(lines)}", retry_at=at)

    def settled(self, outcome: Outcome) -> None:
        """A mail has come to its end: what waited for it goes on."""
        with self._lock:
            over = {name for name, pause in self._paused.items() if pause.mail_id == outcome.row.id}
            if over and not outcome.open:
                self._end(over)

    def _is_over(self, pause: MailboxPause) -> bool:
        """Has the mail that found it out been dealt with otherwise?"""
        rows = self._archive.messages(MessageFilter(ids=[pause.mail_id]))
        return not rows or rows[0].state not in OPEN

    def _end(self, mailboxes: set[str]) -> None:
        count = self._pauses.end(mailboxes)
        self._paused = self._pauses.all()
        for name in sorted(mailboxes):
            log.info("mailbox.goes_on", paused=name, waiting=count)

    # ------------------------------------------------------------------ whose fault it is

    def ask_anew(self, why: Exception) -> None:
        """Redmine refuses something: believe nothing any more that is kept of it."""
        log.info("redmine.names_asked_anew", reason=str(why))
        self._directory.forget()

    def learn(self, attempt: Attempt, error: Exception) -> bool:
        """Given what was decided and how that failed: where Redmine does not let the user write as whom it was to be
        written, remember that. Return whether it was so.
        """
        plan = attempt.plan
        if plan is None or plan.act_as is None or not isinstance(error, RedmineRefused):
            return False
        permission = {Action.CREATE: "add_issues", Action.NOTE: "add_issue_notes"}.get(plan.action)
        if permission is None or error.status not in NOT_ALLOWED or plan.private_note:
            return False
        user, project = self._directory.people.by_login(plan.act_as), self._directory.project(plan.project or "")
        if user is None or project is None:
            return False
        self._directory.deny(user.id, permission, project)
        return True

    def look(self, message: Message, row: MailRow, plan: Plan, facts: Facts) -> None:
        """Given a mail that is about to be written: see first whether Redmine formats texts as ours are written, and,
        where a mailbox is paused for this mail, whether that is over. Raise SettingsUnfit when it is not so.
        """
        with self._lock:
            pause = next((one for one in self._paused.values() if one.mail_id == row.id), None)
        if unfit := self._formatting.unfit(now=pause is not None):
            raise SettingsUnfit(unfit)
        if pause is None:
            return
        lines: tuple[str, ...] = ()
        if plan.action is Action.NOTE:
            lines = self._lacking_for(plan, facts, row.location.mailbox)
        elif plan.project is not None and (project := self._directory.project(plan.project)) is not None:
            said = self._trial.refusal(self._alone(message, row.location.mailbox, facts, project))
            lines = self._told(said, project) if said is not None else ()
        if set(lines) & set(pause.lines):
            raise SettingsUnfit(*lines)

    def blame(self, message: Message, mailbox: str, attempt: Attempt, error: RedmineRefused) -> tuple[str, ...]:
        """Given a mail, where it was read, what was decided, and Redmine's refusal of that, return what of the settings
        does not fit, one line each; none when the mail itself is to blame, or its sender's own rights.
        """
        plan, facts = attempt.plan, attempt.facts
        if plan is None or facts is None or plan.action not in {Action.CREATE, Action.NOTE}:
            return ()
        if plan.action is Action.NOTE:
            return self._lacking_for(plan, facts, mailbox)
        project = self._directory.project(plan.project or "")
        if project is None:
            return (f"project {plan.project} does not exist any more, or the bridge's user may not see it",)
        alone = self._alone(message, mailbox, facts, project)
        said = self._trial.refusal(alone, plan.act_as)
        if said is None or not _same(said, error):
            return ()
        ticket_user = self._decider.contexts[mailbox].route.senders.ticket_user or ""
        if plan.act_as is not None and plan.act_as.lower() != ticket_user.lower():
            own = self._trial.refusal(alone, None)
            return self._told(own, project) if own is not None else ()
        shared = said.shared(error.messages) if said.status == 422 else said.messages
        return self._told(replace(said, messages=shared), project)

    def _alone(self, message: Message, mailbox: str, facts: Facts, project: Project) -> Mapping[str, Any]:
        """The attributes of an issue that holds nothing of the mail."""
        return issue_request(self._decider.settings_alone(message, mailbox, facts, project), project).attributes

    def _told(self, said: Refusal, project: Project) -> tuple[str, ...]:
        """A refusal, with what to change where that can be told."""
        if said.status == 422:
            return tuple(f"project {project.identifier}: {one}" for one in said.messages)
        lacking = self._lacking(project, ("view_issues", "add_issues"))
        return lacking or tuple(f"project {project.identifier}: {one}" for one in said.messages)

    def _lacking_for(self, plan: Plan, facts: Facts, mailbox: str) -> tuple[str, ...]:
        """What the bridge's own user lacks for a note in a project that the mailbox's settings name."""
        issue = facts.issues.get(plan.issue or 0)
        if plan.act_as is not None or issue is None:
            return ()
        route = self._decider.contexts[mailbox].route
        rules = (rule.project for rule in route.rules)
        named = (route.issue.project, *rules, *(one.project for one in route.senders.domains.values()))
        ours = [found for name in named if name and (found := self._directory.project(name)) is not None]
        project = next((one for one in ours if one.identifier == issue.project), None)
        needed = ("view_issues", "add_issue_notes", *(("set_notes_private",) if plan.private_note else ()))
        return () if project is None else self._lacking(project, needed)

    def _lacking(self, project: Project, permissions: Sequence[str]) -> tuple[str, ...]:
        if not project.active:
            return (f"project {project.identifier} is closed",)
        if not project.issue_tracking:
            return (f"project {project.identifier} has no module Issue tracking",)
        me = self._directory.people.me().rights
        return tuple(
            f"the bridge's user lacks the permission {one} in project {project.identifier}"
            for one in permissions
            if not self._directory.may(me, one, project)
        )


def _same(said: Refusal, error: RedmineRefused) -> bool:
    """Is an issue that holds nothing of the mail refused with what the mail was refused with?"""
    if said.status != error.status:
        return False
    return bool(said.shared(error.messages)) if said.status == 422 else True
