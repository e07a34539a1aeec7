"""Converts an issue from the API into rows of the issue copy."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, replace
from typing import Any

from redmine_mailbridge.model.authorship import JournalAuthorship, Participants
from redmine_mailbridge.policy.note_commands import parse
from redmine_mailbridge.redmine.client import Client
from redmine_mailbridge.redmine.metadata import MetadataCache
from redmine_mailbridge.redmine.recent_issues import CachedIssue, RecentIssues
from redmine_mailbridge.redmine.responses import is_closed, utc
from redmine_mailbridge.redmine.write_intent import WriteIntent
from redmine_mailbridge.store.issue_copy import IssueOrigin, IssueRow, JournalMail, JournalRow
from redmine_mailbridge.tasks.update.requesters.requester_corrector import RequesterCorrector

SAME_SECOND = 2.0
UNKNOWN_SKEW = 600.0
"""Seconds by which the clocks may differ as long as no response has shown Redmine's time."""


class IssueReader:
    """Reads single issues with their histories; issues in `recent` need no request. `requesters`
    corrects the requester. `markers` are the words by mailbox that count as a command (`answers.marker`). Safe to share
    among threads.
    """

    def __init__(
        self,
        client: Client,
        metadata: MetadataCache,
        mails_of: Callable[[Collection[int]], Mapping[int, JournalMail]],
        recent: RecentIssues | None = None,
        requesters: RequesterCorrector | None = None,
        *,
        markers: Mapping[str, str] | None = None,
    ) -> None:
        self._client = client
        self._metadata = metadata
        self._mails_of = mails_of
        self._recent = recent
        self._requesters = requesters
        self._markers = markers or {}

    def take(
        self, origin: IssueOrigin, now: float, before: IssueRow | None
    ) -> tuple[IssueRow, list[JournalRow]] | None:
        """Given what made an issue a conversation, the time, and the previous row, return the current issue and
        history; None when the issue does not exist or is not visible. Raise RedmineUnavailable.
        """
        answer = self._client.get_or_none(f"/issues/{origin.issue}.json", [("include", "journals")])
        return None if answer is None else self.rows(answer["issue"], origin, now, before)

    def shown(self, number: int) -> CachedIssue | None:
        """Given an issue, return it as Redmine returned it to the last write; None when it must be read."""
        return self._recent.take(number) if self._recent is not None else None

    def of(self, shown: CachedIssue, origin: IssueOrigin) -> tuple[IssueRow, list[JournalRow]]:
        """Given an issue from a response, and what made it a conversation, return its rows. They are not final: a later
        change within the same second is missing.
        """
        row, journals = self.rows(shown.issue_data, origin, shown.at)
        return replace(row, settled=False), journals

    def differs(self, row: IssueRow, listed: Mapping[str, Any]) -> bool:
        """Given a row and the issue from Redmine's list, return whether they differ. A list contains no history."""
        return any(getattr(row, name) != value for name, value in self._columns(listed).items())

    def rows(
        self, issue_data: Mapping[str, Any], origin: IssueOrigin, now: float, before: IssueRow | None = None
    ) -> tuple[IssueRow, list[JournalRow]]:
        """Given an issue from the API as it is at the time `now`, and the previous row, return its rows. What agents
        wrote before the conversation began counts for neither side.
        """
        row = self._row(issue_data, origin, now, before)
        journals = self._journals(issue_data, self.participants(row), self._markers.get(origin.mailbox, ""))
        before_it = origin.begun.after_journal if origin.begun is not None else 0
        return row, [
            replace(journal, side="bridge") if journal.id <= before_it and journal.side == "agent" else journal
            for journal in journals
        ]

    def participants(self, row: IssueRow) -> Participants:
        """Given an issue, return who is on its two sides. Whoever made an issue in Redmine is not the customer."""
        author = row.author_id if row.mail_id is not None else None
        return Participants(row.requester, author, self._metadata.people.me().user.id)

    def _row(self, issue_data: Mapping[str, Any], origin: IssueOrigin, now: float, before: IssueRow | None) -> IssueRow:
        columns = self._columns(issue_data)
        intent = WriteIntent.from_json(origin.request) if origin.request else None
        requester = origin.sender
        if self._requesters is not None:
            requester = self._requesters.correct(issue_data, origin, intent)
        return IssueRow(
            id=int(issue_data["id"]),
            mailbox=origin.mailbox,
            mail_id=origin.mail_id,
            requester=requester,
            requester_name=intent.requester if intent is not None and requester == origin.sender else "",
            domain=requester.rpartition("@")[2],
            seen_at=now,
            settled=self._settled(columns["updated_on"], now, before),
            begun_on=origin.begun.begun_on if origin.begun is not None else None,
            **columns,
        )

    def _columns(self, issue_data: Mapping[str, Any]) -> dict[str, Any]:
        """The columns that both a single issue and a list of issues contain."""
        number = int(issue_data["project"]["id"])
        project = self._metadata.project(str(number))
        status, assigned, author = issue_data.get("status", {}), issue_data.get("assigned_to"), issue_data.get("author")
        closed_on = issue_data.get("closed_on")
        return {
            "project_id": number,
            "project": project.identifier if project is not None else str(number),
            "project_name": str(issue_data["project"].get("name", "")),
            "project_public": project is not None and project.public,
            "tracker": str(issue_data.get("tracker", {}).get("name", "")),
            "status": str(status.get("name", "")),
            "closed": is_closed(issue_data),
            "priority": str(issue_data.get("priority", {}).get("name", "")),
            "assignee_id": int(assigned["id"]) if assigned else None,
            "assignee": str(assigned["name"]) if assigned else None,
            "author_id": int(author["id"]) if author else None,
            "subject": str(issue_data.get("subject", "")),
            "private": bool(issue_data.get("is_private", False)),
            "created_on": seconds(str(issue_data["created_on"])),
            "updated_on": seconds(str(issue_data["updated_on"])),
            "closed_on": seconds(str(closed_on)) if closed_on else None,
        }

    def _settled(self, updated: float, now: float, before: IssueRow | None) -> bool:
        """Whether the second of the last change is over: by Redmine's clock, or because this state was seen before."""
        skew = self._client.clock_offset
        doubt = UNKNOWN_SKEW if skew is None else -skew.total_seconds()
        if now > updated + SAME_SECOND + doubt:
            return True
        return before is not None and before.updated_on == updated and now >= before.seen_at + SAME_SECOND

    def _journals(self, issue_data: Mapping[str, Any], participants: Participants, marker: str) -> list[JournalRow]:
        """The history, in order. Private notes are included only if the role of the API user may see them."""
        entries = sorted(issue_data.get("journals", ()), key=lambda entry: int(entry["id"]))
        mails = self._mails_of([int(entry["id"]) for entry in entries])
        return [
            replace(
                self._journal(entry, int(issue_data["id"]), participants, mails.get(int(entry["id"]))),
                to_third_party=parse(str(entry.get("notes") or ""), marker=marker).for_third_parties,
            )
            for entry in entries
        ]

    def _journal(
        self, journal_data: Mapping[str, Any], issue: int, participants: Participants, mail: JournalMail | None
    ) -> JournalRow:
        user = journal_data.get("user") or {"id": 0, "name": ""}
        entry = JournalAuthorship(
            int(user["id"]), mail.sender if mail else None, neutral=mail is not None and mail.neutral
        )
        if participants.side_of(entry) == "agent":
            person = self._metadata.people.by_id(entry.user_id)
            entry = JournalAuthorship(entry.user_id, entry.mail_sender, person.user.mail if person is not None else "")
        change: Mapping[str, Any] = next((d for d in journal_data.get("details", ()) if _is_status(d)), {})
        return JournalRow(
            id=int(journal_data["id"]),
            issue=issue,
            at=seconds(str(journal_data["created_on"])),
            user_id=entry.user_id,
            user_name=str(user.get("name", "")),
            side=participants.side_of(entry),
            has_notes=bool(str(journal_data.get("notes") or "").strip()),
            private=bool(journal_data.get("private_notes", False)),
            status_from=self._status(change.get("old_value")),
            status_to=self._status(change.get("new_value")),
            mail_id=mail.mail_id if mail else None,
        )

    def _status(self, number: object) -> str | None:
        """Given a status ID from a journal, return its name, or the ID if the status no longer exists."""
        if number is None:
            return None
        names = self._metadata.statuses().names
        return names.get(int(str(number)), str(number)) if str(number).isdecimal() else str(number)


def never_seen(origin: IssueOrigin, now: float) -> IssueRow:
    """The row of an issue that was deleted before it was ever read, so that it is not requested repeatedly."""
    return IssueRow(
        id=origin.issue,
        mailbox=origin.mailbox,
        mail_id=origin.mail_id,
        requester=origin.sender,
        requester_name="",
        domain=origin.sender.rpartition("@")[2],
        project_id=0,
        project="",
        project_name="",
        project_public=False,
        tracker="",
        status="",
        closed=True,
        priority="",
        assignee_id=None,
        assignee=None,
        author_id=None,
        subject="",
        private=True,
        created_on=now,
        updated_on=now,
        closed_on=None,
        seen_at=now,
        gone=True,
    )


def claimed(journal: JournalRow, mail: JournalMail | None, participants: Participants) -> JournalRow:
    """Given a journal row, and the mail that wrote it according to the store, return the row with that mail."""
    if mail is None or journal.mail_id is not None:
        return journal
    now = participants.side_of(JournalAuthorship(journal.user_id, mail.sender, neutral=mail.neutral))
    side = "customer" if journal.side == "customer" and not mail.neutral else now
    return JournalRow(**{**asdict(journal), "mail_id": mail.mail_id, "side": side})


def _is_status(detail: Mapping[str, Any]) -> bool:
    return detail.get("property") == "attr" and detail.get("name") == "status_id"


def seconds(text: str) -> float:
    """Given an API time (2026-01-02T03:04:05Z), return seconds since the epoch."""
    moment = utc(text)
    return moment.timestamp() if moment is not None else 0.0
