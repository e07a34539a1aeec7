"""Outgoing mail: `[outgoing]`, the defaults, and `[mailboxes.NAME.outgoing]`, a mailbox's overrides."""

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, model_validator

from redmine_mailbridge.settings.base import SettingsTable, setting
from redmine_mailbridge.settings.calendars import ZoneName
from redmine_mailbridge.settings.value_types import FilePath, Name, SendersAddress, Size, Span, parse_span

SMTP_PORTS = {"tls": 465, "starttls": 587, "none": 25}
GRAPH_HOST = "graph.microsoft.com"
GRAPH_PORTS = {"tls": 443, "none": 80}
SAVES_SENT = frozenset(
    {"smtp.gmail.com", "smtp.googlemail.com", "smtp-relay.gmail.com", "smtp.office365.com", "smtp-mail.outlook.com"}
)
"""Servers that put a copy into the sender's Sent folder themselves."""
OF_A_SERVER = frozenset(
    {
        "host", "security", "allow_cleartext", "port", "username", "password", "password_file", "oauth", "login",
        "ca_file",
    }
)  # fmt: skip
"""The keys that say how a server is reached: one for SMTP says nothing of Microsoft Graph, and the other way round."""


OutgoingLogin = Literal[
    "auto", "scram-sha-256", "scram-sha-1", "cram-md5", "plain", "login", "ntlm", "oauthbearer", "xoauth2"
]


class OutgoingSettings(SettingsTable):
    """How messages are sent. A mailbox uses its own table first, then `[outgoing]`, then the defaults.

    Nothing is sent unless one of them sets host, or a transport that needs none ("graph", "console").
    """

    transport: Literal["smtp", "graph", "console"] | None = setting(
        'Transport: "smtp", "graph" (Microsoft Graph, for Exchange Online; needs oauth), or "console", which prints '
        "messages for testing.",
        None,
        shown='"smtp"',
    )
    host: Name | None = setting(
        "The host name of the SMTP server, or of Microsoft Graph in a national cloud.",
        None,
        shown='none: nothing is sent; "graph.microsoft.com" with graph',
    )
    security: Literal["tls", "starttls", "none"] | None = setting(
        '"tls" (implicit TLS), "starttls", or "none" (this machine only, unless allow_cleartext).',
        None,
        shown='"starttls"',
    )
    allow_cleartext: bool = setting('Allow security = "none" for a server on another machine.', False)
    port: Annotated[int, Field(ge=1, le=65535)] | None = setting(
        "The server's port.", None, shown="465 with tls, 587 with starttls, 25 with none; 443 with graph"
    )
    username: str | None = setting(
        'The login name; "" if the server requires no login. With graph, the mailbox that sends.',
        None,
        shown="the mailbox's",
    )
    password: SecretStr | None = setting("The login password. Preferably use password_file.", None)
    password_file: FilePath | None = setting("A file that contains only the password.", None)
    oauth: Name | None = setting(
        "The [oauth.NAME] whose tokens are used in place of a password; without password and oauth, the mailbox's own "
        "login is used.",
        None,
        shown="the mailbox's",
    )
    login: OutgoingLogin | None = setting(
        'SASL mechanism; "auto" uses the strongest one that the server offers, but never NTLM. The last two use '
        "tokens (oauth). The mailbox's prevent_cleartext_login and prevent_ntlm apply here too.",
        None,
        shown='"auto"',
    )
    ca_file: FilePath | None = setting(
        "CA certificates to trust for this server, in PEM format.", None, shown="the system's"
    )
    timeout: Span | None = setting("Timeout for a response of the server.", None, shown='"60s"')
    from_address: SendersAddress | None = setting("The sender address.", None, shown="the mailbox's")
    from_alias: bool = setting(
        "Send replies from the alias of the mailbox (`aliases`) that the customer wrote to instead of `from_address`. "
        "The server must allow the account to send as its aliases.",
        False,
    )
    from_name: Name | None = setting(
        "The sender's display name. It may contain {agent}, the agent's name: with \"{agent} via Example support\", an "
        'agent\'s answer is from "Anna Agent via Example support", and all other mail is from "Example support".',
        None,
        shown="none",
    )
    reply_to: SendersAddress | None = setting("The Reply-To address.", None, shown="the From address")
    save_sent: bool = setting(
        "Put a copy of each message that is sent by SMTP into the Sent folder of an IMAP mailbox. Gmail, Microsoft 365 "
        "and Outlook.com do that without it.",
        False,
    )
    sent_folder: Name | None = setting("The folder for these copies.", None, shown="the account's own (\\Sent)")
    language: Name | None = setting(
        "The language for customers whose language is unknown or has no templates: en, de, or one of your own.",
        None,
        shown='"en"',
    )
    languages: tuple[Name, ...] | None = setting(
        "The languages for customers, each of whom is addressed in the language of their message. With one language, "
        "it is used for everyone.",
        None,
        shown="all with templates",
    )
    time_zone: ZoneName | None = setting("The time zone of dates in messages.", None, shown="this machine's")
    templates: FilePath | None = setting(
        "A folder with your own templates, the team's signature among them; `redmine-mailbridge templates copy` fills "
        "it.",
        None,
        shown="the built-in ones",
    )
    daily_limit: Annotated[int, Field(ge=0)] | None = setting(
        "Maximum number of messages per day, for all mailboxes that send by the same host and username together; the "
        "rest waits. 0: no limit.",
        None,
        shown="500",
    )
    per_minute: Annotated[int, Field(ge=0)] | None = setting(
        "Maximum number of messages per minute, counted likewise; the rest waits. 0: no limit.", None, shown="30"
    )

    @property
    def sends(self) -> bool:
        """Does this table send messages?"""
        return self.host is not None or self.transport in {"console", "graph"}

    @property
    def server(self) -> str | None:
        """The host of the SMTP server or of Microsoft Graph; None if nothing is sent, or if messages are printed."""
        if self.transport == "graph":
            return self.host or GRAPH_HOST
        return None if self.transport == "console" else self.host

    @property
    def copies(self) -> bool:
        """Does the bridge put a copy of what it sends into the Sent folder? Not where the server does."""
        by_smtp = self.transport in {None, "smtp"} and self.host is not None
        return self.save_sent and by_smtp and str(self.host).lower() not in SAVES_SENT

    @property
    def most_a_day(self) -> int:
        """The maximum number of messages per day; 0: no limit."""
        return 500 if self.daily_limit is None else self.daily_limit

    @property
    def most_a_minute(self) -> int:
        """The maximum number of messages per minute; 0: no limit."""
        return 30 if self.per_minute is None else self.per_minute

    def over(self, default: "OutgoingSettings") -> "OutgoingSettings":
        """This table, with unset values taken from another: none of its server's if only one of them uses Graph."""
        other = self.transport is not None and (self.transport == "graph") != (default.transport == "graph")
        missing = {
            name: getattr(default, name)
            for name in type(self).model_fields
            if (getattr(self, name) is None or name not in self.model_fields_set)
            and not (other and name in OF_A_SERVER)
        }
        return self.model_copy(update={name: value for name, value in missing.items() if value is not None})

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        """Reject what Microsoft Graph does not know."""
        if problems := list(self._not_with_graph()) if self.transport == "graph" else []:
            raise ValueError("\n".join(problems))
        return self

    def _not_with_graph(self) -> Iterator[str]:
        """Yield one line per setting that Microsoft Graph does not support."""
        if self.security == "starttls":
            yield 'security: Microsoft Graph uses implicit TLS; use "tls"'
        if self.login not in {None, "auto"}:
            yield "login: Microsoft Graph accepts OAuth tokens only; remove this key"
        if self.password is not None or self.password_file is not None:
            yield "password: Microsoft Graph accepts OAuth tokens only; set oauth in its place"
        if self.username == "":
            yield "username: must name the mailbox that sends; remove this key to send from the mailbox itself"


DEFAULT_TIMEOUT = parse_span("60s")


class AnswerSettings(SettingsTable):
    """Which messages are sent to people: auto-replies of the bridge, and agents' notes.

    None of them is sent to automatic senders or to the bridge itself, and auto-replies observe the rate limits
    against mail loops.
    """

    received: bool = setting("Send the sender an acknowledgement of a new issue (template `received`).", False)
    received_reply: bool = setting(
        "Send the sender an acknowledgement of an added note (template `received_reply`).", False
    )
    trust_reply_to: bool = setting(
        "Send auto-replies to Reply-To, or X-Original-From, even if the sender is not authenticated and it differs "
        "from From, as with contact forms. This lets anyone direct mail at any address.",
        False,
    )
    notes: Literal["never", "public_notes", "marked"] = setting(
        "Which notes that agents write in Redmine are sent to the requester by mail (template `answer`): none, all "
        "public ones, or public ones that start with `marker`. Private notes are never sent to them. "
        'Neither are notes from before this was enabled. With "never", commands in notes have no effect, except `/to` '
        "with `third_parties`.",
        "never",
    )
    marker: Name = setting('The prefix of notes that are sent, with notes = "marked". It is removed.', "/mail")
    command_roles: tuple[Name, ...] = setting(
        "Roles whose members may change who gets mail about an issue, by commands at the top of a note: `/to`, `/cc`, "
        "`/uncc`, `/requester`. What counts are the roles in the project of the issue. `/private` and `/nomail` hold a "
        "note back, whoever writes it.",
        (),
        shown="none: no one",
    )
    command_groups: tuple[Name, ...] = setting(
        "Groups whose members may do so in every project. Needs a key with admin rights.", (), shown="none: no one"
    )
    cc: bool = setting(
        "Send agents' notes also to the Cc of the customer's last message, if that message is authenticated by "
        "the mail server or answers a message of the bridge. A private note lists omitted addresses.",
        True,
    )
    max_cc: Annotated[int, Field(ge=0, le=500)] = setting(
        "Maximum number of Cc addresses. A private note lists the others.", 20
    )
    third_parties: bool = setting(
        "Let agents write to third parties, such as suppliers: a private note that begins with `/to address` (template "
        "`third_party`) is sent to these addresses, and to no one else. Replies become notes "
        "(`issue.third_party_replies`) that the customer does not receive.",
        False,
    )
    private_projects: bool = setting(
        "Send notes of private projects and private issues too, to those who wrote or were in Cc.", False
    )
    redmine_users: Literal["leave_to_redmine", "mail"] = setting(
        'Who sends agents\' notes to customers with a Redmine account. "mail": the bridge, as to all others. '
        '"leave_to_redmine": Redmine, whose email notifications must be enabled, if the customer is author, assignee '
        "or watcher of the issue and may see it; this avoids duplicates where Redmine sends notifications. The API "
        "does not report whether it does: so `check` rejects a mailbox whose notes are sent by neither, unless this is "
        "set.",
        "mail",
    )
    report: Literal["field", "field_at_once", "private_note"] = setting(
        'How an issue shows that a note was sent by mail. "field": by `issue.last_answer_field`, written together with '
        'what the bridge writes to the issue anyway. "field_at_once": by the same field, written after the mail server '
        'has accepted the message. "private_note": also by a private note for each. The last two add a write for each '
        "answer: Redmine notifies watchers of it, and the issue counts as updated.",
        "field",
    )
    max_attachments: Size = setting(
        "Maximum size of a note's files together, attached or shown in place; the message names the others. 0: none.",
        10_000_000,
        shown='"10MB"',
    )
    inline_pictures: bool = setting(
        "Show pictures that are files of the note where its text names them, scaled and without metadata (EXIF, "
        "location). With false, they are attached as they are.",
        True,
    )
    max_picture_width: Annotated[int, Field(ge=100, le=4000)] = setting(
        "Maximum width in pixels of pictures shown in place; wider ones are scaled.", 1200
    )
    closed: bool = setting("Notify the requester when an issue is closed (template `closed`).", False)
    reminder: bool = setting("Let automation rules send the template `reminder`.", True)
    escalation: bool = setting("Let automation rules send the template `escalation`.", True)
    reply_marker_line: Name | None = setting(
        "A line above which people are asked to write. It is the first line of messages about issues; in a reply, the "
        'text below it is cut: "Please write your reply above this line.".',
        None,
        shown="none",
    )
