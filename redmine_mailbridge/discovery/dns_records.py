"""What DNS says of a domain's mail: SRV records (RFC 6186, RFC 8314), mail exchangers, addresses."""

from typing import Any

import dns.exception
import dns.name
import dns.resolver

from redmine_mailbridge.discovery.model import (
    FoundServer,
    NobodyAnswers,
    NothingFound,
    Offer,
    Protocol,
    Security,
    server,
)
from redmine_mailbridge.util.dataclass import dataclass

LIFETIME = 5.0

SERVICES: tuple[tuple[str, Protocol, Security], ...] = (
    ("_imaps._tcp", "imap", "tls"),
    ("_imap._tcp", "imap", "starttls"),
    ("_pop3s._tcp", "pop3", "tls"),
    ("_pop3._tcp", "pop3", "starttls"),
    ("_submissions._tcp", "smtp", "tls"),
    ("_submission._tcp", "smtp", "starttls"),
)
"""TLS from the first byte comes before STARTTLS (RFC 8314 section 3)."""


@dataclass(frozen=True, slots=True)
class ServiceRecord:
    """Where a service is offered."""

    host: str
    port: int


class Records:
    """Given a resolver (None: the system's), asks DNS, for at most five seconds each."""

    def __init__(self, resolver: dns.resolver.Resolver | None = None) -> None:
        self._resolver = resolver

    def _ask(self, name: str, kind: str) -> list[Any]:
        """Given a name and a type, return the records, possibly none. Raise NothingFound if no server answers."""
        try:
            if self._resolver is None:
                self._resolver = dns.resolver.Resolver()
            return list(self._resolver.resolve(name, kind, lifetime=LIFETIME, search=False))
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        except (dns.exception.DNSException, OSError) as error:
            raise NobodyAnswers(f"DNS does not answer ({type(error).__name__})") from None

    def service(self, service: str, domain: str) -> ServiceRecord | None:
        """Given a service such as `_imaps._tcp`, return where it is: lowest priority, highest weight (RFC 2782)."""
        records = sorted(self._ask(f"{service}.{domain}", "SRV"), key=lambda record: (record.priority, -record.weight))
        for record in records:
            if record.target != dns.name.root:  # the root says: decidedly not here (RFC 6186 section 3.4)
                return ServiceRecord(record.target.to_text(omit_final_dot=True), record.port)
        return None

    def exchangers(self, domain: str) -> tuple[str, ...]:
        """Given a domain, return its mail exchangers, the preferred first; none for a null MX (RFC 7505)."""
        records = sorted(self._ask(domain, "MX"), key=lambda record: record.preference)
        return tuple(
            record.exchange.to_text(omit_final_dot=True) for record in records if record.exchange != dns.name.root
        )

    def addresses(self, host: str) -> tuple[str, ...]:
        """Given a host, return its addresses."""
        return tuple(record.to_text() for kind in ("A", "AAAA") for record in self._ask(host, kind))


def find_offer(records: Records, *, domain: str, address: str) -> Offer:
    """Given a domain, return what its SRV records offer. Raise NothingFound."""
    servers: list[FoundServer] = []
    for service, protocol, security in SERVICES:
        record = records.service(service, domain)
        if record is not None:
            servers.append(server(protocol, record.host, record.port, security, address))
    if not any(candidate.protocol != "smtp" for candidate in servers):
        raise NothingFound("no SRV records for IMAP or POP3")
    strange = sorted(
        {candidate.host for candidate in servers if not f".{candidate.host}".lower().endswith(f".{domain}".lower())}
    )
    advice = f"{', '.join(strange)}: not of {domain}; is that your provider?" if strange else ""
    return Offer(tuple(servers), f"SRV records of {domain}", advice=advice)
