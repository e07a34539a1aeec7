"""Automation rules: what happens to an issue when no one writes. `[[rules]]`."""

import re
from collections.abc import Collection, Iterator, Sequence
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from redmine_mailbridge.settings.base import SettingsTable, setting
from redmine_mailbridge.settings.value_types import Name, one_address, parse_span
from redmine_mailbridge.util.dataclass import dataclass
from redmine_mailbridge.util.suggest import did_you_mean

MailKind = Literal["reminder", "closed", "escalation"]
_BUSINESS = re.compile(r"([0-9]{1,4}) ?business ?(hours?|minutes?)")
_PLACE = re.compile(r"\{([a-z_.]{1,40})\}")
PEOPLE = ("requester", "assignee")
NOTE_PLACES = (
    "rule",
    "reason",
    "requester.name",
    "requester.address",
    "issue.id",
    "issue.subject",
    "issue.status",
    "issue.priority",
    "issue.tracker",
    "issue.assignee",
    "project",
    "mailbox",
)


@dataclass(frozen=True, slots=True)
class Age:
    """An elapsed time: in seconds by the clock, or in business hours of the issue's project."""

    seconds: int
    business: bool


def parse_age(text: str) -> Age:
    """Given "3d", "36h" or "4 business hours", return it. Raise ValueError if it is invalid or zero."""
    match = _BUSINESS.fullmatch(" ".join(text.split()))
    if match is not None:
        age = Age(int(match[1]) * (3600 if match[2].startswith("hour") else 60), business=True)
    else:
        try:
            age = Age(int(parse_span(text).total_seconds()), business=False)
        except ValueError as error:
            raise ValueError('must be a time span such as "3d", "36h" or "4 business hours"') from error
    if age.seconds <= 0:
        raise ValueError("must be longer than 0s")
    return age


def _age(value: str) -> str:
    parse_age(value)
    return value


def _note(value: str) -> str:
    """Given a note's text, return it. Raise ValueError for an unknown placeholder."""
    for place in _PLACE.findall(value):
        if place not in NOTE_PLACES:
            raise ValueError(f"unknown placeholder {{{place}}}{did_you_mean(place, NOTE_PLACES)}")
    return value


def _no_round_robin(value: str) -> str:
    if value.lower().startswith("round-robin:"):
        raise ValueError('must be one person or group: "round-robin: …" is for new issues')
    return value


def _recipient(value: str) -> str:
    """Given the recipient of a message, return it. Raise ValueError if it is neither a keyword nor an address."""
    if value in PEOPLE:
        return value
    try:
        return one_address(value)
    except ValueError as error:
        raise ValueError(f'must be "requester", "assignee" or one mail address{did_you_mean(value, PEOPLE)}') from error


AgeText = Annotated[str, AfterValidator(_age)]
NoteText = Annotated[str, StringConstraints(min_length=1, max_length=20_000), AfterValidator(_note)]
Recipient = Annotated[str, AfterValidator(_recipient)]
OneAssignee = Annotated[Name, AfterValidator(_no_round_robin)]


class RuleWhen(SettingsTable):
    """Which issues a rule applies to, and when. All given conditions must hold; a list matches any of its names.

    The customer's side is the sender of the message that created the issue, and strangers whose messages were added to
    it; agents are all others. What the bridge itself writes counts for neither. Spans are by the clock, or in the
    business hours of the project's calendar: "4 business hours".
    """

    statuses: tuple[Name, ...] = setting("It has one of these statuses.", ())
    projects: tuple[Name, ...] = setting("It is in one of these projects, by identifier.", ())
    mailboxes: tuple[Name, ...] = setting("It was received by one of these mailboxes.", ())
    trackers: tuple[Name, ...] = setting("It has one of these trackers.", ())
    priorities: tuple[Name, ...] = setting("It has one of these priorities.", ())
    assigned: bool | None = setting("Whether it has an assignee.", None)
    closed: bool = setting("Whether it is closed. Closed issues need a separate rule.", False)
    waiting_for: Literal["customer", "agent"] | None = setting(
        'Whose turn it is: "agent" if the customer\'s side wrote the last public note, or no one has; "customer": '
        "an agent has written since, and at least one of those notes was sent to the customer by mail.",
        None,
    )
    no_answer: AgeText | None = setting("No agent has written a public note within this time after its creation.", None)
    customer_silent: AgeText | None = setting("The customer's side has not written for this long.", None)
    agent_silent: AgeText | None = setting("The last public note of an agent is this old. There must be one.", None)
    silent: AgeText | None = setting("No one has written for this long, publicly or privately.", None)
    in_status: AgeText | None = setting("It has had its status for this long.", None)
    created: AgeText | None = setting("It was created this long ago.", None)

    @property
    def ages(self) -> dict[str, Age]:
        """The time spans that must have passed, by key."""
        names = ("no_answer", "customer_silent", "agent_silent", "silent", "in_status", "created")
        return {name: parse_age(text) for name in names if (text := getattr(self, name)) is not None}


class RuleThen(SettingsTable):
    """What a rule does: one change of the issue, then a message. Use Redmine's names or ids."""

    status: Name | None = setting("The new status.", None)
    assignee: OneAssignee | None = setting("The new assignee: a login, an address, or the name of a group.", None)
    priority: Name | None = setting("The new priority.", None)
    note: NoteText | None = setting(
        "The text of a note. It may contain {rule}, {reason}, {requester.name}, {requester.address}, {issue.id}, "
        "{issue.subject}, {issue.status}, {issue.priority}, {issue.tracker}, {issue.assignee}, {project}, {mailbox}.",
        None,
    )
    private_note: bool = setting("Whether the note is private.", False)
    mail: MailKind | None = setting("The template of a message about it.", None)
    mail_to: tuple[Recipient, ...] = setting(
        'Recipients of the message: "requester", "assignee", or addresses. Required for an escalation.',
        ("requester",),
        shown='["requester"], for an escalation none',
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        """Reject a rule without any action, and keys that require another key."""
        if all(getattr(self, name) is None for name in ("status", "assignee", "priority", "note", "mail")):
            raise ValueError("has no action: set status, assignee, priority, note or mail")
        if self.private_note and self.note is None:
            raise ValueError("private_note: requires note")
        if "mail_to" in self.model_fields_set and self.mail is None:
            raise ValueError("mail_to: requires mail")
        if self.mail == "escalation" and "mail_to" not in self.model_fields_set:
            raise ValueError("mail_to: is missing: an escalation requires it")
        if self.mail is not None and not self.mail_to:
            raise ValueError("mail_to: must not be empty")
        return self


class TimeRule(SettingsTable):
    """An automation rule, evaluated at each update. It acts on an issue once, and again only after a new note
    (by anyone its spans refer to) or, for in_status, a change of status. Without such rules nothing happens.
    """

    name: Name = setting("The rule's name. Its past runs are recorded by name: a new name makes a new rule.")
    active: bool = setting("Whether the rule is active.", True)
    max_issues: Annotated[int, Field(ge=0)] = setting(
        "Maximum number of issues that it acts on at once. If more are due, it acts on none until `rules resume NAME`. "
        "0: no limit.",
        25,
    )
    when: RuleWhen = setting("The conditions.")
    then: RuleThen = setting("The actions.")

    @model_validator(mode="after")
    def _timed(self) -> Self:
        """Reject a rule without a time span: it would act at once on every existing issue."""
        if not self.when.ages:
            raise ValueError(
                "when: is missing a time span: set no_answer, customer_silent, agent_silent, silent, in_status …"
            )
        return self


def wrong_rules(rules: Sequence[TimeRule], mailboxes: Collection[str], *, has_calendar: bool) -> Iterator[str]:
    """Given the settings' rules, yield each problem between them or with other tables."""
    names: set[str] = set()
    for index, rule in enumerate(rules):
        here = f"rules.{index}"
        if rule.name in names:
            yield f'{here}.name: "{rule.name}" is used by two rules'
        names.add(rule.name)
        for name in rule.when.mailboxes:
            if name not in mailboxes:
                yield f'{here}.when.mailboxes: mailbox "{name}" does not exist{did_you_mean(name, mailboxes)}'
        for span, age in rule.when.ages.items():
            if age.business and not has_calendar:
                yield f"{here}.when.{span}: business hours require a calendar: add [calendars.NAME]"
