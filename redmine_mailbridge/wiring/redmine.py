"""Wires the way to Redmine: the client, what is remembered of Redmine's names, and what decisions ask it for."""

from typing import get_args
from urllib.parse import quote

from redmine_mailbridge.errors import SettingsError
from redmine_mailbridge.model.mail import TextFormat
from redmine_mailbridge.redmine.client import Client, Connection
from redmine_mailbridge.redmine.facts import FactFinder
from redmine_mailbridge.redmine.formatting import NO_FORMAT, text_format
from redmine_mailbridge.redmine.metadata import MetadataCache
from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.settings.redmine import RedmineSettings, parse_headers
from redmine_mailbridge.settings.value_types import reveal


def redmine_connection(settings: RedmineSettings) -> Connection:
    """The address of Redmine, and the credentials for it, for a gateway in front of it and for a proxy."""
    certificate, key = settings.client_certificate_file, settings.client_key_file
    return Connection(
        url=settings.url,
        key=reveal(settings.api_key),
        ca_file=str(settings.ca_file) if settings.ca_file else None,
        connect_timeout=min(10.0, settings.timeout.total_seconds()),
        read_timeout=settings.timeout.total_seconds(),
        max_parallel=settings.max_parallel,
        gateway_user=settings.gateway_user or "",
        gateway_password=reveal(settings.gateway_password) if settings.gateway_user else "",
        gateway_headers=parse_headers(reveal(settings.gateway_headers)) if settings.gateway_headers else {},
        client_certificate=(str(certificate), str(key or certificate)) if certificate else None,
        proxy=_with_login(settings.proxy, settings.proxy_user, reveal(settings.proxy_password)),
        key_at=settings.key_at,
    )


def _with_login(proxy: str | None, user: str | None, password: str) -> str:
    """The address of a proxy with its user and password; "" for none."""
    if proxy is None or user is None:
        return proxy or ""
    scheme, _, host = proxy.partition("://")
    return f"{scheme}://{quote(user, safe='')}:{quote(password, safe='')}@{host}"


def redmine_client(settings: RedmineSettings) -> Client:
    """The way to Redmine."""
    return Client(redmine_connection(settings))


def metadata_of(client: Client, settings: RedmineSettings) -> MetadataCache:
    """What is remembered of Redmine's names, projects and people, for as long as the settings say."""
    return MetadataCache(client, ttl=settings.cache_ttl.total_seconds())


def fact_finder(client: Client, metadata: MetadataCache, settings: RedmineSettings) -> FactFinder:
    """What asks Redmine for all that a decision needs."""
    return FactFinder(client, metadata, language=settings.language, keyword_languages=languages_read(settings))


def languages_read(settings: RedmineSettings) -> tuple[str, ...]:
    """The languages of keyword lines besides English: none where the settings name an empty list."""
    languages = settings.keyword_languages
    return (settings.language,) if languages is None else languages


def with_text_format(settings: Settings) -> Settings:
    """Given settings, return them with Redmine's text formatting, which Redmine is asked for where they do not say it.

    Raise SettingsError when it does not tell: issues full of raw markup would be the price of a guess.
    """
    if settings.redmine.text_format is not None:
        return settings
    client = redmine_client(settings.redmine)
    try:
        formatting = text_format(client.connection)
    finally:
        client.close()
    supported = next((name for name in get_args(TextFormat) if name == formatting), None)
    if supported is None:
        raise SettingsError(NO_FORMAT)
    return settings.model_copy(update={"redmine": settings.redmine.model_copy(update={"text_format": supported})})
