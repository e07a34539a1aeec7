"""Every name and right that the time-based rules need in Redmine."""

from collections.abc import Iterator

from redmine_mailbridge.checks.foretell_changes import changes_by, forbidden
from redmine_mailbridge.checks.names import NameChecks, problems, unknown_project
from redmine_mailbridge.checks.result import Check
from redmine_mailbridge.checks.samples import Samples
from redmine_mailbridge.model.facts import Project
from redmine_mailbridge.redmine.attributes import Tracker
from redmine_mailbridge.redmine.metadata import MetadataCache
from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.settings.time_rules import TimeRule

REMINDS_ANYBODY = (
    "reminds customers although they may not have received any agent's note, or although it is not their turn: add "
    'when.waiting_for = "customer" to require both'
)


def unknown_of_rules(settings: Settings, metadata: MetadataCache) -> list[str]:
    """At startup: one line for each name of a time-based rule that does not fit. Raise RedmineError."""
    return [f"{check.name}: {check.words}" for check in rule_names(settings, metadata) if check.ok is False]


def rule_names(settings: Settings, metadata: MetadataCache) -> Iterator[Check]:
    """Given settings, yield a line for each time-based rule and each name or right of it that does not fit.

    Raise RedmineError when Redmine cannot be queried.
    """
    for name, calendar in settings.calendars.items():
        yield from (Check(f"calendar {name}", False, line) for line in _unknown(calendar.projects, metadata))
    for rule in settings.rules:
        problems = list(_rule(rule, settings, metadata)) if rule.active else []
        for ok, words in dict.fromkeys(problems):
            yield Check(f'rule "{rule.name}"', ok, words)
        if not any(ok is False for ok, _ in problems):
            yield Check(f'rule "{rule.name}"', True, "all names exist" if rule.active else "is not active")


def rule_changes(settings: Settings, samples: Samples, metadata: MetadataCache) -> Iterator[Check]:
    """Given settings, yield a line for each status that the workflow does not let a rule set, as existing issues show.

    Raise RedmineError when Redmine cannot be queried.
    """
    for rule in settings.rules:
        if not (rule.active and rule.then.status):
            continue
        for project in _projects(rule, settings, metadata):
            for tracker in _trackers(rule, project):
                changes = changes_by(rule, metadata.statuses())
                title = f'rule "{rule.name}": issues of {project.identifier}'
                yield from forbidden(title, project, tracker, changes, samples=samples, metadata=metadata)


def _trackers(rule: TimeRule, project: Project) -> Iterator[Tracker]:
    """The trackers of a project that a rule applies to: its own, else all."""
    named = {name.lower() for name in rule.when.trackers}
    for name, number in project.trackers.items():
        if not named or name in named or str(number) in named:
            yield Tracker(number, name)


def _rule(rule: TimeRule, settings: Settings, metadata: MetadataCache) -> Iterator[tuple[bool | None, str]]:
    when, then = rule.when, rule.then
    if then.mail == "reminder" and "requester" in then.mail_to and when.waiting_for != "customer":
        yield None, REMINDS_ANYBODY
    yield from ((False, line) for line in _unknown(when.projects, metadata))
    everywhere = [("status", name) for name in (*when.statuses, then.status)]
    everywhere += [("priority", name) for name in (*when.priorities, then.priority)]
    for what, name in everywhere:
        yield from ((False, line) for line in problems(NameChecks("", None, {what: name}), None, metadata))
    for project in _projects(rule, settings, metadata):
        for tracker in when.trackers:
            yield from (
                (None, line)
                for line in problems(NameChecks("", project.identifier, {"tracker": tracker}), project, metadata)
            )
        names = NameChecks("", project.identifier, {"assignee": then.assignee})
        yield from ((False, line) for line in problems(names, project, metadata))
        yield from ((False, line) for line in _rights(rule, project, metadata))


def _projects(rule: TimeRule, settings: Settings, metadata: MetadataCache) -> Iterator[Project]:
    """The projects that a rule certainly applies to: its own, else those of the mailboxes whose issues it covers."""
    boxes = settings.active_mailboxes
    of_boxes = [boxes[name].issue.project for name in rule.when.mailboxes or boxes if name in boxes]
    for name in dict.fromkeys(rule.when.projects or filter(None, of_boxes)):
        project = metadata.project(name)
        if project is not None:
            yield project


def _rights(rule: TimeRule, project: Project, metadata: MetadataCache) -> Iterator[str]:
    then, me = rule.then, metadata.people.me().rights
    needed = {
        "edit_issues": then.status or then.assignee or then.priority,
        "add_issue_notes": then.note,
        "set_notes_private": then.private_note,
    }
    for permission, is_needed in needed.items():
        if is_needed and not metadata.may(me, permission, project):
            yield f"the bridge's user lacks the permission {permission} in project {project.identifier}"


def _unknown(projects: tuple[str, ...], metadata: MetadataCache) -> Iterator[str]:
    for name in projects:
        if metadata.project(name) is None:
            yield unknown_project(name, metadata)
