"""What a rule of time asks of Redmine: one change of one issue, its names turned into ids."""

from collections.abc import Mapping
from typing import Any

from redmine_mailbridge.errors import RedmineRefused
from redmine_mailbridge.model.mail import TextFormat
from redmine_mailbridge.model.plan import Project
from redmine_mailbridge.policy.issue_fields import known_id
from redmine_mailbridge.policy.time_rules.due import Application
from redmine_mailbridge.policy.time_rules.wording import filled
from redmine_mailbridge.redmine.metadata import Directory
from redmine_mailbridge.redmine.requests import NoteRequest
from redmine_mailbridge.redmine.text_cleaning import clean_markup
from redmine_mailbridge.settings.time_rules import RuleThen
from redmine_mailbridge.store.issue_copy import IssueRow
from redmine_mailbridge.util.suggest import did_you_mean


class RuleChange:
    """Makes the requests of rules. Safe to share among threads."""

    def __init__(self, directory: Directory, text_format: TextFormat) -> None:
        self._directory = directory
        self._text_format = text_format

    def request(self, then: RuleThen, issue: IssueRow, found: Application) -> NoteRequest | None:
        """Given what a rule does and where it is due, return the request; None when the issue is as it should be.

        Raise RedmineRefused when Redmine does not know a name.
        """
        attributes: dict[str, Any] = {}
        if then.status is not None and then.status.lower() != issue.status.lower():
            attributes["status_id"] = _id("status", then.status, self._directory.statuses().ids)
        if then.priority is not None and then.priority.lower() != issue.priority.lower():
            attributes["priority_id"] = _id("priority", then.priority, self._directory.priorities())
        if then.assignee is not None:
            who = self._assignee(then.assignee, self._project(issue))
            if who != issue.assignee_id:
                attributes["assigned_to_id"] = who
        if then.note is not None:
            attributes["notes"] = clean_markup(filled(then.note, _values(issue, found), self._text_format))
            if then.private_note:
                attributes["private_notes"] = True
        own = self._directory.people.me().user.id
        return NoteRequest(issue.id, issue.project_id, attributes, own_id=own) if attributes else None

    def _project(self, issue: IssueRow) -> Project:
        project = self._directory.project(str(issue.project_id))
        if project is None:
            raise RedmineRefused(f"the bridge may not see the project of #{issue.id}", status=404)
        return project

    def _assignee(self, wanted: str, project: Project) -> int:
        owner = self._directory.people.by_address(wanted) if "@" in wanted else None
        if owner is not None and owner.id in project.members.values():
            return owner.id
        return _id("assignee", wanted, project.members)


def _id(what: str, name: str, known: Mapping[str, int]) -> int:
    found = known_id(name, known)
    if found is None:
        raise RedmineRefused(f'there is no {what} "{name}" here{did_you_mean(name, known)}', status=404)
    return found


def _values(issue: IssueRow, found: Application) -> dict[str, str]:
    return {
        "rule": found.rule,
        "reason": found.reason,
        "requester.name": issue.requester_name or issue.requester,
        "requester.address": issue.requester,
        "issue.id": str(issue.id),
        "issue.subject": issue.subject,
        "issue.status": issue.status,
        "issue.priority": issue.priority,
        "issue.tracker": issue.tracker,
        "issue.assignee": issue.assignee or "",
        "project": issue.project_name,
        "mailbox": issue.mailbox,
    }
