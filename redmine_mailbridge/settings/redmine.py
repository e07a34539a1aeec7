"""`[redmine]`: the Redmine in which issues and notes are created."""

import re
import ssl
from collections.abc import Iterator
from typing import Annotated, Final, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator

from redmine_mailbridge.model.mail import TextFormat
from redmine_mailbridge.settings.base import SettingsTable, setting
from redmine_mailbridge.settings.value_types import FilePath, MailAddress, Name, PositiveSpan, Span, parse_span
from redmine_mailbridge.util.loopback import is_loopback


def _is_server(value: str) -> bool:
    """Does an address name a scheme, a host, and no port that does not exist?"""
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        return False
    readable = value.isprintable() and " " not in value
    return readable and parts.scheme in ("http", "https") and bool(parts.hostname) and port != 0


def _web_address(value: str) -> str:
    if not _is_server(value):
        raise ValueError('must be a web address such as "https://redmine.example.com"')
    parts = urlsplit(value)
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError("must be only the address, without user, password, query (?) or fragment (#)")
    return value.rstrip("/")


def _proxy_address(value: str) -> str:
    if not _is_server(value):
        raise ValueError('must be the address of an HTTP proxy such as "http://proxy.example.com:3128"')
    parts = urlsplit(value)
    if "@" in parts.netloc:
        raise ValueError("must be without user and password: set proxy_user and proxy_password_file")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("must be only scheme, host and port")
    return value.rstrip("/")


OWN_HEADERS: Final = frozenset({
    "accept", "accept-encoding", "connection", "content-length", "content-type", "cookie", "expect", "host",
    "proxy-authorization", "te", "transfer-encoding", "upgrade", "user-agent", "x-redmine-api-key",
    "x-redmine-nometa", "x-redmine-switch-user",
})  # fmt: skip
"""What gateway_headers must not contain (lower case): the bridge sets it, or it frames the request."""
_AUTHORIZATION: Final = "authorization"
_HEADER: Final = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?)[ \t]*")
"""A header field line (RFC 9110, section 5): its name and its value of visible ASCII characters."""


def parse_headers(text: str) -> dict[str, str]:
    """Given lines `Name: value`, return the header fields. Raise ValueError, without the value, for a bad line."""
    headers: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        match = _HEADER.fullmatch(line.strip())
        if match is None:
            raise ValueError(f'line {number}: must be "Name: value", in ASCII')
        name = match[1]
        if name.lower() in OWN_HEADERS:
            raise ValueError(f"line {number}: {name} is set by the bridge")
        if name.lower() in map(str.lower, headers):
            raise ValueError(f"line {number}: {name} is there twice")
        headers[name] = match[2]
    if not headers:
        raise ValueError('must contain at least one line "Name: value"')
    return headers


def is_in_the_clear(url: str) -> bool:
    """Given Redmine's address, is the connection unencrypted and over the network?"""
    return url.lower().startswith("http:") and not is_loopback(urlsplit(url).hostname or "")


class _NeedsPassphrase(Exception):
    """A private key is encrypted."""


def _no_passphrase() -> str:
    raise _NeedsPassphrase


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
    gateway_headers: SecretStr | None = setting(
        "Header fields for a gateway in front of Redmine, sent with each request: one `Name: value` per line. "
        "Preferably use gateway_headers_file.",
        None,
    )
    gateway_headers_file: FilePath | None = setting("A file that contains only these lines.", None)
    client_certificate_file: FilePath | None = setting(
        "The bridge's own certificate for a gateway that requires one (mutual TLS), in PEM format, with the "
        "intermediate certificates.",
        None,
        shown="none",
    )
    client_key_file: FilePath | None = setting(
        "The private key of that certificate, in PEM format, without a passphrase.",
        None,
        shown="in client_certificate_file",
    )
    proxy: Annotated[str, AfterValidator(_proxy_address)] | None = setting(
        "An HTTP proxy through which Redmine is reached. Variables such as https_proxy are not used.",
        None,
        shown="none",
    )
    proxy_user: Name | None = setting("The user at this proxy (basic authentication).", None, shown="none")
    proxy_password: SecretStr | None = setting("The password of proxy_user. Preferably use proxy_password_file.", None)
    proxy_password_file: FilePath | None = setting("A file that contains only that password.", None)
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
        is_open = is_in_the_clear(self.url) or (
            self.proxy is not None
            and self.url.lower().startswith("http:")
            and not is_loopback(urlsplit(self.proxy).hostname or "")
        )
        if is_open and not self.allow_cleartext:
            raise ValueError(
                f"url: would send the API key and all messages to {urlsplit(self.url).hostname} unencrypted: use "
                "https://, or set allow_cleartext = true"
            )
        return self

    @model_validator(mode="after")
    def _complete(self) -> Self:
        """Reject settings that mean nothing without another."""
        if self.client_key_file is not None and self.client_certificate_file is None:
            raise ValueError("client_key_file: set client_certificate_file, too")
        if self.client_certificate_file is not None and not self.url.lower().startswith("https:"):
            raise ValueError("client_certificate_file: url must begin with https://; without TLS none is sent")
        if self.proxy is None and (self.proxy_user or self.proxy_password or self.proxy_password_file):
            raise ValueError("proxy_user: set proxy, too")
        if self.proxy_user is None and (self.proxy_password or self.proxy_password_file):
            raise ValueError("proxy_password: set proxy_user, too")
        return self

    @property
    def authorizes_at_gateway(self) -> bool:
        """Does the header field Authorization belong to a gateway, so that no person can sign in at Redmine with it?"""
        headers = parse_headers(self.gateway_headers.get_secret_value()) if self.gateway_headers else {}
        return self.gateway_user is not None or _AUTHORIZATION in map(str.lower, headers)

    def problems(self) -> Iterator[tuple[str, str]]:
        """What is wrong with the content of files and secrets: the key and what to change. For loaded settings."""
        if self.gateway_headers is not None:
            try:
                headers = parse_headers(self.gateway_headers.get_secret_value())
            except ValueError as error:
                yield "gateway_headers", str(error)
            else:
                if self.gateway_user is not None and _AUTHORIZATION in map(str.lower, headers):
                    yield "gateway_headers", "contains Authorization, which gateway_user sets: remove one of them"
        if self.client_certificate_file is not None and (words := self._unusable_certificate()):
            yield words

    def _unusable_certificate(self) -> tuple[str, str] | None:
        certificate, key = self.client_certificate_file, self.client_key_file
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        for name, file in (("client_certificate_file", certificate), ("client_key_file", key)):
            try:
                if file is not None:
                    file.read_bytes()
            except OSError as error:
                return name, f"{file}: {error.strerror or error}"
        try:
            context.load_cert_chain(str(certificate), str(key) if key else None, password=_no_passphrase)
        except _NeedsPassphrase:
            name, file = ("client_key_file", key) if key else ("client_certificate_file", certificate)
            return name, f"{file}: the key needs a passphrase; store it without, for the bridge's user alone"
        except (OSError, ValueError):
            where = f"{certificate}" if key is None else f"{certificate} and {key}"
            return "client_certificate_file", f"{where}: must be a certificate and its private key in PEM format"
        return None

    @property
    def key_at(self) -> str:
        """Where the API key is configured, for messages to admins."""
        return f"the file {self.api_key_file} ([redmine] api_key_file)" if self.api_key_file else "[redmine] api_key"

    @property
    def markup(self) -> TextFormat:
        """The markup of issues and notes; CommonMark if none is set and nothing is written."""
        return self.text_format or "common_mark"
