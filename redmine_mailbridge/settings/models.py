"""The settings as a whole. Each key's description is the only source of validation, sample file and reference."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import quote, urlsplit, urlunsplit

from pydantic import Field, SecretStr, StringConstraints, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from redmine_mailbridge.mail.mime.address_syntax import spellings
from redmine_mailbridge.settings.admin import AdminSettings
from redmine_mailbridge.settings.aggregate import AggregateSettings, BudgetSettings, same_names
from redmine_mailbridge.settings.base import SettingsTable, setting
from redmine_mailbridge.settings.calendars import CalendarSettings, conflicts
from redmine_mailbridge.settings.contradictions import same_fields
from redmine_mailbridge.settings.mailbox import MailboxSettings, folder_key
from redmine_mailbridge.settings.oauth import OAuthSettings, unknown_providers
from redmine_mailbridge.settings.outgoing import OutgoingSettings
from redmine_mailbridge.settings.redmine import RedmineSettings
from redmine_mailbridge.settings.shared import MailboxDefaults
from redmine_mailbridge.settings.tasks import TasksSettings
from redmine_mailbridge.settings.time_rules import TimeRule, wrong_rules
from redmine_mailbridge.settings.value_types import (
    FilePath,
    Name,
    PositiveSpan,
    Size,
    parse_size,
    parse_span,
    senders_address,
)

MailboxName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]


class StoreSettings(SettingsTable):
    """Where the bridge stores every message and its status."""

    url: Name = setting(
        "The database: sqlite:///FILE (relative to this file's folder) or postgresql+psycopg://USER@HOST/NAME.",
        "sqlite:///mailbridge.db",
    )
    password: SecretStr | None = setting("The database's password. Preferably use password_file.", None)
    password_file: FilePath | None = setting("A file that contains only the database's password.", None)
    raw_storage: Literal["database", "folder"] | None = setting(
        'Where raw messages are stored: in the "database" or in the "folder" raw_dir. After a change, restart the '
        "service and run `redmine-mailbridge raw-messages move`; until then, messages in the other place are still "
        "read there.",
        None,
        shown='"folder"; "database" with PostgreSQL unless raw_dir is set',
    )
    raw_dir: FilePath | None = setting(
        "The folder for raw messages, and for temporary files while a large message is fetched or read. With several "
        'machines and raw_storage = "folder", a shared folder.',
        None,
        shown='"mails" beside the SQLite file; with PostgreSQL, temporary files are in $TMPDIR or /var/tmp',
    )
    token_key_file: FilePath | None = setting(
        "The file with the key that encrypts OAuth tokens in the database. Created if missing, readable by its "
        "owner only; if it is lost, everyone must sign in again.",
        None,
        shown='"token.key" beside the SQLite file; required with PostgreSQL and oauth',
    )
    raw_retention: PositiveSpan = setting("How long raw messages are kept after processing.", parse_span("90d"))
    lease_duration: PositiveSpan = setting(
        "With PostgreSQL: after how long without a sign of life of the working service another one takes over. It "
        "serves a few seconds later. At least 3s, at most 1h, and less than redmine.settle.",
        parse_span("10s"),
    )

    @model_validator(mode="after")
    def _usable(self) -> Self:
        """Reject databases that the store does not support."""
        if not self.url.startswith(("sqlite:///", "postgresql+psycopg://")):
            raise ValueError('url: must start with "sqlite:///" or "postgresql+psycopg://"')
        if self.sqlite_file is None and self.raw_dir is None and self.raw_storage == "folder":
            raise ValueError('raw_dir: is required with PostgreSQL and raw_storage = "folder"')
        if not 3.0 <= self.lease_duration.total_seconds() <= 3600.0:
            raise ValueError("lease_duration: at least 3s, at most 1h")
        if self.sqlite_file in (Path(), Path(":memory:")):
            raise ValueError("url: must name a file: an in-memory database does not survive a restart")
        return self

    @property
    def sqlite_file(self) -> Path | None:
        """The database's file; None when it is PostgreSQL."""
        return Path(self.url.removeprefix("sqlite:///").partition("?")[0]) if self.url.startswith("sqlite:") else None

    @property
    def raw_folder(self) -> Path | None:
        """The folder of raw messages and temporary files; absolute after loading. None if there is none."""
        if self.raw_dir is not None:
            return self.raw_dir
        return self.sqlite_file.parent / "mails" if self.sqlite_file is not None else None

    @property
    def raw_in_database(self) -> bool:
        """Are raw messages stored in the database?"""
        return self.raw_storage == "database" if self.raw_storage is not None else self.raw_folder is None

    @property
    def token_key(self) -> Path:
        """The file of the key that encrypts tokens; absolute after loading."""
        if self.token_key_file is not None:
            return self.token_key_file
        return (self.sqlite_file.parent if self.sqlite_file is not None else self.raw_dir or Path()) / "token.key"

    def database_url(self) -> str:
        """The URL for SQLAlchemy, with the password: never log it."""
        if self.password is None or self.sqlite_file is not None:
            return self.url
        parts = urlsplit(self.url)
        user, host = quote(parts.username or "", safe=""), parts.netloc.rpartition("@")[2]
        netloc = f"{user}:{quote(self.password.get_secret_value(), safe='')}@{host}"
        return urlunsplit(parts._replace(netloc=netloc))


class LogSettings(SettingsTable):
    """The log, written to standard error."""

    format: Literal["console", "json", "auto"] = setting(
        'For people ("console"), for machines ("json"), or "auto": "console" on a terminal, otherwise "json".', "auto"
    )
    level: Literal["debug", "info", "warning", "error"] = setting("The lowest level that is logged.", "info")


class ReceiveSettings(SettingsTable):
    """Limits of receiving, for all mailboxes."""

    max_mail_size: Size = setting(
        "Of a larger message, only the beginning is downloaded; its issue says so, and the message stays on the "
        "server.",
        parse_size("50MB"),
    )
    max_attempts: Annotated[int, Field(ge=1)] = setting(
        "How often a failing message is tried before it gets the state failed. Outages of Redmine or of the "
        "mail server do not count.",
        10,
    )
    workers: Annotated[int, Field(ge=1, le=64)] = setting("How many messages are processed concurrently.", 8)


class Settings(BaseSettings):
    """All settings. Created by `redmine_mailbridge.settings.load.load`, which validates them as a whole."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, str_strip_whitespace=True)

    redmine: RedmineSettings = setting("The Redmine in which issues and notes are created.")
    store: StoreSettings = setting("Where messages and their status are stored.", StoreSettings())
    log: LogSettings = setting("The log.", LogSettings())
    receive: ReceiveSettings = setting("Limits of receiving.", ReceiveSettings())
    tasks: TasksSettings = setting("The scheduled tasks.", TasksSettings())
    outgoing: OutgoingSettings = setting("How messages are sent, for all mailboxes.", OutgoingSettings())
    oauth: dict[MailboxName, OAuthSettings] = setting("OAuth providers, by name.", {})
    calendars: dict[MailboxName, CalendarSettings] = setting("Business hours by project.", {})
    aggregate: AggregateSettings = setting("How hours and times are computed.", AggregateSettings())
    budgets: tuple[BudgetSettings, ...] = setting("Monthly hours of projects and customers.", ())
    admin: AdminSettings = setting("The web pages.", AdminSettings())
    rules: tuple[TimeRule, ...] = setting("Automation rules for issues.", ())
    mailbox_defaults: MailboxDefaults | None = setting("Defaults for all mailboxes.", None, walked=False)
    mailboxes: Annotated[dict[MailboxName, MailboxSettings], Field(min_length=1)] = setting(
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
        """Use only the values from `load`, which merges the sources itself to record the origin of each value."""
        return (init_settings,)

    @property
    def active_mailboxes(self) -> dict[str, MailboxSettings]:
        """The mailboxes that are read, by name."""
        return {name: mailbox for name, mailbox in self.mailboxes.items() if mailbox.active}

    @property
    def own_addresses(self) -> frozenset[str]:
        """All addresses of the bridge in lower case, with each spelling of their domains, inactive mailboxes
        included."""
        boxes = self.mailboxes.values()
        return frozenset(spelling for box in boxes for a in (box.address, *box.aliases) for spelling in spellings(a))

    @model_validator(mode="after")
    def _rooms_fit(self) -> Self:
        """Reject two calendars or two beginnings for one project, two uses of one custom field, two budgets with one
        name, and rules that refer to missing names.
        """
        problems = [*conflicts(self.calendars), *same_names(self.budgets), *self._unable_to_send()]
        problems += self._same_project()
        routes = {name: box.route for name, box in self.mailboxes.items()}
        problems += same_fields(routes, self.redmine, self.aggregate)
        if "lease_duration" in self.store.model_fields_set:
            problems += self.settled_too_early()
        problems += wrong_rules(self.rules, self.mailboxes, has_calendar=bool(self.calendars))
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def settled_too_early(self) -> Iterator[str]:
        """Yield a line if, on PostgreSQL, a process could look for the result of another one's request before that one
        certainly sends it no more.
        """
        lease, settle = self.store.lease_duration.total_seconds(), self.redmine.settle.total_seconds()
        if self.store.sqlite_file is None and lease >= settle:
            yield (
                f"store.lease_duration: {lease:g}s is not less than redmine.settle ({settle:g}s): when one service "
                "takes over from another, a message may be written to Redmine twice; set redmine.settle to twice the "
                "lease_duration"
            )

    def _same_project(self) -> Iterator[str]:
        """Yield a line for each mailbox that would begin conversations in the project of another one."""
        names: dict[str, str] = {}
        for name, box in self.active_mailboxes.items():
            if box.issue.conversations_from_redmine and box.issue.project is not None:
                other = names.setdefault(box.issue.project.lower(), name)
                if other != name:
                    yield (
                        f'mailboxes.{name}.issue.conversations_from_redmine: mailbox "{other}" begins the '
                        f'conversations of project "{box.issue.project}" already; set it to false in one of the two'
                    )

    def _unable_to_send(self) -> Iterator[str]:
        """Yield a line for each mailbox that would send from an address that cannot be a sender, or without a sign-in
        where one is needed.
        """
        for name, box in self.active_mailboxes.items():
            out = box.outgoing.over(self.outgoing)
            if out.transport == "graph" and box.outgoing.transport is None and box.outgoing.host is not None:
                words = '[outgoing] uses "graph", but host is set here; set it to "smtp" or "graph"'
                yield f"mailboxes.{name}.outgoing.transport: is missing: {words}"
            if out.transport == "graph" and out.oauth is None and box.oauth is None:
                yield f'mailboxes.{name}.outgoing.oauth: is missing: transport = "graph" accepts OAuth tokens only'
            if box.outgoing.save_sent and box.protocol != "imap" and out.copies:
                yield f'mailboxes.{name}.outgoing.save_sent: needs protocol = "imap"; remove this key'
            if not out.sends or out.from_address is not None:
                continue
            try:
                senders_address(box.address)
            except ValueError as error:
                yield f"mailboxes.{name}.address: {error}; set outgoing.from_address to another address"

    @model_validator(mode="after")
    def _known_providers(self) -> Self:
        """Reject an oauth key that names no provider, and sign-ins without a place for the key of their tokens."""
        provider_names: dict[tuple[str, ...], str | None] = {("outgoing",): self.outgoing.oauth}
        for name, box in self.mailboxes.items():
            provider_names |= {("mailboxes", name): box.oauth, ("mailboxes", name, "outgoing"): box.outgoing.oauth}
        problems = list(unknown_providers(provider_names, self.oauth))
        if any(provider_names.values()) and self.store.raw_folder is None and self.store.token_key_file is None:
            problems.append("store.token_key_file: is required with PostgreSQL and oauth")
        if problems:
            raise ValueError("\n".join(problems))
        return self

    @model_validator(mode="after")
    def _read_once(self) -> Self:
        """Reject two mailboxes that read the same folder of the same account: each message would be read twice."""
        seen: dict[tuple[str, str], str] = {}
        problems = []
        for name, box in self.active_mailboxes.items():
            for folder in box.folders:
                other = seen.setdefault((box.account, folder_key(folder)), name)
                if other != name:
                    problems.append(
                        f'mailboxes.{name}: reads "{folder}" of the same account as mailbox "{other}" ({box.account}): '
                        "each message would be read twice; remove one of them, or set active = false"
                    )
        if problems:
            raise ValueError("\n".join(problems))
        return self
