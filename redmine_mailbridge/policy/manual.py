"""The plan for a message that a person has decided: imported regardless of the rules, or filed to an issue."""

import json
from dataclasses import asdict, replace
from typing import Self

from redmine_mailbridge.model.facts import FactRequest, Facts
from redmine_mailbridge.model.mail import Message, SpamVerdict
from redmine_mailbridge.model.plan import Action, Plan
from redmine_mailbridge.policy.context import DecisionContext
from redmine_mailbridge.policy.follow import follow
from redmine_mailbridge.policy.issue_match import IssueMatch, find_match, private_anywhere, third_party_mail
from redmine_mailbridge.policy.new_issue import create
from redmine_mailbridge.policy.own_addresses import MailboxIdentity, responsible
from redmine_mailbridge.policy.reply import note
from redmine_mailbridge.policy.strictest import different
from redmine_mailbridge.settings.issue import Route
from redmine_mailbridge.util.dataclass import dataclass
from redmine_mailbridge.util.suggest import did_you_mean


@dataclass(frozen=True, slots=True)
class ManualDecision:
    """A person's decision about one message: file it to `issue`, or None: import it as if no rule rejected it,
    optionally to another project (identifier) and with another subject. `new`: it becomes a new issue, whatever it
    refers to. `moved`: it was in Redmine before, so that it is not acknowledged again.
    """

    who: str
    issue: int | None = None
    project: str | None = None
    subject: str | None = None
    new: bool = False
    moved: bool = False

    def __str__(self) -> str:
        return json.dumps({name: value for name, value in asdict(self).items() if value not in {None, False}})

    @classmethod
    def read(cls, text: str) -> Self:
        """Given the result of str(), return the decision."""
        return cls(**json.loads(text))

    @property
    def destination(self) -> str:
        """Where the message is to go, in words."""
        return (
            f"#{self.issue}" if self.issue is not None else f"a new issue{f' in {self.project}' * bool(self.project)}"
        )

    def request(self, request: FactRequest) -> FactRequest:
        """The facts needed in addition to those of any decision: the issue, the project."""
        issues = () if self.issue is None else (self.issue,)
        projects = () if self.project is None else (self.project,)
        return replace(request, issues=(*issues, *request.issues), projects=(*projects, *request.projects))

    def over(self, route: Route) -> Route:
        """The route for this message: nothing rejects it, and it goes where the person says."""
        route = route.without_refusing()
        if self.project is None:
            return route
        issue = route.issue.model_copy(update={"project": self.project})
        senders = route.senders.model_copy(update={"domains": {}})
        return route.model_copy(update={"issue": issue, "senders": senders, "rules": ()})


def by_hand(
    message: Message, route: Route, mailbox: MailboxIdentity, facts: Facts, manual_decision: ManualDecision
) -> Plan:
    """Given a message, the facts, and a person's decision, return the plan. Pure, as `decide` is."""
    mailbox = replace(mailbox, routes={name: manual_decision.over(its) for name, its in mailbox.routes.items()})
    facts = replace(facts, listed_senders=())
    routes = different((manual_decision.over(responsible(message, mailbox, route)[1]), manual_decision.over(route)))
    if manual_decision.subject is not None:
        message = replace(message, subject=manual_decision.subject)
    message = replace(message, spam=SpamVerdict())  # whoever wants it in Redmine says that it is none
    context = DecisionContext.of(message, routes, mailbox, facts)
    context.steps.add(f"decided by {manual_decision.who}: the sender rules do not apply")
    if manual_decision.project is not None and (wrong := _wrong_project(manual_decision, facts)):
        return context.finish(Action.HOLD, wrong)
    if manual_decision.issue is None:
        apart = IssueMatch(private=private_anywhere(context, None))
        match = apart if manual_decision.new else follow(context, find_match(context))
        if match.issue is not None:
            return note(context.about(match.issue), match)
        word = "moved" if manual_decision.moved else "imported"
        return _silent(create(context, match, f"{word} by {manual_decision.who}"), manual_decision)
    issue = facts.issues.get(manual_decision.issue)
    if issue is None:
        return context.finish(Action.HOLD, f"#{manual_decision.issue} does not exist, or this key may not see it")
    if not issue.project_active:
        return context.finish(Action.HOLD, f"#{manual_decision.issue} is in a project that is closed or archived")
    why = f"filed to #{manual_decision.issue} by {manual_decision.who}"
    from_them = third_party_mail(context, issue).from_them
    match = IssueMatch(issue, private=private_anywhere(context, issue), third_party=from_them)
    return _silent(note(context.about(issue), match, why=why, by_hand=True), manual_decision)


def _silent(plan: Plan, manual_decision: ManualDecision) -> Plan:
    """The plan, without an automatic reply to a message that was in Redmine before."""
    return replace(plan, template=None) if manual_decision.moved else plan


def _wrong_project(manual_decision: ManualDecision, facts: Facts) -> str:
    """Why the project that the person named takes no issue, "" when it does."""
    named = manual_decision.project or ""
    project = facts.projects.get(named.lower())
    if facts.offline or (project is not None and project.active and project.issue_tracking):
        return ""
    who = f"named by {manual_decision.who} for this import"
    if project is None:
        hint = did_you_mean(named, facts.projects)
        return f"project {named}, {who}, does not exist or is not visible to the API key{hint}"
    return f"project {project.identifier}, {who}, {'is closed' if not project.active else 'has no issue tracking'}"
