"""What rarely changes in Redmine, cached briefly: projects and the attributes of their issues, statuses, priorities.

Every name is in lower case. A key without admin rights sees less; what it cannot see is absent, and
`check` reports that.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from redmine_mailbridge.errors import RedmineRefused
from redmine_mailbridge.model.facts import Project
from redmine_mailbridge.redmine.attributes import CustomField, Statuses, Tracker, ids_by_name, kind_of, tracker_of
from redmine_mailbridge.redmine.client import PAGE, Client
from redmine_mailbridge.redmine.lazy import Assignable, LazyMapping
from redmine_mailbridge.redmine.non_members import NonMembers
from redmine_mailbridge.redmine.rights import Rights, Role, allowed
from redmine_mailbridge.redmine.users import Users
from redmine_mailbridge.util.cache import Cache
from redmine_mailbridge.util.suggest import NameMap

MOST_MEMBERS = 100
"""Maximum number of project members for which a key that cannot search users fetches logins and addresses."""
DENIED_FOR = 120.0
"""Seconds for which a permission that Redmine denied, although the roles include it, counts as denied."""
YOUNG = 5.0
"""Seconds for which refreshed data is not fetched again because of a mere difference."""
SAMPLES = 25
"""How many of a project's newest issues show its custom fields to a key that may not list them."""
INCLUDE = "trackers,issue_categories,enabled_modules,issue_custom_fields"


class MetadataCache:
    """The projects and lists of one Redmine. Thread-safe."""

    def __init__(
        self, client: Client, people: Users | None = None, ttl: float = 600.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._client = client
        self._clock = clock
        self._asked_at = float("-inf")
        self._denied: dict[tuple[int, str, int], float] = {}
        self.people = people or Users(client, ttl, clock)
        self._non_members = NonMembers(client, self.people, ttl, clock)
        self._projects: Cache[str, Project | None] = Cache(ttl, clock)
        self._aliases: dict[str, str] = {}
        self._names: Cache[str, Mapping[str, str]] = Cache(ttl, clock)
        self._statuses: Cache[str, Statuses] = Cache(ttl, clock)
        self._learnt: Cache[int, bool] = Cache(ttl, clock)
        self._lists: Cache[str, Mapping[str, int]] = Cache(ttl, clock)
        self._fields: Cache[str, tuple[CustomField, ...]] = Cache(ttl, clock)
        self._only: Cache[str, frozenset[int]] = Cache(ttl, clock)
        self._trackers: Cache[str, Mapping[int, Tracker]] = Cache(ttl, clock)

    @property
    def can_impersonate(self) -> bool:
        """May the key act as other users? Redmine silently ignores the header unless the key is an admin's."""
        return self.people.me().user.admin

    def project(self, name: str) -> Project | None:
        """Given an identifier, an id or a name (in any case), return the project as the key sees it, or None."""
        key = name.strip().lower()
        project = self._projects.get(self._aliases.get(key, key), lambda: self._find_project(name.strip()))
        if project is not None:
            self._aliases |= {key: project.identifier, str(project.id): project.identifier}
        return project

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
        """Given a tracker's id and a standard field ("description"), do its issues have that field? True for
        an unknown tracker. A workflow may still make it read-only.
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
        """Given a user's rights, does the user have this permission (such as "add_issues") in this project?"""
        if self._clock() - self._denied.get((rights.user_id, permission, project.id), float("-inf")) < DENIED_FOR:
            return False
        return allowed(rights, permission, project, self.roles_of(rights, project))

    def anyone_may(self, permission: str, project: Project) -> bool:
        """Does every user of this Redmine have this permission in this project, including new users?"""
        return self.may(Rights(0), permission, project)

    def deny(self, user_id: int, permission: str, project: Project) -> None:
        """Redmine denied this to a user whose roles permit it: they permit it for some trackers only, which the
        API does not report. It counts as denied for a while, whatever is refreshed.
        """
        self._denied[user_id, permission, project.id] = self._clock()

    def roles_of(self, rights: Rights, project: Project) -> tuple[Role, ...]:
        """Given a user's rights, return the roles that apply in this project."""
        if rights.admin:
            return ()
        return self.people.roles(rights.roles_in(project.id, lambda: self._non_members.roles(project)))

    def numbers(self, project: Project) -> Mapping[str, Mapping[str, int]]:
        """Given a project, return the ids by lower-case name that an issue's attributes may refer to."""
        return {
            "tracker_id": project.trackers,
            "category_id": project.categories,
            "fixed_version_id": project.versions,
            "status_id": self.statuses().ids,
            "priority_id": self.priorities(),
        }

    def forget_aged(self) -> None:
        """Refresh everything, unless that was just done."""
        if self._clock() - self._asked_at >= YOUNG:
            self.forget()

    def forget(self) -> None:
        """Refresh everything, e.g. after Redmine has rejected something."""
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

    def _find_project(self, name: str) -> Project | None:
        if name and all(c.isalnum() or c in "-_" for c in name) and name.isascii():
            project = self._fetch_project(name.lower())
            if project is not None:
                return project
        identifier = self.project_names().get(name.lower())
        return self._fetch_project(identifier) if identifier else None

    def _fetch_project(self, identifier: str) -> Project | None:
        answer = self._client.get_or_none(f"/projects/{identifier}.json", [("include", INCLUDE)])
        if answer is None:
            return None
        values = answer["project"]
        modules = {m["name"] for m in values.get("enabled_modules", ())}
        tracking = "issue_tracking" in modules
        return Project(
            id=int(values["id"]),
            identifier=str(values["identifier"]),
            name=str(values["name"]),
            public=bool(values.get("is_public", False)),
            active=values.get("status", 1) == 1,
            issue_tracking=tracking,
            trackers=ids_by_name(values.get("trackers", ())),
            categories=ids_by_name(values.get("issue_categories", ())),
            versions=LazyMapping(lambda: self._versions(identifier)) if tracking else {},
            custom_fields=LazyMapping(lambda: self._project_fields(values)),
            members=Assignable(int(values["id"]), self.people, lambda: self._members(identifier)),
            kinds=LazyMapping(lambda: {f.id: f.kind for f in self.issue_fields()}),
        )

    def _versions(self, identifier: str) -> Mapping[str, int]:
        """The open versions, shared ones included; Redmine returns all on one page."""
        versions = self._or_nothing(f"/projects/{identifier}/versions.json", "versions")
        return ids_by_name(v for v in versions if v.get("status") == "open")

    def _project_fields(self, project: Mapping[str, Any]) -> Mapping[str, int]:
        """The issue custom fields of a project. Before 5.1 Redmine lists there only those that are not for all
        projects, and nowhere which are: no project lists them, and a key without admin rights sees them in issues.
        """
        named = ids_by_name(project.get("issue_custom_fields", ()))
        if self.can_impersonate:
            ids = set(named.values())
            if not self.people.is_5_1():
                only = self._only.get("all", self._fetch_only)
                ids |= {field.id for field in self.issue_fields() if field.id not in only}
            trackers = {int(t["id"]) for t in project.get("trackers", ())}
            return NameMap((f.name, f.id) for f in self.issue_fields() if f.id in ids and f.tracker_ids & trackers)
        if named and self.is_newer_than_5_0():
            return named
        newest = [("project_id", str(project["id"])), ("status_id", "*"), ("limit", str(SAMPLES))]
        issues = self._or_nothing("/issues.json", "issues", newest)
        return ids_by_name(
            [*project.get("issue_custom_fields", ()), *(f for issue in issues for f in issue.get("custom_fields", ()))]
        )

    def is_newer_than_5_0(self) -> bool:
        """Is this Redmine 5.1 or later, as far as any key can see? Only then does a tracker report its priority, which
        can be disabled there.
        """
        return any("priority_id" in (tracker.fields or ()) for tracker in self.trackers().values())

    def learn_members(self, project: Project) -> None:
        """Given a project, cache the addresses of its members, for a key that cannot search users; none in a project
        with more than MOST_MEMBERS, since each costs a request.
        """
        if not self.can_impersonate:
            self._learnt.get(project.id, lambda: self._learn(project.identifier))

    def _learn(self, identifier: str) -> bool:
        path = f"/projects/{identifier}/memberships.json"
        answer = self._client.get_or_none(path, [("limit", PAGE)])
        if answer is None:
            return False
        memberships = answer.get("memberships", ())
        if int(answer.get("total_count", len(memberships))) > MOST_MEMBERS:
            return False
        self.people.remember_members(
            int(membership["user"]["id"]) for membership in memberships if "user" in membership
        )
        return True

    def _members(self, identifier: str) -> Mapping[str, int]:
        """Possible assignees: users and groups with an assignable role, by the names that Redmine
        shows; with a key that cannot search users by login and address too, in a project with up to MOST_MEMBERS.
        """
        try:
            memberships = list(self._client.pages(f"/projects/{identifier}/memberships.json", "memberships"))
        except RedmineRefused as error:
            if error.status in (403, 404):
                return {}
            raise
        names: list[tuple[str, int]] = []
        users: list[int] = []
        for membership in memberships:
            if not any(self.people.role(int(role["id"])).assignable for role in membership.get("roles", ())):
                continue
            kind = "user" if "user" in membership else "group"
            if kind in membership:
                who = int(membership[kind]["id"])
                names.append((str(membership[kind]["name"]), who))
                users += [who] if kind == "user" else []
        members = NameMap(names)
        for user_id in users if not self.can_impersonate and len(users) <= MOST_MEMBERS else ():
            person = self.people.by_id(user_id)
            if person is not None:
                members |= {word.lower(): user_id for word in (person.user.login, person.user.mail) if word}
        return members

    def _fetch_names(self) -> Mapping[str, str]:
        projects = list(self._client.pages("/projects.json", "projects"))
        names = [(str(project["name"]), str(project["identifier"])) for project in projects]
        return NameMap([*((identifier, identifier) for _, identifier in names), *names])

    def _fetch_statuses(self) -> Statuses:
        statuses = self._client.get("/issue_statuses.json").get("issue_statuses", [])
        closed = frozenset(int(s["id"]) for s in statuses if s.get("is_closed"))
        return Statuses(ids_by_name(statuses), closed, {int(s["id"]): str(s["name"]) for s in statuses})

    def _fetch_only(self) -> frozenset[int]:
        """The issue custom fields that a project lists: those that are not for all projects."""
        projects = self._client.pages("/projects.json", "projects", [("include", "issue_custom_fields")])
        return frozenset(int(field["id"]) for project in projects for field in project.get("issue_custom_fields", ()))

    def _fetch_trackers(self) -> Mapping[int, Tracker]:
        trackers = self._or_nothing("/trackers.json", "trackers")
        return {int(tracker["id"]): tracker_of(tracker) for tracker in trackers}

    def _fetch_priorities(self) -> Mapping[str, int]:
        priorities = self._client.get("/enumerations/issue_priorities.json").get("issue_priorities", [])
        return ids_by_name(entry for entry in priorities if entry.get("active", True))

    def _fetch_groups(self) -> Mapping[str, int]:
        return ids_by_name(self._or_nothing("/groups.json", "groups")) if self.can_impersonate else {}

    def _fetch_fields(self) -> tuple[CustomField, ...]:
        if not self.can_impersonate:
            return ()
        fields = self._client.get("/custom_fields.json").get("custom_fields", [])
        return tuple(
            CustomField(
                int(f["id"]), str(f["name"]), str(f.get("field_format", "")), bool(f.get("is_filter")),
                bool(f.get("is_required")), frozenset(int(t["id"]) for t in f.get("trackers", ())),
                str(f.get("default_value") or ""), kind_of(f),
            )
            for f in fields if f.get("customized_type") == "issue"
        )  # fmt: skip

    def _or_nothing(self, path: str, container: str, params: Iterable[tuple[str, str]] = ()) -> list[dict[str, Any]]:
        """Given the path of a list, return it, or an empty one if the key may not see it."""
        answer = self._client.get_or_none(path, list(params))
        return [] if answer is None else answer.get(container, [])
