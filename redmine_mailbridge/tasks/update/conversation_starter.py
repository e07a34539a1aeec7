"""Makes conversations of issues that were made in Redmine: by hand, for example after a telephone call, or by another
program.

An issue in the project of a mailbox becomes a conversation of that mailbox when its requester field names an address.
The list of changed issues contains the field, so that only an issue that begins is read, once. From then on its public
notes are mailed like those of an issue that came by mail; its description is not, since it is written for colleagues.

The conversation begins with the journal that made the field name an address, or with the issue if it did from the
start, but never before the issue was moved to the project and the mailbox was enabled: notes from before are history,
which is not mailed.

An issue that a message is creating at this moment is listed before the store knows it; it waits for a second look.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

import structlog

from redmine_mailbridge.redmine.client import Client
from redmine_mailbridge.redmine.metadata import MetadataCache
from redmine_mailbridge.redmine.responses import utc
from redmine_mailbridge.redmine.write_intent import WriteIntent
from redmine_mailbridge.store.begun_issues import BegunIssue, BegunIssues
from redmine_mailbridge.store.issue_copy import IssueOrigin
from redmine_mailbridge.tasks.update.requester_fields import FieldValue, RequesterFields, changes_of
from redmine_mailbridge.util.dataclass import dataclass

log = structlog.get_logger(__name__)

MOST_LOOKED_AT = 20_000
"""How many issues that did not begin are remembered; others are read once more when they are listed again."""


class BeingWritten(Protocol):
    """Reads which messages are being written to Redmine."""

    def __call__(self) -> list[str]:
        """The intents (JSON) of the messages that are being written just now."""


@dataclass(frozen=True, slots=True)
class _Named:
    """The requester field of an issue that is not empty, and the mailbox in whose project the issue is."""

    mailbox: str
    field: FieldValue


@dataclass(frozen=True, slots=True)
class StartedConversation:
    """An issue that became a conversation: as the API returned it, with its history, and its origin."""

    issue_data: Mapping[str, Any]
    origin: IssueOrigin


class ConversationStarter:
    """Starts the conversations of some mailboxes: `projects` maps each to its project, as the settings name it. Used by
    one thread at a time.
    """

    def __init__(
        self,
        projects: Mapping[str, str],
        begun: BegunIssues,
        fields: RequesterFields,
        *,
        client: Client,
        metadata: MetadataCache,
        being_written: BeingWritten,
    ) -> None:
        self._projects = projects
        self._begun = begun
        self._fields = fields
        self._client = client
        self._metadata = metadata
        self._being_written = being_written
        self._since: dict[str, float] = {}
        self._just_enabled: set[str] = set()
        self._looked_at: dict[int, tuple[str, str]] = {}
        """The issues that were read and did not begin: the time of their change and their field, as listed then."""

    def enable(self, newest: Callable[[], float]) -> None:
        """Before a run: record since when mailboxes are enabled. `newest` asks for the time of Redmine's newest change
        (seconds since the epoch); it shows Redmine's clock. Raise RedmineUnavailable.
        """
        self._just_enabled.clear()
        if not self._since:
            self._begun.disable_others(self._projects)
        for mailbox in self._projects.keys() - self._since.keys():
            since, is_new = self._begun.since(mailbox, newest)
            self._since[mailbox] = since
            if is_new:
                self._just_enabled.add(mailbox)

    def waiting(self) -> list[int]:
        """The issues that must be looked at again, by number."""
        return self._begun.waiting() if self._projects else []

    def wait(self, numbers: Iterable[int]) -> None:
        """These issues, and no others, must be looked at again."""
        self._begun.wait(frozenset(numbers))

    def candidates(self, listed: Iterable[Mapping[str, Any]]) -> tuple[list[Mapping[str, Any]], frozenset[int]]:
        """Given issues from Redmine's list, return those that may become conversations, and the numbers of those that
        must wait, since a message may just be creating them. Raise RedmineUnavailable.
        """
        if not self._projects:
            return [], frozenset()
        by_number = {int(issue["id"]): issue for issue in listed if self._is_new(issue)}
        numbers = by_number.keys() - self._begun.known(by_number)
        if not numbers:
            return [], frozenset()
        creates = [intent for intent in map(WriteIntent.from_json, self._being_written()) if intent.creates]
        # asked again, after the list and the intents: what a message has created since then is known
        new = [by_number[number] for number in sorted(numbers - self._begun.known(numbers))]
        waiting = frozenset(int(issue["id"]) for issue in new if any(map(partial(_may_create, issue), creates)))
        return [issue for issue in new if int(issue["id"]) not in waiting], waiting

    def start(self, listed: Mapping[str, Any]) -> StartedConversation | None:
        """Given a candidate, make it a conversation if its requester field names an address; None if it is none
        (anymore). A field that names none is reported to the agents. Raise RedmineUnavailable.
        """
        number = int(listed["id"])
        answer = self._client.get_or_none(f"/issues/{number}.json", [("include", "journals")])
        issue_data = answer["issue"] if answer is not None else {}
        named = self._named(issue_data)  # it may have changed since it was listed
        begun = self._beginning(named, issue_data) if named is not None else None
        if begun is None:
            if len(self._looked_at) >= MOST_LOOKED_AT:
                self._looked_at.clear()
            self._looked_at[number] = self._state(listed)
        if begun is None or not self._begun.begin(begun):
            return None
        log.info("conversation.begun", issue=number, mailbox=begun.mailbox)
        return StartedConversation(issue_data, IssueOrigin(number, None, begun.mailbox, begun.requester, None, begun))

    def _beginning(self, named: _Named, issue_data: Mapping[str, Any]) -> BegunIssue | None:
        """How the conversation of an issue begins; None if its field names no address, which the agents are notified
        of if the field was set after the mailbox was enabled.
        """
        mailbox, field = named.mailbox, named.field
        number, enabled = int(issue_data["id"]), self._since[mailbox]
        entries = sorted(issue_data.get("journals", ()), key=lambda entry: int(entry["id"]))
        left, setting = self._left_at(number), _last_setting(entries, field.id)
        address, problem = self._fields.address(field.value)
        if address is None:
            if problem and _at(setting or issue_data) >= max(enabled, left):
                self._begun.notify(number, self._fields.notice(field, problem))
            return None
        if left and (setting is None or _at(setting) < left):
            return None
        naming = setting if left else self._naming(entries, field.id)
        since_when = (naming, _arrival(entries, int(issue_data["project"]["id"])))
        entry = max(filter(None, since_when), key=lambda entry: int(entry["id"]), default=None)
        since = max(_at(entry or issue_data), enabled)
        first = int(entry["id"]) if entry is not None else 0
        # an issue that could not begin when the mailbox was enabled has no entry of that second that came after it
        waited = number in self._begun.waiting()
        history = [
            int(each["id"])
            for each in entries
            if int(each["id"]) < first
            or _at(each) < enabled
            or (waited and _at(each) == enabled)
            or mailbox in self._just_enabled
        ]
        return BegunIssue(number, mailbox, address.key, field.value, max(history, default=0), since)

    def _left_at(self, number: int) -> float:
        """When a message was moved away from an issue that it had created, in whole seconds by Redmine's clock; 0.0:
        never. Only what somebody enters after that begins a conversation.
        """
        left, offset = self._begun.left_at(number), self._client.clock_offset
        return float(int(left + (offset.total_seconds() if offset is not None else 0.0))) if left else 0.0

    def _naming(self, entries: Sequence[Mapping[str, Any]], field: int) -> Mapping[str, Any] | None:
        """The entry since which the field has named an address; None if it has since the issue was made."""
        changes = ((entry, detail) for entry in reversed(entries) for detail in changes_of(entry, field))
        from_none = (
            entry for entry, detail in changes if self._fields.address(str(detail.get("old_value") or ""))[0] is None
        )
        return next(from_none, None)

    # ------------------------------------------------------------------ whose issue

    def _is_new(self, listed: Mapping[str, Any]) -> bool:
        """Does the requester field of a listed issue hold something that was not looked at?"""
        if self._named(listed) is None:
            return False
        return self._looked_at.get(int(listed["id"])) != self._state(listed)

    def _state(self, listed: Mapping[str, Any]) -> tuple[str, str]:
        """When a listed issue was changed, and what its requester field holds."""
        named = self._named(listed)
        return str(listed["updated_on"]), named.field.digest if named is not None else ""

    def _named(self, issue_data: Mapping[str, Any]) -> _Named | None:
        """What the requester field of an issue in the project of a mailbox says; None if it is empty, or there is none.
        Only an issue with a value has its project looked up.
        """
        for mailbox, name in self._projects.items():
            field = self._fields.value(mailbox, issue_data)
            if field is None or not field.value.strip():
                continue
            project = self._metadata.project(name)
            if project is not None and project.id == int(issue_data["project"]["id"]):
                return _Named(mailbox, field)
        return None


def _may_create(issue: Mapping[str, Any], intent: WriteIntent) -> bool:
    """May this issue be the one that a message is creating?"""
    return intent.request.project_id == int(issue["project"]["id"]) and (intent.after or 0) < int(issue["id"])


def _last_setting(entries: Sequence[Mapping[str, Any]], field: int) -> Mapping[str, Any] | None:
    """The newest entry that changed a custom field; None if none did."""
    return next((entry for entry in reversed(entries) if changes_of(entry, field)), None)


def _arrival(entries: Sequence[Mapping[str, Any]], project: int) -> Mapping[str, Any] | None:
    """The newest entry that moved the issue to this project; None if it was made there."""

    def arrives(detail: Mapping[str, Any]) -> bool:
        what = (detail.get("property"), detail.get("name"), str(detail.get("new_value")))
        return what == ("attr", "project_id", str(project))

    return next((entry for entry in reversed(entries) if any(map(arrives, entry.get("details", ())))), None)


def _at(entry: Mapping[str, Any]) -> float:
    """When an issue or an entry was created, in seconds since the epoch."""
    created = utc(entry.get("created_on"))
    return created.timestamp() if created is not None else 0.0
