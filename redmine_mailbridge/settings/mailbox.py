"""A mail account that the bridge reads: `[mailboxes.NAME]`."""

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator

from redmine_mailbridge.settings.account import account_of
from redmine_mailbridge.settings.base import setting
from redmine_mailbridge.settings.contradictions import about_notes, not_with_deliver
from redmine_mailbridge.settings.first_sync import StartSettings
from redmine_mailbridge.settings.issue import IssueSettings, Route
from redmine_mailbridge.settings.outgoing import AnswerSettings, OutgoingSettings
from redmine_mailbridge.settings.presets import presets
from redmine_mailbridge.settings.reading import ReadingSettings
from redmine_mailbridge.settings.rules import Rule
from redmine_mailbridge.settings.senders import SenderSettings
from redmine_mailbridge.settings.value_types import FilePath, MailAddress, Name, PositiveSpan, Span, parse_span
from redmine_mailbridge.util.loopback import is_loopback
from redmine_mailbridge.util.suggest import did_you_mean

Protocol = Literal["imap", "pop3", "graph", "deliver"]
Security = Literal["tls", "starttls", "none"]
Login = Literal[
    "auto", "scram-sha-256", "scram-sha-1", "cram-md5", "plain", "login", "apop", "ntlm", "oauthbearer", "xoauth2"
]

BY_TOKEN = ("oauthbearer", "xoauth2")

PORTS = {("imap", "tls"): 993, ("imap", "starttls"): 143, ("imap", "none"): 143}
PORTS |= {("pop3", "tls"): 995, ("pop3", "starttls"): 110, ("pop3", "none"): 110}
PORTS |= {("graph", "tls"): 443, ("graph", "none"): 80}
SPOOL = Path("/var/spool/redmine-mailbridge")


def _port(values: dict[str, Any]) -> int:
    return PORTS.get((values.get("protocol", ""), values.get("security", "")), 993)


def _known_preset(value: str) -> str:
    if value not in presets():
        near = did_you_mean(value, presets()) or "; `redmine-mailbridge discover --list` lists them"
        raise ValueError(f"unknown preset{near}")
    return value


def _only_imap(value: Any) -> Any:
    """Return a factory for a default that POP3 and `deliver` do not have."""
    return lambda values: None if values.get("protocol") in {"pop3", "deliver"} else value


def _by_protocol(value: str, **others: str) -> Any:
    """Return a factory for a default, with those of protocols that have another one."""
    return lambda values: others.get(values.get("protocol", ""), value)


class MailboxSettings(StartSettings):
    """A mail account that the bridge reads. Choose NAME: letters, digits, - and _; it appears in logs and lists."""

    active: bool = setting("Whether this mailbox is read. Messages already fetched are processed in either case.", True)
    address: MailAddress = setting("The mail address of this mailbox.")
    aliases: tuple[MailAddress, ...] = setting("Further addresses that deliver to this mailbox.", ())
    protocol: Protocol = setting(
        'How messages are fetched; "graph" is Microsoft Graph, for Exchange Online without IMAP (needs oauth); '
        '"deliver": a mail server hands them to `redmine-mailbridge deliver` (no host, no login).',
        "imap",
    )
    preset: Annotated[Name, AfterValidator(_known_preset)] | None = setting(
        "The mail provider. It sets the default host, port, security and so on for this table and its `outgoing`: "
        "gmail, microsoft365, fastmail … (`redmine-mailbridge discover --list`).",
        None,
        shown="none",
    )
    host: Name = setting("The host name of the mail server.")
    security: Security = setting(
        '"tls" (implicit TLS), "starttls", or "none": unencrypted passwords and mail, on this machine only.',
        "tls",
    )
    allow_cleartext: bool = setting('Allow security = "none" for a server on another machine.', False)
    port: Annotated[int, Field(ge=1, le=65535)] = setting(
        "The mail server's port.", _port, shown="imap: 993 with tls, else 143; pop3: 995 with tls, else 110; graph: 443"
    )
    username: Name = setting("The login name.", lambda values: values.get("address", ""), shown="the address")
    authorize_as: Name | None = setting(
        "The shared mailbox to open with the login of `username` (SASL authorization identity). Also accepted as "
        r"part of username: user@example.com\shared@example.com.",
        None,
        shown="none",
    )
    password: SecretStr | None = setting("The login password. Preferably use password_file.", None)
    password_file: FilePath | None = setting("A file that contains only the password.", None)
    oauth: Name | None = setting(
        "The [oauth.NAME] whose tokens are used in place of a password; "
        "`redmine-mailbridge oauth login MAILBOX` signs in once.",
        None,
        shown="none",
    )
    login: Login = setting('SASL mechanism; "auto" uses the strongest one that the server offers.', "auto")
    prevent_cleartext_login: bool = setting(
        "Never send the password itself, not even over TLS: challenge-response only (SCRAM, CRAM-MD5).", False
    )
    prevent_ntlm: bool = setting('Never use NTLM, even with login = "ntlm"; "auto" never uses it.', False)
    every: PositiveSpan | None = setting(
        "The interval between polls of this mailbox, in place of that of [tasks.receive].", None, shown="none"
    )
    folders: Annotated[tuple[Name, ...], Field(min_length=1)] = setting(
        "The folders to read, subfolders with /.", ("INBOX",)
    )
    success_folder: Name | None = setting(
        "The folder for messages that became an issue or a note. Created if missing. Not with POP3.",
        _only_imap("Processed"),
        shown='"Processed"',
    )
    failure_folder: Name | None = setting(
        "The folder for rejected and failed messages. Created if missing. Not with POP3.",
        lambda values: None if values.get("protocol") == "pop3" else "Failed",
        shown='"Failed"',
    )
    junk_folder: Name | None = setting(
        'The folder for spam, with senders.spam = "junk". Created if missing. Not with POP3.',
        None,
        shown=r"the account's own (\Junk)",
    )
    after_success: Literal["move", "delete", "keep"] = setting(
        'What happens on the server to a processed message: "move" to success_folder, "delete" from the server, or '
        '"keep" in place, flagged if the server allows it. A message that the store has not received in full (larger '
        "than receive.max_mail_size, or not returned by the server) is never deleted.",
        _by_protocol("move", pop3="delete", deliver="delete"),
        shown='"move"; "delete" with POP3 and deliver',
    )
    keep_days: Annotated[int, Field(ge=1, le=3650)] | None = setting(
        'With after_success = "keep": number of days after which a processed message is deleted from the server there.',
        None,
        shown="forever",
    )
    after_failure: Literal["move", "keep", "delete"] = setting(
        'What happens on the server to a rejected or failed message: "move" to failure_folder, or "keep"; with '
        'POP3 also "delete": the raw message is then only in the store, for the time of store.raw_retention.',
        _by_protocol("move", pop3="keep"),
        shown='"move"; "keep" with POP3',
    )
    accept_automatic: bool = setting(
        "Let auto-replies and bounces that belong to no issue create one. By default they are only recorded. "
        "Notifications from machines create issues in either case; use `block` against unwanted ones.",
        False,
    )
    spool_dir: FilePath = setting(
        'With protocol = "deliver": the folder in which messages wait until they are received. Who may write to it: '
        "see docs/admin/deliver.md.",
        SPOOL,
    )
    ca_file: FilePath | None = setting(
        "CA certificates to trust for this server, in PEM format.", None, shown="the system's"
    )
    timeout: Span = setting("Timeout for a response of the mail server.", parse_span("60s"))
    reading: ReadingSettings = setting("How text and attachments are extracted.", ReadingSettings())
    issue: IssueSettings = setting("What a message becomes.", IssueSettings())
    senders: SenderSettings = setting("Who may write, and as which user.", SenderSettings())
    answers: AnswerSettings = setting("Which messages are sent to people.", AnswerSettings())
    outgoing: OutgoingSettings = setting(
        "How this mailbox's messages are sent, where it differs from [outgoing].", OutgoingSettings()
    )
    rules: tuple[Rule, ...] = setting("Rules that match messages and set their project and fields, in order.", ())

    @property
    def account(self) -> str:
        """The account that is read, as text: it stays the same when the mailbox's name, port or protocol changes."""
        if self.protocol == "deliver":
            return f"{self.address.casefold()} by deliver"
        return account_of(self.host, self.port, self.username, self.authorize_as)

    @property
    def undecided(self) -> bool:
        """As in StartSettings; messages in the spool are new in any case."""
        return not self.takes_all and super().undecided

    @property
    def takes_all(self) -> bool:
        """As in StartSettings: what was accepted into the spool is to be received."""
        return self.protocol == "deliver"

    @property
    def route(self) -> Route:
        """All settings that decide what happens to this mailbox's messages, as `policy` takes them."""
        return Route(issue=self.issue, senders=self.senders, rules=self.rules, accept_automatic=self.accept_automatic)

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        """Reject contradictory settings."""
        problems = list(self._disagreements())
        if problems:
            raise ValueError("\n".join(problems))
        return self

    @property
    def _finds_a_project(self) -> bool:
        """Whether a new issue can get a project at all."""
        issue = self.issue
        ways = (issue.project, issue.project_from_subaddress, issue.reply_only, {"project", "all"} & issue.overrides)
        by_domain = any(domain.project for domain in self.senders.domains.values())
        return any(ways) or by_domain or any(rule.project for rule in self.rules)

    @property
    def _moves_nowhere(self) -> bool:
        return self.after_success == "move" and self.success_folder is None

    def _disagreements(self) -> list[str]:
        """Return one line per contradiction, each starting with the key to change."""
        problems = []
        if self.security == "none" and not is_loopback(self.host) and not self.allow_cleartext:
            problems.append(
                f"security: would send the password to {self.host} unencrypted: "
                'use "tls" or "starttls", or set allow_cleartext = true'
            )
        problems += self._about_login()
        if not self._finds_a_project:
            problems.append(
                "issue.project: is missing: set it, name a project in a rule, set issue.project_from_subaddress or "
                "issue.reply_only to true, or add project to issue.allow_override"
            )
        problems += about_notes(self.issue, self.answers)
        if self.keep_days is not None and self.after_success != "keep":
            problems.append('keep_days: applies only with after_success = "keep"')
        if self.protocol != "pop3" and self.after_failure == "delete":
            problems.append('after_failure: "delete" is allowed only with POP3; use "move" or "keep"')
        if self.protocol == "graph":
            problems += self._not_with_graph()
        if self.protocol == "deliver":
            folders = {"success_folder": self.success_folder, "failure_folder": self.failure_folder}
            spam, keys = self.senders.spam, self.model_fields_set
            return [*problems, *not_with_deliver(keys, spam, self._moves_nowhere, folders)]
        if self.protocol == "pop3":
            problems += self._not_with_pop3()
            return problems
        read = {folder_key(folder) for folder in self.folders}
        problems += [
            f"{name}: is also in folders, so messages would be read repeatedly; use another folder"
            for name, folder in (
                ("success_folder", self.success_folder),
                ("failure_folder", self.failure_folder),
                ("junk_folder", self.junk_folder),
            )
            if folder is not None and folder_key(folder) in read
        ]
        return problems

    def _about_login(self) -> list[str]:
        """Return one line per login setting that contradicts another."""
        problems = []
        if self.prevent_cleartext_login and self.login in ("plain", "login"):
            problems.append("login: sends the password itself, but prevent_cleartext_login forbids that")
        if self.login == "ntlm" and self.prevent_ntlm:
            problems.append("login: is NTLM, but prevent_ntlm forbids that")
        elif self.login == "ntlm" and find_spec("spnego") is None:
            problems.append("login: NTLM needs the package pyspnego; run pip install 'redmine-mailbridge[ntlm]'")
        if self.oauth is not None and (self.password is not None or self.password_file is not None):
            problems.append("oauth: cannot be combined with a password; set only one of the two")
        if self.oauth is not None and self.login not in ("auto", *BY_TOKEN):
            problems.append('login: does not use a token; with oauth, use "auto", "oauthbearer" or "xoauth2"')
        if self.oauth is None and self.login in BY_TOKEN:
            problems.append("login: uses a token: set oauth")
        return problems

    def _not_with_graph(self) -> list[str]:
        """Return one line per setting that Microsoft Graph does not support, or that it requires."""
        problems = []
        if self.oauth is None:
            problems.append("oauth: is missing: Microsoft Graph accepts OAuth tokens only")
        if self.login != "auto":
            problems.append("login: Microsoft Graph accepts OAuth tokens only; remove this key")
        if self.security == "starttls":
            problems.append('security: Microsoft Graph uses implicit TLS; use "tls"')
        return problems

    def _not_with_pop3(self) -> list[str]:
        """Return one line per setting that POP3 does not support."""
        problems = [
            f'{name}: POP3 has no folders; remove this key, or use protocol = "imap"'
            for name in ("folders", "success_folder", "failure_folder", "junk_folder")
            if name in self.model_fields_set and getattr(self, name) is not None
        ]
        problems += [
            f'{name}: POP3 has no folders to move to; use "keep" or "delete"'
            for name in ("after_success", "after_failure")
            if getattr(self, name) == "move"
        ]
        if self.senders.spam == "junk":
            problems.append('senders.spam: POP3 has no folders to move to; use "hold" or "refuse"')
        if self.start_from not in {"all", None}:
            problems.append('start_from: POP3 has no arrival times; use "all", or protocol = "imap"')
        if self.first_sync_limit:
            problems.append('first_sync_limit: POP3 has no stable order of messages; use 0, or protocol = "imap"')
        return problems


def folder_key(folder: str) -> str:
    """Given a folder name, return the form used for comparison: only INBOX is the same in any case (RFC 9051, 5.1)."""
    return "INBOX" if folder.upper() == "INBOX" else folder
