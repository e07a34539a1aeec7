"""How the conversation of an issue that was made in Redmine begins: with the requester field that names an address, or
with the first note that does by a command before the field did.

It begins with the entry that made the field name an address, or with the issue if it did from the start, or with that
note; but never before the issue was moved to the project and the mailbox was enabled, commands not before somebody may
use them: what was written before is history, which is not mailed. An issue that a message created and was moved away
from begins only by what somebody does after that.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from redmine_mailbridge.model.mail import Address
from redmine_mailbridge.redmine.client import Client
from redmine_mailbridge.redmine.responses import utc
from redmine_mailbridge.store.begun_issues import BegunIssue, BegunIssues
from redmine_mailbridge.store.notices import Notices
from redmine_mailbridge.tasks.update.beginning.commanded_requesters import CommandedRequesters
from redmine_mailbridge.tasks.update.requesters.field_history import FieldChange, changes_of, last_change
from redmine_mailbridge.tasks.update.requesters.requester_fields import FieldValue, RequesterFields
from redmine_mailbridge.util.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class MailboxOfIssue:
    """The mailbox in whose project an issue is, and the issue's requester field; None if it has none."""

    mailbox: str
    field: FieldValue | None

    @property
    def value(self) -> str:
        """The value of the field."""
        return self.field.value if self.field is not None else ""


@dataclass(frozen=True, slots=True)
class Beginning:
    """How a conversation begins. `by_note` is the note that names the requester by a command; 0: the field does."""

    begun: BegunIssue
    by_note: int = 0


@dataclass(frozen=True, slots=True)
class _ReadIssue:
    """An issue from the API, its history by number, when a message left it (0.0: none did), and the newest entry that
    was there when it was read before and did not begin (0: not known).
    """

    issue_data: Mapping[str, Any]
    entries: Sequence[Mapping[str, Any]]
    left: float
    seen: int

    @property
    def number(self) -> int:
        return int(self.issue_data["id"])

    @property
    def arrival(self) -> Mapping[str, Any] | None:
        """The newest entry that moved the issue to its project; None if it was made there."""
        arrives = ("attr", "project_id", str(int(self.issue_data["project"]["id"])))
        keys = ("property", "name", "new_value")
        return next(
            (
                entry
                for entry in reversed(self.entries)
                if any(tuple(str(detail.get(key)) for key in keys) == arrives for detail in entry.get("details", ()))
            ),
            None,
        )


class ConversationBeginnings:
    """Finds how conversations begin. Used by one thread at a time. Raises RedmineUnavailable."""

    def __init__(
        self,
        begun: BegunIssues,
        notices: Notices,
        fields: RequesterFields,
        *,
        client: Client,
        commanded: CommandedRequesters | None,
    ) -> None:
        self._begun = begun
        self._notices = notices
        self._fields = fields
        self._client = client
        self._commanded = commanded
        self._since: dict[str, float] = {}
        self._commands_since: dict[str, float] = {}
        self._just_enabled: set[str] = set()

    def enable(self, mailboxes: Sequence[str], newest: Callable[[], float]) -> None:
        """Before a run: record since when mailboxes are enabled, and since when somebody may use commands in them.
        `newest` asks for the time of Redmine's newest change (seconds since the epoch).
        """
        self._just_enabled.clear()
        ask = cache(newest)
        commanded = [mailbox for mailbox in mailboxes if self.reads_notes(mailbox)]
        for commands, enabled, since in ((False, mailboxes, self._since), (True, commanded, self._commands_since)):
            if not since:
                self._begun.disable_others(enabled, commands=commands)
            for mailbox in enabled:
                if mailbox not in since:
                    since[mailbox], is_new = self._begun.since(mailbox, ask, commands=commands)
                    self._just_enabled |= {mailbox} if is_new and not commands else set()

    def reads_notes(self, mailbox: str) -> bool:
        """May somebody use commands in the issues of a mailbox?"""
        return self._commanded is not None and self._commanded.reads(mailbox)

    def of(self, named: MailboxOfIssue, issue_data: Mapping[str, Any], seen: int = 0) -> Beginning | None:
        """Given an issue from the API with its mailbox, and the newest entry that was there when it was read before and
        did not begin (0: not known), return how its conversation begins; None if it does not. The agents are informed
        of a field or a command that was set since the mailbox was enabled and names no address.
        """
        entries = sorted(issue_data.get("journals", ()), key=lambda entry: int(entry["id"]))
        read = _ReadIssue(issue_data, entries, self._left_at(int(issue_data["id"])), seen)
        address, problem = self._fields.address(named.value)
        if named.field is None or address is None:
            beginning = self._by_command(named, read)
            if beginning is None and named.field is not None and problem:
                self._report(named.mailbox, named.field, problem, read)
            return beginning
        changes = changes_of(entries, named.field.id)
        setting = changes[-1].entry if changes else None
        if read.left and (setting is None or _at(setting) < read.left):
            return self._by_command(named, read)
        naming = setting if read.left else self._naming(changes)
        by_command = self._by_command(named, read, naming) if naming is not None else None
        return by_command or Beginning(self._by_field(named, address, read, naming))

    def _report(self, mailbox: str, field: FieldValue, problem: str, read: _ReadIssue) -> None:
        change = last_change(read.entries, field.id)
        if _at(change.entry if change is not None else read.issue_data) >= max(self._since[mailbox], read.left):
            self._notices.add(read.number, None, self._fields.notice(field, problem))

    def _by_field(
        self, named: MailboxOfIssue, address: Address, read: _ReadIssue, naming: Mapping[str, Any] | None
    ) -> BegunIssue:
        """How it begins with the field that names an address since an entry (None: since the issue was made)."""
        mailbox, enabled = named.mailbox, self._since[named.mailbox]
        entry = max(filter(None, (naming, read.arrival)), key=lambda entry: int(entry["id"]), default=None)
        since = max(_at(entry or read.issue_data), enabled)
        first = int(entry["id"]) if entry is not None else 0
        # an issue that could not begin when the mailbox was enabled has no entry of that second that came after it
        waited = read.number in self._begun.waiting()
        history = [
            int(each["id"])
            for each in read.entries
            if int(each["id"]) < first
            or _at(each) < enabled
            or (waited and _at(each) == enabled)
            or mailbox in self._just_enabled
        ]
        return BegunIssue(read.number, mailbox, address.key, named.value, max(history, default=0), since)

    def _by_command(
        self, named: MailboxOfIssue, read: _ReadIssue, naming: Mapping[str, Any] | None = None
    ) -> Beginning | None:
        """How it begins with the first note that names a requester by a command; None if none does. Not with a note
        from before somebody could use commands, before the issue was moved to the project, or before a message left it,
        nor, if it is given, with one after the entry that made the field name an address: the field changes the
        requester then.
        """
        mailbox, before = named.mailbox, 0
        if self._commanded is None or not self.reads_notes(mailbox):
            return None
        first = int(read.arrival["id"]) if read.arrival is not None else 0
        enabled = max(self._since[mailbox], self._commands_since[mailbox])
        for entry in read.entries:
            number = int(entry["id"])
            if naming is not None and number >= int(naming["id"]):
                return None
            is_new = number >= first and _at(entry) > enabled and _at(entry) >= read.left
            address = self._commanded.named(mailbox, read.issue_data, entry, read.seen) if is_new else ""
            if address:
                field = named.value if naming is None else ""
                begun = BegunIssue(read.number, mailbox, address, field, before, _at(entry))
                return Beginning(begun, number)
            before = number
        return None

    def _left_at(self, number: int) -> float:
        """When a message was moved away from an issue that it had created, in whole seconds by Redmine's clock; 0.0:
        never. Only what somebody enters after that begins a conversation.
        """
        left, offset = self._begun.left_at(number), self._client.clock_offset
        return float(int(left + (offset.total_seconds() if offset is not None else 0.0))) if left else 0.0

    def _naming(self, changes: Sequence[FieldChange]) -> Mapping[str, Any] | None:
        """The entry since which the field has named an address, given its changes; None if it has since the issue was
        made.
        """
        from_none = (change.entry for change in reversed(changes) if self._fields.address(change.before)[0] is None)
        return next(from_none, None)


def _at(entry: Mapping[str, Any]) -> float:
    """When an issue or an entry was created, in seconds since the epoch."""
    created = utc(entry.get("created_on"))
    return created.timestamp() if created is not None else 0.0
