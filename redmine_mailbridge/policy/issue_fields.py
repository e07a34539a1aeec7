"""The fields of a new issue, or those that a reply's keyword lines change: requested names resolved to IDs."""

import datetime as dt
import re
from collections.abc import Mapping

from redmine_mailbridge.model.facts import Facts, Project, User
from redmine_mailbridge.model.mail import Message
from redmine_mailbridge.model.plan import IssueFields
from redmine_mailbridge.model.trace import Trace
from redmine_mailbridge.policy.field_names import means_yes
from redmine_mailbridge.policy.field_values import field_value
from redmine_mailbridge.policy.requested_fields import KEYWORD_LINE, RequestedFields, attribute_of
from redmine_mailbridge.policy.sender import Sender
from redmine_mailbridge.util.suggest import did_you_mean

ROUND_ROBIN = "round-robin:"
_HOURS = re.compile(r"(?:([0-9]{1,6})\s{0,3}(?:h|hours?))?\s{0,3}(?:([0-9]{1,6})\s{0,3}(?:m|min)?)?", re.IGNORECASE)


def of_no_use(
    keywords: Mapping[str, str], fields: IssueFields, project: Project | None, languages: tuple[str, ...]
) -> tuple[str, ...]:
    """Given the keyword lines of a message, the fields set by them and by everything else, the project, and the lines'
    languages, return the keys of those without effect; none if that is unknown.
    """
    if project is None:
        return ()
    there = dict(fields.custom_fields)

    def counts(key: str, value: str) -> bool:
        if (attribute := attribute_of(key)) is not None:
            return getattr(fields, attribute) is not None
        number = project.custom_fields.get(key.lower())
        if number is None or number not in there:
            return False
        return there[number] == field_value(project.kinds.get(number), value, project, languages)

    return tuple(key for key, value in keywords.items() if key != "project" and not counts(key, value))


class Resolver:
    """Resolves requested names to ids, and records in a step what does not exist."""

    def __init__(self, project: Project | None, facts: Facts, steps: Trace, languages: tuple[str, ...]) -> None:
        self.project, self.facts, self.steps, self.languages = project, facts, steps, languages

    def fields(self, requested: RequestedFields, subject: str | None) -> IssueFields:
        """Given the requested fields, return them with ids; offline, or without a project, with the names."""
        names = dict(requested.values) | {f"custom field {name}": value for name, value in requested.custom.items()}
        self._say(names, requested.origins)
        if self.project is None:
            return IssueFields(subject=subject, names=names)
        project, get = self.project, requested.values.get
        return IssueFields(
            subject=subject,
            tracker_id=self._needed("tracker", requested, project.trackers),
            status_id=self._needed("status", requested, self.facts.statuses),
            priority_id=self._needed("priority", requested, self.facts.priorities),
            category_id=self._id("category", get("category"), project.categories),
            assigned_to_id=self._assignee(get("assigned_to"), project),
            fixed_version_id=self._id("version", get("fixed_version"), project.versions),
            parent_issue_id=self._parent(get("parent_issue"), requested.origins.get("parent_issue", "")),
            is_private=means_yes(get("is_private", ""), self.languages) if get("is_private") else None,
            start_date=self._date("start date", get("start_date")),
            due_date=self._date("due date", get("due_date")),
            estimated_hours=self._hours(get("estimated_hours")),
            done_ratio=_ratio(get("done_ratio", "")),
            custom_fields=tuple(self._custom(requested.custom, project).items()),
            names=names,
        )

    def _say(self, names: Mapping[str, str], origins: Mapping[str, str]) -> None:
        """Record which fields are requested, their values, and by what."""
        plain = {"is_private": ("0", "the mailbox")}  # no field of which anybody spoke
        shown = (
            f'{name.replace("_", " ")} "{value[:100]}" from {origins[name]}'
            for name, value in names.items()
            if (value, origins[name]) != plain.get(name)
        )
        if line := ", ".join(shown):
            self.steps.add(f"fields: {line}")

    def _id(self, what: str, name: str | None, known: Mapping[str, int]) -> int | None:
        """Given a name or an id, return the id; None, with a step, if Redmine has none of that name."""
        if name is None:
            return None
        number = known_id(name, known)
        if number is None:
            self.steps.add(f'{what} "{name}" does not exist here and is left out{did_you_mean(name, known)}')
        return number

    def _needed(self, what: str, requested: RequestedFields, known: Mapping[str, int]) -> int | None:
        """The same for attributes that determine where an issue belongs: if the settings name it, the message waits
        until it exists, and is not filed under another.
        """
        name = requested.values.get(what)
        origin = requested.origins.get(what, "")
        if name is None or origin == KEYWORD_LINE or known_id(name, known) is not None:
            return self._id(what, name, known)
        self.steps.add_unfit(f'{what} "{name}" from {origin} does not exist here{did_you_mean(name, known)}')
        return None

    def _assignee(self, name: str | None, project: Project) -> int | None:
        """Given a login, address, name or group, or "round-robin: GROUP", return the assignee."""
        if name is None:
            return None
        if name.lower().startswith(ROUND_ROBIN):
            return self._next_of(name[len(ROUND_ROBIN) :].strip(), project)
        owner = self.facts.users.get(name.lower())
        if owner is not None and owner.id in project.members.values():
            return owner.id
        return self._id("assignee", name, project.members)

    def _next_of(self, group: str, project: Project) -> int | None:
        """Given a group, return its assignable member with the fewest open issues, the lowest id among equals."""
        members = self.facts.groups.get(group.lower())
        if members is None:
            self.steps.add(f'group "{group}" does not exist or is not visible{did_you_mean(group, self.facts.groups)}')
            return None
        able = [member for member in members if member in project.members.values()]
        if not able:
            self.steps.add(f'no member of the group "{group}" can be assigned an issue in {project.identifier}')
            return None
        chosen = min(able, key=lambda member: (self.facts.open_issues.get(member, 0), member))
        self.steps.add(f'user {chosen} of the group "{group}" has the fewest open issues')
        return chosen

    def _parent(self, number: str | None, origin: str) -> int | None:
        """Given an issue number, return it if that issue can be a parent: known, and visible to the requester."""
        if number is None:
            return None
        cleaned = number.strip().removeprefix("#")
        issue = self.facts.issues.get(int(cleaned)) if cleaned.isdecimal() and len(cleaned) < 11 else None
        hidden = issue is not None and origin == KEYWORD_LINE and not (issue.visible_to_sender or issue.public)
        if issue is None or hidden:
            self.steps.add(f'parent issue "{number}" does not exist here and is left out')
            return None
        return issue.id

    def _date(self, what: str, value: str | None) -> dt.date | None:
        """Given YYYY-MM-DD, or +N days from now, return the day."""
        if value is None:
            return None
        try:
            if value.startswith("+"):
                return self.facts.now.date() + dt.timedelta(days=int(value))
            return dt.date.fromisoformat(value)
        except (ValueError, OverflowError):
            self.steps.add(f'{what} "{value}" is not a date and is ignored')
            return None

    def _hours(self, value: str | None) -> float | None:
        """Given a time span in Redmine's syntax, return hours."""
        estimate = hours(value or "")
        if value is not None and estimate is None:
            self.steps.add(f'estimated hours "{value[:100]}" is not a time and is ignored')
        return estimate

    def _custom(self, requested: Mapping[str, str], project: Project) -> Mapping[int, str | tuple[str, ...]]:
        """Given custom fields by name, return the values of those that this project has, by id; of several values for
        one, the last that it accepts.
        """
        values: dict[int, str | tuple[str, ...]] = {}
        for name, value in requested.items():
            number = self._id("custom field", name, project.custom_fields)
            if number is None:
                continue
            taken = field_value(project.kinds.get(number), value, project, self.languages)
            if taken is None:
                self.steps.add(f'custom field "{name}" does not accept the value "{value[:100]}" and is left out')
            else:
                values[number] = taken
        return values


def known_id(name: str, known: Mapping[str, int]) -> int | None:
    """Given a name or an id, return the id if Redmine has it."""
    number = known.get(name.lower())
    if number is None and name.isdecimal() and int(name) in known.values():
        return int(name)
    return number


def watchers(message: Message | None, sender: Sender, facts: Facts, named: tuple[str, ...]) -> tuple[int, ...]:
    """Given a mail, return the ids of the active users in To and Cc, and of those named by rules.

    Without a mail only the named ones. Never the user with the sender's address if the sender is not proven.
    """
    addresses = message.to + message.cc if message is not None else ()
    users: list[User | None] = [facts.users.get(address.key) for address in addresses]
    users += [facts.logins.get(name.lower()) or facts.users.get(name.lower()) for name in named]
    ids = dict.fromkeys(user.id for user in users if user is not None and user.status == "active")
    unproven = () if sender.user else sender.ids
    return tuple(number for number in ids if number not in unproven)


def hours(value: str) -> float | None:
    """Given "2.5", "2,5", "2h", "2h30", "2:30" or "90 min", as Redmine takes it, return hours; None for others."""
    value = value.strip()
    plain = value.replace(",", ".").removesuffix("h").strip()
    if re.fullmatch(r"[0-9]{1,6}(?:\.[0-9]{1,6})?", plain):
        return float(plain)
    clock = re.fullmatch(r"([0-9]{1,6}):([0-5][0-9])", value)
    match = clock or _HOURS.fullmatch(value)
    if not value or match is None:
        return None
    return int(match[1] or 0) + int(match[2] or 0) / 60


def _ratio(value: str) -> int | None:
    return int(value) if value.isdecimal() and len(value) < 4 and int(value) <= 100 else None
