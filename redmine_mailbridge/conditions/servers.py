"""The servers that the settings name and whose certificates matter."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.settings.outgoing import SMTP_PORTS
from redmine_mailbridge.util.certificates import server_name


def configured_servers(settings: Settings) -> frozenset[str]:
    """Given settings, return the servers as `util/certificates.py` names them."""
    return frozenset(_servers(settings))


def _servers(settings: Settings) -> Iterator[str]:
    url = urlsplit(settings.redmine.url)
    yield server_name(url.hostname or "", url.port or 443)
    for box in settings.active_mailboxes.values():
        yield server_name(box.host, box.port)
        out = box.outgoing.over(settings.outgoing)
        if out.server is not None:
            yield server_name(out.server, out.port or SMTP_PORTS[out.security or "starttls"])
