"""Every name and right that the rules of time need in Redmine."""

from collections.abc import Iterator

from redmine_mailbridge.checks.foretell_changes import changes_by, forbidden
from redmine_mailbridge.checks.names import Names, problems
from redmine_mailbridge.checks.result import Check
from redmine_mailbridge.checks.samples import Samples
from redmine_mailbridge.model.plan import Project
from redmine_mailbridge.redmine.metadata import Directory, Tracker
from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.settings.time_rules import TimeRule
from redmine_mailbridge.util.suggest import did_you_mean

REMINDS_ANYBODY = (
    "reminds customers although nothing that an agent wrote may have reached them, or it is not their turn: "
    'when.waiting_for = "customer" asks for both'
)


def unknown_of_rules(settings: Settings, directory: Directory) -> list[str]:
    """At the start: one line for each name of a rule of time that does not fit. Raise RedmineError."""
    return [f"{check.name}: {check.words}" for check in rule_names(settings, directory) if check.ok is False]


def rule_names(settings: Settings, directory: Directory) -> Iterator[Check]:
    """Given settings, yield a line for each rule of time and each name or right of it that does not fit.

    Raise RedmineError when Redmine cannot be asked.
    """
    for name, calendar in settings.calendars.items():
        yield from (Check(f"calendar {name}", False, line) for line in _unknown(calendar.projects, directory))
    for rule in settings.rules:
        found = list(_rule(rule, settings, directory)) if rule.active else []
        for ok, words in dict.fromkeys(found):
            yield Check(f'rule "{rule.name}"', ok, words)
        if not any(ok is False for ok, _ in found):
            yield Check(f'rule "{rule.name}"', True, "every name is known" if rule.active else "is not active")


def rule_changes(settings: Settings, samples: Samples, directory: Directory) -> Iterator[Check]:
    """Given settings, yield a line for each status that the workflow does not let a rule of time set, as issues tell.

    Raise RedmineError when Redmine cannot be asked.
    """
    for rule in settings.rules:
        if not (rule.active and rule.then.status):
            continue
        for project in _projects(rule, settings, directory):
            for tracker in _trackers(rule, project):
                changes = changes_by(rule, directory.statuses())
                title = f'rule "{rule.name}": issues of {project.identifier}'
                yield from forbidden(title, project, tracker, changes, samples=samples, directory=directory)


def _trackers(rule: TimeRule, project: Project) -> Iterator[Tracker]:
    """The trackers that a rule is for in a project: its own, else each."""
    named = {name.lower() for name in rule.when.trackers}
    for name, number in project.trackers.items():
        if not named or name in named or str(number) in named:
            yield Tracker(number, name)


def _rule(rule: TimeRule, settings: Settings, directory: Directory) -> Iterator[tuple[bool | None, str]]:
    when, then = rule.when, rule.then
    if then.mail == "reminder" and "requester" in then.mail_to and when.waiting_for != "customer":
        yield None, REMINDS_ANYBODY
    yield from ((False, line) for line in _unknown(when.projects, directory))
    everywhere = [("status", name) for name in (*when.statuses, then.status)]
    everywhere += [("priority", name) for name in (*when.priorities, then.priority)]
    for what, name in everywhere:
        yield from ((False, line) for line in problems(Names("", None, {what: name}), None, directory))
    for project in _projects(rule, settings, directory):
        for tracker in when.trackers:
            yield from (
                (None, line)
                for line in problems(Names("", project.identifier, {"tracker": tracker}), project, directory)
            )
        names = Names("", project.identifier, {"assignee": then.assignee})
        yield from ((False, line) for line in problems(names, project, directory))
        yield from ((False, line) for line in _rights(rule, project, directory))


def _projects(rule: TimeRule, settings: Settings, directory: Directory) -> Iterator[Project]:
    """The projects that a rule is surely for: its own, else those of the mailboxes whose issues it looks at."""
    boxes = settings.active_mailboxes
    of_boxes = [boxes[name].issue.project for name in rule.when.mailboxes or boxes if name in boxes]
    for name in dict.fromkeys(rule.when.projects or filter(None, of_boxes)):
        project = directory.project(name)
        if project is not None:
            yield project


def _rights(rule: TimeRule, project: Project, directory: Directory) -> Iterator[str]:
    then, me = rule.then, directory.people.me().rights
    needed = {
        "edit_issues": then.status or then.assignee or then.priority,
        "add_issue_notes": then.note,
        "set_notes_private": then.private_note,
    }
    for permission, wanted in needed.items():
        if wanted and not directory.may(me, permission, project):
            yield f"the bridge's user lacks the permission {permission} in project {project.identifier}"


def _unknown(projects: tuple[str, ...], directory: Directory) -> Iterator[str]:
    for name in projects:
        if directory.project(name) is None:
            near = did_you_mean(name, directory.project_names())
            yield f'there is no project "{name}", or the bridge\'s user may not see it{near}'
