"""Fetches the facts that the policy requests (FactRequest) with as few requests as possible: none if all are cached."""

import datetime as dt
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from redmine_mailbridge.errors import RedmineRefused, UnknownLogin
from redmine_mailbridge.model.facts import FactRequest, Facts, Issue, Journal, KnownMail, Project, Successor, User
from redmine_mailbridge.redmine.client import Client
from redmine_mailbridge.redmine.lazy import LazyMapping
from redmine_mailbridge.redmine.metadata import MetadataCache
from redmine_mailbridge.redmine.note_lookup import NoteLocator
from redmine_mailbridge.redmine.recovery import newest_of
from redmine_mailbridge.redmine.responses import is_closed, utc
from redmine_mailbridge.redmine.rights import sees
from redmine_mailbridge.redmine.user_values import UserWithRights
from redmine_mailbridge.util.dataclass import dataclass

NOBODY: frozenset[str] = frozenset()
MAX_SUCCESSORS = 10
"""How many issues are fetched for one message because closed ones continue there."""


class FactFinder:
    """Gathers facts from one Redmine. Thread-safe."""

    def __init__(
        self,
        client: Client,
        metadata: MetadataCache,
        *,
        language: str = "en",
        keyword_languages: Sequence[str] = ("en",),
    ) -> None:
        self._client = client
        self._metadata = metadata
        self._language = language
        self._keyword_languages = tuple(keyword_languages)
        self._notes = NoteLocator(client, time.monotonic)

    def gather(
        self,
        request: FactRequest,
        *,
        now: dt.datetime | None = None,
        known: Mapping[str, KnownMail] | None = None,
        journal_issues: Mapping[int, int] | None = None,
        same_subject_issue: int | None = None,
        first_sync: bool = False,
    ) -> Facts:
        """Given a request, and what the store knows, return the facts.

        `known`: messages by Message-ID. `journal_issues`: the issue of a note, if the store knows it. Issues of known
        messages are fetched too, and those in which closed ones continue. Raise `RedmineUnavailable` if Redmine is
        unavailable.
        """
        metadata = self._metadata
        known = known or {}
        numbers = {*request.issues, *(mail.issue for mail in known.values() if mail.issue is not None)}
        if same_subject_issue is not None:
            numbers.add(same_subject_issue)
        numbers |= {issue for number, _ in request.journals if (issue := (journal_issues or {}).get(number))}
        by_any_name = {name: named for name in request.projects if (named := metadata.project(name))}
        projects = {project.identifier: project for project in by_any_name.values()}
        for project in projects.values():
            metadata.learn_members(project)
        users = self._users(request)
        owner = users.get(request.sender.strip().lower())
        sender = metadata.people.by_id(owner.id) if owner is not None else None
        taken = (
            {request.sender.strip().lower()} if owner is None and metadata.people.is_taken(request.sender) else NOBODY
        )
        seen = self._with_successors(self._see(numbers, request.journals), request.followed)
        issues = {number: self._issue(data, sender, request.followed) for number, data in seen.issues.items()}
        theirs = {p.identifier: p for issue in issues.values() if (p := metadata.project(issue.project))}
        projects |= theirs if request.issue_projects else {}
        groups = {name: metadata.people.members(name, metadata.groups()) for name in request.groups}
        takers = {user for members in groups.values() for user in members}
        return Facts(
            now=now or dt.datetime.now(dt.UTC),
            can_impersonate=metadata.can_impersonate,
            users=users,
            known=known,
            issues=issues,
            projects=by_any_name | projects,
            journals=seen.journals(number for number, _ in request.journals),
            may_add_issues=self._permitted(sender, "add_issues", projects.values()),
            may_add_watchers=self._permitted(sender, "add_issue_watchers", {**theirs, **projects}.values()),
            anyone_may_add=self._open_to_all(projects.values()) if sender is None and request.anyone else NOBODY,
            agents=self._agents(request.agents, users, {**theirs, **projects}.values()),
            logins={login: user for login in request.logins if (user := metadata.people.by_login(login)) is not None},
            groups=groups,
            open_issues={user: metadata.people.open_issues(user) for user in sorted(takers)},
            default_language=self._language,
            keyword_languages=self._keyword_languages,
            taken_addresses=frozenset(taken),
            statuses=LazyMapping(lambda: metadata.statuses().ids),
            closed_statuses=metadata.statuses().closed if issues else frozenset(),
            priorities=LazyMapping(metadata.priorities),
            same_subject_issue=same_subject_issue if same_subject_issue in issues else None,
            first_sync=first_sync,
        )  # fmt: skip

    def _agents(
        self, addresses: Iterable[str], users: Mapping[str, User], projects: Collection[Project]
    ) -> dict[str, frozenset[str]]:
        """Given addresses, return by project which of them belong to active users who may edit issues there."""
        by_project: dict[str, set[str]] = {}
        for address in addresses:
            person = self._metadata.people.by_id(users[address].id) if address in users else None
            if person is not None and person.user.status == "active":
                for identifier in self._permitted(person, "edit_issues", projects):
                    by_project.setdefault(identifier, set()).add(address)
        return {identifier: frozenset(several) for identifier, several in by_project.items()}

    def _permitted(self, sender: UserWithRights | None, permission: str, projects: Iterable[Project]) -> frozenset[str]:
        """Given the sender's user, a permission and projects, return the identifiers of those where the user has it."""
        if sender is None:
            return NOBODY
        return frozenset(p.identifier for p in projects if self._metadata.may(sender.rights, permission, p))

    def _open_to_all(self, projects: Iterable[Project]) -> frozenset[str]:
        """The projects in which any user of this Redmine may create issues, including a new user."""
        return frozenset(p.identifier for p in projects if self._metadata.anyone_may("add_issues", p))

    def _users(self, request: FactRequest) -> dict[str, User]:
        people = self._metadata.people
        addresses = dict.fromkeys(a.strip().lower() for a in (request.sender, *request.addresses) if a)
        return {address: user for address in addresses if (user := people.by_address(address)) is not None}

    def _see(self, numbers: Iterable[int], journals: Iterable[tuple[int, str]]) -> "_Seen":
        """Given issues and notes, fetch the issues, and those of notes that belong to none of these issues."""
        notes = tuple(journals)
        seen = _Seen({number: self._fetch(number) for number in sorted(numbers)})
        located = seen.journals(number for number, _ in notes)
        others = {self._notes.issue_of(*note) for note in notes if note[0] not in located} - {None, *seen.fetched}
        more = {number: self._fetch(number) for number in others if number is not None}
        return _Seen({**seen.fetched, **more})

    def _with_successors(self, seen: "_Seen", followed: Collection[str]) -> "_Seen":
        """Given the fetched issues, fetch also those in which closed ones continue, and so on."""
        issues = dict(seen.fetched)
        waiting = [successor.issue for issue in seen.issues.values() for successor in successors(issue, followed)]
        while waiting and len(issues) < len(seen.fetched) + MAX_SUCCESSORS:
            number = waiting.pop(0)
            if number not in issues:
                issues[number] = issue = self._fetch(number)
                waiting += [successor.issue for successor in successors(issue or {}, followed)]
        return _Seen(issues)

    def _fetch(self, number: int) -> Mapping[str, Any] | None:
        """Given a number, return the issue as the key sees it, or None if it does not exist or is not visible. Its
        history is included: recovery finds a note to it there; so are its relations, if it is closed they may matter.
        """
        answer = self._client.get_or_none(f"/issues/{number}.json", [("include", "watchers,journals,relations")])
        return None if answer is None else answer["issue"]

    def _issue(self, issue_data: Mapping[str, Any], sender: UserWithRights | None, followed: Collection[str]) -> Issue:
        """Given an issue from the API, return it with the sender's permissions there."""
        project = self._metadata.project(str(issue_data["project"]["id"]))
        issue = replace(read_issue(issue_data, project), successors=successors(issue_data, followed))
        if sender is None:
            return issue
        visible = self._visible(issue, sender, project)

        def may(permission: str) -> bool:
            return visible and project is not None and self._metadata.may(sender.rights, permission, project)

        return replace(
            issue,
            visible_to_sender=visible,
            noteable_by_sender=may("add_issue_notes"),
            editable_by_sender=may("edit_issues"),
        )

    def _visible(self, issue: Issue, sender: UserWithRights, project: Project | None) -> bool:
        """Is the issue visible to the sender? Requested as the sender if the key allows it, else computed."""
        if not sender.rights.active or project is None:
            return False
        if not self._metadata.can_impersonate:
            return sees(sender.rights, issue, project, self._metadata.roles_of(sender.rights, project))
        try:
            self._client.get(f"/issues/{issue.id}.json", as_login=sender.user.login)
        except (RedmineRefused, UnknownLogin):
            return False
        return True


@dataclass(frozen=True, slots=True)
class _Seen:
    """The fetched issues, as the API returns them, without missing ones."""

    fetched: Mapping[int, Mapping[str, Any] | None]

    @property
    def issues(self) -> dict[int, Mapping[str, Any]]:
        return {number: issue for number, issue in self.fetched.items() if issue is not None}

    def journals(self, numbers: Iterable[int]) -> dict[int, Journal]:
        """The requested journals, from whichever issue."""
        ids = set(numbers)
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


def successors(issue: Mapping[str, Any], followed: Collection[str]) -> tuple[Successor, ...]:
    """Given an issue from the API and the relations that are followed, return where it continues, the first relation
    first; nowhere unless it is closed. The API lists relations with issues that the key sees, from both ends.
    """
    if not is_closed(issue):
        return ()
    return tuple(
        Successor(int(relation["issue_to_id"]), relation["relation_type"])
        for relation in sorted(issue.get("relations", ()), key=lambda relation: int(relation["id"]))
        if relation["relation_type"] in followed and int(relation["issue_id"]) == int(issue["id"])
    )


def read_issue(issue_data: Mapping[str, Any], project: Project | None) -> Issue:
    """Given an issue from the API, return the policy's view of it. An unseen project counts as closed."""
    status = issue_data.get("status", {})
    assigned = issue_data.get("assigned_to")
    author = issue_data.get("author")
    return Issue(
        id=int(issue_data["id"]),
        project=project.identifier if project is not None else str(issue_data["project"]["id"]),
        subject=str(issue_data.get("subject", "")),
        status=str(status.get("name", "")),
        closed=is_closed(issue_data),
        private=bool(issue_data.get("is_private", False)),
        project_public=project is not None and project.public,
        project_active=project is not None and project.active,
        closed_on=utc(issue_data.get("closed_on")),
        author_id=int(author["id"]) if author else None,
        assigned_to_id=int(assigned["id"]) if assigned else None,
        watcher_ids=frozenset(int(w["id"]) for w in issue_data.get("watchers", ())),
        project_name=str(issue_data["project"].get("name", "")),
        tracker=str(issue_data.get("tracker", {}).get("name", "")),
        created_on=utc(issue_data.get("created_on")),
        newest_journal=newest_of(issue_data) if "journals" in issue_data else None,
    )
