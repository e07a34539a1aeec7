"""Rules of time: what becomes of an issue by itself when nobody writes. `[[rules]]`."""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from redmine_mailbridge.settings.base import Table, key
from redmine_mailbridge.settings.value_types import Name, one_address, parse_span
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
    """How long something is past: seconds by the clock, or by the business hours of the issue's project."""

    seconds: int
    business: bool


def parse_age(text: str) -> Age:
    """Given "3d", "36h" or "4 business hours", return it. Raise ValueError when it is neither, or nothing."""
    found = _BUSINESS.fullmatch(" ".join(text.split()))
    if found is not None:
        age = Age(int(found[1]) * (3600 if found[2].startswith("hour") else 60), business=True)
    else:
        try:
            age = Age(int(parse_span(text).total_seconds()), business=False)
        except ValueError as error:
            raise ValueError('must be a span such as "3d", "36h" or "4 business hours"') from error
    if age.seconds <= 0:
        raise ValueError("must be longer than nothing")
    return age


def _age(value: str) -> str:
    parse_age(value)
    return value


def _note(value: str) -> str:
    """Given a note's text, return it. Raise ValueError for a place that names nothing."""
    for place in _PLACE.findall(value):
        if place not in NOTE_PLACES:
            raise ValueError(f"there is no {{{place}}}{did_you_mean(place, NOTE_PLACES)}")
    return value


def _no_round_robin(value: str) -> str:
    if value.lower().startswith("round-robin:"):
        raise ValueError('must be one person or group: "round-robin: …" is for new issues')
    return value


def _recipient(value: str) -> str:
    """Given whom a mail goes to, return it. Raise ValueError when it is neither one of the words nor an address."""
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


class RuleWhen(Table):
    """Which issues a rule is for, and when. All that is given must hold; a list holds when one of its names does.

    The customer's side is who wrote the mail that made the issue, and strangers whose mail came to it; agents are
    all others. What the bridge writes by itself counts for nobody. Spans are by the clock, or in the business hours
    of the project's calendar: "4 business hours".
    """

    statuses: tuple[Name, ...] = key("It has one of these statuses.", ())
    projects: tuple[Name, ...] = key("It is in one of these projects, by identifier.", ())
    mailboxes: tuple[Name, ...] = key("It came by one of these mailboxes.", ())
    trackers: tuple[Name, ...] = key("It has one of these trackers.", ())
    priorities: tuple[Name, ...] = key("It has one of these priorities.", ())
    assigned: bool | None = key("Whether somebody has it.", None)
    closed: bool = key("Whether it is closed. Closed issues need a rule of their own.", False)
    waiting_for: Literal["customer", "agent"] | None = key(
        'Whose turn it is: "agent" when the customer\'s side wrote the last public note, or nobody has; "customer": '
        "an agent has written since, and at least one of those notes went to the customer by mail.",
        None,
    )
    no_answer: AgeText | None = key("No agent has written a public note, this long after it was made.", None)
    customer_silent: AgeText | None = key("The customer's side has not written for this long.", None)
    agent_silent: AgeText | None = key("The last public note of an agent is this old. There must be one.", None)
    silent: AgeText | None = key("Nobody has written for this long, publicly or privately.", None)
    in_status: AgeText | None = key("It has had its status for this long.", None)
    created: AgeText | None = key("It was made this long ago.", None)

    @property
    def ages(self) -> dict[str, Age]:
        """The spans that must have passed, by key."""
        names = ("no_answer", "customer_silent", "agent_silent", "silent", "in_status", "created")
        return {name: parse_age(text) for name in names if (text := getattr(self, name)) is not None}


class RuleThen(Table):
    """What a rule does: to the issue in one change, then by mail. Names are Redmine's own; ids work too."""

    status: Name | None = key("The status it gets.", None)
    assignee: OneAssignee | None = key("Who gets it: a login, an address, or the name of a group.", None)
    priority: Name | None = key("The priority it gets.", None)
    note: NoteText | None = key(
        "The text of a note on it. It may hold {rule}, {reason}, {requester.name}, {requester.address}, {issue.id}, "
        "{issue.subject}, {issue.status}, {issue.priority}, {issue.tracker}, {issue.assignee}, {project}, {mailbox}.",
        None,
    )
    private_note: bool = key("Whether the note is for the team only.", False)
    mail: MailKind | None = key("The template of a mail about it.", None)
    mail_to: tuple[Recipient, ...] = key(
        'Who gets the mail: "requester", "assignee", or an address. An escalation needs somebody here.',
        ("requester",),
        shown='["requester"], for an escalation nobody',
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        """Refuse a rule that does nothing, and what makes sense only beside something else."""
        if all(getattr(self, name) is None for name in ("status", "assignee", "priority", "note", "mail")):
            raise ValueError("must do something: status, assignee, priority, note or mail")
        if self.private_note and self.note is None:
            raise ValueError("private_note: needs a note")
        if "mail_to" in self.model_fields_set and self.mail is None:
            raise ValueError("mail_to: needs a mail")
        if self.mail == "escalation" and "mail_to" not in self.model_fields_set:
            raise ValueError("mail_to: must say who gets the escalation")
        if self.mail is not None and not self.mail_to:
            raise ValueError("mail_to: must not be empty")
        return self


class TimeRule(Table):
    """A rule of time, looked at with each update. It acts on an issue once, and again only after somebody has written
    (whoever its spans are about) or, for in_status, has changed the status. Without such rules nothing happens.
    """

    name: Name = key("The rule's name. What it has done is remembered by it: a new name makes a new rule.")
    active: bool = key("Whether it acts.", True)
    at_most: Annotated[int, Field(ge=0)] = key(
        "On how many issues it acts at once. When more are due, it touches none and asks: `rules release NAME` lets "
        "it go on. 0 is no limit.",
        25,
    )
    when: RuleWhen = key("Which issues, and when.")
    then: RuleThen = key("What is done.")

    @model_validator(mode="after")
    def _timed(self) -> Self:
        """Refuse a rule without a span: it would act at once on everything that there is."""
        if not self.when.ages:
            raise ValueError("when: must hold a span: no_answer, customer_silent, agent_silent, silent, in_status …")
        return self


def wrong_rules(rules: Sequence[TimeRule], mailboxes: Collection[str], *, has_calendar: bool) -> Iterator[str]:
    """Given the settings' rules, yield what does not fit together."""
    names: set[str] = set()
    for index, rule in enumerate(rules):
        here = f"rules.{index}"
        if rule.name in names:
            yield f'{here}.name: there are two rules "{rule.name}"'
        names.add(rule.name)
        for name in rule.when.mailboxes:
            if name not in mailboxes:
                yield f'{here}.when.mailboxes: there is no mailbox "{name}"{did_you_mean(name, mailboxes)}'
        for span, age in rule.when.ages.items():
            if age.business and not has_calendar:
                yield f"{here}.when.{span}: business hours need a calendar: [calendars.NAME]"
