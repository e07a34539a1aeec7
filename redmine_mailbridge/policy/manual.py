"""What becomes of a mail when a person has decided: it is imported whatever the rules say, or filed to an issue."""

import json
from dataclasses import asdict, dataclass, replace
from typing import Self

from redmine_mailbridge.model.mail import Message
from redmine_mailbridge.model.plan import Action, Facts, Needs, Plan
from redmine_mailbridge.policy.context import Case
from redmine_mailbridge.policy.issue_match import Thread, find_thread
from redmine_mailbridge.policy.new_issue import create
from redmine_mailbridge.policy.own_addresses import MailboxIdentity, responsible
from redmine_mailbridge.policy.reply import note
from redmine_mailbridge.policy.strictest import different
from redmine_mailbridge.settings.issue import Route


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person wants of one mail: `issue` takes it, or None: it is imported as if nothing spoke against it,
    perhaps to another project (identifier) and under another subject.
    """

    who: str
    issue: int | None = None
    project: str | None = None
    subject: str | None = None

    def __str__(self) -> str:
        return json.dumps({name: value for name, value in asdict(self).items() if value is not None})

    @classmethod
    def read(cls, text: str) -> Self:
        """Given what str() made of a wish, return it."""
        return cls(**json.loads(text))

    def needs(self, needs: Needs) -> Needs:
        """What must be known beside what any decision needs: the issue, the project."""
        issues = () if self.issue is None else (self.issue,)
        projects = () if self.project is None else (self.project,)
        return replace(needs, issues=(*issues, *needs.issues), projects=(*projects, *needs.projects))

    def over(self, route: Route) -> Route:
        """The route as this mail takes it: nothing turns it away, and it goes where the person says."""
        route = route.without_refusing()
        if self.project is None:
            return route
        issue = route.issue.model_copy(update={"project": self.project})
        senders = route.senders.model_copy(update={"domains": {}})
        return route.model_copy(update={"issue": issue, "senders": senders, "rules": ()})


def by_hand(message: Message, route: Route, mailbox: MailboxIdentity, facts: Facts, wish: Wish) -> Plan:
    """Given a mail, what is known, and what a person wants, return what will be done. Pure, as `decide` is."""
    mailbox = replace(mailbox, routes={name: wish.over(its) for name, its in mailbox.routes.items()})
    routes = different((wish.over(responsible(message, mailbox, route)[1]), wish.over(route)))
    if wish.subject is not None:
        message = replace(message, subject=wish.subject)
    case = Case.of(message, routes, mailbox, facts)
    case.steps.add(f"decided by {wish.who}: the rules about who may write are not asked")
    if wish.issue is None:
        thread = find_thread(case)
        return (
            note(case.about(thread.issue), thread)
            if thread.issue is not None
            else create(case, thread, f"imported by {wish.who}")
        )
    found = facts.issues.get(wish.issue)
    if found is None:
        return case.end(Action.HOLD, f"#{wish.issue} does not exist, or this key may not see it")
    if not found.project_active:
        return case.end(Action.HOLD, f"#{wish.issue} is in a project that is closed or archived")
    return note(case.about(found), Thread(found), why=f"filed to #{wish.issue} by {wish.who}")
