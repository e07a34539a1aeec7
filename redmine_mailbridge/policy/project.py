"""The project of a new issue."""

from collections.abc import Iterator

from redmine_mailbridge.model.facts import Facts, Project
from redmine_mailbridge.model.plan import Action
from redmine_mailbridge.model.trace import Trace
from redmine_mailbridge.policy.context import DecisionContext
from redmine_mailbridge.policy.keywords import Keywords
from redmine_mailbridge.policy.own_addresses import subaddress
from redmine_mailbridge.policy.rules import MatchedRules
from redmine_mailbridge.policy.sender import domain_rule
from redmine_mailbridge.util.dataclass import dataclass
from redmine_mailbridge.util.suggest import did_you_mean


@dataclass(frozen=True, slots=True)
class ProjectChoice:
    """A project, or why there is none (`action` and `why`). `by_address`: a subaddress named it."""

    identifier: str | None = None
    project: Project | None = None
    why: str = ""
    action: Action | None = None
    by_address: bool = False


BY_ADDRESS = "the subaddress"
BY_KEYWORD = "the mail's keyword line"


def candidates(context: DecisionContext, matched: MatchedRules, keywords: Keywords) -> Iterator[tuple[str, str]]:
    """Yield identifier and origin of the projects that a new issue may go to, in order of precedence.

    The order is Redmine's (subaddress, keyword line, option), with rules and domains between the last two.
    """
    message, route, mailbox = context.message, context.route, context.mailbox
    if route.issue.project_from_subaddress:
        for address in (*(a.address for a in message.recipients), *message.recipients_of_record):
            if subaddress(address) and mailbox.ours(address):
                yield subaddress(address), f"{BY_ADDRESS} {address}"
    if "project" in keywords.values:
        yield keywords.values["project"], BY_KEYWORD
    for rule in matched.rules:
        if rule.project:
            yield rule.project, f'rule "{rule.name}"'
    if (matching := domain_rule(context.sender, route)) is not None and matching[1].project:
        yield matching[1].project, f"the rule for the domain {matching[0]}"
    if route.issue.project:
        yield route.issue.project, "the mailbox"


def find_project(choices: Iterator[tuple[str, str]], facts: Facts, steps: Trace) -> ProjectChoice:
    """Given the candidates, return the first that exists in Redmine and accepts issues.

    When the last of them does not exist the mail is held: somebody must mend the settings; but refused when only the
    mail itself named it. When it exists but is closed, or has no issue tracking, the mail is refused, as Redmine does.
    A project named by the settings is recorded (`Trace.add_unfit`): the message waits until it exists.
    """
    place = ProjectChoice(
        why="no project: the mailbox has none, and nothing in the mail names one", action=Action.REFUSE
    )
    for name, origin in choices:
        project = facts.projects.get(name.lower())
        by_mail = origin.startswith((BY_ADDRESS, BY_KEYWORD))
        if project is None and facts.offline:
            return ProjectChoice(name.lower(), None, f"project {name} from {origin}")
        if project is None:
            why = f"project {name} from {origin} does not exist or is not visible{did_you_mean(name, facts.projects)}"
            place = ProjectChoice(why=why, action=Action.REFUSE if by_mail else Action.HOLD)
        elif not (project.active and project.issue_tracking):
            why = "is closed" if not project.active else "has no issue tracking"
            place = ProjectChoice(why=f"project {project.identifier} from {origin} {why}", action=Action.REFUSE)
        else:
            steps.add(f"project {project.identifier} from {origin}")
            why = f"project {project.identifier} from {origin}"
            return ProjectChoice(project.identifier, project, why, by_address=origin.startswith(BY_ADDRESS))
        if by_mail:
            steps.add(place.why)
        else:
            steps.add_unfit(place.why)
    return place
