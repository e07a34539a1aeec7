"""Settings that contradict each other: one line each, which begins with the key."""

from collections.abc import Collection, Iterable, Iterator, Mapping

from redmine_mailbridge.settings.aggregate import AggregateSettings
from redmine_mailbridge.settings.issue import IssueSettings, Route
from redmine_mailbridge.settings.outgoing import AnswerSettings
from redmine_mailbridge.settings.redmine import RedmineSettings
from redmine_mailbridge.util.dataclass import dataclass

WRITTEN_AT_ONCE = ("redmine.marker_field", "issue.requester_field")
"""The settings whose field gets its value with the issue, as those of `custom_fields` do. A first value for another
field may be needed, since Redmine may require one.
"""
NOT_WITH_DELIVER = (
    "preset", "port", "username", "authorize_as", "password", "password_file", "oauth", "login", "folders",
    "junk_folder", "start_from", "first_sync_limit", "ca_file",
)  # fmt: skip
"""The settings about a server and its folders, which a mailbox has no use for whose mail is delivered to it."""

OF_THE_SPOOL = ("inbox", "new", "tmp", "cur")
"""The folders of the mail that is delivered: none is filed there."""


def not_with_deliver(
    keys: Collection[str], spam: str, moves_nowhere: bool, folders: Mapping[str, str | None]
) -> Iterator[str]:
    """Given the keys that a mailbox with protocol = "deliver" sets, what becomes of its spam, whether processed mail is
    moved to no folder, and its folders by their keys, yield what it cannot have.
    """
    for key in NOT_WITH_DELIVER:
        if key in keys:
            yield f'{key}: not with protocol = "deliver", which reads no server; remove this key'
    if spam == "junk":
        yield 'senders.spam: the spool of `deliver` has no folder for spam; use "hold" or "refuse"'
    if moves_nowhere:
        yield 'success_folder: is missing: after_success is "move"'
    for key, folder in folders.items():
        if folder is not None and (folder.lower() in OF_THE_SPOOL or folder.startswith(".") or "/" in folder):
            yield f"{key}: cannot be a folder of the spool: use a name without /, not {', '.join(OF_THE_SPOOL)}"


@dataclass(frozen=True, slots=True)
class FieldUse:
    """A custom field that the bridge itself fills: the setting that names it, and its name or id. `mailbox` is "" if
    the setting is not a mailbox's.
    """

    mailbox: str
    setting: str
    field: str

    @property
    def key(self) -> str:
        """The whole path of the setting."""
        return f"mailboxes.{self.mailbox}.{self.setting}" if self.mailbox else self.setting


def about_notes(issue: IssueSettings, answers: AnswerSettings) -> Iterator[str]:
    """Given two tables of a mailbox, yield what keeps notes from being mailed or reported as they ask."""
    if issue.agent_replies == "mail":
        yield from _about_agent_replies(issue, answers)
    if answers.report == "field_at_once" and issue.last_answer_field is None:
        yield (
            'answers.report: "field_at_once" writes the custom field of issue.last_answer_field, which is not set; set '
            'it to the name of a field of the format text, or answers.report to "field" or "private_note"'
        )
    if issue.conversations_from_redmine:
        yield from _about_conversations(issue, answers)
    if answers.third_parties and not (answers.command_roles or answers.command_groups):
        yield (
            "answers.third_parties: no one may write to third parties; set answers.command_roles or "
            'answers.command_groups to the names of roles or groups, such as ["Support"]'
        )


def _about_agent_replies(issue: IssueSettings, answers: AnswerSettings) -> Iterator[str]:
    """What keeps agents' replies by mail from being sent to the requester."""
    if answers.notes == "never":
        yield (
            'issue.agent_replies: "mail" sends notes according to answers.notes, which is "never"; set it to '
            '"public_notes" or "marked"'
        )
    if issue.trust != "authenticated":
        yield (
            f'issue.agent_replies: "mail" needs issue.trust = "authenticated"; with "{issue.trust}" a forged '
            "sender could write to customers in the team's name"
        )


def _about_conversations(issue: IssueSettings, answers: AnswerSettings) -> Iterator[str]:
    """What conversations that begin in Redmine need."""
    key = "issue.conversations_from_redmine"
    if issue.project is None:
        yield f"{key}: needs issue.project, whose issues become conversations; set it to the project's identifier"
    if issue.requester_field is None and not (answers.command_roles or answers.command_groups):
        yield (
            f"{key}: needs issue.requester_field, which says who is answered; set it to the name of a custom field, or "
            "answers.command_roles or answers.command_groups to those whose notes say it"
        )
    if answers.notes == "never":
        yield f'{key}: needs answers.notes, which is "never"; set it to "public_notes" or "marked"'


def same_fields(routes: Mapping[str, Route], redmine: RedmineSettings, aggregate: AggregateSettings) -> Iterator[str]:
    """Given the routes of all mailboxes, and two other tables, yield each setting that names a custom field which
    another one names, too: each would overwrite what the other writes, or read it as its own.
    """
    projects = [FieldUse("", f"aggregate.project_fields.{key}", name) for key, name in aggregate.project_fields.items()]
    yield from _named_twice(projects)
    for mailbox, route in routes.items():
        uses = field_uses(mailbox, route, redmine, aggregate)
        yield from _named_twice(uses)
        values = {name.casefold(): f'rule "{rule.name}"' for rule in route.rules for name in rule.custom_fields}
        values |= {name.casefold(): "issue.custom_fields" for name in route.issue.custom_fields}
        for use in uses:
            if use.setting in WRITTEN_AT_ONCE and (place := values.get(use.field.casefold())):
                yield (
                    f"{use.key}: {place} has a value for the same custom field, and one of the two would be lost; "
                    "remove that value, or write the name of another field here"
                )


def field_uses(mailbox: str, route: Route, redmine: RedmineSettings, aggregate: AggregateSettings) -> list[FieldUse]:
    """Given the name and the route of a mailbox, and two other tables, return the custom fields of its issues that the
    bridge itself fills.
    """
    named = [("", "redmine.marker_field", redmine.marker_field)]
    named += [("", f"aggregate.issue_fields.{figure}", name) for figure, name in aggregate.issue_fields.items()]
    named += [
        (mailbox, "issue.requester_field", route.issue.requester_field),
        (mailbox, "senders.customer_field", route.senders.customer_field),
        (mailbox, "issue.last_answer_field", route.issue.last_answer_field),
    ]
    return [FieldUse(of, setting, field) for of, setting, field in named if field]


def _named_twice(uses: Iterable[FieldUse]) -> Iterator[str]:
    first: dict[str, FieldUse] = {}
    for use in uses:
        other = first.setdefault(use.field.casefold(), use)
        if other is not use:
            yield (
                f'{use.key}: {other.setting} names the same custom field "{use.field}", and each would overwrite the '
                "other's value; create a custom field for each, and write the name of the other one here"
            )
