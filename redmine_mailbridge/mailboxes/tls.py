"""TLS with certificate verification, and which connections count as private."""

import socket
import ssl

from redmine_mailbridge.errors import SettingsError
from redmine_mailbridge.model.mailbox import MailboxConfig, Security
from redmine_mailbridge.util.loopback import is_loopback


def context(config: MailboxConfig) -> ssl.SSLContext:
    """Given a mailbox's configuration, return a TLS context that checks name and certificate, TLS 1.2 or newer.

    Raise SettingsError if `ca_file` cannot be read.
    """
    try:
        tls_context = ssl.create_default_context(cafile=str(config.ca_file) if config.ca_file else None)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(f"mailbox {config.name}: ca_file {config.ca_file}: {error}") from None
    tls_context.minimum_version = ssl.TLSVersion.TLSv1_2
    return tls_context


def version(sock: socket.socket) -> str:
    """Given a socket, return its TLS version, or an empty text."""
    return (sock.version() or "") if isinstance(sock, ssl.SSLSocket) else ""


def peer(sock: socket.socket) -> str:
    """Given a connected socket, return the server's address and port, or an empty text."""
    try:
        name = sock.getpeername()
    except OSError:
        return ""
    host, port = name[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def private(config: MailboxConfig) -> bool:
    """Given a mailbox's configuration, say whether a password may cross its connection."""
    return config.security is not Security.NONE or config.allow_cleartext or is_loopback(config.host)
