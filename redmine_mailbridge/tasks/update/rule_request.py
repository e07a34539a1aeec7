"""Builds the request of a time-based rule: one change of one issue, with names resolved to IDs."""

from collections.abc import Mapping
from typing import Any

from redmine_mailbridge.errors import RedmineRefused
from redmine_mailbridge.model.facts import Project
from redmine_mailbridge.model.mail import TextFormat
from redmine_mailbridge.outgoing.reasons import RuleReason
from redmine_mailbridge.policy.issue_fields import known_id
from redmine_mailbridge.policy.time_rules.due import RuleMatch
from redmine_mailbridge.policy.time_rules.wording import filled
from redmine_mailbridge.redmine.metadata import MetadataCache
from redmine_mailbridge.redmine.requests import NoteRequest
from redmine_mailbridge.redmine.text_cleaning import clean_markup
from redmine_mailbridge.settings.time_rules import RuleThen
from redmine_mailbridge.store.issue_copy import IssueRow
from redmine_mailbridge.util.suggest import did_you_mean


class RuleChange:
    """Builds the requests of rules. Safe to share among threads. `languages` are those of mailboxes, for the reason in
    a note; English for others.
    """

    def __init__(self, metadata: MetadataCache, text_format: TextFormat, languages: Mapping[str, str]) -> None:
        self._metadata = metadata
        self._text_format = text_format
        self._languages = languages

    def request(self, then: RuleThen, issue: IssueRow, match: RuleMatch) -> NoteRequest | None:
        """Given a rule's actions and its match, return the request; None when nothing needs to change.

        Raise RedmineRefused when a name does not exist in Redmine.
        """
        attributes: dict[str, Any] = {}
        if then.status is not None and then.status.lower() != issue.status.lower():
            attributes["status_id"] = _id("status", then.status, self._metadata.statuses().ids)
        if then.priority is not None and then.priority.lower() != issue.priority.lower():
            attributes["priority_id"] = _id("priority", then.priority, self._metadata.priorities())
        if then.assignee is not None:
            assignee_id = self._assignee(then.assignee, self._project(issue))
            if assignee_id != issue.assignee_id:
                attributes["assigned_to_id"] = assignee_id
        if then.note is not None:
            values = _values(issue, match, self._languages.get(issue.mailbox, "en"))
            attributes["notes"] = clean_markup(filled(then.note, values, self._text_format))
            if then.private_note:
                attributes["private_notes"] = True
        own = self._metadata.people.me().user.id
        return NoteRequest(issue.id, issue.project_id, attributes, own_id=own) if attributes else None

    def _project(self, issue: IssueRow) -> Project:
        project = self._metadata.project(str(issue.project_id))
        if project is None:
            raise RedmineRefused(f"the bridge may not see the project of #{issue.id}", status=404)
        return project

    def _assignee(self, assignee: str, project: Project) -> int:
        owner = self._metadata.people.by_address(assignee) if "@" in assignee else None
        if owner is not None and owner.id in project.members.values():
            return owner.id
        return _id("assignee", assignee, project.members)


def _id(what: str, name: str, known: Mapping[str, int]) -> int:
    number = known_id(name, known)
    if number is None:
        raise RedmineRefused(f'the {what} "{name}" does not exist here{did_you_mean(name, known)}', status=404)
    return number


def _values(issue: IssueRow, match: RuleMatch, language: str) -> dict[str, str]:
    return {
        "rule": match.rule,
        "reason": RuleReason(match.reason).in_language(language),
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
