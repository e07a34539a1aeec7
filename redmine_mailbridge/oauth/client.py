"""Speaks with one provider, by Authlib: its answers become Tokens, or a MailbridgeError in its own words."""

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import requests

from redmine_mailbridge.errors import LoginRefused, ProviderAway
from redmine_mailbridge.oauth.client_key import METHOD, client_key, signing
from redmine_mailbridge.oauth.model import Endpoints, Grant, Provider, SignInConnection, Tokens
from redmine_mailbridge.util.lazy import lazy_import
from redmine_mailbridge.util.printable import printable_line
from redmine_mailbridge.util.redact import redact

if TYPE_CHECKING:
    from authlib.common import errors as authlib_errors
    from authlib.integrations import requests_client
    from joserfc import errors as jose_errors
    from joserfc import jwk
else:
    authlib_errors = lazy_import("authlib.common.errors")
    requests_client = lazy_import("authlib.integrations.requests_client")
    jose_errors = lazy_import("joserfc.errors")
    jwk = lazy_import("joserfc.jwk")

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
LATER = frozenset({"temporarily_unavailable", "server_error"})
DEFAULT_LIFETIME = 1800.0
"""Seconds for which a token is trusted if the provider does not state its lifetime."""


class Denied(LoginRefused):
    """The provider answered no; `code` is its word for it (RFC 6749 section 5.2)."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


class ProviderClient:
    """Given a provider, speak with it. Every method raises ProviderAway when it is away, Denied when it says no."""

    def __init__(self, provider: Provider, clock: Callable[[], float] = time.time) -> None:
        self.provider = provider
        self._clock = clock
        self._found: Endpoints | None = provider.endpoints
        self._finding = threading.Lock()

    @property
    def endpoints(self) -> Endpoints:
        """Where the provider is asked what: as given, or as it publishes (OpenID Discovery, RFC 8414)."""
        with self._finding:
            if self._found is None:
                self._found = self._discover()
            return self._found

    # ------------------------------------------------------------------ signing in

    def authorization_url(self, redirect_uri: str, state: str, verifier: str, account: str) -> str:
        """Given where the answer goes to and the secrets of this try, return the address to open (RFC 7636: S256)."""
        if not self.endpoints.authorization:
            raise Denied(f"{self._title}: it has no address for signing in by browser", "unsupported")
        with self._session(code_challenge_method="S256", redirect_uri=redirect_uri) as session:
            url, _state = session.create_authorization_url(
                self.endpoints.authorization,
                state=state,
                code_verifier=verifier,
                login_hint=account,
                scope=list(self.provider.scopes),
                **dict(self.provider.asked),
            )
        return str(url)

    def by_code(self, code: str, redirect_uri: str, verifier: str) -> Tokens:
        """Given what the provider sent back, return the tokens."""
        with self._asking(), self._session() as session:
            return self._tokens(
                session.fetch_token(
                    self.endpoints.token,
                    grant_type="authorization_code",
                    code=code,
                    redirect_uri=redirect_uri,
                    code_verifier=verifier,
                )
            )

    def device(self) -> Mapping[str, Any]:
        """Begin a sign-in by code. Return what the provider says to it (RFC 8628, section 3.2)."""
        if not self.endpoints.device:
            words = self.provider.no_device or "the provider has no sign-in by device code: sign in by browser"
            raise Denied(f"{self._title}: {words}", "unsupported")
        with self._asking(), self._session() as session:
            answer = session.post(
                self.endpoints.device,
                data={"scope": " ".join(self.provider.scopes)},
                auth=session.client_auth(session.token_endpoint_auth_method),
                withhold_token=True,
            )
            fields = answer.json()
            if not isinstance(fields, dict) or "error" in fields:
                raise _denied(self._title, fields if isinstance(fields, dict) else {})
            answer.raise_for_status()
            if not {"device_code", "user_code", "verification_uri"} <= fields.keys():
                raise ProviderAway(f"{self._title}: the answer holds no code")
            return fields

    def by_device(self, device_code: str) -> Tokens:
        """Given the device's code, return the tokens. Denied says authorization_pending until somebody signed in."""
        with self._asking(), self._session() as session:
            return self._tokens(
                session.fetch_token(self.endpoints.token, grant_type=DEVICE_GRANT, device_code=device_code)
            )

    # ------------------------------------------------------------------ without a person

    def renew(self, refresh: str) -> Tokens:
        """Given a refresh token, return new tokens; the refresh token is a new one where the provider changes it."""
        with self._asking(refresh), self._session() as session:
            return self._tokens(session.refresh_token(self.endpoints.token, refresh_token=refresh))

    def by_itself(self, connection: SignInConnection) -> Tokens:
        """Given whose mail it is, return tokens that the application gets for itself."""
        if self.provider.grant is Grant.SERVICE_ACCOUNT:
            return self._by_service_account(connection.account)
        with self._asking(), self._session() as session:
            scope = " ".join(self.provider.scopes)
            return self._tokens(session.fetch_token(self.endpoints.token, grant_type="client_credentials", scope=scope))

    def revoke(self, token: str) -> bool:
        """Given a token, revoke it at the provider (RFC 7009). Return whether the provider was reached."""
        if not self.endpoints.revocation:
            return False
        with self._asking(token), self._session() as session:
            session.revoke_token(self.endpoints.revocation, token=token).raise_for_status()
        return True

    def _by_service_account(self, account: str) -> Tokens:
        """A JWT signed with the service account's key, for the tokens of somebody of its domain (RFC 7523)."""
        issuer, pem, key_id = self._service_account()
        try:
            key = jwk.RSAKey.import_key(pem)
        except (ValueError, TypeError, jose_errors.JoseError):
            file = self.provider.service_account_file
            raise LoginRefused(f"{self._title}: service_account_file {file}: its private key cannot be used") from None
        session = requests_client.AssertionSession(
            self.endpoints.token,
            issuer=issuer,
            subject=account,
            audience=self.endpoints.token,
            scope=" ".join(self.provider.scopes),
            key=key,
            header={"alg": "RS256", **({"kid": key_id} if key_id else {})},
            default_timeout=self.provider.timeout,
        )
        with self._asking(pem), self._ready(session):
            return self._tokens(session.refresh_token())

    def _service_account(self) -> tuple[str, str, str]:
        """Return who the service account is, its private key (PEM), and the key's id, from Google's JSON file."""
        file = self.provider.service_account_file
        try:
            key = json.loads(file.read_text("utf-8-sig")) if file is not None else {}
            return str(key["client_email"]), str(key["private_key"]), str(key.get("private_key_id", ""))
        except (OSError, ValueError, KeyError, TypeError) as error:
            why = getattr(error, "strerror", None) or "not a key file of a service account"
            raise LoginRefused(f"{self._title}: service_account_file {file}: {why}") from None

    # ------------------------------------------------------------------ how

    @property
    def _title(self) -> str:
        return f"oauth {self.provider.name} ({self.provider.title})"

    def _discover(self) -> Endpoints:
        """Return the endpoints that the issuer publishes. Its document must name the issuer itself (section 4.3)."""
        issuer = self.provider.issuer.rstrip("/")
        with self._asking(), self._session(None) as session:
            document: Any = None
            for place in ("openid-configuration", "oauth-authorization-server"):
                answer = session.get(f"{issuer}/.well-known/{place}", withhold_token=True)
                if answer.ok:
                    document = answer.json()
                    break
            if not isinstance(document, dict) or not isinstance(document.get("token_endpoint"), str):
                raise ProviderAway(f"{self._title}: {issuer} publishes no token endpoint")
            if str(document.get("issuer", "")).rstrip("/") != issuer:
                raise ProviderAway(f"{self._title}: {issuer} says that it is {str(document.get('issuer'))[:200]}")
        ways = document.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        return Endpoints(
            token=document["token_endpoint"],
            authorization=str(document.get("authorization_endpoint", "")),
            device=str(document.get("device_authorization_endpoint", "")),
            revocation=str(document.get("revocation_endpoint", "")),
            client_auth="post" if "client_secret_post" in ways else "basic",
        )

    @contextmanager
    def _session(self, client_auth: str | None = "known", **options: Any) -> Iterator[Any]:
        provider = self.provider
        way = f"client_secret_{self.endpoints.client_auth}" if client_auth is not None else ""
        secret, auth = provider.client_secret, way if provider.client_secret and way else "none"
        header: dict[str, str] = {}
        if way and provider.client_certificate_file is not None and provider.client_key_file is not None:
            secret, header = client_key(self._title, provider.client_certificate_file, provider.client_key_file)
            auth = METHOD
        session = requests_client.OAuth2Session(
            provider.client_id,
            secret or None,
            token_endpoint_auth_method=auth,
            revocation_endpoint_auth_method=auth,
            default_timeout=provider.timeout,
            **options,
        )
        if header:
            session.register_client_auth_method(signing(self.endpoints.token, header))
        with self._ready(session):
            yield session

    @contextmanager
    def _ready(self, session: Any) -> Iterator[None]:
        """Open a session that follows no redirect and does not take a server error for an answer; close it."""
        if self.provider.ca_file is not None:
            session.verify = str(self.provider.ca_file)
        session.max_redirects = 0
        session.hooks["response"].append(self._look)
        try:
            yield
        finally:
            session.close()

    def _look(self, answer: requests.Response, **_rest: Any) -> None:
        if answer.status_code >= 500 or answer.status_code in {408, 425, 429}:
            raise ProviderAway(f"{self._title}: answers {answer.status_code} {answer.reason}: later")

    @contextmanager
    def _asking(self, *secrets: str) -> Iterator[None]:
        """Turn what the libraries raise into MailbridgeErrors, with the provider's words and no secret."""
        hidden = (*secrets, self.provider.client_secret)
        try:
            yield
        except authlib_errors.AuthlibBaseError as error:
            error_fields = {"error": str(error.error or ""), "error_description": str(error.description or "")}
            raise _denied(self._title, error_fields, hidden) from None
        except requests.RequestException as error:
            raise ProviderAway(redact(f"{self._title}: cannot be reached: {_words(error)}", hidden)) from None
        except (ValueError, KeyError, TypeError) as error:
            words = f"{self._title}: what it answers cannot be used ({type(error).__name__})"
            raise ProviderAway(words) from None

    def _tokens(self, fields: Mapping[str, Any]) -> Tokens:
        """Given the token endpoint's answer, return the tokens, renewed after four fifths of their lifetime."""
        now, lifetime = self._clock(), DEFAULT_LIFETIME
        if fields.get("expires_in") is not None:
            lifetime = float(fields["expires_in"])
        if not isinstance(fields.get("access_token"), str):
            raise ProviderAway(f"{self._title}: the answer holds no access token")
        return Tokens(
            access=fields["access_token"],
            refresh=str(fields.get("refresh_token") or ""),
            expires_at=now + lifetime,
            renew_at=now + lifetime - min(300.0, lifetime / 5),
            signed_in_as=_who(fields.get("id_token")),
        )


def _denied(title: str, error_fields: Mapping[str, Any], secrets: tuple[str, ...] = ()) -> Denied | ProviderAway:
    """Given the provider's error, return it as a MailbridgeError."""
    code = printable_line(redact(str(error_fields.get("error") or "no reason given"), secrets))[:80]
    words = printable_line(redact(str(error_fields.get("error_description") or ""), secrets))[:400]
    text = f"{title}: {code}" + (f": {words}" if words else "")
    return ProviderAway(text) if code in LATER else Denied(text, code)


def _words(error: requests.RequestException) -> str:
    """Given an error of requests, return what went wrong, without the repr of its objects."""
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate is not accepted"
    if isinstance(error, requests.TooManyRedirects):
        return "it sends us elsewhere"
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"it answers {error.response.status_code} {error.response.reason}"
    return "no connection" if isinstance(error, requests.ConnectionError) else type(error).__name__


def _who(id_token: object) -> str:
    """Given an ID token that came straight from the token endpoint, return who signed in, for a person to read.

    Its signature is not looked at: it came over TLS from the provider itself (OpenID Connect Core, 3.1.3.7), and
    nothing is decided by it.
    """
    pieces = id_token.split(".") if isinstance(id_token, str) and len(id_token) < 65536 else []
    if len(pieces) != 3:
        return ""
    try:
        claims = json.loads(base64.urlsafe_b64decode(pieces[1] + "=" * (-len(pieces[1]) % 4)))
    except (ValueError, RecursionError):
        return ""
    if not isinstance(claims, dict):
        return ""
    account = next((claims[name] for name in ("email", "preferred_username", "sub") if claims.get(name)), "")
    return str(account)[:255]
