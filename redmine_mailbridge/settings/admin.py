"""The admin pages: where they listen, who may reach them, and who is alerted."""

import ipaddress
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, SecretStr, model_validator

from redmine_mailbridge.settings.base import SettingsTable, setting
from redmine_mailbridge.settings.value_types import FilePath, MailAddress, Name, PositiveSpan, parse_span
from redmine_mailbridge.util.loopback import is_loopback

LISTEN = "127.0.0.1:8025"
"""Where `redmine-mailbridge admin` listens by default."""


def host_and_port(listen: str) -> tuple[str, int]:
    """Given "127.0.0.1:8025" or "[::1]:8025", return host and port. Raise ValueError if it is neither."""
    host, colon, port = listen.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isdecimal() or not int(port) < 65536:
        raise ValueError(f'must be an address and a port, such as "{LISTEN}"')
    return host, int(port)


def _listen(value: str) -> str:
    host_and_port(value)
    return value


def _network(value: str) -> str:
    try:
        ipaddress.ip_network(value, strict=False)
    except ValueError:
        raise ValueError('must be an address or a network, such as "10.0.0.5" or "10.0.0.0/24"') from None
    return value


def _web_address(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise ValueError('must be a web address such as "https://desk.example.com/mailbridge"')
    return value.rstrip("/")


Network = Annotated[str, AfterValidator(_network)]


class AdminSettings(SettingsTable):
    """The admin pages. Users sign in with the account of a Redmine administrator."""

    listen: Annotated[Name, AfterValidator(_listen)] | None = setting(
        "Address and port of the pages, served as part of `run`. Other machines need TLS or a reverse proxy.",
        None,
        shown="none: `run` serves no pages",
    )
    url: Annotated[Name, AfterValidator(_web_address)] | None = setting(
        "The address of the pages as users type it, with its path, if there is a reverse proxy.", None, shown="none"
    )
    proxies: tuple[Network, ...] = setting(
        "The addresses of the reverse proxies. Their headers about client address and TLS are trusted.", ()
    )
    certificate_file: FilePath | None = setting(
        "The TLS certificate for the pages, in PEM format, with its chain.", None, shown="none"
    )
    certificate_key_file: FilePath | None = setting("The certificate's private key, in PEM format.", None, shown="none")
    password_hash_file: FilePath | None = setting(
        "A file with the hash of a password for signing in as `admin` while Redmine is unavailable; "
        "`redmine-mailbridge admin password` writes it.",
        None,
        shown="none: only Redmine accounts",
    )
    session_lifetime: PositiveSpan = setting("Maximum duration of a session.", parse_span("12h"))
    session_idle: PositiveSpan = setting("Idle time after which a session ends.", parse_span("1h"))
    language: Name | None = setting("The language of the pages: en or de.", None, shown="the browser's")
    metrics_from: tuple[Network, ...] = setting(
        "Addresses that may read /metrics (Prometheus) and /health without signing in. Works only where client "
        "addresses can be trusted: not behind a proxy that is missing in `proxies`.",
        ("127.0.0.0/8", "::1/128"),
    )
    metrics_token: SecretStr | None = setting(
        "Clients that send this token (Authorization: Bearer …) may read /metrics and /health from anywhere. "
        "Preferably use metrics_token_file.",
        None,
        shown="none",
    )
    metrics_token_file: FilePath | None = setting("A file that contains only this token.", None, shown="none")
    alert_to: tuple[MailAddress, ...] = setting(
        "Who receives an alert when a condition, such as a mailbox that cannot be read, lasts, and when it is over.", ()
    )
    alert_after: PositiveSpan = setting(
        "How long a condition must last before the alert is sent. A failure that lasts as long is critical.",
        parse_span("30m"),
    )

    @property
    def prefix(self) -> str:
        """The path prefix of the pages as users see them: "" or "/mailbridge"."""
        return urlsplit(self.url).path.rstrip("/") if self.url else ""

    @model_validator(mode="after")
    def _safe(self) -> Self:
        """Reject settings that would send passwords unencrypted over the network."""
        if (self.certificate_file is None) != (self.certificate_key_file is None):
            raise ValueError("certificate_file: set both certificate_file and certificate_key_file, or neither")
        if self.listen is None or self.certificate_file is not None or self.proxies:
            return self
        host, port = host_and_port(self.listen)
        if not is_loopback(host):
            raise ValueError(
                f"listen: {self.listen} is reachable from other machines, so passwords would be sent unencrypted: "
                f"set certificate_file and certificate_key_file, or list your reverse proxies in proxies, "
                f'or listen on "127.0.0.1:{port}"'
            )
        return self
