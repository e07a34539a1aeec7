"""The admin page: where it listens, who may reach it, and whom it warns."""

import datetime as dt
import ipaddress
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, SecretStr, model_validator

from redmine_mailbridge.settings.base import Table, key
from redmine_mailbridge.settings.value_types import FilePath, MailAddress, Name, Span, parse_span
from redmine_mailbridge.util.loopback import is_loopback

LISTEN = "127.0.0.1:8025"
"""Where `redmine-mailbridge admin` listens when nothing is given."""


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


def _positive(value: dt.timedelta) -> dt.timedelta:
    if value <= dt.timedelta(0):
        raise ValueError("must be longer than 0s")
    return value


Network = Annotated[str, AfterValidator(_network)]
PositiveSpan = Annotated[Span, AfterValidator(_positive)]


class AdminSettings(Table):
    """The web pages that show and steer it all. People sign in with a Redmine administrator's account."""

    listen: Annotated[Name, AfterValidator(_listen)] | None = key(
        "Where the pages are served, as part of `run`. Other machines reach it only with TLS or behind a proxy.",
        None,
        shown="none: `run` serves no pages",
    )
    url: Annotated[Name, AfterValidator(_web_address)] | None = key(
        "The address that people type, path included, when a reverse proxy stands in front.", None, shown="none"
    )
    proxies: tuple[Network, ...] = key(
        "The addresses of the reverse proxies: what they say of a visitor's address and of TLS is believed.", ()
    )
    certificate_file: FilePath | None = key(
        "The certificate to serve the pages over TLS with, in PEM, chain included.", None, shown="none"
    )
    certificate_key_file: FilePath | None = key("The certificate's private key, in PEM.", None, shown="none")
    password_hash_file: FilePath | None = key(
        "A file with the hash of a password to sign in with as `admin` while Redmine is away; "
        "`redmine-mailbridge admin password` writes it.",
        None,
        shown="none: only Redmine accounts",
    )
    session_life: PositiveSpan = key("How long a sign-in lasts at most.", parse_span("12h"))
    session_idle: PositiveSpan = key("After how long without a click it ends.", parse_span("1h"))
    language: Name | None = key("The language of the pages: en or de.", None, shown="the browser's")
    metrics_from: tuple[Network, ...] = key(
        "Who may read /metrics without signing in (Prometheus), where addresses can be believed: not behind a proxy "
        "that `proxies` does not name.",
        ("127.0.0.0/8", "::1/128"),
    )
    metrics_token: SecretStr | None = key(
        "Whoever brings it (Authorization: Bearer …) may read /metrics from anywhere. Better kept apart: see "
        "metrics_token_file.",
        None,
        shown="none",
    )
    metrics_token_file: FilePath | None = key("A file that holds that token, and nothing else.", None, shown="none")
    alert_to: tuple[MailAddress, ...] = key(
        "Who gets a mail when a mailbox, Redmine or the sending of mail keeps failing, and one when it works again.", ()
    )
    alert_after: PositiveSpan = key("For how long it must have been failing before that mail.", parse_span("30m"))

    @property
    def prefix(self) -> str:
        """The path below which people see the pages: "" or "/mailbridge"."""
        return urlsplit(self.url).path.rstrip("/") if self.url else ""

    @model_validator(mode="after")
    def _safe(self) -> Self:
        """Refuse what would send passwords over the network in the clear."""
        if (self.certificate_file is None) != (self.certificate_key_file is None):
            raise ValueError("certificate_file: give both certificate_file and certificate_key_file, or neither")
        if self.listen is None or self.certificate_file is not None or self.proxies:
            return self
        host, port = host_and_port(self.listen)
        if not is_loopback(host):
            raise ValueError(
                f"listen: other machines can reach {self.listen}, and passwords would cross the network in the clear: "
                f"give certificate_file and certificate_key_file, or the addresses of your reverse proxy in proxies, "
                f'or listen on "127.0.0.1:{port}"'
            )
        return self
