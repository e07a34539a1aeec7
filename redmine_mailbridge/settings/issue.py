"""What becomes of a mailbox's mail: `[mailboxes.NAME.issue]`, and with its neighbours the whole route."""

from typing import Annotated, Literal, Self

from pydantic import Field

from redmine_mailbridge.settings.base import Table, key
from redmine_mailbridge.settings.rules import Rule
from redmine_mailbridge.settings.senders import SenderSettings, UnknownSender
from redmine_mailbridge.settings.value_types import Name, Size, Span, parse_span

Trust = Literal["authenticated", "internal", "any"]
KEYWORDS = (
    "project",
    "tracker",
    "status",
    "priority",
    "category",
    "assigned_to",
    "fixed_version",
    "start_date",
    "due_date",
    "estimated_hours",
    "done_ratio",
    "is_private",
    "parent_issue",
)


class IssueSettings(Table):
    """What a mail of this mailbox becomes. Names are Redmine's own, as its pages show them; ids work too."""

    project: Name | None = key(
        "The project that new issues go to: its identifier, as in the address of its pages. Without it a mail needs "
        "a subaddress, a rule or a `Project:` line to find one.",
        None,
        shown="none",
    )
    tracker: Name | None = key("The tracker of new issues.", None, shown="the project's first")
    category: Name | None = key("The category of new issues.", None)
    priority: Name | None = key("The priority of new issues.", None, shown="Redmine's default")
    status: Name | None = key("The status of new issues.", None, shown="the tracker's default")
    assignee: Name | None = key(
        "Who gets new issues: a login, an address, or the name of a group. "
        '"round-robin: GROUP" gives each to the member of the group with the fewest open issues.',
        None,
    )
    version: Name | None = key("The target version of new issues.", None)
    parent: Annotated[int, Field(ge=1)] | None = key("The number of the issue under which new issues stand.", None)
    private: bool = key("Make new issues private.", False)
    start_in: Span | None = key('When new issues start, counted from the mail\'s day: "0s" is the same day.', None)
    due_in: Span | None = key('When new issues are due, counted from the mail\'s day: "3d".', None)
    custom_fields: dict[Name, str] = key(
        "Custom fields of new issues by name. A value may hold {sender.name}, {sender.address}, {sender.domain}, "
        "{subject}, {message_id}, {date}, {header.NAME} and {match.GROUP}, a named group of the rule that matched.",
        {},
    )
    requester_field: Name | None = key("The custom field that takes the address of who wrote.", None, shown="none")
    priority_by_importance: dict[Literal["high", "normal", "low"], Name] = key(
        'Priorities by the mail\'s X-Priority or Importance: { high = "Urgent" }.', {}
    )
    watchers_from_mail: bool = key("Make Redmine users in To and Cc watchers.", True)
    unknown_sender: UnknownSender = key(
        'What to do with a sender who is no Redmine user. "accept": an issue written by the bridge\'s own user '
        'that names the sender. "create": make a user first. "hold": keep the mail aside until an admin decides. '
        '"ignore": no issue, the mail is filed as done. "refuse": no issue, the mail goes to the failure folder.',
        "accept",
    )
    trust: Trust = key(
        "When a mail may act as the Redmine user whose address it bears, since anyone can write any From line. "
        '"authenticated": when your own mail server vouches for the sender\'s domain. "internal": also when the '
        "domain is one of senders.internal_domains and the mail server does not say otherwise. "
        '"any": unless the mail server says that it is forged. Otherwise the sender is treated as an unknown one.',
        "authenticated",
    )
    check_permissions: bool = key(
        "Ask, before a Redmine user's mail becomes an issue or a note, whether the user might write it there.", True
    )
    signed_references: Literal["anyone", "public", "participants"] = key(
        "Whose reply counts when it answers a mail of ours, whose Message-ID nobody can forge, but does not come "
        'from somebody who takes part: "anyone" who got hold of it, "public": anyone on public issues only, '
        'or nobody ("participants").',
        "public",
    )
    allow_override: tuple[Name, ...] | Name = key(
        "Which `Key: value` lines of a mail set fields, by Redmine's own names (project, tracker, status, priority, "
        "category, assigned_to, fixed_version, start_date, due_date, estimated_hours, done_ratio, is_private, "
        'parent_issue, or a custom field\'s name), as a list or separated by commas; "all" allows each.',
        (),
    )
    keywords_from: Literal["users", "anyone"] = key(
        "Whose `Key: value` lines count: those of Redmine users whom the mail may act as, or anyone's.", "users"
    )
    project_from_subaddress: bool = key("Let `support+sales@…` choose the project with the identifier `sales`.", False)
    rules: Literal["first", "all"] = key("Apply the first rule that matches, or all of them in order.", "first")
    reply_only: bool = key("Take replies only, and refuse what would make a new issue.", False)
    several_mailboxes: Literal["first", "each"] = key(
        "A mail to several of our mailboxes becomes one issue, where the first recipient's mailbox puts it, or one "
        "in each.",
        "first",
    )
    bundle_window: Span = key(
        "A mail of the same sender with the same subject within this time becomes a note; 0s: never.",
        parse_span("0s"),
        shown='"0s"',
    )
    closed_reply: Literal["note", "reopen", "new"] = key(
        "What a reply to a closed issue does: only a note, a note that reopens it, or a new issue linked to it.",
        "note",
    )
    reopen_status: Name | None = key("The status that reopens an issue.", None, shown="the first open one")
    reopen_within: Span | None = key(
        "How long after closing a reply may reopen; later ones make a new linked issue.", None, shown="for ever"
    )
    reply_status: dict[Name, Name] = key(
        "Which status an issue gets by a reply of the customer's side, by the status that it has: "
        '{ "Waiting" = "In Progress" }. A closed one only with closed_reply = "reopen", before reopen_status. '
        "A `Status:` line that counts goes before both.",
        {},
    )
    automatic_reply: Literal["ignore", "private_note"] = key(
        "What an auto-reply or a bounce that belongs to an issue becomes. It never changes a status.", "ignore"
    )
    description_limit: Size = key(
        "How many bytes of text an issue or note takes; a longer one is cut and attached whole, or "
        "goes on in further notes where Redmine takes no such file. MySQL takes 65535. "
        "0: no limit.",
        65_535,
    )
    answer_refused: bool = key("Tell refused senders why, where an answer may go out.", False)

    @property
    def overrides(self) -> frozenset[str]:
        """The keyword names that count, as Redmine writes them: lower case with underscores."""
        given = self.allow_override
        names = given.split(",") if isinstance(given, str) else given
        return frozenset("_".join(name.lower().split()) for name in names if name.strip())


class Route(Table):
    """All that decides what becomes of one mailbox's mail."""

    issue: IssueSettings = IssueSettings()
    senders: SenderSettings = SenderSettings()
    rules: tuple[Rule, ...] = ()
    accept_automatic: bool = False

    def without_refusing(self) -> Self:
        """The same for a mail that a person wants imported: no setting and no rule turns it away."""
        issue = self.issue.model_copy(update={"check_permissions": False, "reply_only": False})
        if issue.unknown_sender in {"hold", "ignore", "refuse"}:
            issue = issue.model_copy(update={"unknown_sender": "accept"})
        senders = self.senders.model_copy(update={"failed_authentication": "stranger", "block": (), "locked": "accept"})
        rules = tuple(rule.model_copy(update={"action": None}) for rule in self.rules)
        return self.model_copy(update={"issue": issue, "senders": senders, "rules": rules})

    def without_holding(self) -> Self:
        """The same for a mail that an admin has accepted: nothing holds it."""
        issue, senders = self.issue, self.senders
        if issue.unknown_sender == "hold":
            issue = issue.model_copy(update={"unknown_sender": "accept"})
        if senders.failed_authentication == "hold":
            senders = senders.model_copy(update={"failed_authentication": "stranger"})
        rules = tuple(rule for rule in self.rules if rule.action != "hold")
        return self.model_copy(update={"issue": issue, "senders": senders, "rules": rules})
