"""Whose changes of the requester's custom field count, and what the agents read of one that does not.

Whoever Redmine lets edit the field may change the requester of an issue that came by mail, unless the settings name who
may change recipients (`answers.command_roles`, `answers.command_groups`): then only those.
"""

from collections.abc import Mapping
from typing import Any

from redmine_mailbridge.model.mail import TextFormat
from redmine_mailbridge.policy.issue_text import literal
from redmine_mailbridge.store.issue_copy import IssueOrigin
from redmine_mailbridge.store.notices import NewNotice, Notices
from redmine_mailbridge.tasks.update.command_rights import CommandRights, CommandUsers
from redmine_mailbridge.tasks.update.requesters.field_history import FieldChange


class RequesterFieldGuard:
    """Judges changes of the field. `allowed` maps a mailbox to who may change recipients. Raises RedmineUnavailable."""

    def __init__(
        self, allowed: Mapping[str, CommandUsers], rights: CommandRights, notices: Notices, text_format: TextFormat
    ) -> None:
        self._allowed = allowed
        self._rights = rights
        self._notices = notices
        self._text_format = text_format

    def refuses(self, issue_data: Mapping[str, Any], origin: IssueOrigin, change: FieldChange | None) -> bool:
        """Given an issue from the API, what made it a conversation, and a change of its field (None: the history has
        none), return whether its writer may not change the requester. The agents are informed, once per change.
        """
        allowed = self._allowed.get(origin.mailbox, CommandUsers())
        if allowed.is_empty:
            return False
        writer = {change.user} if change is not None and change.user else ()
        refusal = self._rights.refusal(writer, int(issue_data["project"]["id"]), allowed)
        if refusal:
            self.report(origin, change, refusal)
        return bool(refusal)

    def report(self, origin: IssueOrigin, change: FieldChange | None, why: str) -> None:
        """Inform the agents that a value that somebody has set does not count, once per change."""
        if change is None or not change.value.strip():
            return
        shown = literal(change.value.strip(), self._text_format)
        text = f"The requester stays as it is (change {change.number}): the requester field is {shown}, and {why}"
        self._notices.add(origin.issue, origin.mail_id, NewNotice(f"requester field/{change.number}", text))
