"""A new issue that is to be private is written by somebody for whom Redmine makes it so.

For everybody else Redmine makes it public, says 201, and mails it to whom it likes at once: setting it right afterwards
is too late.
"""

from dataclasses import replace

from redmine_mailbridge.errors import RedmineRefused, SettingsUnfit
from redmine_mailbridge.model.mail import TextFormat
from redmine_mailbridge.model.plan import Action, Plan, Project
from redmine_mailbridge.policy.issue_text import named
from redmine_mailbridge.redmine.metadata import Directory
from redmine_mailbridge.redmine.rights import Rights

PERMISSIONS = ("set_issues_private", "set_own_issues_private")
"""One of these makes an issue private that its author makes."""


def kept_private(
    plan: Plan, project: Project, directory: Directory, author: int | None, text_format: TextFormat
) -> tuple[Plan, int | None, tuple[str, ...]]:
    """Given a plan, its project and the id of the user that it acts as (None: the key's own), return the plan and the
    author by whom an issue that is to be private becomes so, and what was changed for that, one line each.

    Raise SettingsUnfit where the settings ask for it and nobody may, RedmineRefused where the mail itself asks.
    """
    if plan.action is not Action.CREATE or not plan.fields.is_private:
        return plan, author, ()
    person = directory.people.by_id(author) if author is not None else None
    if person is not None and _may(person.rights, project, directory):
        return plan, author, ()
    if not _may(directory.people.me().rights, project, directory):
        lacking = f"the bridge's user lacks the permission {PERMISSIONS[0]} in project {project.identifier}"
        if "is_private" in plan.keywords:
            raise RedmineRefused(f"what is to be private would become public: {lacking}", status=403)
        raise SettingsUnfit(f"{lacking}: issues that are to be private would become public")
    if plan.act_as is None:
        return plan, None, ()
    text = f"{named(plan.requester, (), None, text_format)}\n\n{plan.text}".strip()
    line = f"{plan.act_as} may make no issue private here: written by the bridge's own user"
    return replace(plan, act_as=None, text=text), None, (line,)


def _may(rights: Rights, project: Project, directory: Directory) -> bool:
    return any(directory.may(rights, permission, project) for permission in PERMISSIONS)
