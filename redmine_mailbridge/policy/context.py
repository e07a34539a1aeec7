"""What the steps of `decide` hand on to each other: the mail, what is known, and how plans are written."""

from collections.abc import Mapping
from dataclasses import field, replace
from typing import Any, Self

from redmine_mailbridge.model.facts import Facts, Issue, Project
from redmine_mailbridge.model.mail import Address, Message
from redmine_mailbridge.model.plan import Action, Plan, Vouched
from redmine_mailbridge.model.trace import Trace
from redmine_mailbridge.policy.issue_text import compose
from redmine_mailbridge.policy.keywords import Keywords, find_keywords
from redmine_mailbridge.policy.own_addresses import MailboxIdentity
from redmine_mailbridge.policy.own_mail import earns_answer
from redmine_mailbridge.policy.proof import proven
from redmine_mailbridge.policy.requester import FoundBy, Requester, assess_requester
from redmine_mailbridge.policy.sender import Sender
from redmine_mailbridge.policy.strictest import different, strictest
from redmine_mailbridge.settings.issue import Route
from redmine_mailbridge.util.dataclass import dataclass

VOUCHED: Mapping[FoundBy, Vouched] = {FoundBy.FORWARDED: "forwarded", FoundBy.WRITTEN_TO: "written"}


@dataclass(frozen=True, slots=True)
class DecisionContext:
    """One message during its decision.

    `routes` are those of all mailboxes concerned, the first being the one that places it; `route` is that one, made
    as strict as the strictest of them. `requester` is who asks, `sender` on whose behalf the mail is handled.
    """

    message: Message
    route: Route
    routes: tuple[Route, ...]
    mailbox: MailboxIdentity
    facts: Facts
    requester: Requester
    sender: Sender
    steps: Trace = field(default_factory=Trace)

    @classmethod
    def of(cls, message: Message, routes: tuple[Route, ...], mailbox: MailboxIdentity, facts: Facts) -> Self:
        """Given a message, the routes concerned, the mailbox that it was read from, and the facts, create the
        context."""
        requester, sender = assess_requester(message, mailbox, routes, facts)
        return cls(message, strictest(routes), routes, mailbox, facts, requester, sender)

    def about(self, issue: Issue) -> Self:
        """The same for a message about an issue: the route of the mailbox that created the issue applies too."""
        routes = different((*self.routes, self.mailbox.routes.get(issue.mailbox)))
        if routes == self.routes:
            return self
        requester, sender = assess_requester(self.message, self.mailbox, routes, self.facts)
        return replace(self, route=strictest(routes), routes=routes, requester=requester, sender=sender)

    @property
    def through(self) -> tuple[str, Address] | None:
        """For a person behind another From address: the header field that names the person, and that address."""
        through = self.sender.through
        return None if through is None else (self.requester.found_by.line, through)

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages of keyword lines."""
        return self.facts.keyword_languages

    def keywords(self, text: str, fields: tuple[str, ...] = ()) -> Keywords:
        """Given a text and the names of custom fields, return the keyword lines accepted from this sender.

        `Project:` is always accepted if the mailbox has no project, as in Redmine's own handler.
        """
        settings = self.route.issue
        allowed = settings.overrides | (frozenset() if settings.project else {"project"})
        if not (self.sender.user or self.sender.vouched_by or settings.keywords_from == "anyone" or self.facts.offline):
            return Keywords()
        return find_keywords(text, allowed, self.languages, fields) if allowed else Keywords()

    def fields_of(self, project: Project | None, tracker: str | None) -> tuple[str, ...]:
        """Given the project of an issue and its tracker, return the names of custom fields that keyword lines may have;
        none if no keyword line is accepted, so that they are not fetched. Those that the bridge itself fills are never
        among them: whoever may set the requester's decides who gets the answers.
        """
        if project is None or not self.route.issue.overrides:
            return ()
        own = self.mailbox.own_fields.union(*(route.own_fields for route in self.routes))
        names = project.fields_of(tracker)
        return tuple(name for name in names if own.isdisjoint({name.casefold(), str(project.custom_fields[name])}))

    def watching_mail(self, project: str | None) -> Message | None:
        """Given the issue's project, return the message whose To and Cc name watchers; None if they do not.

        A user's message names them if Redmine lets that user add watchers.
        """
        settings, user = self.route.issue, self.sender.user or self.sender.vouched_by
        if not settings.watchers_from_mail:
            return None
        if user is None or not settings.check_permissions or project in self.facts.may_add_watchers:
            return self.message
        named = [self.facts.users.get(address.key) for address in self.message.to + self.message.cc]
        if any(named):
            self.steps.add(f"{user.login} may not add watchers there, so addresses in To and Cc are not added")
        return None

    def plan(self, action: Action, reason: str, **more: Any) -> Plan:
        """Given an action and its reason, return the plan, with the fields common to all plans."""
        for what in ("watchers", "groups"):
            if more.get(what):
                self.steps.add(f"{what}: {', '.join(map(str, more[what]))}")
        if kind := more.get("template"):
            sent = kind in self.mailbox.auto_replies
            self.steps.add(f'auto-reply "{kind}" ' + ("will be sent" if sent else "is not enabled"))
        self.steps.add(f"{action.value}: {reason}")
        more.setdefault("text", self.message.body.written or self.message.body.whole)
        more.setdefault("quoted", self.message.body.quoted)
        more.setdefault("attachments", self.message.attachments)
        more.setdefault("ending", compose(self.message, "", "", self.mailbox.text_format))
        return Plan(
            action=action,
            reason=" ".join(reason.split()),
            steps=self.steps.lines,
            requester=self.requester.address,
            through=self.sender.through,
            through_proven=self.sender.through_proven,
            left_out=self.message.left_out,
            marker=self.message.message_id[:255],
            proven=proven(self.message, self.sender, self.mailbox, self.facts),
            claims=self.sender.claimed is not None,
            unfit=self.steps.unfit,
            vouched=VOUCHED.get(self.requester.found_by),
            **more,
        )

    def finish(self, action: Action, reason: str, **more: Any) -> Plan:
        """Given an action that makes no issue and its reason, return the plan; a refusal may earn an answer, which says
        the reason given by `rejection_reason`.
        """
        polite = action is Action.REFUSE and self.route.issue.answer_refused
        return self.plan(action, reason, template=self.answer("refused") if polite else None, **more)

    def answer(self, template: str) -> str | None:
        """Given a kind of auto-reply, return it if this message gets one: not a machine's, nor one of the first sync,
        nor one whose sender the mail server reports as forged, nor an agent's in which a customer is passed on.
        """
        if self.sender.forged or self.sender.vouched_by is not None or self.facts.first_sync:
            return None
        return template if earns_answer(self.message, self.mailbox, self.requester) else None
