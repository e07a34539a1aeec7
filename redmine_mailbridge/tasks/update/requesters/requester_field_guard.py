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
from redmine_mailbridge.tasks.update.requesters.field_history import changes_of, last_change


class RequesterFieldGuard:
    """Judges changes of the field. `allowed` maps a mailbox to who may change recipients. Raises RedmineUnavailable."""

    def __init__(
        self, allowed: Mapping[str, CommandUsers], rights: CommandRights, notices: Notices, text_format: TextFormat
    ) -> None:
        self._allowed = allowed
        self._rights = rights
        self._notices = notices
        self._text_format = text_format

    def refuses(self, issue_data: Mapping[str, Any], origin: IssueOrigin, field: int, value: str) -> bool:
        """Given an issue from the API, what made it a conversation, and the id and new value of its field, return
        whether its writer may not change the requester. The agents are informed, once per change.
        """
        allowed = self._allowed.get(origin.mailbox, CommandUsers())
        if allowed.is_empty:
            return False
        change = _change(issue_data, field, value)
        writer = {int(change["user"]["id"])} if change is not None and change.get("user") else ()
        refusal = self._rights.refusal(writer, int(issue_data["project"]["id"]), allowed)
        if refusal:
            self.report(issue_data, origin, field, value, refusal)
        return bool(refusal)

    def report(self, issue_data: Mapping[str, Any], origin: IssueOrigin, field: int, value: str, why: str) -> None:
        """Inform the agents that a value that somebody has set does not count, once per change."""
        change = _change(issue_data, field, value)
        key = f"requester field/{int(change['id'])}" if change is not None else ""
        if change is None or not value.strip():
            return
        shown = literal(value.strip(), self._text_format)
        text = f"The requester stays as it is (change {int(change['id'])}): the requester field is {shown}, and {why}"
        self._notices.add(origin.issue, origin.mail_id, NewNotice(key, text))


def _change(issue_data: Mapping[str, Any], field: int, value: str) -> Mapping[str, Any] | None:
    """The newest journal that set a custom field, if it set it to this value; None if there is none."""
    entry = last_change(issue_data.get("journals", ()), field)
    is_it = entry is not None and str(changes_of(entry, field)[0].get("new_value") or "") == value
    return entry if is_it else None
