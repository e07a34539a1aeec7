"""An OAuth provider: `[oauth.NAME]`."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, SecretStr, StringConstraints, model_validator

from redmine_mailbridge.settings.base import SettingsTable, setting
from redmine_mailbridge.settings.value_types import FilePath, Name, Span, parse_span
from redmine_mailbridge.util.loopback import is_loopback
from redmine_mailbridge.util.suggest import did_you_mean


def _endpoint(value: str) -> str:
    parts = urlsplit(value)
    if not parts.hostname or parts.scheme not in ("https", "http"):
        raise ValueError('must be a web address such as "https://id.example.com"')
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError("must start with https://: tokens are sent there")
    if parts.username or parts.password or parts.fragment:
        raise ValueError("must be only the address, without user, password or fragment (#)")
    return value


WebAddress = Annotated[str, AfterValidator(_endpoint)]
Tenant = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9.-]{0,252}$")]


class OAuthSettings(SettingsTable):
    """An OAuth provider, and the application registered there for the bridge.

    Choose NAME freely; a mailbox refers to it with `oauth = "NAME"`.
    """

    preset: Literal["google", "microsoft365"] | None = setting(
        "A known provider: its addresses and scopes become the defaults.", None, shown="none"
    )
    issuer: WebAddress | None = setting(
        "The provider's issuer URL, which publishes its endpoints (OpenID Connect Discovery).",
        None,
        shown="none",
    )
    authorization_endpoint: WebAddress | None = setting(
        "The authorization endpoint, if the provider does not publish it.", None, shown="none"
    )
    token_endpoint: WebAddress | None = setting(
        "The token endpoint, if the provider does not publish it.", None, shown="none"
    )
    device_endpoint: WebAddress | None = setting(
        "The device authorization endpoint, if the provider does not publish it.", None, shown="none"
    )
    tenant: Tenant = setting(
        'Microsoft: the directory, by domain or id; "common" is any. Client credentials require a specific one.',
        "common",
    )
    client_id: Name | None = setting("The application's client id from the provider. Not with a service account.", None)
    client_secret: SecretStr | None = setting(
        "The application's client secret, if it has one. Preferably use client_secret_file.", None
    )
    client_secret_file: FilePath | None = setting("A file that contains only the client secret.", None)
    client_certificate_file: FilePath | None = setting(
        "The certificate by which the application proves itself in place of a secret (private_key_jwt), in PEM format; "
        "it is registered at the provider.",
        None,
    )
    client_key_file: FilePath | None = setting(
        "The certificate's private key: RSA, in PEM format, without a passphrase; others than its owner and group must "
        "not be able to read it.",
        None,
    )
    grant: Literal["sign_in", "client_credentials", "service_account"] = setting(
        'How tokens are obtained: "sign_in" once by a person, or without a person by "client_credentials" (Microsoft: '
        'the application itself) or a "service_account" (Google Workspace, with domain-wide delegation).',
        "sign_in",
    )
    service_account_file: FilePath | None = setting("The service account's key, as Google's JSON file.", None)
    scopes: tuple[Name, ...] | None = setting(
        "The scopes to request.", None, shown='the preset\'s; else ["openid", "email", "offline_access"]'
    )
    ca_file: FilePath | None = setting(
        "CA certificates to trust for this provider, in PEM format.", None, shown="the system's"
    )
    timeout: Span = setting("Timeout for a response of the provider.", parse_span("30s"))

    @model_validator(mode="after")
    def _usable(self) -> Self:
        """Reject incomplete or contradictory settings of a provider."""
        if problems := list(self._disagreements()):
            raise ValueError("\n".join(problems))
        return self

    def _disagreements(self) -> Iterator[str]:
        ways = [self.preset is not None, self.issuer is not None, self.token_endpoint is not None]
        if sum(ways) != 1:
            yield "preset: set exactly one of preset, issuer and token_endpoint"
        if self.token_endpoint is None and (self.authorization_endpoint or self.device_endpoint):
            yield "token_endpoint: is missing: the other endpoints require it"
        if (
            self.token_endpoint
            and self.grant == "sign_in"
            and not (self.authorization_endpoint or self.device_endpoint)
        ):
            yield "authorization_endpoint: is missing: set it or device_endpoint, for people to sign in"
        if self.grant == "service_account" and self.service_account_file is None:
            yield "service_account_file: is missing: a service account requires it"
        if self.grant != "service_account" and self.client_id is None:
            yield "client_id: is missing: set it to the application's id from the provider"
        has_secret = self.client_secret is not None or self.client_secret_file is not None
        if (self.client_certificate_file is None) != (self.client_key_file is None):
            yield "client_key_file: a certificate and its key belong together; set both files or neither"
        if has_secret and self.client_certificate_file is not None:
            yield "client_certificate_file: is used in place of a secret; set only one of the two"
        if self.grant == "client_credentials" and not has_secret and self.client_certificate_file is None:
            yield "client_secret_file: is missing: client credentials require it, or client_certificate_file"
        if self.preset == "microsoft365" and self.grant == "client_credentials" and self.tenant == "common":
            yield "tenant: must name the directory: client credentials require it"
        if "tenant" in self.model_fields_set and self.preset != "microsoft365":
            yield 'tenant: applies only with preset = "microsoft365"'


def unknown_providers(
    provider_names: Mapping[tuple[str, ...], str | None], known: Mapping[str, OAuthSettings]
) -> Iterator[str]:
    """Given the oauth keys by table, yield a line for each that names no `[oauth.NAME]`."""
    for path, name in provider_names.items():
        if name is not None and name not in known:
            yield f"{'.'.join(path)}.oauth: [oauth.{name}] does not exist{did_you_mean(name, known)}"
