"""Microsoft's autodiscover (MS-OXDSCLI, "plain old XML"), asked without a login.

Exchange answers such a question with 401, which says at least what it is; others answer with servers. A
redirection to Microsoft's cloud says that the address lives in Microsoft 365.
"""

from collections.abc import Iterator
from urllib.parse import urlsplit
from xml.sax.saxutils import escape

from lxml import etree

from redmine_mailbridge.discovery import xml
from redmine_mailbridge.discovery.dns_records import Records
from redmine_mailbridge.discovery.http import Web
from redmine_mailbridge.discovery.model import FoundServer, NothingFound, Offer, Protocol, server

SCHEMA = "http://schemas.microsoft.com/exchange/autodiscover/outlook/"
PATH = "/autodiscover/autodiscover.xml"
REQUEST = (
    '<?xml version="1.0" encoding="utf-8"?><Autodiscover xmlns="' + SCHEMA + 'requestschema/2006"><Request>'
    "<EMailAddress>{address}</EMailAddress><AcceptableResponseSchema>" + SCHEMA + "responseschema/2006a"
    "</AcceptableResponseSchema></Request></Autodiscover>"
)
PORTS = {("imap", "tls"): 993, ("imap", "starttls"): 143, ("pop3", "tls"): 995, ("pop3", "starttls"): 110}
PORTS |= {("smtp", "tls"): 465, ("smtp", "starttls"): 587}
TYPES: dict[str, Protocol] = {"imap": "imap", "pop3": "pop3", "pop": "pop3", "smtp": "smtp"}
CLOUD = ("outlook.com", "office365.com", "office.com", "microsoftonline.com")


def places(domain: str, records: Records) -> Iterator[str]:
    """Given a domain, yield the addresses to ask, in Microsoft's order."""
    yield f"https://{domain}{PATH}"
    yield f"https://autodiscover.{domain}{PATH}"
    service = records.service("_autodiscover._tcp", domain)
    if service is not None:
        yield f"https://{service.host}{PATH}"


def find_offer(web: Web, url: str, *, address: str) -> Offer:
    """Given a place, ask there. Return the servers that it names. Raise NothingFound."""
    reply = web.post(url, REQUEST.format(address=escape(address)).encode())
    if reply.status == 401:
        in_cloud = is_cloud(reply.url)
        raise NothingFound(
            "asks for a login: Microsoft's cloud" if in_cloud else "asks for a login: an Exchange server"
        )
    if reply.status != 200:
        raise NothingFound(f"answers {reply.status}")
    return read(reply.content, address, source=url)


def moved_to_cloud(web: Web, domain: str) -> bool:
    """Given a domain, say whether its autodiscover leads to Microsoft's cloud (a redirection, which is public)."""
    try:
        reply = web.get(f"http://autodiscover.{domain}{PATH}", hops=0)
    except NothingFound:
        return False
    return is_cloud(reply.location)


def is_cloud(url: str) -> bool:
    """Whether an address is one of Microsoft's cloud."""
    host = "." + (urlsplit(url).hostname or "")
    return host.endswith(tuple("." + end for end in CLOUD))


def read(content: bytes, address: str, *, source: str) -> Offer:
    """Given a response, return its servers. Raise NothingFound when it names none of use."""
    root = xml.parse(content)
    if xml.local(root) != "autodiscover":
        raise NothingFound("not an autodiscover document")
    servers = [
        candidate
        for response in xml.children(root, "response")
        for account in xml.children(response, "account")
        for element in xml.children(account, "protocol")
        for candidate in _one(element, address)
    ]
    if not any(candidate.protocol != "smtp" for candidate in servers):
        raise NothingFound("names no server with TLS")
    return Offer(tuple(servers), source)


def _one(element: etree._Element, address: str) -> Iterator[FoundServer]:
    """One protocol; `Encryption` (SSL, TLS) wins over `SSL` (on, off), which is on where it is not said."""
    protocol = TYPES.get(xml.text(element, "type").lower())
    if protocol is None:
        return
    encryption = xml.text(element, "encryption").lower()
    port = xml.text(element, "port")
    if encryption in {"none", "auto", ""} and xml.text(element, "ssl").lower() == "off" and encryption != "auto":
        return
    starttls = encryption == "tls" or (encryption in {"auto", ""} and port in {"143", "110", "587", "25"})
    security = "starttls" if starttls else "tls"
    try:
        yield server(
            protocol, xml.text(element, "server"), port or PORTS[protocol, security],
            "starttls" if starttls else "tls", xml.text(element, "loginname") or address,
        )  # fmt: skip
    except NothingFound:
        return
