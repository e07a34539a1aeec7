"""`[redmine]`: the Redmine in which issues and notes are created."""

from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator

from redmine_mailbridge.model.mail import TextFormat
from redmine_mailbridge.settings.base import SettingsTable, setting
from redmine_mailbridge.settings.value_types import FilePath, MailAddress, Name, PositiveSpan, Span, parse_span
from redmine_mailbridge.util.loopback import is_loopback


def _web_address(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError('must be a web address such as "https://redmine.example.com"')
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("must be only the address, without user, password, query (?) or fragment (#)")
    return value.rstrip("/")


def is_in_the_clear(url: str) -> bool:
    """Given Redmine's address, is the connection unencrypted and over the network?"""
    return url.lower().startswith("http:") and not is_loopback(urlsplit(url).hostname or "")


class RedmineSettings(SettingsTable):
    """The Redmine in which issues and notes are created."""

    url: Annotated[str, AfterValidator(_web_address)] = setting("Redmine's address, including its path.")
    allow_cleartext: bool = setting(
        "Allow sending the API key and all messages unencrypted: for a Redmine on another machine without TLS.", False
    )
    api_key: SecretStr | None = setting("The API key of the bridge's Redmine user. Preferably use api_key_file.", None)
    api_key_file: FilePath | None = setting("A file that contains only the API key.", None)
    gateway_user: Name | None = setting(
        "The user for HTTP basic authentication at a gateway in front of Redmine (nginx, Apache).",
        None,
        shown="none",
    )
    gateway_password: SecretStr | None = setting(
        "The password of gateway_user. Preferably use gateway_password_file.", None
    )
    gateway_password_file: FilePath | None = setting("A file that contains only that password.", None)
    text_format: TextFormat | None = setting(
        "Redmine's text formatting (Administration, Settings, General); markdown is the option called Markdown, not "
        "CommonMark, in Redmine up to 5.1. By default Redmine is queried: 6.0 and newer report it. If Redmine does not "
        "report it, receive and run do not start.",
        None,
    )
    language: Name = setting(
        "Redmine's default language (de, fr, pt-br …), used for the subject of messages without one; the API does "
        "not report it.",
        "en",
    )
    keyword_languages: tuple[Name, ...] | None = setting(
        "The languages (de, fr, pt-br …) of field names, and of yes and no, in keyword lines; English is always "
        "accepted. The API does not report a user's language.",
        None,
        shown="language",
    )
    mail_from: MailAddress | None = setting(
        "The sender address of Redmine's own notifications (Administration, Settings, Email notifications): "
        "messages from it never create an issue.",
        None,
        shown="none",
    )
    ca_file: FilePath | None = setting(
        "CA certificates to trust for this Redmine, in PEM format.", None, shown="the system's"
    )
    timeout: PositiveSpan = setting("Timeout for a response of Redmine.", parse_span("60s"))
    max_parallel: Annotated[int, Field(ge=1, le=64)] = setting(
        "Maximum number of concurrent requests. The bridge adapts to what this Redmine can handle, up to it.", 8
    )
    marker_field: Name | None = setting(
        "The name of an issue custom field (text, used as a filter, in all projects and trackers) for the "
        "Message-ID. With it, the result of an interrupted write is found reliably; without it, by user, project and "
        "text.",
        None,
        shown="none",
    )
    settle: Span = setting(
        "How long to wait, after a request with unknown result, before checking whether it was executed.",
        parse_span("30s"),
    )
    cache_ttl: PositiveSpan = setting(
        "How long to cache users, projects and trackers.",
        parse_span("10m"),
    )

    @model_validator(mode="after")
    def _safe(self) -> Self:
        """Reject settings that would send the API key unencrypted over the network."""
        if is_in_the_clear(self.url) and not self.allow_cleartext:
            raise ValueError(
                f"url: would send the API key and all messages to {urlsplit(self.url).hostname} unencrypted: use "
                "https://, or set allow_cleartext = true"
            )
        return self

    @property
    def key_at(self) -> str:
        """Where the API key is configured, for messages to admins."""
        return f"the file {self.api_key_file} ([redmine] api_key_file)" if self.api_key_file else "[redmine] api_key"

    @property
    def markup(self) -> TextFormat:
        """The markup of issues and notes; CommonMark if none is set and nothing is written."""
        return self.text_format or "common_mark"
