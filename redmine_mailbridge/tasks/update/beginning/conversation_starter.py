"""Makes conversations of issues that were made in Redmine: by hand, for example after a telephone call, or by another
program.

An issue in the project of a mailbox becomes a conversation of that mailbox when its requester field names an address,
or when a note does by a command (`commanded_requesters.py`); `conversation_beginning.py` says with which entry. The
list of changed issues contains the field, so that only an issue that begins is read, once; where somebody may use
commands, each changed issue is (`candidates.py`). From then on its public notes are mailed like those of an issue that
came by mail; its description is not, since it is written for colleagues.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

import structlog

from redmine_mailbridge.redmine.client import PAGE, Client
from redmine_mailbridge.redmine.metadata import MetadataCache
from redmine_mailbridge.store.begun_issues import BegunIssues
from redmine_mailbridge.store.chunks import chunks
from redmine_mailbridge.store.issue_copy import IssueOrigin
from redmine_mailbridge.store.notices import Notices
from redmine_mailbridge.tasks.update.beginning.candidates import BeginningCandidates, BeingWritten
from redmine_mailbridge.tasks.update.beginning.commanded_requesters import CommandedRequesters
from redmine_mailbridge.tasks.update.beginning.conversation_beginning import ConversationBeginnings
from redmine_mailbridge.tasks.update.requesters.requester_fields import RequesterFields
from redmine_mailbridge.util.dataclass import dataclass

log = structlog.get_logger(__name__)

ListedIssues = Iterable[Mapping[str, Any]]
"""Issues as Redmine's list returns them."""


@dataclass(frozen=True, slots=True)
class StartedConversation:
    """An issue that became a conversation: as the API returned it, with its history, and its origin."""

    issue_data: Mapping[str, Any]
    origin: IssueOrigin


class IssueTurn(Protocol):
    """Gives an issue its turn in a run."""

    def __call__(self, number: int, start: Callable[[], StartedConversation | None]) -> bool:
        """Given an issue and what starts its conversation, do that and copy what has started. Return whether that
        succeeded; False if the run ends.
        """


class ConversationStarter:
    """Starts the conversations of some mailboxes: `projects` maps each to its project, as the settings name it. Used by
    one thread at a time. Raises RedmineUnavailable.
    """

    def __init__(
        self,
        projects: Mapping[str, str],
        begun: BegunIssues,
        notices: Notices,
        fields: RequesterFields,
        *,
        client: Client,
        metadata: MetadataCache,
        being_written: BeingWritten,
        commanded: CommandedRequesters | None = None,
    ) -> None:
        self._projects = projects
        self._begun = begun
        self._client = client
        self._beginnings = ConversationBeginnings(begun, notices, fields, client=client, commanded=commanded)
        self._candidates = BeginningCandidates(
            projects,
            begun,
            fields,
            client=client,
            metadata=metadata,
            being_written=being_written,
            beginnings=self._beginnings,
        )

    def enable(self, newest: Callable[[], float]) -> None:
        """Before a run: record since when mailboxes are enabled. `newest` asks for the time of Redmine's newest change
        (seconds since the epoch); it shows Redmine's clock.
        """
        self._beginnings.enable([*self._projects], newest)

    def start_waiting(self, among: Callable[[Sequence[int]], ListedIssues], turn: IssueTurn) -> None:
        """Look again at the issues that could not begin before. `among` lists a page of issues, given their numbers."""
        waiting = self._begun.waiting() if self._projects else []
        if waiting:
            pages = map(among, chunks(waiting, PAGE))
            self._begun.wait({number for page in pages for number in self._start_each(page, turn)})

    def start_listed(self, listed: ListedIssues, turn: IssueTurn) -> None:
        """Given a page of Redmine's list, start conversations; issues that cannot begin yet are looked at again."""
        if waiting := self._start_each(listed, turn):
            self._begun.wait({*waiting, *self._begun.waiting()})

    def _start_each(self, listed: ListedIssues, turn: IssueTurn) -> set[int]:
        """Make conversations of those of these issues that may become some. Return the numbers of those that wait."""
        candidates, waiting = self._candidates.of(listed)
        ended = [turn(int(candidate["id"]), partial(self._start, candidate)) for candidate in candidates]
        pairs = zip(candidates, ended, strict=True)
        return {int(candidate["id"]) for candidate, is_done in pairs if not is_done} | waiting

    def _start(self, listed: Mapping[str, Any]) -> StartedConversation | None:
        """Given a candidate, make it a conversation if its requester field or a note names an address; None if none
        does (anymore). A field or a command that names none is reported to the agents.
        """
        number = int(listed["id"])
        answer = self._client.get_or_none(f"/issues/{number}.json", [("include", "journals")])
        if answer is None:  # it was deleted since it was listed
            return None
        issue_data = answer["issue"]
        named = self._candidates.named(issue_data)  # it may have changed, too
        beginning = self._beginnings.of(named, issue_data, self._candidates.seen(number)) if named is not None else None
        if beginning is None:
            self._candidates.look_at(listed, issue_data)
            return None
        begun = beginning.begun
        if not self._begun.begin(begun, by_note=beginning.by_note):
            return None
        log.info("conversation.begun", issue=number, mailbox=begun.mailbox, note=beginning.by_note or None)
        return StartedConversation(issue_data, IssueOrigin(number, None, begun.mailbox, begun.requester, None, begun))
