"""Every name of a mailbox's settings that Redmine must know: projects, trackers, fields, people, rights.

Asked by `check`, and when the service starts: an unknown name is a clear line before the first mail is read.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from redmine_mailbridge.checks.result import Check
from redmine_mailbridge.model.plan import Project
from redmine_mailbridge.policy.issue_fields import ROUND_ROBIN, known_id
from redmine_mailbridge.redmine.lazy import Lazy
from redmine_mailbridge.redmine.metadata import Directory
from redmine_mailbridge.settings.issue import KEYWORDS
from redmine_mailbridge.settings.mailbox import MailboxSettings
from redmine_mailbridge.settings.models import Settings
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
"""What Redmine's page of a role calls its permissions."""


@dataclass(frozen=True, slots=True)
class Permission:
    """A permission that the bridge's own user needs, and what for; where only a default asks for it, it is `useful`.
    `instead` is what to change in the settings where it is not to be given.
    """

    name: str
    what: str
    useful: bool = False
    instead: str = ""

    def lacking(self, project: Project) -> str:
        """The line that says that it lacks, and what to change."""
        label = LABELS[self.name]
        instead = f", or set {self.instead}" if self.instead else ""
        return (
            f"the bridge's user lacks the permission {self.name}, without which it cannot {self.what}. Give a role of "
            f'that user in project {project.identifier} the permission "{label}" (Administration, Roles and '
            f"permissions){instead}"
        )


@dataclass(frozen=True, slots=True)
class Names:
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


def unresolved(settings: Settings, directory: Directory) -> list[str]:
    """At the start: one line for each name that Redmine does not know. Raise RedmineError when it cannot be asked."""
    found = (one for name, box in settings.active_mailboxes.items() for one in mailbox_names(name, box, directory))
    return [f"{check.name}: {check.words}" for check in found if check.ok is False]


def mailbox_names(name: str, box: MailboxSettings, directory: Directory) -> Iterator[Check]:
    """Given a mailbox's settings, yield a line for each project and one for each name that does not fit.

    Raise RedmineError when Redmine cannot be asked.
    """
    here = f"mailbox {name}"
    own = box.issue.project
    if own is None:
        yield Check(f"{here}: project", None, "none: only mail that names one makes an issue")
    seen: set[str] = set()
    for names in _places(box):
        wanted = names.project or own
        project = directory.project(wanted) if wanted else None
        if wanted and wanted.lower() not in seen:
            seen.add(wanted.lower())
            yield from _project(f"{here}: {names.where}project", wanted, project, directory, box)
        for problem in problems(names, project, directory):
            yield Check(f"{here}: {names.where.rstrip()}".rstrip(": "), False, problem)
    for unknown in _unknown_overrides(box, directory.project(own) if own else None):
        yield Check(f"{here}: allow_override", False, f"no field of Redmine is called {unknown}")
    yield from _people(here, box, directory)


def _places(box: MailboxSettings) -> Iterator[Names]:
    issue = box.issue
    keys = ("tracker", "category", "priority", "status", "assignee", "version")
    own = tuple(filter(None, (issue.requester_field, box.senders.customer_field)))
    yield Names("", issue.project, {key: getattr(issue, key) for key in keys}, (*issue.custom_fields, *own))
    more = {"status": issue.reopen_status}
    yield Names("reopen_status: ", None, more)
    for status in dict.fromkeys(one for pair in issue.reply_status.items() for one in pair):
        yield Names("reply_status: ", None, {"status": status})
    for importance, priority in issue.priority_by_importance.items():
        yield Names(f"priority_by_importance.{importance}: ", None, {"priority": priority})
    for rule in box.rules:
        values = {key: getattr(rule, key) for key in keys}
        yield Names(
            f'rule "{rule.name}": ', rule.project, values, tuple(rule.custom_fields), rule.watchers, issue.tracker
        )
    for domain, one in box.senders.domains.items():
        values = {key: getattr(one, key) for key in ("tracker", "category", "priority", "assignee")}
        yield Names(f"senders.domains.{domain}: ", one.project, values)


def _project(
    title: str, wanted: str, project: Project | None, directory: Directory, box: MailboxSettings
) -> Iterator[Check]:
    if project is None:
        near = did_you_mean(wanted, directory.project_names())
        yield Check(title, False, f'there is no project "{wanted}", or the bridge\'s user may not see it{near}')
        return
    if not project.active:
        yield Check(title, False, f"{project.identifier} is closed or archived: it takes no issues")
        return
    if not project.issue_tracking:
        yield Check(title, False, f"{project.identifier} has no module Issue tracking: it takes no issues")
        return
    yield Check(title, True, f"{project.identifier} ({project.name})")
    if box.answers.notes != "never" and not (project.public or box.answers.private_projects):
        words = "it is private, so that no note of it is mailed: answers.private_projects = true would"
        yield Check(f"{title} {project.identifier}", None, words)
    me = directory.people.me().rights
    for one in _permissions(box):
        if not directory.may(me, one.name, project):
            yield Check(f"{title} {project.identifier}", None if one.useful else False, one.lacking(project))
    yield from _visibility(f"{title} {project.identifier}", project, directory, box)


def _permissions(box: MailboxSettings) -> Iterator[Permission]:
    """What the bridge's own user must be allowed, as far as the settings need it."""
    issue = box.issue
    yield Permission("view_issues", "read the issues that mails refer to")
    if not issue.reply_only:
        yield Permission("add_issues", "make issues")
    yield Permission("add_issue_notes", "write notes")
    reopens = issue.closed_reply == "reopen" or issue.reopen_status is not None
    changes = bool(issue.reply_status) or reopens or bool(issue.overrides)
    yield Permission("edit_issues", "reopen issues, and set fields by keyword lines on replies", useful=not changes)
    named = any(rule.watchers for rule in box.rules)
    if issue.watchers_from_mail or named:
        asked_for = named or "watchers_from_mail" in issue.model_fields_set
        yield Permission(
            "add_issue_watchers", "make people watchers", not asked_for, "issue.watchers_from_mail = false"
        )
    if issue.private or any(rule.private for rule in box.rules):
        yield Permission("set_issues_private", "make issues private: they would be public", instead="private = false")
    if issue.automatic_reply == "private_note" or box.answers.notes != "never":
        yield Permission("set_notes_private", "write private notes: they would be public")
        yield Permission("view_private_notes", "see whether a private note was written")


def _visibility(title: str, project: Project, directory: Directory, box: MailboxSettings) -> Iterator[Check]:
    """Which issues the bridge's own user sees: a reply to another one is not known to be one."""
    me = directory.people.me().rights
    roles = [role for role in directory.roles_of(me, project) if "view_issues" in role.permissions]
    shown = {role.issues_visibility for role in roles}
    if not roles or "all" in shown:
        return
    names = ", ".join(role.name for role in roles)
    what = 'set "Issues visibility" to "All issues" (Administration, Roles and permissions)'
    if "default" in shown:
        private = box.issue.private or any(rule.private for rule in box.rules)
        words = (
            f"the role {names} shows the bridge's user no private issues of others: replies to those become new ones"
        )
        yield Check(title, False if private else None, f"{words}; {what}")
        return
    words = (
        f"the role {names} shows the bridge's user only its own issues: replies to agents' issues could not be found, "
        "and would become new ones"
    )
    yield Check(title, False, f"{words}; {what}")


def problems(names: Names, project: Project | None, directory: Directory) -> Iterator[str]:
    """Given the names of one place, yield a line for each that Redmine does not know (there)."""
    everywhere: dict[str, Mapping[str, int]] = {
        "priority": Lazy(directory.priorities),
        "status": Lazy(lambda: directory.statuses().ids),
    }
    of_project: dict[str, Mapping[str, int]] = {}
    if project is not None:
        of_project = {"tracker": project.trackers, "category": project.categories, "version": project.versions}
    for what, value in names.values.items():
        if value is None:
            continue
        if what == "assignee":
            yield from _assignee(value, project, directory)
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
        if directory.can_impersonate and not (directory.people.by_login(who) or directory.people.by_address(who)):
            yield f'watcher "{who}" is no user\'s login or address'


def _unknown_overrides(box: MailboxSettings, project: Project | None) -> Iterator[str]:
    """The names of allow_override that no keyword line can have, with what was probably meant."""
    if project is None or not box.issue.overrides:
        return
    known = {*KEYWORDS, "all", *("_".join(name.split()) for name in project.custom_fields)}
    for name in sorted(box.issue.overrides - known):
        yield f'"{name}"{did_you_mean(name, known)}'


def _unknown(what: str, value: str, known: Mapping[str, int], place: str) -> Iterator[str]:
    if known_id(value, known) is None:
        yield f'{what} "{value}" does not exist{place}{did_you_mean(value, known)}'


def _assignee(value: str, project: Project | None, directory: Directory) -> Iterator[str]:
    if project is None:
        return
    if value.lower().startswith(ROUND_ROBIN):
        group = value[len(ROUND_ROBIN) :].strip()
        if not directory.can_impersonate:
            yield f'"{value}" needs an administrator\'s key, which alone can list groups'
            return
        groups = directory.groups()
        yield from _unknown("group", group, groups, "")
        members = directory.people.members(group, groups)
        if group.lower() in groups and not set(members) & set(project.members.values()):
            yield f'nobody of the group "{group}" can be assigned issues in project {project.identifier}'
        return
    owner = directory.people.by_address(value)
    if owner is not None and owner.id in project.members.values():
        return
    hint = "" if directory.can_impersonate else ' (a key without admin rights knows people by "First Last" only)'
    place = f" among those who can be assigned issues in project {project.identifier}{hint}"
    yield from _unknown("assignee", value, project.members, place)


def _people(here: str, box: MailboxSettings, directory: Directory) -> Iterator[Check]:
    """What concerns users: making them, and the one who writes for strangers."""
    admin = directory.can_impersonate
    if box.issue.unknown_sender == "create" and not admin:
        yield Check(f"{here}: unknown_sender", False, '"create" needs an administrator\'s key: no users would be made')
    if not admin and (grouping := [domain for domain, one in box.senders.domains.items() if one.group]):
        words = f"the group of {', '.join(grouping)} needs an administrator's key: nobody would join it"
        yield Check(f"{here}: senders.domains", False, words)
    wanted = box.senders.ticket_user
    if wanted is None:
        return
    user = directory.people.by_login(wanted) if admin else None
    if not admin:
        yield Check(f"{here}: ticket_user", False, "needs an administrator's key: the bridge's own user would write")
    elif user is None:
        yield Check(f"{here}: ticket_user", False, f'there is no user with the login "{wanted}"')
    elif user.status != "active":
        yield Check(f"{here}: ticket_user", False, f"{user.login} is {user.status}: Redmine lets nobody act as it")
