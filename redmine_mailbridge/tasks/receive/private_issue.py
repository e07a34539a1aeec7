"""Chooses an author who is allowed to create a private issue.

For any other author, Redmine creates the issue as public, returns 201, and sends its notifications at once, so that a
later correction would be too late.
"""

from dataclasses import replace

from redmine_mailbridge.errors import RedmineRefused, SettingsUnfit
from redmine_mailbridge.model.facts import Project
from redmine_mailbridge.model.mail import TextFormat
from redmine_mailbridge.model.plan import Action, Plan
from redmine_mailbridge.policy.issue_text import named
from redmine_mailbridge.redmine.metadata import MetadataCache
from redmine_mailbridge.redmine.rights import Rights

PERMISSIONS = ("set_issues_private", "set_own_issues_private")
"""With one of these permissions, an author can create a private issue."""


def kept_private(
    plan: Plan, project: Project, metadata: MetadataCache, author: int | None, text_format: TextFormat
) -> tuple[Plan, int | None, tuple[str, ...]]:
    """Given a plan, its project and the ID of the user to act as (None: the key's user), return the plan and the author
    that can make the issue private, and what was changed for that, one line each.

    Raise SettingsUnfit if the settings require it and no user may, RedmineRefused if the mail requires it.
    """
    if plan.action is not Action.CREATE or not plan.fields.is_private:
        return plan, author, ()
    person = metadata.people.by_id(author) if author is not None else None
    if person is not None and _may(person.rights, project, metadata):
        return plan, author, ()
    if not _may(metadata.people.me().rights, project, metadata):
        lacking = f"the bridge's user lacks the permission {PERMISSIONS[0]} in project {project.identifier}"
        if plan.private_by_mail or "is_private" in plan.keywords:  # else any mail could pause the mailbox
            raise RedmineRefused(f"the private issue would become public: {lacking}", status=403)
        raise SettingsUnfit(f"{lacking}: private issues would become public")
    if plan.act_as is None:
        return plan, None, ()
    text = f"{named(plan.requester, (), None, text_format)}\n\n{plan.text}".strip()
    line = f"{plan.act_as} may not create private issues here: written by the bridge's own user"
    return replace(plan, act_as=None, text=text), None, (line,)


def _may(rights: Rights, project: Project, metadata: MetadataCache) -> bool:
    return any(metadata.may(rights, permission, project) for permission in PERMISSIONS)
