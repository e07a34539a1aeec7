"""A provider to sign in at: `[oauth.NAME]`."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, SecretStr, StringConstraints, model_validator

from redmine_mailbridge.settings.base import Table, key
from redmine_mailbridge.settings.value_types import FilePath, Name, Span, parse_span
from redmine_mailbridge.util.loopback import is_loopback
from redmine_mailbridge.util.suggest import did_you_mean


def _endpoint(value: str) -> str:
    parts = urlsplit(value)
    if not parts.hostname or parts.scheme not in ("https", "http"):
        raise ValueError('must be a web address such as "https://id.example.com"')
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError("must begin with https://: tokens are sent there")
    if parts.username or parts.password or parts.fragment:
        raise ValueError("must be only the address: no user, no password, nothing behind #")
    return value


WebAddress = Annotated[str, AfterValidator(_endpoint)]
Tenant = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9.-]{0,252}$")]


class OAuthSettings(Table):
    """A provider to sign in at, and the application that the bridge is there.

    NAME is yours to choose; a mailbox says `oauth = "NAME"`.
    """

    preset: Literal["google", "microsoft365"] | None = key(
        "A provider that is known: its addresses and scopes are filled in.", None, shown="none"
    )
    issuer: WebAddress | None = key(
        "The provider's own address, where its other addresses are published (OpenID Connect Discovery).",
        None,
        shown="none",
    )
    authorization_endpoint: WebAddress | None = key(
        "Where people sign in by browser, when the provider publishes nothing.", None, shown="none"
    )
    token_endpoint: WebAddress | None = key(
        "Where tokens are asked for, when the provider publishes nothing.", None, shown="none"
    )
    device_endpoint: WebAddress | None = key(
        "Where a sign-in by device code begins, when the provider publishes nothing.", None, shown="none"
    )
    tenant: Tenant = key(
        'Microsoft: the directory, by its domain or id; "common" is any. Client credentials need its name.', "common"
    )
    client_id: Name | None = key("The application's id, as the provider told it. Not with a service account.", None)
    client_secret: SecretStr | None = key(
        "The application's secret, where it has one. Better kept apart: see client_secret_file.", None
    )
    client_secret_file: FilePath | None = key("A file that holds the application's secret, and nothing else.", None)
    grant: Literal["sign_in", "client_credentials", "service_account"] = key(
        'How tokens are had: "sign_in" once by a person, or without one by "client_credentials" (Microsoft: the '
        'application itself) or a "service_account" (Google Workspace, with domain-wide delegation).',
        "sign_in",
    )
    service_account_file: FilePath | None = key("The service account's key, in Google's JSON file.", None)
    scopes: tuple[Name, ...] | None = key(
        "What the tokens are for.", None, shown='the preset\'s; else ["openid", "email", "offline_access"]'
    )
    ca_file: FilePath | None = key("Certificates to trust for this provider, in PEM.", None, shown="the system's")
    timeout: Span = key("How long to wait for an answer of the provider.", parse_span("30s"))

    @model_validator(mode="after")
    def _usable(self) -> Self:
        """Refuse a provider that nothing can be asked of."""
        if problems := list(self._disagreements()):
            raise ValueError("\n".join(problems))
        return self

    def _disagreements(self) -> Iterator[str]:
        ways = [self.preset is not None, self.issuer is not None, self.token_endpoint is not None]
        if sum(ways) != 1:
            yield "preset: give exactly one of preset, issuer and token_endpoint: where are tokens asked for?"
        if self.token_endpoint is None and (self.authorization_endpoint or self.device_endpoint):
            yield "token_endpoint: is needed beside the other endpoints"
        if (
            self.token_endpoint
            and self.grant == "sign_in"
            and not (self.authorization_endpoint or self.device_endpoint)
        ):
            yield "authorization_endpoint: is needed, or device_endpoint: where do people sign in?"
        if self.grant == "service_account" and self.service_account_file is None:
            yield "service_account_file: is needed for a service account"
        if self.grant != "service_account" and self.client_id is None:
            yield "client_id: is needed: the id that the provider gave the application"
        if self.grant == "client_credentials" and self.client_secret is None and self.client_secret_file is None:
            yield "client_secret_file: is needed for client credentials"
        if self.preset == "microsoft365" and self.grant == "client_credentials" and self.tenant == "common":
            yield "tenant: must name the directory for client credentials"
        if "tenant" in self.model_fields_set and self.preset != "microsoft365":
            yield 'tenant: is Microsoft\'s, and means something with preset = "microsoft365" only'


def unknown_providers(asked: Mapping[tuple[str, ...], str | None], known: Mapping[str, OAuthSettings]) -> Iterator[str]:
    """Given the oauth keys by their table, yield a line for each that names no `[oauth.NAME]`."""
    for where, name in asked.items():
        if name is not None and name not in known:
            yield f"{'.'.join(where)}.oauth: there is no [oauth.{name}]{did_you_mean(name, known)}"
