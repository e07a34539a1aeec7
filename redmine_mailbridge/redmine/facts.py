"""Answers what routing wants to know (Needs) with as few requests as possible: none, where all is known already."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from redmine_mailbridge.errors import RedmineRefused, UnknownLogin
from redmine_mailbridge.redmine.client import Client
from redmine_mailbridge.redmine.directory import Directory
from redmine_mailbridge.redmine.people import Person, utc
from redmine_mailbridge.redmine.rights import sees
from redmine_mailbridge.routing.plan import Facts, Issue, KnownMail, Needs, Project, User

NOBODY: frozenset[str] = frozenset()


class FactFinder:
    """Gathers facts from one Redmine. Safe to share among threads."""

    def __init__(self, client: Client, directory: Directory) -> None:
        self._client = client
        self._directory = directory

    def gather(
        self,
        needs: Needs,
        *,
        now: dt.datetime | None = None,
        known: Mapping[str, KnownMail] | None = None,
        participants: Mapping[int, frozenset[str]] | None = None,
        same_subject_issue: int | None = None,
        first_sync: bool = False,
    ) -> Facts:
        """Given what is needed, and what the store knows, return the facts.

        `known`: mails by Message-ID. `participants`: addresses (lower case) by issue. Issues that the known mails
        name are looked up too. Raise `RedmineUnavailable` if Redmine is away.
        """
        directory = self._directory
        known = known or {}
        numbers = {*needs.issues, *(mail.issue for mail in known.values() if mail.issue is not None)}
        if same_subject_issue is not None:
            numbers.add(same_subject_issue)
        users = self._users(needs)
        owner = users.get(needs.sender.strip().lower())
        sender = directory.people.by_id(owner.id) if owner is not None else None
        projects = {found.identifier: found for name in needs.projects if (found := directory.project(name))}
        by_any_name = {name: found for name in needs.projects if (found := directory.project(name))}
        statuses = directory.statuses()
        issues = {number: self._issue(number, sender, (participants or {})) for number in sorted(numbers)}
        return Facts(
            now=now or dt.datetime.now(dt.UTC),
            can_impersonate=directory.can_impersonate,
            users=users,
            known=known,
            issues={number: issue for number, issue in issues.items() if issue is not None},
            projects=by_any_name | projects,
            may_add_issues=frozenset(
                p.identifier for p in projects.values()
                if sender is not None and directory.may(sender.rights, "add_issues", p)
            ),
            statuses=statuses.ids,
            closed_statuses=statuses.closed,
            priorities=directory.priorities(),
            same_subject_issue=same_subject_issue if issues.get(same_subject_issue or 0) is not None else None,
            first_sync=first_sync,
        )  # fmt: skip

    def _users(self, needs: Needs) -> dict[str, User]:
        people = self._directory.people
        wanted = dict.fromkeys(a.strip().lower() for a in (needs.sender, *needs.addresses) if a)
        return {address: user for address in wanted if (user := people.by_address(address)) is not None}

    def _issue(self, number: int, sender: Person | None, participants: Mapping[int, frozenset[str]]) -> Issue | None:
        """Given a number, return the issue as the key sees it, or None if there is none, or none that it may see."""
        try:
            found = self._client.get(f"/issues/{number}.json", [("include", "watchers")])["issue"]
        except RedmineRefused as error:
            if error.status in (403, 404):
                return None
            raise
        project = self._directory.project(str(found["project"]["id"]))
        issue = read_issue(found, project, participants.get(number, NOBODY))
        if sender is None:
            return issue
        visible = self._visible(issue, sender, project)
        noteable = visible and project is not None and self._directory.may(sender.rights, "add_issue_notes", project)
        return read_issue(found, project, participants.get(number, NOBODY), visible=visible, noteable=noteable)

    def _visible(self, issue: Issue, sender: Person, project: Project | None) -> bool:
        """Does Redmine show the issue to the sender? Asked as the sender where the key allows it, else computed."""
        if not sender.rights.active or project is None:
            return False
        if not self._directory.can_impersonate:
            return sees(sender.rights, issue, project, self._directory.roles_of(sender.rights, project))
        try:
            self._client.get(f"/issues/{issue.id}.json", as_login=sender.user.login)
        except (RedmineRefused, UnknownLogin):
            return False
        return True


def read_issue(
    found: Mapping[str, Any], project: Project | None, participants: frozenset[str] = NOBODY, *,
    visible: bool | None = None, noteable: bool | None = None,
) -> Issue:  # fmt: skip
    """Given an issue as the API shows it, return what routing knows of it. An unseen project counts as closed."""
    status = found.get("status", {})
    assigned = found.get("assigned_to")
    author = found.get("author")
    return Issue(
        id=int(found["id"]),
        project=project.identifier if project is not None else str(found["project"]["id"]),
        subject=str(found.get("subject", "")),
        status=str(status.get("name", "")),
        closed=bool(status.get("is_closed", found.get("closed_on"))),
        private=bool(found.get("is_private", False)),
        project_public=project is not None and project.public,
        project_active=project is not None and project.active,
        closed_on=utc(found.get("closed_on")),
        author_id=int(author["id"]) if author else None,
        assigned_to_id=int(assigned["id"]) if assigned else None,
        watcher_ids=frozenset(int(w["id"]) for w in found.get("watchers", ())),
        participants=participants,
        visible_to_sender=visible,
        noteable_by_sender=noteable,
    )
