"""Why a journal is mailed to no one, or its command for another requester does not count: its requester is not whom the
issue named when it was written.

In a conversation that began in Redmine the field names the requester, or a note does by a command: whichever is newer.
"""

from collections.abc import Mapping
from typing import Any

from redmine_mailbridge.mail.mime.mailable import comparable
from redmine_mailbridge.model.mail import Address
from redmine_mailbridge.redmine.issue_visibility import VisibleIssue
from redmine_mailbridge.redmine.metadata import MetadataCache
from redmine_mailbridge.store.begun_issues import BegunIssues
from redmine_mailbridge.store.issue_copy import IssueCopy, IssueRow
from redmine_mailbridge.store.notices import NewNotice
from redmine_mailbridge.tasks.update.requesters.requester_fields import RequesterFields


class NoteRequesters:
    """Compares the requester at the time of a journal with the present one."""

    def __init__(self, fields: RequesterFields, issues: IssueCopy, begun: BegunIssues, metadata: MetadataCache) -> None:
        self._fields = fields
        self._issues = issues
        self._begun = begun
        self._metadata = metadata

    def must_wait(self, number: int, visible: VisibleIssue) -> bool:
        """Has the field of an issue changed since the copy was refreshed? Then the next run reads it and decides."""
        origin = self._issues.origins([number]).get(number)
        is_new = origin is not None and self._fields.is_new(
            visible.issue_data, origin, self._begun.entry_requesters(number)
        )
        if is_new:
            self._issues.unsettle(number)
        return is_new

    def began_with(self, row: IssueRow, note: int) -> str:
        """Given an issue and an undecided note on it, return whom a command of that note has named as the first
        requester (lower case), so that the conversation began with it; "" if it did not.
        """
        return self._begun.entry_requesters(row.id).get(note, "") if row.mail_id is None else ""

    def replaced_after(self, row: IssueRow, visible: VisibleIssue, note: int, person: Address) -> bool:
        """Given an issue, and a note whose command names a requester, has somebody named another one after it? Raise
        RedmineUnavailable.
        """
        if row.mail_id is not None:
            own = self._metadata.people.me().user.id  # the bridge shows in the field what earlier commands named
            address = self._fields.changed_after(row.mailbox, visible.issue_data, note, but=own)
            in_force = address is not None and comparable(address.address) == comparable(row.requester)
            return in_force and comparable(row.requester) != comparable(person.address)
        now, since = self._fields.named_at(row.mailbox, visible.issue_data, self._begun.entry_requesters(row.id))
        return since > note and (now is None or comparable(now.address) != comparable(person.address))

    def obstacle(
        self, row: IssueRow, visible: VisibleIssue, entry: Mapping[str, Any]
    ) -> tuple[str, list[NewNotice]] | None:
        """Given an issue and one of its journals that names no requester itself, return why it is not mailed, and what
        the agents read of a note that its requester has not received; None if nothing is against it.
        """
        if row.mail_id is not None:
            return None
        if not row.requester:
            return "the issue names no requester that mail can be sent to", []
        number, others = int(entry["id"]), self._begun.entry_requesters(row.id)
        then, since = self._fields.named_at(row.mailbox, visible.issue_data, others, number)
        if then is not None and comparable(then.address) == comparable(row.requester):
            return None
        has_field = self._fields.value(row.mailbox, visible.issue_data) is not None
        if not has_field and since == self._fields.named_at(row.mailbox, visible.issue_data, others)[1]:
            return None  # the setting names no field any more, or Redmine does not show it
        if then is None:
            return "the issue named no requester when it was written", []
        writer = self._metadata.people.by_address(then.address)
        own = writer is not None and writer.id == int((entry.get("user") or {}).get("id", 0))
        has_words = bool(str(entry.get("notes") or "").strip())
        words = f"Note {number} was not mailed: the issue named another requester when it was written"
        notices = [NewNotice(f"requester of/{number}", words)] if has_words and not own else []
        return f"the issue named another requester when it was written: {then.key}", notices
