"""An account that is read: `[mailboxes.NAME]`."""

from importlib.util import find_spec
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator

from redmine_mailbridge.settings.account import account_of
from redmine_mailbridge.settings.base import key
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

Protocol = Literal["imap", "pop3", "graph"]
Security = Literal["tls", "starttls", "none"]
Login = Literal[
    "auto", "scram-sha-256", "scram-sha-1", "cram-md5", "plain", "login", "apop", "ntlm", "oauthbearer", "xoauth2"
]

BY_TOKEN = ("oauthbearer", "xoauth2")

PORTS = {("imap", "tls"): 993, ("imap", "starttls"): 143, ("imap", "none"): 143}
PORTS |= {("pop3", "tls"): 995, ("pop3", "starttls"): 110, ("pop3", "none"): 110}
PORTS |= {("graph", "tls"): 443, ("graph", "none"): 80}


def _port(given: dict[str, Any]) -> int:
    return PORTS.get((given.get("protocol", ""), given.get("security", "")), 993)


def _known_preset(value: str) -> str:
    if value not in presets():
        near = did_you_mean(value, presets()) or "; `redmine-mailbridge discover --list` names them all"
        raise ValueError(f"there is no such preset{near}")
    return value


def _only_imap(value: Any) -> Any:
    """Return a factory of a default that POP3 has not."""
    return lambda given: None if given.get("protocol") == "pop3" else value


class MailboxSettings(StartSettings):
    """One account that is read. NAME is yours to choose: letters, digits, - and _; it appears in logs and lists."""

    active: bool = key("Whether this mailbox is read at all. What has been read before is finished either way.", True)
    address: MailAddress = key("The mail address of this mailbox.")
    aliases: tuple[MailAddress, ...] = key("Further addresses whose mail arrives here.", ())
    protocol: Protocol = key(
        'How the mail is read; "graph" is Microsoft Graph, for Exchange Online without IMAP (needs oauth).', "imap"
    )
    preset: Annotated[Name, AfterValidator(_known_preset)] | None = key(
        "The mail provider, which fills in host, port, security and the like of this table and of its `outgoing` where "
        "they are left out: gmail, microsoft365, fastmail … (`redmine-mailbridge discover --list`).",
        None,
        shown="none",
    )
    host: Name = key("The mail server's name.")
    security: Security = key(
        '"tls" from the first byte, "starttls", or "none": passwords and mail in the clear, on this machine only.',
        "tls",
    )
    allow_cleartext: bool = key('Allow security = "none" to a server that is not this machine.', False)
    port: Annotated[int, Field(ge=1, le=65535)] = key(
        "The mail server's port.", _port, shown="imap: 993 with tls, else 143; pop3: 995 with tls, else 110; graph: 443"
    )
    username: Name = key("The name to log in with.", lambda given: given.get("address", ""), shown="the address")
    authorize_as: Name | None = key(
        "The shared mailbox to open with the login of `username` (SASL authorization identity). Also understood as "
        r"part of username: user@example.com\shared@example.com.",
        None,
        shown="none",
    )
    password: SecretStr | None = key("The password to log in with. Better kept apart: see password_file.", None)
    password_file: FilePath | None = key("A file that holds the password, and nothing else.", None)
    oauth: Name | None = key(
        "The [oauth.NAME] whose tokens are logged in with, in place of a password; "
        "`redmine-mailbridge oauth login MAILBOX` signs in once.",
        None,
        shown="none",
    )
    login: Login = key('How to log in; "auto" takes the strongest way that the server offers.', "auto")
    prevent_cleartext_login: bool = key(
        "Never send the password itself, not even under TLS: only challenge and response (SCRAM, CRAM-MD5).", False
    )
    prevent_ntlm: bool = key('Never log in by NTLM, not even with login = "ntlm"; "auto" never does so anyway.', False)
    every: PositiveSpan | None = key(
        "The time between two looks into this mailbox, instead of that of [tasks.receive].", None, shown="none"
    )
    folders: Annotated[tuple[Name, ...], Field(min_length=1)] = key(
        "The folders to read, subfolders with /.", ("INBOX",)
    )
    success_folder: Name | None = key(
        "Where a mail goes that has become an issue or a note. Made when missing. Not with POP3.",
        _only_imap("Processed"),
        shown='"Processed"',
    )
    failure_folder: Name | None = key(
        "Where a mail goes that was refused for good. Made when missing. Not with POP3.",
        _only_imap("Failed"),
        shown='"Failed"',
    )
    after_success: Literal["move", "delete", "keep"] = key(
        'What happens on the server to a mail that is done: "move" to success_folder, "delete" from the server, or '
        '"keep" where it is, marked where the server allows. A mail whose whole bytes the store never had (larger than '
        "receive.max_mail_size, or not handed out by the server) is never deleted.",
        lambda given: "delete" if given.get("protocol") == "pop3" else "move",
        shown='"move"; "delete" with POP3',
    )
    keep_days: Annotated[int, Field(ge=1, le=3650)] | None = key(
        'With after_success = "keep": for how many days a mail that is done stays on the server before it is deleted '
        "there.",
        None,
        shown="for good",
    )
    after_failure: Literal["move", "keep", "delete"] = key(
        'What happens on the server to a mail that was refused or set aside: "move" to failure_folder, or "keep"; with '
        'POP3 also "delete", the raw mail then being kept in the store only, for as long as store.keep_raw says.',
        lambda given: "keep" if given.get("protocol") == "pop3" else "move",
        shown='"move"; "keep" with POP3',
    )
    accept_automatic: bool = key(
        "Let auto-replies and bounces that belong to no issue make one. Otherwise they are only recorded. "
        "Notifications of machines make issues anyway; block what is not wanted.",
        False,
    )
    ca_file: FilePath | None = key("Certificates to trust for this server, in PEM.", None, shown="the system's")
    timeout: Span = key("How long to wait for the mail server's next word.", parse_span("60s"))
    reading: ReadingSettings = key("How a mail's text and files are read.", ReadingSettings())
    issue: IssueSettings = key("What becomes of the mail.", IssueSettings())
    senders: SenderSettings = key("Who may write, and as whom.", SenderSettings())
    answers: AnswerSettings = key("Which mails go out to people.", AnswerSettings())
    outgoing: OutgoingSettings = key(
        "How this mailbox's answers are sent, where not as [outgoing] says.", OutgoingSettings()
    )
    rules: tuple[Rule, ...] = key("Rules that look at a mail and say where it goes, in order.", ())

    @property
    def account(self) -> str:
        """The account that is read, in words: what stays when the mailbox's name, port or protocol changes."""
        return account_of(self.host, self.port, self.username, self.authorize_as)

    @property
    def route(self) -> Route:
        """All that decides what becomes of this mailbox's mail, as `routing` takes it."""
        return Route(issue=self.issue, senders=self.senders, rules=self.rules, accept_automatic=self.accept_automatic)

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        """Refuse what cannot be meant together."""
        problems = list(self._disagreements())
        if problems:
            raise ValueError("\n".join(problems))
        return self

    @property
    def _finds_a_project(self) -> bool:
        """Whether a new issue can have a project at all."""
        issue = self.issue
        ways = (issue.project, issue.project_from_subaddress, issue.reply_only, {"project", "all"} & issue.overrides)
        by_domain = any(domain.project for domain in self.senders.domains.values())
        return any(ways) or by_domain or any(rule.project for rule in self.rules)

    def _disagreements(self) -> list[str]:
        """Return one line for each thing that cannot be meant, each starting with the key to change."""
        problems = []
        if self.security == "none" and not is_loopback(self.host) and not self.allow_cleartext:
            problems.append(
                f"security: would send the password to {self.host} in the clear: "
                'use "tls" or "starttls", or allow_cleartext = true'
            )
        problems += self._about_login()
        if not self._finds_a_project:
            problems.append(
                "issue.project: is needed, unless a rule names one, issue.project_from_subaddress or issue.reply_only "
                "is true, or issue.allow_override holds project"
            )
        if self.keep_days is not None and self.after_success != "keep":
            problems.append('keep_days: says how long mails are kept, which after_success = "keep" alone does')
        if self.protocol != "pop3" and self.after_failure == "delete":
            problems.append('after_failure: deletes only with POP3, which has no folders; use "move" or "keep"')
        if self.protocol == "graph":
            problems += self._not_with_graph()
        if self.protocol == "pop3":
            problems += self._not_with_pop3()
            return problems
        read = {folder_key(folder) for folder in self.folders}
        problems += [
            f"{name}: is one of the folders that are read, so mail would be read again and again"
            for name, folder in (("success_folder", self.success_folder), ("failure_folder", self.failure_folder))
            if folder is not None and folder_key(folder) in read
        ]
        return problems

    def _about_login(self) -> list[str]:
        """Return one line for each way of logging in that is asked for and ruled out at once."""
        problems = []
        if self.prevent_cleartext_login and self.login in ("plain", "login"):
            problems.append("login: sends the password itself, which prevent_cleartext_login forbids")
        if self.login == "ntlm" and self.prevent_ntlm:
            problems.append("login: is NTLM, which prevent_ntlm forbids")
        elif self.login == "ntlm" and find_spec("spnego") is None:
            problems.append("login: NTLM needs the package pyspnego: pip install 'redmine-mailbridge[ntlm]'")
        if self.oauth is not None and (self.password is not None or self.password_file is not None):
            problems.append("oauth: is used in place of a password; give one of the two")
        if self.oauth is not None and self.login not in ("auto", *BY_TOKEN):
            problems.append('login: does not log in by a token; with oauth use "auto", "oauthbearer" or "xoauth2"')
        if self.oauth is None and self.login in BY_TOKEN:
            problems.append("login: logs in by a token, which needs oauth")
        return problems

    def _not_with_graph(self) -> list[str]:
        """Return one line for each wish that Microsoft Graph cannot fulfil, or lack that it does not bear."""
        problems = []
        if self.oauth is None:
            problems.append("oauth: is needed: Microsoft Graph takes OAuth tokens only")
        if self.login != "auto":
            problems.append("login: Microsoft Graph takes OAuth tokens only; leave it out")
        if self.security == "starttls":
            problems.append('security: Microsoft Graph has TLS from the first byte; use "tls"')
        return problems

    def _not_with_pop3(self) -> list[str]:
        """Return one line for each wish that POP3 cannot fulfil."""
        problems = [
            f'{name}: POP3 has no folders; leave it out, or use protocol = "imap"'
            for name in ("folders", "success_folder", "failure_folder")
            if name in self.model_fields_set and getattr(self, name) is not None
        ]
        problems += [
            f'{name}: POP3 has no folders to move to; use "keep" or "delete"'
            for name in ("after_success", "after_failure")
            if getattr(self, name) == "move"
        ]
        if self.start_from not in {"all", None}:
            problems.append('start_from: POP3 does not tell when a mail came; use "all", or protocol = "imap"')
        if self.first_sync_limit:
            problems.append('first_sync_limit: POP3 has no order that lasts; use 0, or protocol = "imap"')
        return problems


def folder_key(folder: str) -> str:
    """Given a folder name, return what to compare it by: only INBOX is the same in any case (RFC 9051, 5.1)."""
    return "INBOX" if folder.upper() == "INBOX" else folder
