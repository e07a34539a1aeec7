"""Mail that goes out: `[outgoing]`, the default, and `[mailboxes.NAME.outgoing]`, a mailbox's own."""

from typing import Annotated, Literal

from pydantic import Field, SecretStr

from redmine_mailbridge.settings.base import Table, key
from redmine_mailbridge.settings.value_types import FilePath, Name, SendersAddress, Size, Span, parse_span

SMTP_PORTS = {"tls": 465, "starttls": 587, "none": 25}


OutgoingLogin = Literal[
    "auto", "scram-sha-256", "scram-sha-1", "cram-md5", "plain", "login", "ntlm", "oauthbearer", "xoauth2"
]


class OutgoingSettings(Table):
    """How mail is sent. A mailbox takes what its own table says, then what `[outgoing]` says, then the defaults.

    Nothing is sent as long as neither names a host, or says transport = "console".
    """

    transport: Literal["smtp", "console"] | None = key(
        'How mail leaves: "smtp", or "console", which prints it for trying out.', None, shown='"smtp"'
    )
    host: Name | None = key("The SMTP server's name.", None, shown="none: nothing is sent")
    security: Literal["tls", "starttls", "none"] | None = key(
        '"tls" from the first byte, "starttls", or "none" (this machine only, unless allow_cleartext).',
        None,
        shown='"starttls"',
    )
    allow_cleartext: bool = key('Allow security = "none" to a server that is not this machine.', False)
    port: Annotated[int, Field(ge=1, le=65535)] | None = key(
        "The SMTP server's port.", None, shown="465 with tls, 587 with starttls, 25 with none"
    )
    username: str | None = key(
        'The name to log in with; "" where the server asks for no login.', None, shown="the mailbox's"
    )
    password: SecretStr | None = key("The password to log in with. Better kept apart: see password_file.", None)
    password_file: FilePath | None = key("A file that holds the password, and nothing else.", None)
    oauth: Name | None = key(
        "The [oauth.NAME] whose tokens are logged in with, in place of a password; without either, the mailbox's own "
        "sign-in is used.",
        None,
        shown="the mailbox's",
    )
    login: OutgoingLogin | None = key(
        'How to log in; "auto" takes the strongest way that the server offers, but never NTLM. The last two are for '
        "tokens (oauth). What the mailbox's prevent_cleartext_login and prevent_ntlm forbid is forbidden here too.",
        None,
        shown='"auto"',
    )
    ca_file: FilePath | None = key("Certificates to trust for this server, in PEM.", None, shown="the system's")
    timeout: Span | None = key("How long to wait for the server's next word.", None, shown='"60s"')
    from_address: SendersAddress | None = key("The address that answers come from.", None, shown="the mailbox's")
    from_name: Name | None = key("The name that people see beside it.", None, shown="none")
    reply_to: SendersAddress | None = key("Where answers to our mail go.", None, shown="the From address")
    language: Name | None = key("The language of the templates: en, de, or one of your own.", None, shown='"en"')
    templates: FilePath | None = key(
        "A folder with your own templates; `redmine-mailbridge templates copy` fills it.", None, shown="ours"
    )
    daily_limit: Annotated[int, Field(ge=0)] | None = key(
        "How many mails a day at most, of all mailboxes that send by the same host and username; the rest waits. "
        "0 is no limit.",
        None,
        shown="500",
    )
    per_minute: Annotated[int, Field(ge=0)] | None = key(
        "How many mails a minute at most, counted likewise; the rest waits. 0 is no limit.", None, shown="30"
    )

    @property
    def sends(self) -> bool:
        """Does mail leave by this table?"""
        return self.host is not None or self.transport == "console"

    @property
    def most_a_day(self) -> int:
        """How many mails a day; 0 is no limit."""
        return 500 if self.daily_limit is None else self.daily_limit

    @property
    def most_a_minute(self) -> int:
        """How many mails a minute; 0 is no limit."""
        return 30 if self.per_minute is None else self.per_minute

    def over(self, default: "OutgoingSettings") -> "OutgoingSettings":
        """This table, with what it leaves open taken from another."""
        missing = {
            name: getattr(default, name)
            for name in type(self).model_fields
            if getattr(self, name) is None or name not in self.model_fields_set
        }
        return self.model_copy(update={name: value for name, value in missing.items() if value is not None})


DEFAULT_TIMEOUT = parse_span("60s")


class AnswerSettings(Table):
    """Which mails go out to people: what the bridge says by itself, and the answers of agents.

    Nothing of it goes to automatic mail or to ourselves, and nothing the bridge says by itself goes above the limits
    against loops.
    """

    received: bool = key("Tell who wrote that a new issue was made (template `received`).", False)
    received_reply: bool = key("Tell who answered that the note was added (template `received_reply`).", False)
    trust_reply_to: bool = key(
        "Send what the bridge says by itself to the Reply-To of a mail although nothing proves who wrote the mail and "
        "it is another address than From's, as contact forms do. Anybody can have mail sent to anybody by it.",
        False,
    )
    notes: Literal["never", "public_notes", "marked"] = key(
        "Which notes that agents write in Redmine go to the requester by mail (template `answer`): none, all public "
        "ones, or public ones that begin with `marker`. Private notes never go out. What was written before this is "
        "switched on does not.",
        "never",
    )
    marker: Name = key('What a note begins with to be mailed, with notes = "marked". It is taken off.', "/mail")
    cc: bool = key(
        "Send agents' answers also to those in Cc of the customer's last mail, as far as something proves who wrote "
        "that mail: the mail server, or that it answers a mail of ours. A private note names those who are left out.",
        True,
    )
    max_cc: Annotated[int, Field(ge=0, le=500)] = key(
        "How many may stand in Cc of an answer. A private note names the others.", 20
    )
    private_projects: bool = key(
        "Mail notes of private projects and of private issues too, to those who wrote or were in Cc.", False
    )
    redmine_users: Literal["leave_to_redmine", "mail"] = key(
        'Who tells customers with a Redmine account of agents\' notes. "mail": the bridge, as all others. '
        '"leave_to_redmine": Redmine, whose own mails must be on, wherever the customer is author, assignee or watcher '
        "of the issue and may see it; where Redmine sends them too, this keeps them from coming twice. Whether Redmine "
        "sends any, its API does not tell: so `check` refuses a mailbox whose notes nobody mails unless this is set.",
        "mail",
    )
    max_attachments: Size = key(
        "How many bytes of a note's files go along with it; what is over is named in the mail. 0: none.", 10_000_000,
        shown='"10MB"',
    )  # fmt: skip
    closed: bool = key("Tell the requester when an issue is closed (template `closed`).", False)
    reminder: bool = key("Let rules of time send the template `reminder`.", True)
    escalation: bool = key("Let rules of time send the template `escalation`.", True)
    write_above: Name | None = key(
        "A line above which people are asked to write. It stands at the top of mails about issues, and what stands "
        'below it in an answer is cut: "-- Please write above this line --".',
        None,
        shown="none",
    )
