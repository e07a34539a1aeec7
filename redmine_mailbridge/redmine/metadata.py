"""What rarely changes in Redmine, kept for a short time: projects and what their issues may hold, statuses, priorities.

Every name is kept in lower case. A key without admin rights sees less; what it cannot see is simply not there, and
`check` says so.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from redmine_mailbridge.errors import RedmineRefused
from redmine_mailbridge.model.plan import FieldKind, Project
from redmine_mailbridge.redmine.client import PAGE, Client
from redmine_mailbridge.redmine.lazy import Assignable, Lazy
from redmine_mailbridge.redmine.non_members import NonMembers
from redmine_mailbridge.redmine.rights import Rights, Role, allowed
from redmine_mailbridge.redmine.users import People
from redmine_mailbridge.util.cache import Cache

MOST_MEMBERS = 100
"""In projects of how many members at most a key that cannot look for users learns their logins and addresses."""
DENIED_FOR = 120.0
"""Seconds for which a user is taken not to be allowed what Redmine refused it although its roles permit it."""
YOUNG = 5.0
"""Seconds for which what was asked anew is not asked once more for a mere difference."""
SAMPLES = 25
"""How many of a project's newest issues tell a key that may not list custom fields which there are."""
INCLUDE = "trackers,issue_categories,enabled_modules,issue_custom_fields"


@dataclass(frozen=True, slots=True)
class Statuses:
    """Issue statuses: id by lower-case name, the ids that close an issue, and the names as Redmine shows them."""

    ids: Mapping[str, int]
    closed: frozenset[int]
    names: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Tracker:
    """A tracker. `fields` are those of Redmine's own that its issues have, None where Redmine does not tell;
    `default_status` is the id of the status that they begin with.
    """

    id: int
    name: str
    fields: frozenset[str] | None = None
    default_status: int | None = None


@dataclass(frozen=True, slots=True)
class CustomField:
    """An issue custom field, as only an admin's key sees it. `tracker_ids` are those that have it."""

    id: int
    name: str
    format: str
    filterable: bool
    required: bool
    tracker_ids: frozenset[int]
    default: str
    kind: FieldKind


class Directory:
    """The projects and lists of one Redmine. Safe to share among threads."""

    def __init__(
        self, client: Client, people: People | None = None, life: float = 600.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._client = client
        self._clock = clock
        self._asked_at = float("-inf")
        self._denied: dict[tuple[int, str, int], float] = {}
        self.people = people or People(client, life, clock)
        self._non_members = NonMembers(client, self.people, life, clock)
        self._projects: Cache[str, Project | None] = Cache(life, clock)
        self._aliases: dict[str, str] = {}
        self._names: Cache[str, dict[str, str]] = Cache(life, clock)
        self._statuses: Cache[str, Statuses] = Cache(life, clock)
        self._learnt: Cache[int, bool] = Cache(life, clock)
        self._lists: Cache[str, Mapping[str, int]] = Cache(life, clock)
        self._fields: Cache[str, tuple[CustomField, ...]] = Cache(life, clock)
        self._only: Cache[str, frozenset[int]] = Cache(life, clock)
        self._trackers: Cache[str, Mapping[int, Tracker]] = Cache(life, clock)

    @property
    def can_impersonate(self) -> bool:
        """May the key act as other users? Redmine ignores the wish of any but an admin, silently."""
        return self.people.me().user.admin

    def project(self, wanted: str) -> Project | None:
        """Given an identifier, an id or a name (in any case), return the project as the key sees it, or None."""
        key = wanted.strip().lower()
        found = self._projects.get(self._aliases.get(key, key), lambda: self._find_project(wanted.strip()))
        if found is not None:
            self._aliases |= {key: found.identifier, str(found.id): found.identifier}
        return found

    def project_names(self) -> Mapping[str, str]:
        """Return the identifier of every project that the key sees, by lower-case name and by identifier."""
        return self._names.get("all", self._fetch_names)

    def statuses(self) -> Statuses:
        """Return the issue statuses."""
        return self._statuses.get("all", self._fetch_statuses)

    def trackers(self) -> Mapping[int, Tracker]:
        """Return the trackers by id."""
        return self._trackers.get("all", self._fetch_trackers)

    def takes(self, tracker: int, field: str) -> bool:
        """Given a tracker's id and one of Redmine's own fields ("description"), do issues of it have that field? Those
        of an unknown tracker do. A workflow may make it read-only all the same.
        """
        known = self.trackers().get(tracker)
        return known is None or known.fields is None or field in known.fields

    def priorities(self) -> Mapping[str, int]:
        """Return the active priorities, id by lower-case name."""
        return self._lists.get("priorities", self._fetch_priorities)

    def issue_fields(self) -> tuple[CustomField, ...]:
        """Return all issue custom fields; none with a key without admin rights, which may not list them."""
        return self._fields.get("issue", self._fetch_fields)

    def groups(self) -> Mapping[str, int]:
        """Return the groups, id by lower-case name; none with a key without admin rights."""
        return self._lists.get("groups", self._fetch_groups)

    def may(self, rights: Rights, permission: str, project: Project) -> bool:
        """Given a user's rights, may it do this (a permission's name, such as "add_issues") in this project?"""
        if self._clock() - self._denied.get((rights.user_id, permission, project.id), float("-inf")) < DENIED_FOR:
            return False
        return allowed(rights, permission, project, self.roles_of(rights, project))

    def anyone_may(self, permission: str, project: Project) -> bool:
        """May every user of this Redmine do this in this project, a new one too?"""
        return self.may(Rights(0), permission, project)

    def deny(self, user_id: int, permission: str, project: Project) -> None:
        """Redmine has refused this to a user whose roles permit it: they may do so for some trackers only, which the
        API tells of no role. It is believed for a while, whatever is asked anew.
        """
        self._denied[user_id, permission, project.id] = self._clock()

    def roles_of(self, rights: Rights, project: Project) -> tuple[Role, ...]:
        """Given a user's rights, return the roles that count for it in this project."""
        if rights.admin:
            return ()
        return self.people.roles(rights.roles_in(project.id, lambda: self._non_members.roles(project)))

    def numbers(self, project: Project) -> Mapping[str, Mapping[str, int]]:
        """Given a project, return the ids by lower-case name of what an issue's attributes may refer to."""
        return {
            "tracker_id": project.trackers,
            "category_id": project.categories,
            "fixed_version_id": project.versions,
            "status_id": self.statuses().ids,
            "priority_id": self.priorities(),
        }

    def forget_aged(self) -> None:
        """Ask anew about everything, unless that was just done."""
        if self._clock() - self._asked_at >= YOUNG:
            self.forget()

    def forget(self) -> None:
        """Ask anew about everything, e.g. after Redmine has refused something."""
        self._asked_at = self._clock()
        self.people.forget()
        self._non_members.forget()
        self._aliases.clear()
        for cache in (
            self._projects,
            self._names,
            self._statuses,
            self._learnt,
            self._lists,
            self._fields,
            self._only,
            self._trackers,
        ):
            cache.clear()

    def _find_project(self, wanted: str) -> Project | None:
        if wanted and all(c.isalnum() or c in "-_" for c in wanted) and wanted.isascii():
            found = self._fetch_project(wanted.lower())
            if found is not None:
                return found
        identifier = self.project_names().get(wanted.lower())
        return self._fetch_project(identifier) if identifier else None

    def _fetch_project(self, identifier: str) -> Project | None:
        try:
            found = self._client.get(f"/projects/{identifier}.json", [("include", INCLUDE)])["project"]
        except RedmineRefused as error:
            if error.status in (403, 404):
                return None
            raise
        modules = {m["name"] for m in found.get("enabled_modules", ())}
        tracking = "issue_tracking" in modules
        return Project(
            id=int(found["id"]),
            identifier=str(found["identifier"]),
            name=str(found["name"]),
            public=bool(found.get("is_public", False)),
            active=found.get("status", 1) == 1,
            issue_tracking=tracking,
            trackers=_ids(found.get("trackers", ())),
            categories=_ids(found.get("issue_categories", ())),
            versions=Lazy(lambda: self._versions(identifier)) if tracking else {},
            custom_fields=Lazy(lambda: self._project_fields(found)),
            members=Assignable(int(found["id"]), self.people, lambda: self._members(identifier)),
            kinds=Lazy(lambda: {f.id: f.kind for f in self.issue_fields()}),
        )

    def _versions(self, identifier: str) -> Mapping[str, int]:
        """The open versions, shared ones too; Redmine gives all on one page."""
        found = self._or_nothing(f"/projects/{identifier}/versions.json", "versions")
        return _ids(v for v in found if v.get("status") == "open")

    def _project_fields(self, found: Mapping[str, Any]) -> Mapping[str, int]:
        """The issue custom fields of a project. Before 5.1 Redmine names there only those that are not for all
        projects, and nowhere which those are: they are named by no project, and issues tell them to a plain key.
        """
        named = _ids(found.get("issue_custom_fields", ()))
        if self.can_impersonate:
            ids = set(named.values())
            if not self.people.is_5_1():
                only = self._only.get("all", self._fetch_only)
                ids |= {field.id for field in self.issue_fields() if field.id not in only}
            trackers = {int(t["id"]) for t in found.get("trackers", ())}
            return {f.name.lower(): f.id for f in self.issue_fields() if f.id in ids and f.tracker_ids & trackers}
        if named and self.is_newer_than_5_0():
            return named
        newest = [("project_id", str(found["id"])), ("status_id", "*"), ("limit", str(SAMPLES))]
        issues = self._or_nothing("/issues.json", "issues", newest)
        return {**_ids(field for issue in issues for field in issue.get("custom_fields", ())), **named}

    def is_newer_than_5_0(self) -> bool:
        """Is this Redmine 5.1 or later, as any key can tell? A tracker that has a priority says so there alone, where
        that may be switched off.
        """
        return any("priority_id" in (tracker.fields or ()) for tracker in self.trackers().values())

    def learn_members(self, project: Project) -> None:
        """Given a project, learn the addresses of its members, for a key that cannot look for users; none in a project
        of more than MOST_MEMBERS, where that would cost a request for each.
        """
        if not self.can_impersonate:
            self._learnt.get(project.id, lambda: self._learn(project.identifier))

    def _learn(self, identifier: str) -> bool:
        path = f"/projects/{identifier}/memberships.json"
        try:
            answer = self._client.get(path, [("limit", PAGE)])
        except RedmineRefused as error:
            if error.status in (403, 404):
                return False
            raise
        found = answer.get("memberships", ())
        if int(answer.get("total_count", len(found))) > MOST_MEMBERS:
            return False
        self.people.remember_members(int(one["user"]["id"]) for one in found if "user" in one)
        return True

    def _members(self, identifier: str) -> Mapping[str, int]:
        """Whom issues can be assigned to: users and groups with a role that is assignable, by the names that Redmine
        shows; with a key that cannot look for users by login and address too, in a project of MOST_MEMBERS at most.
        """
        try:
            found = list(self._client.pages(f"/projects/{identifier}/memberships.json", "memberships"))
        except RedmineRefused as error:
            if error.status in (403, 404):
                return {}
            raise
        members: dict[str, int] = {}
        users: list[int] = []
        for membership in found:
            if not any(self.people.role(int(role["id"])).assignable for role in membership.get("roles", ())):
                continue
            kind = "user" if "user" in membership else "group"
            if kind in membership:
                who = int(membership[kind]["id"])
                members.setdefault(str(membership[kind]["name"]).lower(), who)
                users += [who] if kind == "user" else []
        for user_id in users if not self.can_impersonate and len(users) <= MOST_MEMBERS else ():
            person = self.people.by_id(user_id)
            if person is not None:
                members |= {word.lower(): user_id for word in (person.user.login, person.user.mail) if word}
        return members

    def _fetch_names(self) -> dict[str, str]:
        names: dict[str, str] = {}
        identifiers: dict[str, str] = {}
        for project in self._client.pages("/projects.json", "projects"):
            identifier = str(project["identifier"])
            identifiers[identifier] = identifier
            names.setdefault(str(project["name"]).lower(), identifier)
        return names | identifiers

    def _fetch_statuses(self) -> Statuses:
        found = self._client.get("/issue_statuses.json").get("issue_statuses", [])
        closed = frozenset(int(s["id"]) for s in found if s.get("is_closed"))
        return Statuses(_ids(found), closed, {int(s["id"]): str(s["name"]) for s in found})

    def _fetch_only(self) -> frozenset[int]:
        """The issue custom fields that some project names: those that are not for all."""
        projects = self._client.pages("/projects.json", "projects", [("include", "issue_custom_fields")])
        return frozenset(int(one["id"]) for project in projects for one in project.get("issue_custom_fields", ()))

    def _fetch_trackers(self) -> Mapping[int, Tracker]:
        found = self._or_nothing("/trackers.json", "trackers")
        return {int(one["id"]): _tracker(one) for one in found}

    def _fetch_priorities(self) -> Mapping[str, int]:
        found = self._client.get("/enumerations/issue_priorities.json").get("issue_priorities", [])
        return _ids(entry for entry in found if entry.get("active", True))

    def _fetch_groups(self) -> Mapping[str, int]:
        return _ids(self._or_nothing("/groups.json", "groups")) if self.can_impersonate else {}

    def _fetch_fields(self) -> tuple[CustomField, ...]:
        if not self.can_impersonate:
            return ()
        found = self._client.get("/custom_fields.json").get("custom_fields", [])
        return tuple(
            CustomField(
                int(f["id"]), str(f["name"]), str(f.get("field_format", "")), bool(f.get("is_filter")),
                bool(f.get("is_required")), frozenset(int(t["id"]) for t in f.get("trackers", ())),
                str(f.get("default_value") or ""), _kind(f),
            )
            for f in found if f.get("customized_type") == "issue"
        )  # fmt: skip

    def _or_nothing(self, path: str, container: str, params: Iterable[tuple[str, str]] = ()) -> list[dict[str, Any]]:
        """Given the path of a list, return it, or nothing where the key may not see it."""
        try:
            found: list[dict[str, Any]] = self._client.get(path, list(params)).get(container, [])
        except RedmineRefused as error:
            if error.status in (403, 404):
                return []
            raise
        return found


def _tracker(found: Mapping[str, Any]) -> Tracker:
    fields, status = found.get("enabled_standard_fields"), found.get("default_status") or {}
    return Tracker(
        int(found["id"]), str(found["name"]), None if fields is None else frozenset(map(str, fields)), status.get("id")
    )


def _kind(found: Mapping[str, Any]) -> FieldKind:
    """Given a custom field as the API shows it, return what it takes."""
    options: dict[str, str] = {}
    for entry in found.get("possible_values") or ():
        value = str(entry.get("value", ""))
        options.setdefault(str(entry.get("label") or value).strip().casefold(), value)
    trackers = frozenset(int(tracker["id"]) for tracker in found.get("trackers", ()))
    return FieldKind(str(found.get("field_format", "")), bool(found.get("multiple")), options, trackers)


def _ids(entries: Iterable[Mapping[str, Any]]) -> Mapping[str, int]:
    """Given things with id and name, return the id by lower-case name; the first wins."""
    ids: dict[str, int] = {}
    for entry in entries:
        ids.setdefault(str(entry["name"]).strip().lower(), int(entry["id"]))
    return ids
