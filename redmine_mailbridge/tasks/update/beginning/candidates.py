"""Which issues from Redmine's list may become conversations, so that no other is read, and none twice as it is.

An issue that a message is creating at this moment is listed before the store knows it; it waits for a second look, and
so does one on which a message's note is being written, which contains no command.
"""

import hashlib
from collections.abc import Iterable, Mapping
from functools import partial
from itertools import islice
from typing import Any, Protocol, Self

from redmine_mailbridge.redmine.client import Client
from redmine_mailbridge.redmine.metadata import MetadataCache
from redmine_mailbridge.redmine.requests import NoteRequest
from redmine_mailbridge.redmine.responses import utc
from redmine_mailbridge.redmine.write_intent import WriteIntent
from redmine_mailbridge.store.begun_issues import BegunIssues
from redmine_mailbridge.tasks.update.beginning.conversation_beginning import ConversationBeginnings, MailboxOfIssue
from redmine_mailbridge.tasks.update.issue_reader import SAME_SECOND, UNKNOWN_SKEW
from redmine_mailbridge.tasks.update.requesters.requester_fields import RequesterFields
from redmine_mailbridge.util.dataclass import dataclass

MOST_LOOKED_AT = 20_000
"""How many issues that did not begin are remembered; others are read once more when they are listed again."""
MOST_STORED = 500
"""How many of them are stored where commands in notes count, so that another process does not read them again."""


@dataclass(frozen=True, slots=True)
class LookedAt:
    """An issue that was read and did not begin: `state` as listed, its newest entry, and when it was first read in that
    state (seconds since the epoch); None if it need not be read again. Stored as `state:12:1790000000.5`.
    """

    state: str = ""
    newest: int = 0
    first: float | None = None

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Given the stored text, also that of an earlier version, return what it contains."""
        state, newest, first, *_ = *text.split(":"), "", ""
        return cls(state, int(newest or 0), float(first) if first else None)

    @property
    def text(self) -> str:
        """What is stored."""
        return f"{self.state}:{self.newest}" + (f":{self.first}" if self.first is not None else "")


class BeingWritten(Protocol):
    """Reads which messages are being written to Redmine."""

    def __call__(self) -> list[str]:
        """The intents (JSON) of the messages that are being written just now."""


class BeginningCandidates:
    """Chooses them: `projects` maps each mailbox to its project, as the settings name it. Used by one thread at a time.
    Raises RedmineUnavailable.
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
        beginnings: ConversationBeginnings,
    ) -> None:
        self._projects = projects
        self._begun = begun
        self._fields = fields
        self._client = client
        self._metadata = metadata
        self._being_written = being_written
        self._beginnings = beginnings
        self._looked_at: dict[int, LookedAt] | None = None
        """By issue, the one looked at last at the end. None: not loaded yet."""

    def of(self, listed: Iterable[Mapping[str, Any]]) -> tuple[list[Mapping[str, Any]], frozenset[int]]:
        """Given issues from Redmine's list, return those that may become conversations, and the numbers of those that
        must wait, since a message may just be creating them or writing a note on them.
        """
        if not self._projects:
            return [], frozenset()
        by_number = {int(issue["id"]): issue for issue in listed if self._is_new(issue)}
        numbers = by_number.keys() - self._begun.known(by_number)
        if not numbers:
            return [], frozenset()
        intents = [WriteIntent.from_json(intent) for intent in self._being_written()]
        creates = [intent for intent in intents if intent.creates]
        noted = {intent.request.issue for intent in intents if isinstance(intent.request, NoteRequest)}
        # asked again, after the list and the intents: what a message has created since then is known
        new = [by_number[number] for number in sorted(numbers - self._begun.known(numbers))]
        waiting = frozenset(
            int(issue["id"])
            for issue in new
            if int(issue["id"]) in noted or any(map(partial(_may_create, issue), creates))
        )
        return [issue for issue in new if int(issue["id"]) not in waiting], waiting

    def seen(self, number: int) -> int:
        """The newest entry of an issue when it was last read and did not begin; 0 if that is not known."""
        return self._before(number).newest

    def look_at(self, listed: Mapping[str, Any], issue_data: Mapping[str, Any]) -> None:
        """A listed issue, as it was read, did not begin: it need not be read again in this state, where notes count by
        no process. It is read once more if an entry of the second of its change may be missing.
        """
        named, number, states = self.named(listed), int(listed["id"]), self._states()
        newest = max((int(entry["id"]) for entry in issue_data.get("journals", ())), default=0)
        looked_at = LookedAt(self._state(listed), newest, self._first_read(listed))
        states.pop(number, None)
        states[number] = looked_at
        for oldest in [*islice(states, max(0, len(states) - MOST_LOOKED_AT))]:
            del states[oldest]
        if named is not None and self._beginnings.reads_notes(named.mailbox):
            newest_states = islice(states.items(), max(0, len(states) - MOST_STORED), None)
            self._begun.look_at({issue: state.text for issue, state in newest_states})

    def named(self, issue_data: Mapping[str, Any]) -> MailboxOfIssue | None:
        """The mailbox in whose project an issue is, with the requester field; None if the issue need not be read: the
        field is empty, and no notes count. Only an issue that may be read has its project looked up.
        """
        for mailbox, name in self._projects.items():
            field = self._fields.value(mailbox, issue_data)
            is_empty = field is None or not field.value.strip()
            if is_empty and not self._beginnings.reads_notes(mailbox):
                continue
            project = self._metadata.project(name)
            if project is not None and project.id == int(issue_data["project"]["id"]):
                return MailboxOfIssue(mailbox, field)
        return None

    def _is_new(self, listed: Mapping[str, Any]) -> bool:
        """Is a listed issue one that may begin, and in a state that was not looked at, or not for the last time?"""
        if self.named(listed) is None:
            return False
        before = self._before(int(listed["id"]))
        return before.state != self._state(listed) or before.first is not None

    def _before(self, number: int) -> LookedAt:
        """An issue as it was read before; an empty one if it was not."""
        return self._states().get(number, LookedAt())

    def _states(self) -> dict[int, LookedAt]:
        if self._looked_at is None:
            stored = self._begun.looked_at()
            self._looked_at = {issue: LookedAt.from_text(text) for issue, text in stored.items()}
        return self._looked_at

    def _state(self, listed: Mapping[str, Any]) -> str:
        """When a listed issue was changed, and what its requester field holds, as a digest."""
        named = self.named(listed)
        state = f"{listed['updated_on']} {named.value if named is not None else ''}"
        return hashlib.sha256(state.encode("utf-8", "replace")).hexdigest()[:16]

    def _first_read(self, listed: Mapping[str, Any]) -> float | None:
        """When a listed issue was first read in its state, in seconds since the epoch; None if the second of its change
        is over: by Redmine's clock, or since it was read in it before, because a change may be in the future.
        """
        named, now = self.named(listed), self._begun.clock()
        if named is None or not self._beginnings.reads_notes(named.mailbox):
            return None  # the field is part of the state
        offset, changed = self._client.clock_offset, utc(listed["updated_on"])
        by_redmine = now + (offset.total_seconds() if offset is not None else -UNKNOWN_SKEW)
        before = self._before(int(listed["id"]))
        first = before.first if before.state == self._state(listed) and before.first is not None else now
        is_over = changed is not None and by_redmine > changed.timestamp() + SAME_SECOND
        return None if is_over or not 0.0 <= now - first < SAME_SECOND else first


def _may_create(issue: Mapping[str, Any], intent: WriteIntent) -> bool:
    """May this issue be the one that a message is creating?"""
    return intent.request.project_id == int(issue["project"]["id"]) and (intent.after or 0) < int(issue["id"])
