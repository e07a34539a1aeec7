"""Mozilla's autoconfig: the XML that providers publish for mail programs (draft-ietf-mailmaint-autoconfig).

The ISP's own place comes first, then Thunderbird's list (ISPDB), which receives nothing but the domain.
"""

import dataclasses
from collections.abc import Iterator
from urllib.parse import quote

from lxml import etree

from redmine_mailbridge.discovery import xml
from redmine_mailbridge.discovery.http import Web
from redmine_mailbridge.discovery.model import FoundServer, NothingFound, Offer, Protocol, Security, server

ISPDB = "https://autoconfig.thunderbird.net/v1.1/{domain}"
OWN = (
    "https://autoconfig.{domain}/mail/config-v1.1.xml?emailaddress={address}",
    "https://{domain}/.well-known/autoconfig/mail/config-v1.1.xml?emailaddress={address}",
    "http://autoconfig.{domain}/mail/config-v1.1.xml",
)
"""The last one is unprotected, anyone on the path could answer: it receives no address, and its result is flagged."""

SECURITY: dict[str, Security] = {"ssl": "tls", "tls": "tls", "starttls": "starttls"}


def find_offer(web: Web, url: str, *, domain: str, address: str) -> Offer:
    """Given one of the places, return what is published there. Raise NothingFound."""
    where = url.format(domain=domain, address=quote(address, safe="@"))
    reply = web.get(where)
    if reply.status != 200:
        raise NothingFound(f"answers {reply.status}")
    offer = read(reply.content, address, source=where.partition("?")[0])
    if where.startswith("http:") and reply.url.startswith("http:"):
        offer = dataclasses.replace(offer, advice="Read over plain HTTP: compare it with your provider's page.")
    return offer


def read(content: bytes, address: str, *, source: str) -> Offer:
    """Given a clientConfig document, return its servers in its order. Raise NothingFound when it has none of use."""
    root = xml.parse(content)
    if xml.local(root) != "clientconfig":
        raise NothingFound("not an autoconfig document")
    servers = [
        candidate for provider in xml.children(root, "emailprovider") for candidate in _servers(provider, address)
    ]
    if not any(candidate.protocol != "smtp" for candidate in servers):
        raise NothingFound("names no server with TLS")
    return Offer(tuple(servers), source)


def _servers(provider: etree._Element, address: str) -> Iterator[FoundServer]:
    for element in provider:
        kind = (element.get("type") or "").lower() if xml.local(element) in {"incomingserver", "outgoingserver"} else ""
        protocol: Protocol
        for protocol in ("imap", "pop3", "smtp"):
            if kind == protocol:
                yield from _one(element, protocol, address)


def _one(element: etree._Element, protocol: Protocol, address: str) -> Iterator[FoundServer]:
    """A server that is not protected, or has no usable name, is left out."""
    security = SECURITY.get(xml.text(element, "sockettype").lower())
    if security is None:
        return
    host = _filled(xml.text(element, "hostname"), address)
    username = _filled(xml.text(element, "username"), address) or address
    ways = {(way.text or "").strip().lower() for way in xml.children(element, "authentication")}
    try:
        candidate = server(protocol, host, xml.text(element, "port"), security, username)
    except NothingFound:
        return
    yield dataclasses.replace(candidate, oauth_only=ways == {"oauth2"})


def _filled(text: str, address: str) -> str:
    local, _, domain = address.rpartition("@")
    for name, value in (("EMAILADDRESS", address), ("EMAILLOCALPART", local), ("EMAILDOMAIN", domain)):
        text = text.replace(f"%{name}%", value)
    return text
