"""The ways to find an address's servers, in order, one line each; the first that finds any ends the search.

preset · autoconfig · SRV · MX · autodiscover · guess
"""

import imaplib
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from dataclasses import field

from redmine_mailbridge.discovery import autoconfig, autodiscover
from redmine_mailbridge.discovery import dns_records as records
from redmine_mailbridge.discovery.dns_records import Records
from redmine_mailbridge.discovery.http import Web
from redmine_mailbridge.discovery.model import (
    DiscoveryStep,
    FoundServer,
    NobodyAnswers,
    NothingFound,
    Offer,
    Protocol,
    Security,
    server,
    usable_host,
)
from redmine_mailbridge.errors import SettingsError
from redmine_mailbridge.settings.presets import Preset, PresetServer, by_domain, by_mx, presets
from redmine_mailbridge.util.dataclass import dataclass

PATIENCE = 4.0

Probe = Callable[[str, int], bool]
"""Given a host and a port, says whether a mail server with a good certificate answers there with TLS."""

GUESSES: tuple[tuple[Protocol, tuple[str, ...], int], ...] = (
    ("imap", ("imap", "mail"), 993),
    ("pop3", ("pop3", "pop", "mail"), 995),
    ("smtp", ("smtp", "mail"), 465),
)


def greets(host: str, port: int) -> bool:
    """Given a host and a port, connect with TLS, checking name and certificate, read the greeting, hang up."""
    try:
        with (
            socket.create_connection((host, port), timeout=PATIENCE) as plain,
            ssl.create_default_context().wrap_socket(plain, server_hostname=host) as tls,
        ):
            return tls.recv(4) in {b"* OK", b"* PR", b"+OK ", b"220 ", b"220-"}
    except (OSError, imaplib.IMAP4.error):
        return False


@dataclass(frozen=True, slots=True)
class LookupMethods:
    """How the world is asked: over HTTP, DNS, and by knocking. Tests give their own."""

    web: Web = field(default_factory=Web)
    records: Records = field(default_factory=Records)
    probe: Probe = greets


@dataclass(frozen=True, slots=True)
class LookupTarget:
    """The address in question; `domain` in the letters that DNS knows."""

    address: str
    domain: str
    ways: LookupMethods


def discover(address: str, ways: LookupMethods | None = None, *, everything: bool = False) -> Iterator[DiscoveryStep]:
    """Given a mail address, yield what each way found, up to the first that found servers (or all of them).

    Nothing is sent but the address, and that only to its own domain's servers under TLS.
    Raise SettingsError if it is not an address.
    """
    target = LookupTarget(address, domain_of(address), ways or LookupMethods())
    for name, look in STEPS:
        try:
            step = look(target)
        except NothingFound as why:
            step = DiscoveryStep(name, str(why), away=isinstance(why, NobodyAnswers))
        yield step
        if step.offer is not None and not everything:
            return


def domain_of(address: str) -> str:
    """Given an address, return its domain in ASCII (IDNA). Raise SettingsError."""
    local, _, domain = address.strip().rpartition("@")
    try:
        ascii_domain = domain.encode("idna").decode().lower()
    except UnicodeError:
        ascii_domain = ""
    if not local or any(c.isspace() for c in local) or "." not in ascii_domain or not usable_host(ascii_domain):
        raise SettingsError(f'"{address[:100]}" is not a mail address')
    return ascii_domain


def offered(preset: Preset, address: str, source: str) -> Offer:
    """Given a provider, return its servers for an address."""
    servers_by_protocol: list[tuple[Protocol, PresetServer | None]] = [
        ("imap", preset.imap),
        ("pop3", preset.pop3),
        ("smtp", preset.smtp),
    ]
    servers = [
        FoundServer(protocol, known.host, known.port, known.security, known.login(address), preset.tokens_only)
        for protocol, known in servers_by_protocol
        if known is not None
    ]
    return Offer(tuple(servers), source, preset=preset.name, advice=f"{preset.advice} {preset.help}")


def _by_preset(target: LookupTarget) -> DiscoveryStep:
    preset = by_domain(target.domain)
    if preset is None:
        raise NothingFound(f"{target.domain} belongs to none of {len(presets())} known providers")
    offer = offered(preset, target.address, "preset")
    return DiscoveryStep("preset", f"{preset.name}: {preset.title}", offer)


def _by_autoconfig(target: LookupTarget) -> DiscoveryStep:
    tried: list[tuple[str, NothingFound]] = []
    for url in (*autoconfig.OWN, autoconfig.ISPDB):
        short = url.format(domain=target.domain, address="").partition("?")[0]
        try:
            offer = autoconfig.find_offer(target.ways.web, url, domain=target.domain, address=target.address)
        except NothingFound as why:
            tried.append((short, why))
        else:
            return DiscoveryStep("autoconfig", f"{_listed(offer)} ({offer.source})", offer)
    raise _nothing(tried)


def _by_srv(target: LookupTarget) -> DiscoveryStep:
    offer = records.find_offer(target.ways.records, domain=target.domain, address=target.address)
    return DiscoveryStep("SRV", _listed(offer), offer)


def _by_mx(target: LookupTarget) -> DiscoveryStep:
    """Who receives a domain's mail mostly keeps it too."""
    hosts = target.ways.records.exchangers(target.domain)
    if not hosts:
        raise NothingFound(f"{target.domain} has no mail exchanger: check the spelling")
    preset = by_mx(hosts)
    if preset is None:
        raise NothingFound(f"{hosts[0]} belongs to none of the known providers")
    return DiscoveryStep(
        "MX", f"{hosts[0]}: {preset.name}, {preset.title}", offered(preset, target.address, f"MX {hosts[0]}")
    )


def _by_autodiscover(target: LookupTarget) -> DiscoveryStep:
    tried: list[tuple[str, NothingFound]] = []
    cloud = False
    for url in autodiscover.places(target.domain, target.ways.records):
        try:
            offer = autodiscover.find_offer(target.ways.web, url, address=target.address)
        except NothingFound as why:
            tried.append((url.removesuffix(autodiscover.PATH), why))
            cloud = cloud or "Microsoft's cloud" in str(why)
        else:
            return DiscoveryStep("autodiscover", f"{_listed(offer)} ({url})", offer)
    if cloud or autodiscover.moved_to_cloud(target.ways.web, target.domain):
        preset = presets()["microsoft365"]
        offer = offered(preset, target.address, f"autodiscover of {target.domain}")
        return DiscoveryStep("autodiscover", f"leads to Microsoft's cloud: {preset.name}", offer)
    raise _nothing(tried)


def _by_guess(target: LookupTarget) -> DiscoveryStep:
    """Usual names, behind which a server must answer with a certificate of that name."""
    servers = []
    security: Security = "tls"
    for protocol, prefixes, port in GUESSES:
        for host in (f"{prefix}.{target.domain}" for prefix in prefixes):
            if target.ways.records.addresses(host) and target.ways.probe(host, port):
                servers.append(server(protocol, host, port, security, target.address))
                break
    if not any(candidate.protocol != "smtp" for candidate in servers):
        raise NothingFound(f"no server answers at imap.{target.domain}, mail.{target.domain} and the like")
    offer = Offer(tuple(servers), "guess", advice="Guessed by usual names: compare it with your provider's page.")
    return DiscoveryStep("guess", _listed(offer), offer)


def _nothing(tried: Sequence[tuple[str, NothingFound]]) -> NothingFound:
    """Given the places that were looked at, with what each said, return that in one line."""
    text = "; ".join(f"{place} {why}" for place, why in tried)
    return NobodyAnswers(text) if all(isinstance(why, NobodyAnswers) for _, why in tried) else NothingFound(text)


def _listed(offer: Offer) -> str:
    first = {candidate.protocol: candidate for candidate in reversed(offer.servers)}
    return ", ".join(str(first[protocol]) for protocol in ("imap", "pop3", "smtp") if protocol in first)


STEPS: tuple[tuple[str, Callable[[LookupTarget], DiscoveryStep]], ...] = (
    ("preset", _by_preset),
    ("autoconfig", _by_autoconfig),
    ("SRV", _by_srv),
    ("MX", _by_mx),
    ("autodiscover", _by_autodiscover),
    ("guess", _by_guess),
)
