"""What a port shows without a login: its addresses, its protocol, its certificate."""

import datetime as dt
import imaplib
import poplib
import socket
import ssl

from cryptography import x509

from redmine_mailbridge.util.dataclass import dataclass

PATIENCE = 5.0
QUIET = 1.5
"""Seconds within which a server that speaks first would have spoken."""
MOST_NAMES = 5


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate as a server shows it, unverified: the names it is for, its issuer, its period of validity."""

    names: tuple[str, ...]
    issuer: str
    begins: dt.datetime
    ends: dt.datetime

    def __str__(self) -> str:
        more = len(self.names) - MOST_NAMES
        names = ", ".join(self.names[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
        span = f"{self.begins:%Y-%m-%d} to {self.ends:%Y-%m-%d}"
        return (
            f"The certificate is for {names or 'no name'}, issued by {self.issuer or 'an unknown issuer'}, valid from "
            f"{span}."
        )


def addresses(host: str) -> tuple[str, ...]:
    """Given a host name, return its addresses. Raise OSError with the resolver's words."""
    resolved = socket.getaddrinfo(host.strip("[]"), None, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in resolved))


def opens(host: str, port: int, timeout: float) -> None:
    """Given a host and a port, connect and hang up. Raise OSError when the connection is not accepted."""
    socket.create_connection((host.strip("[]"), port), timeout=min(timeout, PATIENCE)).close()


def speaks(host: str, port: int) -> str:
    """Given an open port, return what it speaks: `tls`, a greeting in plain text, or nothing ("")."""
    try:
        with socket.create_connection((host.strip("[]"), port), timeout=PATIENCE) as plain:
            plain.settimeout(QUIET)
            try:
                greeting = plain.recv(200)
            except TimeoutError:
                greeting = b""
            if greeting:
                return " ".join(greeting.decode("utf-8", "replace").split())
            plain.settimeout(PATIENCE)
            with _unchecked().wrap_socket(plain, server_hostname=host.strip("[]")):
                return "tls"
    except (OSError, ValueError):
        return ""


def certificate(host: str, port: int, security: str, protocol: str) -> Certificate | None:
    """Given a port, return the certificate shown there without trusting it; None if there is none.

    No login is sent over this connection.
    """
    try:
        sock = _shown(host.strip("[]"), port, security, protocol)
    except (OSError, imaplib.IMAP4.error, poplib.error_proto, EOFError):
        return None
    with sock:
        der = sock.getpeercert(binary_form=True)
    return read(der) if der else None


def _shown(host: str, port: int, security: str, protocol: str) -> ssl.SSLSocket:
    """Connect, with TLS from the first byte or after STARTTLS, whatever the certificate is."""
    if security == "tls":
        plain = socket.create_connection((host, port), timeout=PATIENCE)
        return _unchecked().wrap_socket(plain, server_hostname=host)
    client: imaplib.IMAP4 | poplib.POP3
    if protocol == "pop3":
        client = poplib.POP3(host, port, timeout=PATIENCE)
        client.stls(context=_unchecked())
    else:
        client = imaplib.IMAP4(host, port, timeout=PATIENCE)
        client.starttls(ssl_context=_unchecked())
    sock = client.sock
    if not isinstance(sock, ssl.SSLSocket):  # pragma: no cover - both raise without TLS
        raise OSError("no TLS")
    return sock


def _unchecked() -> ssl.SSLContext:
    """A context that reads a certificate without verifying it: to tell people what is wrong with it."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def read(der: bytes) -> Certificate | None:
    """Given a certificate in DER, return its values; None when it cannot be read."""
    try:
        cert = x509.load_der_x509_certificate(der)
        names = [_common(cert.subject)]
        try:
            alternative = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            names = [
                *alternative.get_values_for_type(x509.DNSName),
                *map(str, alternative.get_values_for_type(x509.IPAddress)),
            ]
        except x509.ExtensionNotFound:
            pass
        ends, begins = cert.not_valid_after_utc, cert.not_valid_before_utc
        return Certificate(tuple(filter(None, map(_line, names))), _line(_common(cert.issuer)), begins, ends)
    except ValueError:
        return None


def _common(name: x509.Name) -> str:
    for oid in (x509.NameOID.COMMON_NAME, x509.NameOID.ORGANIZATION_NAME):
        for attribute in name.get_attributes_for_oid(oid):
            return str(attribute.value)
    return ""


def _line(text: str) -> str:
    return "".join(sign for sign in text if sign.isprintable())[:100]
