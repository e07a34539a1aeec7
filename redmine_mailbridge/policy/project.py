"""In which project does a new issue belong?"""

from collections.abc import Iterator
from dataclasses import dataclass

from redmine_mailbridge.model.plan import Action, Facts, Project
from redmine_mailbridge.model.trace import Steps
from redmine_mailbridge.policy.context import Case
from redmine_mailbridge.policy.keywords import Keywords
from redmine_mailbridge.policy.own_addresses import subaddress
from redmine_mailbridge.policy.rules import Matched
from redmine_mailbridge.policy.sender import domain_rule
from redmine_mailbridge.util.suggest import did_you_mean


@dataclass(frozen=True, slots=True)
class Place:
    """A project that was found, or why none was (`action` and `why`). `by_address`: a subaddress named it."""

    identifier: str | None = None
    project: Project | None = None
    why: str = ""
    action: Action | None = None
    by_address: bool = False


BY_ADDRESS = "the subaddress"
BY_KEYWORD = "the mail's keyword line"


def candidates(case: Case, matched: Matched, keywords: Keywords) -> Iterator[tuple[str, str]]:
    """Yield identifier and origin of the projects that a new issue may go to, the weightiest first.

    The order is Redmine's (subaddress, keyword line, option), with rules and domains between the last two.
    """
    message, route, mailbox = case.message, case.route, case.mailbox
    if route.issue.project_from_subaddress:
        for address in (*(a.address for a in message.recipients), *message.recipients_of_record):
            if subaddress(address) and mailbox.ours(address):
                yield subaddress(address), f"{BY_ADDRESS} {address}"
    if "project" in keywords.values:
        yield keywords.values["project"], BY_KEYWORD
    for rule in matched.rules:
        if rule.project:
            yield rule.project, f'rule "{rule.name}"'
    if (found := domain_rule(case.sender, route)) is not None and found[1].project:
        yield found[1].project, f"the rule for the domain {found[0]}"
    if route.issue.project:
        yield route.issue.project, "the mailbox"


def find_project(found: Iterator[tuple[str, str]], facts: Facts, steps: Steps) -> Place:
    """Given the candidates, return the first that Redmine has and that takes issues.

    When the last of them does not exist the mail is held: somebody must mend the settings; but refused when only the
    mail itself named it. When it exists but is closed, or has no issue tracking, the mail is refused, as Redmine does.
    What the settings name is told as such (`Steps.add_unfit`): the mail waits until it is there.
    """
    place = Place(why="no project: the mailbox has none, and nothing in the mail names one", action=Action.REFUSE)
    for name, origin in found:
        project = facts.projects.get(name.lower())
        by_mail = origin.startswith((BY_ADDRESS, BY_KEYWORD))
        if project is None and facts.offline:
            return Place(name.lower(), None, f"project {name} by {origin}")
        if project is None:
            why = f"project {name} by {origin} does not exist for us{did_you_mean(name, facts.projects)}"
            place = Place(why=why, action=Action.REFUSE if by_mail else Action.HOLD)
        elif not (project.active and project.issue_tracking):
            why = "is closed" if not project.active else "has no issue tracking"
            place = Place(why=f"project {project.identifier} by {origin} {why}", action=Action.REFUSE)
        else:
            steps.add(f"project {project.identifier} by {origin}")
            why = f"project {project.identifier} by {origin}"
            return Place(project.identifier, project, why, by_address=origin.startswith(BY_ADDRESS))
        if by_mail:
            steps.add(place.why)
        else:
            steps.add_unfit(place.why)
    return place
