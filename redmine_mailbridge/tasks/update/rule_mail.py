"""The mail of a rule of time: to whom it goes, and what its template may speak of."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from redmine_mailbridge.model.mail import Address, TextFormat
from redmine_mailbridge.outgoing.from_redmine import as_html, as_text
from redmine_mailbridge.outgoing.sender_profile import when
from redmine_mailbridge.redmine.metadata import Directory
from redmine_mailbridge.redmine.requests import NoteRequest
from redmine_mailbridge.settings.time_rules import RuleThen
from redmine_mailbridge.store.issue_copy import IssueRow
from redmine_mailbridge.store.rule_runs import Applied


class Post(Protocol):
    """What queues mail about an issue: `outgoing.issue_mailer.Letters`."""

    def queue(self, kind: str, issue: IssueRow, key: str, to: Sequence[Address], variables: Mapping[str, Any]) -> str:
        """Queue it, once for each kind, issue and key. Return the line for the record."""


class RuleMail:
    """Queues the mails of rules. Whether the customer may hear of the issue, `Letters` asks when the mail is made."""

    def __init__(self, post: Post, directory: Directory, text_format: TextFormat) -> None:
        self._post = post
        self._directory = directory
        self._text_format = text_format

    def queue(self, then: RuleThen, issue: IssueRow, row: Applied) -> str | None:
        """Given what a rule does, the issue as it is now, and what was applied, queue its mail; twice is once.

        Return the line for the record, None when the rule sends nothing.
        """
        if then.mail is None:
            return None
        if then.mail == "closed" and not issue.closed:
            return "no closed mail: the issue is not closed"
        people = [person for name in then.mail_to if (person := self._person(name, issue)) is not None]
        # as the station of agents' answers names it, so that the two never mail one closing twice
        key = f"j{row.journal}" if then.mail == "closed" and row.journal else f"{row.rule} after {row.anchor}"
        variables: dict[str, Any] = {"rule": row.rule, "reason": row.reason}
        if then.mail == "closed":
            variables = {"note": self._note(row)}
        return self._post.queue(then.mail, issue, key, people, variables)

    def _person(self, name: str, issue: IssueRow) -> Address | None:
        if name == "requester":
            return Address(issue.requester_name, issue.requester)
        if name != "assignee":
            return Address("", name)
        person = self._directory.people.by_id(issue.assignee_id) if issue.assignee_id is not None else None
        return Address(issue.assignee or "", person.user.mail) if person is not None and person.user.mail else None

    def _note(self, row: Applied) -> dict[str, Any]:
        request = NoteRequest.from_json(row.request) if row.request else None
        text = request.notes if request is not None and not request.private else ""
        return {
            "text": as_text(text, self._text_format),
            "html": as_html(text, self._text_format),
            "author": "",
            "date": when(row.changed_at),
            "left_out": [],
        }
