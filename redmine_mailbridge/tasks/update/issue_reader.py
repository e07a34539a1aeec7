"""Turns an issue as Redmine shows it into rows of the copy."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from redmine_mailbridge.errors import RedmineRefused
from redmine_mailbridge.model.authorship import Entry, Sides
from redmine_mailbridge.redmine.client import Client
from redmine_mailbridge.redmine.metadata import Directory
from redmine_mailbridge.redmine.users import utc
from redmine_mailbridge.redmine.write_intent import Job
from redmine_mailbridge.store.issue_copy import IssueRow, JournalMail, JournalRow, Origin
from redmine_mailbridge.util.cache import Cache

SAME_SECOND = 2.0
UNKNOWN_SKEW = 600.0
"""Seconds by which the clocks may differ as long as no answer told Redmine's."""
MailsOf = Callable[[Collection[int]], Mapping[int, JournalMail]]


class Snapshots:
    """Reads single issues with their histories. Safe to share among threads. `life` in seconds."""

    def __init__(self, client: Client, directory: Directory, mails_of: MailsOf, *, life: float = 600.0) -> None:
        self._client = client
        self._directory = directory
        self._mails_of = mails_of
        self._projects: Cache[int, Mapping[str, Any]] = Cache(life)

    def take(self, origin: Origin, now: float, before: IssueRow | None) -> tuple[IssueRow, list[JournalRow]] | None:
        """Given the mail that made an issue, the time, and what was known, return the issue and its history as they
        are; None when Redmine does not show the issue (any more). Raise RedmineUnavailable.
        """
        try:
            found = self._client.get(f"/issues/{origin.issue}.json", [("include", "journals")])["issue"]
        except RedmineRefused as error:
            if error.status in (403, 404):
                return None
            raise
        row = self._row(found, origin, now, before)
        return row, self._journals(found, self.sides(row))

    def sides(self, row: IssueRow) -> Sides:
        """Given an issue, return who is on its two sides."""
        return Sides(row.requester, row.author_id, self._directory.people.me().user.id)

    def _row(self, found: Mapping[str, Any], origin: Origin, now: float, before: IssueRow | None) -> IssueRow:
        project = self._project(int(found["project"]["id"]))
        status, assigned = found.get("status", {}), found.get("assigned_to")
        author = found.get("author")
        updated = seconds(str(found["updated_on"]))
        closed_on = found.get("closed_on")
        return IssueRow(
            id=int(found["id"]),
            mailbox=origin.mailbox,
            mail_id=origin.mail_id,
            requester=origin.sender,
            requester_name=Job.from_json(origin.request).requester if origin.request else "",
            domain=origin.sender.rpartition("@")[2],
            project_id=int(found["project"]["id"]),
            project=str(project.get("identifier", found["project"]["id"])),
            project_name=str(found["project"].get("name", "")),
            project_public=bool(project.get("is_public", False)),
            tracker=str(found.get("tracker", {}).get("name", "")),
            status=str(status.get("name", "")),
            closed=bool(status.get("is_closed", closed_on)),
            priority=str(found.get("priority", {}).get("name", "")),
            assignee_id=int(assigned["id"]) if assigned else None,
            assignee=str(assigned["name"]) if assigned else None,
            author_id=int(author["id"]) if author else None,
            subject=str(found.get("subject", "")),
            private=bool(found.get("is_private", False)),
            created_on=seconds(str(found["created_on"])),
            updated_on=updated,
            closed_on=seconds(str(closed_on)) if closed_on else None,
            seen_at=now,
            settled=self._settled(updated, now, before),
        )

    def _settled(self, updated: float, now: float, before: IssueRow | None) -> bool:
        """Is the second in which it changed surely over, by Redmine's clock, or because we saw it before?"""
        skew = self._client.skew
        doubt = UNKNOWN_SKEW if skew is None else -skew.total_seconds()
        if now > updated + SAME_SECOND + doubt:
            return True
        return before is not None and before.updated_on == updated and now >= before.seen_at + SAME_SECOND

    def _journals(self, found: Mapping[str, Any], sides: Sides) -> list[JournalRow]:
        """The history, in order. Private notes are among them only when the bridge's role may see them."""
        entries = sorted(found.get("journals", ()), key=lambda one: int(one["id"]))
        mails = self._mails_of([int(one["id"]) for one in entries])
        return [self._journal(one, int(found["id"]), sides, mails.get(int(one["id"]))) for one in entries]

    def _journal(self, one: Mapping[str, Any], issue: int, sides: Sides, mail: JournalMail | None) -> JournalRow:
        user = one.get("user") or {"id": 0, "name": ""}
        entry = Entry(int(user["id"]), mail.sender if mail else None, machine=mail is not None and mail.machine)
        if sides.of(entry) == "agent":
            person = self._directory.people.by_id(entry.user_id)
            entry = Entry(entry.user_id, entry.mail_sender, person.user.mail if person is not None else "")
        change: Mapping[str, Any] = next((d for d in one.get("details", ()) if _is_status(d)), {})
        return JournalRow(
            id=int(one["id"]),
            issue=issue,
            at=seconds(str(one["created_on"])),
            user_id=entry.user_id,
            user_name=str(user.get("name", "")),
            side=sides.of(entry),
            has_notes=bool(str(one.get("notes") or "").strip()),
            private=bool(one.get("private_notes", False)),
            status_from=self._status(change.get("old_value")),
            status_to=self._status(change.get("new_value")),
            mail_id=mail.mail_id if mail else None,
        )

    def _status(self, number: object) -> str | None:
        """Given a status's id as journals hold it, return its name; the id when there is none of it any more."""
        if number is None:
            return None
        names = self._directory.statuses().names
        return names.get(int(str(number)), str(number)) if str(number).isdecimal() else str(number)

    def _project(self, number: int) -> Mapping[str, Any]:
        def ask() -> Mapping[str, Any]:
            try:
                found: Mapping[str, Any] = self._client.get(f"/projects/{number}.json")["project"]
            except RedmineRefused as error:
                if error.status in (403, 404):
                    return {}
                raise
            return found

        return self._projects.get(number, ask)


def never_seen(origin: Origin, now: float) -> IssueRow:
    """The row of an issue that was gone before we ever read it, so that it is not asked for again and again."""
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


def _is_status(detail: Mapping[str, Any]) -> bool:
    return detail.get("property") == "attr" and detail.get("name") == "status_id"


def seconds(text: str) -> float:
    """Given a time as the API writes it (2026-01-02T03:04:05Z), return seconds since the epoch."""
    found = utc(text)
    return found.timestamp() if found is not None else 0.0
