"""The settings as a whole. Each key's description is the only source of validation, sample check and reference."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import quote, urlsplit, urlunsplit

from pydantic import AfterValidator, Field, SecretStr, StringConstraints, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from redmine_mailbridge.mail.mime.address_syntax import spellings
from redmine_mailbridge.model.mail import TextFormat
from redmine_mailbridge.settings.admin import AdminSettings
from redmine_mailbridge.settings.aggregate import AggregateSettings, BudgetSettings, same_names
from redmine_mailbridge.settings.base import Table, key
from redmine_mailbridge.settings.calendars import CalendarSettings, conflicts
from redmine_mailbridge.settings.mailbox import MailboxSettings, folder_key
from redmine_mailbridge.settings.oauth import OAuthSettings, unknown_providers
from redmine_mailbridge.settings.outgoing import OutgoingSettings
from redmine_mailbridge.settings.shared import MailboxDefaults
from redmine_mailbridge.settings.tasks import TasksSettings
from redmine_mailbridge.settings.time_rules import TimeRule, wrong_rules
from redmine_mailbridge.settings.value_types import (
    FilePath,
    MailAddress,
    Name,
    PositiveSpan,
    Size,
    Span,
    parse_size,
    parse_span,
    senders_address,
)
from redmine_mailbridge.util.loopback import is_loopback

MailboxName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]


def _web_address(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError('must be a web address such as "https://redmine.example.com"')
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("must be only the address: no user, no password, nothing behind ? or #")
    return value.rstrip("/")


def is_in_the_clear(url: str) -> bool:
    """Given Redmine's address, can what is said to it be read on the way?"""
    return url.lower().startswith("http:") and not is_loopback(urlsplit(url).hostname or "")


class RedmineSettings(Table):
    """The Redmine that mail goes to."""

    url: Annotated[str, AfterValidator(_web_address)] = key("Redmine's address, with the path when it has one.")
    allow_cleartext: bool = key(
        "Let the key and all mails cross the network in the clear: for a Redmine on another machine without TLS.", False
    )
    api_key: SecretStr | None = key(
        "The key of the bridge's own Redmine user. Better kept apart: see api_key_file.", None
    )
    api_key_file: FilePath | None = key("A file that holds the API key, and nothing else.", None)
    gateway_user: Name | None = key(
        "The user that a gateway in front of Redmine (nginx, Apache) asks for by basic authentication, before Redmine "
        "sees the API key.",
        None,
        shown="none",
    )
    gateway_password: SecretStr | None = key(
        "The password of gateway_user. Better kept apart: see gateway_password_file.", None
    )
    gateway_password_file: FilePath | None = key("A file that holds that password, and nothing else.", None)
    text_format: TextFormat | None = key(
        "Redmine's text formatting (Administration, Settings, General); markdown is the one that is called Markdown, "
        "without CommonMark, in Redmine up to 5.1. Where it is not set, Redmine is asked: 6.0 and newer answer. Where "
        "it does not tell, receive and run do not begin.",
        None,
    )
    language: Name = key(
        "Redmine's default language (de, fr, pt-br …), whose words keyword lines may use; it cannot be asked for.", "en"
    )
    mail_from: MailAddress | None = key(
        "The address that Redmine itself sends from (Administration, Settings, Email notifications): mail from it "
        "never makes an issue.",
        None,
        shown="none",
    )
    ca_file: FilePath | None = key("Certificates to trust for this Redmine, in PEM.", None, shown="the system's")
    timeout: PositiveSpan = key("How long to wait for an answer of Redmine.", parse_span("60s"))
    max_parallel: Annotated[int, Field(ge=1, le=64)] = key(
        "How many requests at once at most. The bridge finds out how many this Redmine bears, and stays below.", 8
    )
    marker_field: Name | None = key(
        "The name of an issue custom field (text, used as a filter, in all projects and trackers) that takes the "
        "Message-ID. With it an interrupted write is found again for certain; without, by writer, project and words.",
        None,
        shown="none",
    )
    settle: Span = key(
        "How long to wait, after a request whose result is unknown, before looking whether it was carried out.",
        parse_span("30s"),
    )
    directory_life: PositiveSpan = key(
        "How long what is known of users, projects, trackers and the like is believed before it is asked again.",
        parse_span("10m"),
    )

    @model_validator(mode="after")
    def _safe(self) -> Self:
        """Refuse what would send the key over the network in the clear."""
        if is_in_the_clear(self.url) and not self.allow_cleartext:
            raise ValueError(
                f"url: would send the API key and all mails to {urlsplit(self.url).hostname} in the clear: begin it "
                "with https://, or say allow_cleartext = true"
            )
        return self

    @property
    def key_at(self) -> str:
        """Where the API key stands, as an admin knows it."""
        return f"the file {self.api_key_file} ([redmine] api_key_file)" if self.api_key_file else "[redmine] api_key"

    @property
    def markup(self) -> TextFormat:
        """The markup that issues and notes are written in; CommonMark where only a look is made and none is set."""
        return self.text_format or "common_mark"


class StoreSettings(Table):
    """Where the bridge keeps every mail and what became of it."""

    url: Name = key(
        "The database: sqlite:///FILE (relative to this file's folder) or postgresql+psycopg://USER@HOST/NAME.",
        "sqlite:///mailbridge.db",
    )
    password: SecretStr | None = key("The database's password. Better kept apart: see password_file.", None)
    password_file: FilePath | None = key("A file that holds the database's password, and nothing else.", None)
    raw_dir: FilePath | None = key(
        "The folder that takes the raw mails. Several machines on one PostgreSQL need a shared one.",
        None,
        shown='"mails" beside the SQLite file',
    )
    token_key_file: FilePath | None = key(
        "The file with the key that OAuth tokens are encrypted with in the database. Made when it is missing, for its "
        "owner only; without it everybody must sign in again.",
        None,
        shown='"token.key" beside the SQLite file',
    )
    keep_raw: PositiveSpan = key("How long raw mails that are done are kept.", parse_span("90d"))

    @model_validator(mode="after")
    def _usable(self) -> Self:
        """Refuse databases that the store cannot use."""
        if not self.url.startswith(("sqlite:///", "postgresql+psycopg://")):
            raise ValueError('url: must begin with "sqlite:///" or "postgresql+psycopg://"')
        if self.sqlite_file is None and self.raw_dir is None:
            raise ValueError("raw_dir: must be given when the database is not a file")
        if self.sqlite_file in (Path(), Path(":memory:")):
            raise ValueError("url: must name a file: what is kept in memory does not survive")
        return self

    @property
    def sqlite_file(self) -> Path | None:
        """The database's file; None when it is PostgreSQL."""
        return Path(self.url.removeprefix("sqlite:///").partition("?")[0]) if self.url.startswith("sqlite:") else None

    @property
    def raw_folder(self) -> Path:
        """The folder of the raw mails, absolute once loaded."""
        if self.raw_dir is not None:
            return self.raw_dir
        return (self.sqlite_file or Path()).parent / "mails"

    @property
    def token_key(self) -> Path:
        """The file of the key that seals tokens, absolute once loaded."""
        if self.token_key_file is not None:
            return self.token_key_file
        return (self.sqlite_file.parent if self.sqlite_file is not None else self.raw_folder) / "token.key"

    def database_url(self) -> str:
        """The address for SQLAlchemy, password included: never log it."""
        if self.password is None or self.sqlite_file is not None:
            return self.url
        parts = urlsplit(self.url)
        user, host = quote(parts.username or "", safe=""), parts.netloc.rpartition("@")[2]
        netloc = f"{user}:{quote(self.password.get_secret_value(), safe='')}@{host}"
        return urlunsplit(parts._replace(netloc=netloc))


class LogSettings(Table):
    """What the bridge says while it works, on standard error."""

    format: Literal["console", "json", "auto"] = key(
        'For people, for machines, or "auto": for people when a terminal reads it.', "auto"
    )
    level: Literal["debug", "info", "warning", "error"] = key("The least important line that is written.", "info")


class ReceiveSettings(Table):
    """Limits of receiving, for all mailboxes."""

    max_mail_size: Size = key(
        "A larger mail is not loaded: its issue says so and the mail stays on the server.", parse_size("50MB")
    )
    give_up_after: Annotated[int, Field(ge=1)] = key(
        "How often a mail that keeps failing is tried before it is set aside. Outages of Redmine or of the "
        "mail server do not count.",
        10,
    )
    workers: Annotated[int, Field(ge=1, le=64)] = key("How many mails are in hand at once.", 8)


class Settings(BaseSettings):
    """Everything that an admin decides. Made by `redmine_mailbridge.settings.load.load`, which checks it whole."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, str_strip_whitespace=True)

    redmine: RedmineSettings = key("The Redmine that mail goes to.")
    store: StoreSettings = key("Where mails and their fate are kept.", StoreSettings())
    log: LogSettings = key("What the bridge says while it works.", LogSettings())
    receive: ReceiveSettings = key("Limits of receiving.", ReceiveSettings())
    tasks: TasksSettings = key("The scheduled tasks.", TasksSettings())
    outgoing: OutgoingSettings = key("How answers are sent, for all mailboxes.", OutgoingSettings())
    oauth: dict[MailboxName, OAuthSettings] = key("Providers to sign in at, by name.", {})
    calendars: dict[MailboxName, CalendarSettings] = key("Business hours by project.", {})
    aggregate: AggregateSettings = key("How hours and times are computed.", AggregateSettings())
    budgets: tuple[BudgetSettings, ...] = key("Monthly hours of projects and customers.", ())
    admin: AdminSettings = key("The web pages.", AdminSettings())
    rules: tuple[TimeRule, ...] = key("What becomes of issues by themselves.", ())
    mailbox_defaults: MailboxDefaults | None = key("What mailboxes share.", None, walked=False)
    mailboxes: Annotated[dict[MailboxName, MailboxSettings], Field(min_length=1)] = key(
        "The accounts to read, by name."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - pydantic-settings' signature
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic-settings' signature
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic-settings' signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic-settings' signature
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take only what `load` hands over: it merges the sources itself, to know where each value comes from."""
        return (init_settings,)

    @property
    def active_mailboxes(self) -> dict[str, MailboxSettings]:
        """The mailboxes that are read, by name."""
        return {name: mailbox for name, mailbox in self.mailboxes.items() if mailbox.active}

    @property
    def own_addresses(self) -> frozenset[str]:
        """All addresses that are ours, lower case, their domains in each spelling; of inactive mailboxes too."""
        boxes = self.mailboxes.values()
        return frozenset(one for box in boxes for a in (box.address, *box.aliases) for one in spellings(a))

    @model_validator(mode="after")
    def _rooms_fit(self) -> Self:
        """Refuse two calendars for one project, two budgets of one name, and rules that name what is not there."""
        problems = [*conflicts(self.calendars), *same_names(self.budgets), *self._unable_to_send()]
        problems += wrong_rules(self.rules, self.mailboxes, has_calendar=bool(self.calendars))
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def _unable_to_send(self) -> Iterator[str]:
        """Yield a line for each mailbox whose mail would come from an address that none can come from."""
        for name, box in self.active_mailboxes.items():
            out = box.outgoing.over(self.outgoing)
            if not out.sends or out.from_address is not None:
                continue
            try:
                senders_address(box.address)
            except ValueError as error:
                yield f"mailboxes.{name}.address: {error}; give outgoing.from_address another one"

    @model_validator(mode="after")
    def _known_providers(self) -> Self:
        """Refuse an oauth that names no provider."""
        asked: dict[tuple[str, ...], str | None] = {("outgoing",): self.outgoing.oauth}
        for name, box in self.mailboxes.items():
            asked |= {("mailboxes", name): box.oauth, ("mailboxes", name, "outgoing"): box.outgoing.oauth}
        if problems := list(unknown_providers(asked, self.oauth)):
            raise ValueError("\n".join(problems))
        return self

    @model_validator(mode="after")
    def _read_once(self) -> Self:
        """Refuse two mailboxes that read the same folder of the same account: each mail would be read twice."""
        seen: dict[tuple[str, str], str] = {}
        problems = []
        for name, box in self.active_mailboxes.items():
            for folder in box.folders:
                other = seen.setdefault((box.account, folder_key(folder)), name)
                if other != name:
                    problems.append(
                        f'mailboxes.{name}: reads "{folder}" of the same account as mailbox "{other}" ({box.account}): '
                        "each mail would be read twice; take one of them out, or set active = false"
                    )
        if problems:
            raise ValueError("\n".join(problems))
        return self
