"""What the stations of `decide` hand on to each other: the mail, what is known, and how plans are written."""

from dataclasses import dataclass, field, replace
from typing import Any, Self

from redmine_mailbridge.model.mail import Message
from redmine_mailbridge.model.plan import Action, Facts, Issue, Plan, Project
from redmine_mailbridge.model.trace import Steps
from redmine_mailbridge.policy.issue_text import compose
from redmine_mailbridge.policy.keywords import Keywords, find_keywords
from redmine_mailbridge.policy.own_addresses import MailboxIdentity
from redmine_mailbridge.policy.own_mail import earns_answer
from redmine_mailbridge.policy.proof import proven
from redmine_mailbridge.policy.sender import Sender, assess
from redmine_mailbridge.policy.strictest import different, strictest
from redmine_mailbridge.settings.issue import Route


@dataclass(frozen=True, slots=True)
class Case:
    """One mail on its way through the policy.

    `routes` are those of all mailboxes that it has to do with, the first the one that places it; `route` is that one as
    strict as the strictest of them.
    """

    message: Message
    route: Route
    routes: tuple[Route, ...]
    mailbox: MailboxIdentity
    facts: Facts
    sender: Sender
    steps: Steps = field(default_factory=Steps)

    @classmethod
    def of(cls, message: Message, routes: tuple[Route, ...], mailbox: MailboxIdentity, facts: Facts) -> Self:
        """Given a mail, the routes that have a say, the mailbox that it was read from, and what is known, begin."""
        return cls(message, strictest(routes), routes, mailbox, facts, assess(message, routes, facts))

    def about(self, issue: Issue) -> Self:
        """The same for a mail that is about an issue: the mailbox whose mail made the issue has a say too."""
        routes = different((*self.routes, self.mailbox.routes.get(issue.mailbox)))
        if routes == self.routes:
            return self
        sender = assess(self.message, routes, self.facts)
        return replace(self, route=strictest(routes), routes=routes, sender=sender)

    @property
    def languages(self) -> tuple[str, ...]:
        """The sender's language and Redmine's, for keyword lines."""
        own = self.sender.user.language if self.sender.user else ""
        return tuple(dict.fromkeys(language for language in (own, self.facts.default_language) if language))

    def keywords(self, text: str, fields: tuple[str, ...] = ()) -> Keywords:
        """Given a text and the names of custom fields, return the keyword lines that count for this sender.

        `Project:` counts always where the mailbox has no project, as with Redmine's own handler.
        """
        settings = self.route.issue
        allowed = settings.overrides | (frozenset() if settings.project else {"project"})
        if not (self.sender.user or settings.keywords_from == "anyone" or self.facts.offline):
            return Keywords()
        return find_keywords(text, allowed, self.languages, fields) if allowed else Keywords()

    def fields_of(self, project: Project | None, tracker: str | None) -> tuple[str, ...]:
        """Given the project of an issue and its tracker, return the names of custom fields that keyword lines may have;
        none where no keyword line counts, so that nobody asks for them.
        """
        return project.fields_of(tracker) if project is not None and self.route.issue.overrides else ()

    def watching_mail(self, project: str | None) -> Message | None:
        """Given the issue's project, return the mail whose To and Cc name watchers; None when they are not to.

        A user's mail names them where Redmine lets that user add watchers.
        """
        settings, user = self.route.issue, self.sender.user
        if not settings.watchers_from_mail:
            return None
        if user is None or not settings.check_permissions or project in self.facts.may_add_watchers:
            return self.message
        named = [self.facts.users.get(address.key) for address in self.message.to + self.message.cc]
        if any(named):
            self.steps.add(f"{user.login} may not add watchers there, so nobody of To and Cc watches")
        return None

    def plan(self, action: Action, reason: str, **more: Any) -> Plan:
        """Given an action and its reason, return the plan, with what every plan holds."""
        for what in ("watchers", "groups"):
            if more.get(what):
                self.steps.add(f"{what}: {', '.join(map(str, more[what]))}")
        if more.get("template"):
            self.steps.add(f"it earns the answer {more['template']}, where answers are switched on")
        self.steps.add(f"{action.value}: {reason}")
        more.setdefault("text", self.message.body.written or self.message.body.whole)
        more.setdefault("quoted", self.message.body.quoted)
        more.setdefault("attachments", self.message.attachments)
        more.setdefault("ending", compose(self.message, "", "", self.mailbox.text_format))
        return Plan(
            action=action,
            reason=" ".join(reason.split()),
            steps=self.steps.lines,
            requester=self.message.sender,
            left_out=self.message.left_out,
            marker=self.message.message_id[:255],
            proven=proven(self.message, self.sender, self.mailbox, self.facts),
            claims=self.sender.claimed is not None,
            unfit=self.steps.unfit,
            **more,
        )

    def end(self, action: Action, reason: str, **more: Any) -> Plan:
        """Given an action that makes no issue and its reason, return the plan; a refusal may earn an answer, which says
        what `told` stands for.
        """
        polite = action is Action.REFUSE and self.route.issue.answer_refused
        return self.plan(action, reason, template=self.answer("refused") if polite else None, **more)

    def answer(self, template: str) -> str | None:
        """Given a kind of answer, return it when this mail earns one: not a machine's, nor one of the first sync, nor
        one whose sender the mail server calls forged.
        """
        earned = earns_answer(self.message, self.mailbox) and not self.facts.first_sync and not self.sender.forged
        return template if earned else None
