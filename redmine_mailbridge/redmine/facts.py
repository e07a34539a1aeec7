"""Answers what routing wants to know (Needs) with as few requests as possible: none, where all is known already."""

import datetime as dt
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from redmine_mailbridge.errors import RedmineRefused, UnknownLogin
from redmine_mailbridge.model.plan import Facts, Issue, Journal, KnownMail, Needs, Project, User
from redmine_mailbridge.redmine.client import Client
from redmine_mailbridge.redmine.lazy import Lazy
from redmine_mailbridge.redmine.metadata import Directory
from redmine_mailbridge.redmine.note_lookup import Notes
from redmine_mailbridge.redmine.recovery import newest_of
from redmine_mailbridge.redmine.rights import sees
from redmine_mailbridge.redmine.users import Person, utc

NOBODY: frozenset[str] = frozenset()


class FactFinder:
    """Gathers facts from one Redmine. Safe to share among threads."""

    def __init__(self, client: Client, directory: Directory, *, language: str = "en") -> None:
        self._client = client
        self._directory = directory
        self._language = language
        self._notes = Notes(client, time.monotonic)

    def gather(
        self,
        needs: Needs,
        *,
        now: dt.datetime | None = None,
        known: Mapping[str, KnownMail] | None = None,
        participants: Mapping[int, frozenset[str]] | None = None,
        journal_issues: Mapping[int, int] | None = None,
        same_subject_issue: int | None = None,
        first_sync: bool = False,
    ) -> Facts:
        """Given what is needed, and what the store knows, return the facts.

        `known`: mails by Message-ID. `participants`: addresses (lower case) by issue. `journal_issues`: the issue of
        a note, where the store knows it. Issues that the known mails name are looked up too. Raise
        `RedmineUnavailable` if Redmine is away.
        """
        directory = self._directory
        known = known or {}
        numbers = {*needs.issues, *(mail.issue for mail in known.values() if mail.issue is not None)}
        if same_subject_issue is not None:
            numbers.add(same_subject_issue)
        numbers |= {issue for number, _ in needs.journals if (issue := (journal_issues or {}).get(number))}
        by_any_name = {name: found for name in needs.projects if (found := directory.project(name))}
        projects = {found.identifier: found for found in by_any_name.values()}
        for project in projects.values():
            directory.learn_members(project)
        users = self._users(needs)
        owner = users.get(needs.sender.strip().lower())
        sender = directory.people.by_id(owner.id) if owner is not None else None
        seen = self._see(numbers, needs.journals)
        issues = {number: self._issue(found, sender, participants or {}) for number, found in seen.issues.items()}
        theirs = {p.identifier: p for issue in issues.values() if (p := directory.project(issue.project))}
        projects |= theirs if needs.issue_projects else {}
        groups = {name: directory.people.members(name, directory.groups()) for name in needs.groups}
        takers = {user for members in groups.values() for user in members}
        return Facts(
            now=now or dt.datetime.now(dt.UTC),
            can_impersonate=directory.can_impersonate,
            users=users,
            known=known,
            issues=issues,
            projects=by_any_name | projects,
            journals=seen.journals(number for number, _ in needs.journals),
            may_add_issues=self._permitted(sender, "add_issues", projects.values()),
            may_add_watchers=self._permitted(sender, "add_issue_watchers", {**theirs, **projects}.values()),
            anyone_may_add=self._open_to_all(projects.values()) if sender is None and needs.anyone else NOBODY,
            logins={login: user for login in needs.logins if (user := directory.people.by_login(login)) is not None},
            groups=groups,
            open_issues={user: directory.people.open_issues(user) for user in sorted(takers)},
            default_language=self._language,
            statuses=Lazy(lambda: directory.statuses().ids),
            closed_statuses=directory.statuses().closed if issues else frozenset(),
            priorities=Lazy(directory.priorities),
            same_subject_issue=same_subject_issue if same_subject_issue in issues else None,
            first_sync=first_sync,
        )  # fmt: skip

    def _permitted(self, sender: Person | None, permission: str, projects: Iterable[Project]) -> frozenset[str]:
        """Given the sender's user, a permission and projects, return the identifiers of those where it holds."""
        if sender is None:
            return NOBODY
        return frozenset(p.identifier for p in projects if self._directory.may(sender.rights, permission, p))

    def _open_to_all(self, projects: Iterable[Project]) -> frozenset[str]:
        """The projects in which any user of this Redmine may make issues, a new one too."""
        return frozenset(p.identifier for p in projects if self._directory.anyone_may("add_issues", p))

    def _users(self, needs: Needs) -> dict[str, User]:
        people = self._directory.people
        wanted = dict.fromkeys(a.strip().lower() for a in (needs.sender, *needs.addresses) if a)
        users = {address: user for address in wanted if (user := people.by_address(address)) is not None}
        key = needs.sender.strip().lower()
        if needs.language and (sender := users.get(key)) is not None:
            users[key] = replace(sender, language=people.language(sender))
        return users

    def _see(self, numbers: Iterable[int], journals: Iterable[tuple[int, str]]) -> "_Seen":
        """Given issues and notes, fetch the issues, and those of notes that are none of these issues'."""
        wanted = tuple(journals)
        seen = _Seen({number: self._fetch(number) for number in sorted(numbers)})
        found = seen.journals(number for number, _ in wanted)
        others = {self._notes.issue_of(*one) for one in wanted if one[0] not in found} - {None, *seen.found}
        more = {number: self._fetch(number) for number in others if number is not None}
        return _Seen({**seen.found, **more})

    def _fetch(self, number: int) -> Mapping[str, Any] | None:
        """Given a number, return the issue as the key sees it, or None if there is none, or none that it may see. Its
        history comes with it: what a note to it is found again by.
        """
        include = [("include", "watchers,journals")]
        try:
            found: Mapping[str, Any] = self._client.get(f"/issues/{number}.json", include)["issue"]
        except RedmineRefused as error:
            if error.status in (403, 404):
                return None
            raise
        return found

    def _issue(
        self, found: Mapping[str, Any], sender: Person | None, participants: Mapping[int, frozenset[str]]
    ) -> Issue:
        """Given an issue as the API shows it, return it with what the sender may do there."""
        project = self._directory.project(str(found["project"]["id"]))
        issue = read_issue(found, project, participants.get(int(found["id"]), NOBODY))
        if sender is None:
            return issue
        visible = self._visible(issue, sender, project)

        def may(permission: str) -> bool:
            return visible and project is not None and self._directory.may(sender.rights, permission, project)

        return replace(
            issue,
            visible_to_sender=visible,
            noteable_by_sender=may("add_issue_notes"),
            editable_by_sender=may("edit_issues"),
        )

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


@dataclass(frozen=True, slots=True)
class _Seen:
    """The issues that were fetched, as the API shows them; those that are not there left out."""

    found: Mapping[int, Mapping[str, Any] | None]

    @property
    def issues(self) -> dict[int, Mapping[str, Any]]:
        return {number: issue for number, issue in self.found.items() if issue is not None}

    def journals(self, wanted: Iterable[int]) -> dict[int, Journal]:
        """The wanted journals, wherever they are."""
        ids = set(wanted)
        return {
            int(journal["id"]): Journal(
                id=int(journal["id"]),
                issue=number,
                private=bool(journal.get("private_notes", False)),
                created_on=utc(journal.get("created_on")),
            )
            for number, issue in self.issues.items()
            for journal in issue.get("journals", ())
            if int(journal["id"]) in ids
        }


def read_issue(found: Mapping[str, Any], project: Project | None, participants: frozenset[str] = NOBODY) -> Issue:
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
        project_name=str(found["project"].get("name", "")),
        tracker=str(found.get("tracker", {}).get("name", "")),
        created_on=utc(found.get("created_on")),
        newest_journal=newest_of(found) if "journals" in found else None,
    )
