"""Every name of a mailbox's settings that Redmine must know: projects, trackers, fields, people, rights.

Used by `check` and when the service starts: an unknown name is a clear line before the first message is read.
"""

from collections.abc import Iterator, Mapping
from dataclasses import field

from redmine_mailbridge.checks.answer_reports import reporting_checks
from redmine_mailbridge.checks.result import Check
from redmine_mailbridge.model.facts import Project
from redmine_mailbridge.policy.issue_fields import ROUND_ROBIN, known_id
from redmine_mailbridge.redmine.lazy import LazyMapping
from redmine_mailbridge.redmine.metadata import MetadataCache
from redmine_mailbridge.settings.issue import KEYWORDS
from redmine_mailbridge.settings.mailbox import MailboxSettings
from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.util.dataclass import dataclass
from redmine_mailbridge.util.suggest import did_you_mean

LABELS = {
    "view_issues": "View issues",
    "add_issues": "Add issues",
    "add_issue_notes": "Add notes",
    "edit_issues": "Edit issues",
    "add_issue_watchers": "Add watchers",
    "set_issues_private": "Set issues public or private",
    "set_notes_private": "Set notes as private",
    "view_private_notes": "View private notes",
}
"""The names of the permissions on Redmine's page of a role."""


@dataclass(frozen=True, slots=True)
class Permission:
    """A permission that the bridge's own user needs, and what for; `useful` if only a default asks for it. `instead` is
    the setting to change if the permission is not to be granted.
    """

    name: str
    what: str
    useful: bool = False
    instead: str = ""

    def lacking(self, project: Project) -> str:
        """The line that reports it as missing, and what to change."""
        label = LABELS[self.name]
        instead = f", or set {self.instead}" if self.instead else ""
        return (
            f"the bridge's user lacks the permission {self.name} and cannot {self.what}. Give a role of that user in "
            f'project {project.identifier} the permission "{label}" (Administration, Roles and permissions){instead}'
        )


@dataclass(frozen=True, slots=True)
class NameChecks:
    """The names in one place of a mailbox's settings; `where` is that place, as an admin knows it. `tracker` is the
    mailbox's.
    """

    where: str
    project: str | None
    values: Mapping[str, str | None]
    custom_fields: tuple[str, ...] = ()
    watchers: tuple[str, ...] = field(default=())
    tracker: str | None = None

    @property
    def fields_tracker(self) -> str | None:
        """The tracker whose issues must have the custom fields: the place's own, else the mailbox's."""
        return self.values.get("tracker") or self.tracker


def unresolved(settings: Settings, metadata: MetadataCache) -> list[str]:
    """At startup: one line for each name that Redmine does not know. Raise RedmineError when it cannot be queried."""
    checks = (check for name, box in settings.active_mailboxes.items() for check in mailbox_names(name, box, metadata))
    return [f"{check.name}: {check.words}" for check in checks if check.ok is False]


def mailbox_names(name: str, box: MailboxSettings, metadata: MetadataCache) -> Iterator[Check]:
    """Given a mailbox's settings, yield a line for each project and one for each name that does not fit.

    Raise RedmineError when Redmine cannot be queried.
    """
    here = f"mailbox {name}"
    own = box.issue.project
    if own is None:
        yield Check(f"{here}: project", None, "none: only messages that name one create an issue")
    seen: set[str] = set()
    for names in _places(box):
        name_or_id = names.project or own
        project = metadata.project(name_or_id) if name_or_id else None
        if name_or_id and name_or_id.lower() not in seen:
            seen.add(name_or_id.lower())
            yield from _project(f"{here}: {names.where}project", name_or_id, project, metadata, box)
        for problem in problems(names, project, metadata):
            yield Check(f"{here}: {names.where.rstrip()}".rstrip(": "), False, problem)
    yield from reporting_checks(here, box, metadata.project(own) if own else None, metadata)
    for unknown in _unknown_overrides(box, metadata.project(own) if own else None):
        yield Check(f"{here}: allow_override", False, f"no field in Redmine is called {unknown}")
    yield from _people(here, box, metadata)


def _places(box: MailboxSettings) -> Iterator[NameChecks]:
    issue = box.issue
    keys = ("tracker", "category", "priority", "status", "assignee", "version")
    own = tuple(filter(None, (issue.requester_field, box.senders.customer_field, issue.last_answer_field)))
    yield NameChecks("", issue.project, {key: getattr(issue, key) for key in keys}, (*issue.custom_fields, *own))
    for key in ("reopen_status", "bounce_status"):
        yield NameChecks(f"{key}: ", None, {"status": getattr(issue, key)})
    for status in dict.fromkeys(name for pair in issue.reply_status.items() for name in pair):
        yield NameChecks("reply_status: ", None, {"status": status})
    for importance, priority in issue.priority_by_importance.items():
        yield NameChecks(f"priority_by_importance.{importance}: ", None, {"priority": priority})
    for rule in box.rules:
        values = {key: getattr(rule, key) for key in keys}
        yield NameChecks(
            f'rule "{rule.name}": ', rule.project, values, tuple(rule.custom_fields), rule.watchers, issue.tracker
        )
    for domain, domain_settings in box.senders.domains.items():
        values = {key: getattr(domain_settings, key) for key in ("tracker", "category", "priority", "assignee")}
        yield NameChecks(f"senders.domains.{domain}: ", domain_settings.project, values)


def _project(
    title: str, name_or_id: str, project: Project | None, metadata: MetadataCache, box: MailboxSettings
) -> Iterator[Check]:
    if project is None:
        yield Check(title, False, unknown_project(name_or_id, metadata))
        return
    if not project.active:
        yield Check(title, False, f"{project.identifier} is closed or archived: it accepts no issues")
        return
    if not project.issue_tracking:
        yield Check(title, False, f"{project.identifier} does not have the module Issue tracking: it accepts no issues")
        return
    yield Check(title, True, f"{project.identifier} ({project.name})")
    if box.answers.notes != "never" and not (project.public or box.answers.private_projects):
        words = "the project is private, so its notes are not mailed; set answers.private_projects = true to mail them"
        yield Check(f"{title} {project.identifier}", None, words)
    me = metadata.people.me().rights
    for permission in _permissions(box):
        if not metadata.may(me, permission.name, project):
            yield Check(
                f"{title} {project.identifier}", None if permission.useful else False, permission.lacking(project)
            )
    yield from _visibility(f"{title} {project.identifier}", project, metadata, box)


def unknown_project(name: str, metadata: MetadataCache) -> str:
    """Given a project that Redmine does not show, return the line that reports it. Raise RedmineError."""
    near = did_you_mean(name, metadata.project_names())
    return f'no project is called "{name}", or the bridge\'s user cannot see it{near}'


def _permissions(box: MailboxSettings) -> Iterator[Permission]:
    """What the bridge's own user must be allowed to do, as far as the settings need it."""
    issue = box.issue
    yield Permission("view_issues", "read the issues that messages refer to")
    if not issue.reply_only:
        yield Permission("add_issues", "create issues")
    yield Permission("add_issue_notes", "write notes")
    reopens = issue.closed_reply == "reopen" or issue.reopen_status is not None
    reports = bool(issue.bounce_status or issue.last_answer_field)
    changes = bool(issue.reply_status) or reopens or bool(issue.overrides) or reports
    yield Permission("edit_issues", "change issues, and set fields by keyword lines on replies", useful=not changes)
    named = any(rule.watchers for rule in box.rules)
    if issue.watchers_from_mail or named:
        asked_for = named or "watchers_from_mail" in issue.model_fields_set
        yield Permission("add_issue_watchers", "add watchers", not asked_for, "issue.watchers_from_mail = false")
    if issue.private or any(rule.private for rule in box.rules):
        yield Permission("set_issues_private", "make issues private (they would be public)", instead="private = false")
    elif issue.agent_replies != "note":
        yield Permission("set_issues_private", "create the private issues of agents' replies", useful=True)
    private = issue.automatic_reply == "private_note" or issue.bounce_status is not None
    if private or box.answers.notes != "never" or box.answers.third_parties:
        yield Permission("set_notes_private", "write private notes (they would be public)")
        yield Permission("view_private_notes", "see whether a private note was written")


def _visibility(title: str, project: Project, metadata: MetadataCache, box: MailboxSettings) -> Iterator[Check]:
    """Which issues the bridge's own user sees: a reply to any other issue is not recognised as one."""
    me = metadata.people.me().rights
    roles = [role for role in metadata.roles_of(me, project) if "view_issues" in role.permissions]
    shown = {role.issues_visibility for role in roles}
    if not roles or "all" in shown:
        return
    names = ", ".join(role.name for role in roles)
    what = 'set "Issues visibility" to "All issues" (Administration, Roles and permissions)'
    if "default" in shown:
        private = box.issue.private or any(rule.private for rule in box.rules)
        words = (
            f"the role {names} hides private issues of others from the bridge's user: "
            "replies to those create new issues"
        )
        yield Check(title, False if private else None, f"{words}; {what}")
        return
    words = (
        f"the role {names} shows the bridge's user only its own issues: replies to agents' issues would not be matched "
        "and would create new issues"
    )
    yield Check(title, False, f"{words}; {what}")


def problems(names: NameChecks, project: Project | None, metadata: MetadataCache) -> Iterator[str]:
    """Given the names of one place, yield a line for each that Redmine does not know (there)."""
    everywhere: dict[str, Mapping[str, int]] = {
        "priority": LazyMapping(metadata.priorities),
        "status": LazyMapping(lambda: metadata.statuses().ids),
    }
    of_project: dict[str, Mapping[str, int]] = {}
    if project is not None:
        of_project = {"tracker": project.trackers, "category": project.categories, "version": project.versions}
    for what, value in names.values.items():
        if value is None:
            continue
        if what == "assignee":
            yield from _assignee(value, project, metadata)
        elif what in everywhere:
            yield from _unknown(what, value, everywhere[what], "")
        elif project is not None:
            yield from _unknown(what, value, of_project[what], f" in project {project.identifier}")
    if project is not None:
        for name in names.custom_fields:
            yield from _unknown("custom field", name, project.custom_fields, f" in project {project.identifier}")
            if name.lower() in set(project.custom_fields) - set(project.fields_of(names.fields_tracker)):
                tracker = names.fields_tracker or next(iter(project.trackers), "none")
                yield f'custom field "{name}" is not enabled for the tracker {tracker}: Redmine drops it silently'
    for who in names.watchers:
        if metadata.can_impersonate and not (metadata.people.by_login(who) or metadata.people.by_address(who)):
            yield f'watcher "{who}" is not the login or address of a user'


def _unknown_overrides(box: MailboxSettings, project: Project | None) -> Iterator[str]:
    """The names in allow_override that no keyword line can have, with what was probably meant."""
    if project is None or not box.issue.overrides:
        return
    known = {*KEYWORDS, "all", *("_".join(name.split()) for name in project.custom_fields)}
    for name in sorted(box.issue.overrides - known):
        yield f'"{name}"{did_you_mean(name, known)}'


def _unknown(what: str, value: str, known: Mapping[str, int], place: str) -> Iterator[str]:
    if known_id(value, known) is None:
        yield f'{what} "{value}" does not exist{place}{did_you_mean(value, known)}'


def _assignee(value: str, project: Project | None, metadata: MetadataCache) -> Iterator[str]:
    if project is None:
        return
    if value.lower().startswith(ROUND_ROBIN):
        group = value[len(ROUND_ROBIN) :].strip()
        if not metadata.can_impersonate:
            yield f'"{value}" needs an administrator\'s key: only that can list groups'
            return
        groups = metadata.groups()
        yield from _unknown("group", group, groups, "")
        members = metadata.people.members(group, groups)
        if group.lower() in groups and not set(members) & set(project.members.values()):
            yield f'no member of the group "{group}" can be assigned issues in project {project.identifier}'
        return
    owner = metadata.people.by_address(value)
    if owner is not None and owner.id in project.members.values():
        return
    hint = "" if metadata.can_impersonate else ' (a key without admin rights knows people by "First Last" only)'
    place = f" among the possible assignees in project {project.identifier}{hint}"
    yield from _unknown("assignee", value, project.members, place)


def _people(here: str, box: MailboxSettings, metadata: MetadataCache) -> Iterator[Check]:
    """What concerns users: creating them, and the one who writes for unknown senders."""
    admin = metadata.can_impersonate
    if box.issue.unknown_sender == "create" and not admin:
        yield Check(
            f"{here}: unknown_sender", False, '"create" needs an administrator\'s key: without it no users are created'
        )
    if not admin and (
        grouping := [domain for domain, domain_settings in box.senders.domains.items() if domain_settings.group]
    ):
        words = f"the group of {', '.join(grouping)} needs an administrator's key: without it no sender is added to it"
        yield Check(f"{here}: senders.domains", False, words)
    login = box.senders.ticket_user
    if login is None:
        return
    user = metadata.people.by_login(login) if admin else None
    if not admin:
        yield Check(
            f"{here}: ticket_user", False, "needs an administrator's key: without it the bridge's own user writes"
        )
    elif user is None:
        yield Check(f"{here}: ticket_user", False, f'no user has the login "{login}"')
    elif user.status != "active":
        yield Check(
            f"{here}: ticket_user", False, f"{user.login} is {user.status}: Redmine does not allow acting as this user"
        )
