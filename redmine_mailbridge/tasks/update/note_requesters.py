"""Why a journal of a conversation that began in Redmine is mailed to no one: its requester is not whom the field named
when it was written.
"""

from collections.abc import Mapping
from typing import Any

from redmine_mailbridge.redmine.issue_visibility import VisibleIssue
from redmine_mailbridge.redmine.metadata import MetadataCache
from redmine_mailbridge.store.issue_copy import IssueCopy, IssueRow
from redmine_mailbridge.store.notices import NewNotice
from redmine_mailbridge.tasks.update.requester_fields import RequesterFields


class NoteRequesters:
    """Compares the requester field at the time of a journal with the present one."""

    def __init__(self, fields: RequesterFields, issues: IssueCopy, metadata: MetadataCache) -> None:
        self._fields = fields
        self._issues = issues
        self._metadata = metadata

    def must_wait(self, number: int, visible: VisibleIssue) -> bool:
        """Has the field of an issue changed since the copy was refreshed? Then the next run reads it and decides."""
        origin = self._issues.origins([number]).get(number)
        is_new = origin is not None and self._fields.is_new(visible.issue_data, origin)
        if is_new:
            self._issues.unsettle(number)
        return is_new

    def obstacle(
        self, row: IssueRow, visible: VisibleIssue, entry: Mapping[str, Any]
    ) -> tuple[str, list[NewNotice]] | None:
        """Given an issue and one of its journals, return why it is not mailed, and what the agents read of a note that
        its requester has not received; None if nothing is against it.
        """
        if row.mail_id is not None:
            return None
        if not row.requester:
            return "the issue names no requester that mail can be sent to", []
        number = int(entry["id"])
        before = self._fields.named_otherwise(row.mailbox, visible.issue_data, number)
        if before is None or isinstance(before, str):
            return None if before is None else ("the issue named no requester when it was written", [])
        writer = self._metadata.people.by_address(before.address)
        own = writer is not None and writer.id == int((entry.get("user") or {}).get("id", 0))
        has_words = bool(str(entry.get("notes") or "").strip())
        words = f"Note {number} was not mailed: the issue named another requester when it was written"
        notices = [NewNotice(f"requester of/{number}", words)] if has_words and not own else []
        return f"the issue named another requester when it was written: {before.key}", notices
