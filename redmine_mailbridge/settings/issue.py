"""What happens to a mailbox's messages: `[mailboxes.NAME.issue]`, and with related tables the whole route."""

from typing import Annotated, Literal, Self

from pydantic import Field

from redmine_mailbridge.settings.base import SettingsTable, setting
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


class IssueSettings(SettingsTable):
    """What a message to this mailbox becomes. Use Redmine's names as its pages show them, or ids."""

    project: Name | None = setting(
        "The project of new issues: its identifier, as in the address of its pages. Without it, a message needs a "
        "subaddress, a rule or a `Project:` line that names one.",
        None,
        shown="none",
    )
    tracker: Name | None = setting("The tracker of new issues.", None, shown="the project's first")
    category: Name | None = setting("The category of new issues.", None)
    priority: Name | None = setting("The priority of new issues.", None, shown="Redmine's default")
    status: Name | None = setting("The status of new issues.", None, shown="the tracker's default")
    assignee: Name | None = setting(
        "The assignee of new issues: a login, an address, or the name of a group. "
        '"round-robin: GROUP" assigns each issue to the member of the group with the fewest open issues.',
        None,
    )
    version: Name | None = setting("The target version of new issues.", None)
    parent: Annotated[int, Field(ge=1)] | None = setting("The number of the parent issue of new issues.", None)
    private: bool = setting("Make new issues private.", False)
    start_in: Span | None = setting(
        'Start date of new issues, counted from the day of the message: "0s" is the same day.', None
    )
    due_in: Span | None = setting('Due date of new issues, counted from the day of the message: "3d".', None)
    custom_fields: dict[Name, str] = setting(
        "Custom fields of new issues by name. Values may contain {sender.name}, {sender.address}, {sender.domain}, "
        "{subject}, {message_id}, {date}, {header.NAME} and {match.GROUP}, a named group of the rule that matched.",
        {},
    )
    requester_field: Name | None = setting("The custom field for the sender's address.", None, shown="none")
    conversations_from_redmine: bool = setting(
        "Make conversations of issues that are made in Redmine in `project`, by hand or by another program: if "
        "`requester_field` of an issue names an address, or a note does by `/requester` or `/to` "
        "(`answers.command_roles`), its public notes from then on are sent to that address (`answers.notes`), and "
        "replies become notes. Only one mailbox per project.",
        False,
    )
    priority_by_importance: dict[Literal["high", "normal", "low"], Name] = setting(
        'Priorities by the X-Priority or Importance header: { high = "Urgent" }.', {}
    )
    watchers_from_mail: bool = setting("Add Redmine users in To and Cc as watchers.", True)
    unknown_sender: UnknownSender = setting(
        'What to do with a sender who is not a Redmine user. "accept": create an issue as the bridge\'s own user '
        'that names the sender. "create": create a user first. "hold": hold the message until an admin decides. '
        '"ignore": no issue, the message is filed as done. "refuse": no issue, the message goes to failure_folder.',
        "accept",
    )
    trust: Trust = setting(
        "When a message may act as the Redmine user with its From address, since From can be forged. "
        '"authenticated": if your own mail server authenticated the sender\'s domain. "internal": also if the '
        "domain is in senders.internal_domains and the mail server does not contradict it. "
        '"any": unless the mail server reports a forgery. Otherwise the sender is treated as unknown.',
        "authenticated",
    )
    check_permissions: bool = setting(
        "Before creating an issue or a note for a Redmine user, check that the user has the permission to.", True
    )
    signed_references: Literal["anyone", "public", "participants"] = setting(
        "Whose reply is accepted when it answers a message of the bridge, whose Message-ID cannot be guessed, but "
        'comes from a sender who is not a participant of the issue: "anyone" who has that message, "public": anyone, '
        'on public issues only, or "participants": no one else.',
        "public",
    )
    allow_override: tuple[Name, ...] | Name = setting(
        "Which `Key: value` lines of a message set fields, by Redmine's names (project, tracker, status, priority, "
        "category, assigned_to, fixed_version, start_date, due_date, estimated_hours, done_ratio, is_private, "
        'parent_issue, or a custom field\'s name), as a list or separated by commas; "all" allows every field.',
        (),
    )
    keywords_from: Literal["users", "anyone"] = setting(
        "Whose `Key: value` lines are applied: those of Redmine users whom the message may act as, or anyone's.",
        "users",
    )
    project_from_subaddress: bool = setting(
        "Let `support+sales@…` choose the project with the identifier `sales`.", False
    )
    rules: Literal["first", "all"] = setting("Apply the first rule that matches, or all of them in order.", "first")
    reply_only: bool = setting("Accept replies only, and refuse messages that would create an issue.", False)
    several_mailboxes: Literal["first", "each"] = setting(
        "A message to several mailboxes of the bridge becomes one issue, created by the first recipient's mailbox, or "
        "one in each.",
        "first",
    )
    bundle_window: Span = setting(
        "Another message from the same sender with the same subject within this time becomes a note; 0s: never.",
        parse_span("0s"),
        shown='"0s"',
    )
    closed_reply: Literal["note", "reopen", "new"] = setting(
        "What a reply to a closed issue does: add a note, add a note and reopen the issue, or create a linked issue.",
        "note",
    )
    forwarded: Literal["original", "forwarder"] = setting(
        'The requester of a new message in which an agent passes a customer on. "forwarder": the agent, as for any '
        'other message. "original": the person who wrote the mail that the agent forwards, in the text or attached, '
        "or the only person in To if the mailbox is in Cc. An agent is a Redmine user as whom the message may act and "
        "who may edit issues in the project.",
        "forwarder",
    )
    agent_replies: Literal["note", "mail", "private"] = setting(
        'What an agent\'s reply by mail becomes, for example to a notification of Redmine. "note": a note that is not '
        'sent to the requester. "mail": a note that is sent to the requester as if it had been written in Redmine '
        "(`answers.notes`), if the mail server authenticates the sender (`trust`) and the agent may write to the "
        "issue; otherwise a private note, and the agent is informed that the requester did not receive it (template "
        '`withheld`). "private": a private note. With "mail" and "private", `/private` at the start of the text makes '
        "the note private. An agent is a Redmine user who may edit issues in the project and did not create the "
        "issue (unless its conversation began in Redmine).",
        "note",
    )
    third_party_replies: Literal["private", "public"] = setting(
        'What the reply of a third party becomes, to whom an agent has written (`answers.third_parties`): a "private" '
        'or a "public" note. Neither is ever mailed to the customer, but anyone who sees the issue can read a public '
        "one in Redmine, with its files. Files of a private note stay in the message, since Redmine would show them.",
        "private",
    )
    follow_closed: tuple[Literal["duplicates", "copied_to"], ...] = setting(
        "By which relations a reply to a closed issue goes to another issue, if the sender may write there: "
        '"duplicates" to the issue that it duplicates, "copied_to" to its copy, in which the participants of the '
        "closed issue take part as well.",
        ("duplicates",),
    )
    reopen_status: Name | None = setting("The status that reopens an issue.", None, shown="the first open one")
    reopen_within: Span | None = setting(
        'How long after closing a reply may reopen (closed_reply = "reopen"); later replies create a linked issue.',
        None,
        shown="no limit",
    )
    reply_status: dict[Name, Name] = setting(
        "The status that an issue gets when the customer replies, by its current status: "
        '{ "Waiting" = "In Progress" }. A closed issue only with closed_reply = "reopen"; this map precedes '
        "reopen_status. An accepted `Status:` line precedes both.",
        {},
    )
    automatic_reply: Literal["ignore", "private_note"] = setting(
        "What an auto-reply or a bounce that belongs to an issue becomes. It never changes the status.", "ignore"
    )
    bounce_status: Name | None = setting(
        "The status that an open issue gets when an agent's note or an acknowledgement could not be delivered to its "
        "requester. It must be an open status. A closed issue keeps its status. Messages of automation rules do not "
        "count.",
        None,
        shown="unchanged",
    )
    last_answer_field: Name | None = setting(
        "The custom field (text) that shows when and to whom the last note was sent by mail, and whether it was "
        "delivered. It is written together with what the bridge writes to the issue anyway; `answers.report` changes "
        "that.",
        None,
        shown="none",
    )
    description_limit: Size = setting(
        "Maximum size in bytes of the text of an issue or note. Longer text is cut and attached in full, or "
        "continued in further notes if Redmine rejects such a file. MySQL's limit is 65535. "
        "0: no limit.",
        65_535,
    )
    answer_refused: bool = setting(
        "Inform senders whose message is rejected, with the reason, where an auto-reply is allowed.", False
    )

    @property
    def overrides(self) -> frozenset[str]:
        """The allowed keyword names, as Redmine writes them: lower case with underscores."""
        allowed = self.allow_override
        names = allowed.split(",") if isinstance(allowed, str) else allowed
        return frozenset("_".join(name.lower().split()) for name in names if name.strip())


class Route(SettingsTable):
    """All settings that decide what happens to one mailbox's messages."""

    issue: IssueSettings = IssueSettings()
    senders: SenderSettings = SenderSettings()
    rules: tuple[Rule, ...] = ()
    accept_automatic: bool = False

    @property
    def own_fields(self) -> frozenset[str]:
        """The custom fields that the bridge itself fills, by name (casefold) or id."""
        names = (self.issue.requester_field, self.senders.customer_field, self.issue.last_answer_field)
        return frozenset(name.casefold() for name in names if name)

    def without_refusing(self) -> Self:
        """The same route for a message that an admin wants imported: no setting and no rule rejects it."""
        issue = self.issue.model_copy(update={"check_permissions": False, "reply_only": False})
        if issue.unknown_sender in {"hold", "ignore", "refuse"}:
            issue = issue.model_copy(update={"unknown_sender": "accept"})
        senders = self.senders.model_copy(
            update={"failed_authentication": "stranger", "block": (), "locked": "accept", "spam": "accept"}
        )
        rules = tuple(rule.model_copy(update={"action": None}) for rule in self.rules)
        return self.model_copy(update={"issue": issue, "senders": senders, "rules": rules})

    def without_holding(self) -> Self:
        """The same route for a message that an admin has accepted: nothing holds it."""
        issue, senders = self.issue, self.senders
        if issue.unknown_sender == "hold":
            issue = issue.model_copy(update={"unknown_sender": "accept"})
        if senders.failed_authentication == "hold":
            senders = senders.model_copy(update={"failed_authentication": "stranger"})
        if senders.spam == "hold":
            senders = senders.model_copy(update={"spam": "accept"})
        rules = tuple(rule for rule in self.rules if rule.action != "hold")
        return self.model_copy(update={"issue": issue, "senders": senders, "rules": rules})
