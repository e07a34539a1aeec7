"""Wires signing in by OAuth: which mailbox and which server for outgoing mail uses whose tokens."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from redmine_mailbridge.sasl.username import parse_username
from redmine_mailbridge.settings.mailbox import MailboxSettings
from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.settings.oauth import OAuthSettings
from redmine_mailbridge.settings.value_types import reveal
from redmine_mailbridge.store.database import Database
from redmine_mailbridge.util.dataclass import dataclass
from redmine_mailbridge.util.lazy import lazy_import

if TYPE_CHECKING:
    from redmine_mailbridge.oauth import encryption, model, presets, sign_in_service
    from redmine_mailbridge.oauth.model import Provider, SignInConnection
    from redmine_mailbridge.oauth.sign_in_service import SignIns
else:  # most mailboxes have a password
    encryption = lazy_import("redmine_mailbridge.oauth.encryption")
    model = lazy_import("redmine_mailbridge.oauth.model")
    presets = lazy_import("redmine_mailbridge.oauth.presets")
    sign_in_service = lazy_import("redmine_mailbridge.oauth.sign_in_service")

FREE_SCOPES = ("openid", "email", "offline_access")


def provider(name: str, table: OAuthSettings) -> "Provider":
    """Given a table `[oauth.NAME]`, return the provider."""
    return {"google": _google, "microsoft365": _microsoft}.get(table.preset or "", _free)(name, table)


def _provider(name: str, title: str, table: OAuthSettings, scopes: tuple[str, ...], **more: object) -> "Provider":
    return model.Provider(
        name=name,
        title=title,
        client_id=table.client_id or "",
        client_secret=reveal(table.client_secret),
        grant=model.Grant(table.grant),
        scopes=table.scopes if table.scopes is not None else scopes,
        service_account_file=table.service_account_file,
        client_certificate_file=table.client_certificate_file,
        client_key_file=table.client_key_file,
        ca_file=table.ca_file,
        timeout=table.timeout.total_seconds(),
        **more,  # type: ignore[arg-type]  # the fields of one provider, given below
    )


def _google(name: str, table: OAuthSettings) -> "Provider":
    scopes = presets.GOOGLE_SERVICE_SCOPES if table.grant == "service_account" else presets.GOOGLE_SCOPES
    return _provider(
        name,
        "Google",
        table,
        scopes,
        endpoints=presets.GOOGLE,
        asked=presets.GOOGLE_ASKED,
        no_device=presets.GOOGLE_NO_DEVICE,
    )


def _microsoft(name: str, table: OAuthSettings) -> "Provider":
    by_itself = table.grant == "client_credentials"
    scopes = presets.MICROSOFT_APPLICATION_SCOPES if by_itself else presets.MICROSOFT_SCOPES
    endpoints = presets.microsoft(table.tenant)
    return _provider(name, "Microsoft", table, scopes, endpoints=endpoints, loopback="localhost")


def _free(name: str, table: OAuthSettings) -> "Provider":
    endpoints = None
    if table.token_endpoint is not None:
        endpoints = model.Endpoints(
            token=table.token_endpoint,
            authorization=table.authorization_endpoint or "",
            device=table.device_endpoint or "",
            client_auth="basic",
        )
    title = table.issuer or table.token_endpoint or ""
    return _provider(name, title, table, FREE_SCOPES, issuer=table.issuer or "", endpoints=endpoints)


def connections(settings: Settings) -> "dict[str, SignInConnection]":
    """Given settings, return every sign-in that they need, by name, in the order of the mailboxes."""
    by_name: dict[str, SignInConnection] = {}
    for name, box in settings.active_mailboxes.items():
        if box.oauth is not None:
            by_name[name] = model.SignInConnection(name, _account(box), _of_mailbox(box, box.oauth, settings))
        own = outgoing_connection(name, box, settings)
        if own is not None and own not in by_name:
            out = box.outgoing.over(settings.outgoing)
            oauth_name = out.oauth or box.oauth
            if oauth_name is not None:
                account = out.username or _account(box)
                oauth_provider = provider(oauth_name, settings.oauth[oauth_name])
                if out.transport == "graph":
                    account, oauth_provider = (
                        parse_username(account).sign_in,
                        _of_graph(oauth_provider, settings.oauth[oauth_name], sends=True),
                    )
                by_name[own] = model.SignInConnection(own, account, oauth_provider)
    return by_name


def _of_mailbox(box: MailboxSettings, name: str, settings: Settings) -> "Provider":
    """Whom a mailbox signs in with; Microsoft Graph needs other permissions than IMAP and POP3, and more to send."""
    table = settings.oauth[name]
    if box.protocol != "graph":
        return provider(name, table)
    return _of_graph(provider(name, table), table, sends=box.outgoing.over(settings.outgoing).transport == "graph")


def _of_graph(oauth_provider: "Provider", table: OAuthSettings, *, sends: bool) -> "Provider":
    """Given a provider, return it with the scopes for Microsoft Graph, unless the settings name some."""
    if table.preset != "microsoft365" or table.scopes is not None:
        return oauth_provider
    by_person = presets.MICROSOFT_GRAPH_SENDING_SCOPES if sends else presets.MICROSOFT_GRAPH_SCOPES
    by_itself = table.grant == "client_credentials"
    return replace(oauth_provider, scopes=presets.MICROSOFT_GRAPH_APPLICATION_SCOPES if by_itself else by_person)


def outgoing_connection(name: str, box: MailboxSettings, settings: Settings) -> str | None:
    """Given a mailbox, return whose tokens its outgoing mail is sent with; None when it is sent with a password.

    The mailbox's own sign-in serves unless the table that says how to send says otherwise, or only one of reading and
    sending uses Microsoft Graph: a token for Graph is none for SMTP.
    """
    out = box.outgoing.over(settings.outgoing)
    own_table = "oauth" in box.outgoing.model_fields_set
    if out.transport == "graph" and box.protocol != "graph" and (out.oauth or box.oauth) is not None:
        return f"{name}/outgoing" if own_table or out.username is None or out.oauth is None else "outgoing"
    if out.username == "" or (out.password is not None and not own_table):
        return None
    if out.oauth is None or (out.oauth == box.oauth and out.username in {None, _account(box), box.username}):
        if box.oauth is not None and box.protocol == "graph" and out.transport != "graph":
            return f"{name}/outgoing" if out.host is not None else None
        return name if box.oauth is not None else None
    return f"{name}/outgoing" if own_table or out.username is None else "outgoing"


def _account(box: MailboxSettings) -> str:
    """Who signs in: the first piece of a shared mailbox's username, all of any other."""
    return box.username if box.authorize_as else parse_username(box.username).sign_in


def sign_ins(settings: Settings, database: Database) -> "SignIns":
    """All sign-ins of the settings. Neither the key's file nor a provider is touched yet."""
    sealed = encryption.Encryption(settings.store.token_key)
    return sign_in_service.SignIns(connections(settings), database, sealed)


def needed_sign_ins(settings: Settings, database: Database) -> "SignIns | None":
    """As `sign_ins`; None if no mailbox and no server for outgoing mail needs one."""
    return sign_ins(settings, database) if connections(settings) else None


class TokenGiver(Protocol):
    """Gives OAuth tokens for logging in."""

    def __call__(self) -> str:
        """An access token that is good now. Raise SignInNeeded, ProviderAway or LoginRefused when there is none."""

    def refused(self, token: str) -> None:
        """The server does not take it."""


def token_of(signs: "SignIns | None", connection: str | None) -> TokenGiver | None:
    """What gives a connection's tokens; None when there is none."""
    if signs is None or connection is None or connection not in signs.connections:
        return None
    return signs.source(connection)


@dataclass(frozen=True, slots=True)
class Late:
    """Opens the store for each token only: for whoever has no store open, such as `check`."""

    settings: Settings
    connection: str

    def __call__(self) -> str:
        """An access token that is good now."""
        with opened(self.settings) as signs:
            return signs.source(self.connection)()

    def refused(self, token: str) -> None:
        """The server does not take it."""
        with opened(self.settings) as signs:
            signs.source(self.connection).refused(token)


def late(settings: Settings, connection: str | None) -> TokenGiver | None:
    """What gives a connection's tokens, without an open store; None if the connection does not exist."""
    return Late(settings, connection) if connection is not None and connection in connections(settings) else None


@contextmanager
def opened(settings: Settings) -> "Iterator[SignIns]":
    """Lend the sign-ins for a moment, with the store's tables up to date."""
    database = Database(settings.store.database_url())
    try:
        database.migrate()
        yield sign_ins(settings, database)
    finally:
        database.close()
