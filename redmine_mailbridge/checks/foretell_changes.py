"""Forecasts which changes of an issue Redmine will not let the bridge's own user make: statuses, notes.

If Redmine drops the status because the author of a reply lacks the right, the bridge's own user sets it, so what that
user may do is what counts.
"""

from collections.abc import Iterator

from redmine_mailbridge.checks.result import Check
from redmine_mailbridge.checks.samples import Samples
from redmine_mailbridge.model.facts import Project
from redmine_mailbridge.policy.issue_fields import known_id
from redmine_mailbridge.redmine.attributes import Statuses, Tracker
from redmine_mailbridge.redmine.metadata import MetadataCache
from redmine_mailbridge.settings.issue import IssueSettings
from redmine_mailbridge.settings.time_rules import TimeRule
from redmine_mailbridge.util.dataclass import dataclass

WORKFLOW = "Administration, Workflow, Status transitions"
REOPENS = 'issue.closed_reply = "reopen"'


@dataclass(frozen=True, slots=True)
class StatusChange:
    """A change of status that the settings ask for, by the ids of both; `by` is the key that asks for it. `sure`: the
    settings name the status before the change, so that it is worth reporting that nothing is known.
    """

    before: int
    after: int
    by: str
    sure: bool = True


def changes_of(issue: IssueSettings, statuses: Statuses) -> Iterator[StatusChange]:
    """Given a mailbox's settings, yield what a reply changes. Names that Redmine does not know are reported
    elsewhere.
    """
    reopens = issue.closed_reply == "reopen"
    for name, then in issue.reply_status.items():
        before, after = known_id(name, statuses.ids), known_id(then, statuses.ids)
        if before is not None and after is not None and (reopens or before not in statuses.closed):
            yield StatusChange(before, after, "issue.reply_status")
    target = known_id(issue.bounce_status, statuses.ids) if issue.bounce_status else None
    if target is not None and target not in statuses.closed:
        others = sorted(set(statuses.ids.values()) - statuses.closed)
        yield from (StatusChange(before, target, "issue.bounce_status", sure=False) for before in others)
    first_open = next((number for number in statuses.ids.values() if number not in statuses.closed), None)
    target = known_id(issue.reopen_status, statuses.ids) if issue.reopen_status else None
    target = first_open if target is None else target
    if reopens and target is not None:
        yield from (StatusChange(before, target, REOPENS) for before in sorted(statuses.closed))


def changes_by(rule: TimeRule, statuses: Statuses) -> Iterator[StatusChange]:
    """Given a time-based rule, yield what it changes: from each open (or closed) status if it names none."""
    after = known_id(rule.then.status, statuses.ids) if rule.then.status else None
    if after is None:
        return
    named = [number for name in rule.when.statuses if (number := known_id(name, statuses.ids)) is not None]
    sure = bool(rule.when.statuses)
    others = statuses.closed if rule.when.closed else set(statuses.ids.values()) - statuses.closed
    for before in named if sure else sorted(others):
        yield StatusChange(before, after, "then.status", sure)


def forbidden(
    title: str,
    project: Project,
    tracker: Tracker,
    changes: Iterator[StatusChange],
    *,
    samples: Samples,
    metadata: MetadataCache,
) -> Iterator[Check]:
    """Given changes of status, yield a line for each that the workflow does not let the bridge's own user make, and for
    each of which nothing is known yet. Raise RedmineError.
    """
    names = metadata.statuses().names
    whose = "a role" if metadata.can_impersonate else "a role of the bridge's user"
    for change in changes:
        if change.before == change.after:
            continue
        known = samples.statuses_after(project, tracker.id, change.before)
        step = f"from {names[change.before]} to {names[change.after]} ({change.by})"
        if known is None and change.sure:
            words = f"whether the workflow of the tracker {tracker.name} lets the bridge's user take an issue {step}"
            yield Check(
                title, None, f"{words} is known once an issue has that status: check again then. If not, "
                "Redmine keeps the status, and the message's history says so"
            )  # fmt: skip
        elif known is not None and change.after not in known:
            words = f"the workflow of the tracker {tracker.name} does not let the bridge's user take an issue {step}"
            yield Check(
                title, False if change.sure else None, f"{words}: the status does not change. Allow it for {whose} "
                f"({WORKFLOW}), or change the setting"
            )  # fmt: skip


def notes_unknown(
    title: str, project: Project, tracker: Tracker, samples: Samples, metadata: MetadataCache
) -> Iterator[Check]:
    """Report that a role may add notes to some trackers only, which Redmine shows of no role, unless the bridge's own
    user has written one to this tracker. Raise RedmineError.
    """
    me = metadata.people.me()
    if me.user.admin or not metadata.may(me.rights, "add_issue_notes", project):
        return
    if samples.noted(project, tracker.id, me.user.id):
        return
    roles = ", ".join(role.name for role in metadata.roles_of(me.rights, project))
    words = (
        f"whether the bridge's user may add notes to issues of the tracker {tracker.name} is known with the first note"
    )
    yield Check(
        title, None, f'{words}: if the role {roles} has "Add notes" only for some trackers (Administration, Roles and '
        "permissions), this one must be among them"
    )  # fmt: skip
