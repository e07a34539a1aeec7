"""Wires signing in by OAuth: which mailbox and which server for outgoing mail uses whose tokens."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Protocol

from redmine_mailbridge.oauth import presets
from redmine_mailbridge.oauth.encryption import Seal
from redmine_mailbridge.oauth.model import Connection, Endpoints, Grant, Provider
from redmine_mailbridge.oauth.sign_in_service import SignIns
from redmine_mailbridge.sasl.username import parse_username
from redmine_mailbridge.settings.mailbox import MailboxSettings
from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.settings.oauth import OAuthSettings
from redmine_mailbridge.settings.value_types import reveal
from redmine_mailbridge.store.database import Database

FREE_SCOPES = ("openid", "email", "offline_access")


def provider(name: str, given: OAuthSettings) -> Provider:
    """Given a table `[oauth.NAME]`, return the provider."""
    return {"google": _google, "microsoft365": _microsoft}.get(given.preset or "", _free)(name, given)


def _provider(name: str, title: str, given: OAuthSettings, scopes: tuple[str, ...], **more: object) -> Provider:
    return Provider(
        name=name,
        title=title,
        client_id=given.client_id or "",
        client_secret=reveal(given.client_secret),
        grant=Grant(given.grant),
        scopes=given.scopes if given.scopes is not None else scopes,
        service_account_file=given.service_account_file,
        ca_file=given.ca_file,
        timeout=given.timeout.total_seconds(),
        **more,  # type: ignore[arg-type]  # the fields of one provider, given below
    )


def _google(name: str, given: OAuthSettings) -> Provider:
    scopes = presets.GOOGLE_SERVICE_SCOPES if given.grant == "service_account" else presets.GOOGLE_SCOPES
    return _provider(
        name,
        "Google",
        given,
        scopes,
        endpoints=presets.GOOGLE,
        asked=presets.GOOGLE_ASKED,
        no_device=presets.GOOGLE_NO_DEVICE,
    )


def _microsoft(name: str, given: OAuthSettings) -> Provider:
    by_itself = given.grant == "client_credentials"
    scopes = presets.MICROSOFT_APPLICATION_SCOPES if by_itself else presets.MICROSOFT_SCOPES
    endpoints = presets.microsoft(given.tenant)
    return _provider(name, "Microsoft", given, scopes, endpoints=endpoints, loopback="localhost")


def _free(name: str, given: OAuthSettings) -> Provider:
    endpoints = None
    if given.token_endpoint is not None:
        endpoints = Endpoints(
            token=given.token_endpoint,
            authorization=given.authorization_endpoint or "",
            device=given.device_endpoint or "",
            client_auth="basic",
        )
    where = given.issuer or given.token_endpoint or ""
    return _provider(name, where, given, FREE_SCOPES, issuer=given.issuer or "", endpoints=endpoints)


def connections(settings: Settings) -> dict[str, Connection]:
    """Given settings, return every sign-in that they need, by name, in the order of the mailboxes."""
    found: dict[str, Connection] = {}
    for name, box in settings.active_mailboxes.items():
        if box.oauth is not None:
            found[name] = Connection(name, _account(box), _of_mailbox(box, box.oauth, settings.oauth[box.oauth]))
        own = outgoing_connection(name, box, settings)
        if own is not None and own not in found:
            out = box.outgoing.over(settings.outgoing)
            chosen = out.oauth or box.oauth
            if chosen is not None:
                account = out.username or _account(box)
                found[own] = Connection(own, account, provider(chosen, settings.oauth[chosen]))
    return found


def _of_mailbox(box: MailboxSettings, name: str, given: OAuthSettings) -> Provider:
    """Whom a mailbox signs in with; Microsoft Graph needs other permissions than IMAP and POP3."""
    made = provider(name, given)
    if box.protocol != "graph" or given.preset != "microsoft365" or given.scopes is not None:
        return made
    by_itself = given.grant == "client_credentials"
    scopes = presets.MICROSOFT_GRAPH_APPLICATION_SCOPES if by_itself else presets.MICROSOFT_GRAPH_SCOPES
    return replace(made, scopes=scopes)


def outgoing_connection(name: str, box: MailboxSettings, settings: Settings) -> str | None:
    """Given a mailbox, return whose tokens its outgoing mail is sent with; None when it is sent with a password.

    The mailbox's own sign-in serves unless the table that says how to send says otherwise, or the mailbox is read
    over Microsoft Graph: a token for Graph is none for SMTP.
    """
    out = box.outgoing.over(settings.outgoing)
    own_table = "oauth" in box.outgoing.model_fields_set
    if out.username == "" or (out.password is not None and not own_table):
        return None
    if out.oauth is None or (out.oauth == box.oauth and out.username in {None, _account(box), box.username}):
        if box.oauth is not None and box.protocol == "graph":
            return f"{name}/outgoing" if out.host is not None else None
        return name if box.oauth is not None else None
    return f"{name}/outgoing" if own_table or out.username is None else "outgoing"


def _account(box: MailboxSettings) -> str:
    """Who signs in: the first piece of a shared mailbox's username, all of any other."""
    return box.username if box.authorize_as else parse_username(box.username).sign_in


def sign_ins(settings: Settings, database: Database) -> SignIns:
    """All sign-ins of the settings. Neither the key's file nor a provider is touched yet."""
    return SignIns(connections(settings), database, Seal(settings.store.token_key))


class TokenGiver(Protocol):
    """Gives OAuth tokens for logging in."""

    def __call__(self) -> str:
        """An access token that is good now. Raise SignInNeeded, ProviderAway or LoginRefused when there is none."""

    def refused(self, token: str) -> None:
        """The server does not take it."""


def token_of(signs: SignIns | None, connection: str | None) -> TokenGiver | None:
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
    """What gives a connection's tokens, without an open store; None when there is no such connection."""
    return Late(settings, connection) if connection is not None and connection in connections(settings) else None


@contextmanager
def opened(settings: Settings) -> Iterator[SignIns]:
    """Lend the sign-ins for a moment, with the store's tables up to date."""
    database = Database(settings.store.database_url())
    try:
        database.migrate()
        yield sign_ins(settings, database)
    finally:
        database.close()
