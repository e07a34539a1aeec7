"""What conditions may be about, as the settings have it: servers whose certificates matter, tasks, mailboxes."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.settings.outgoing import SMTP_PORTS
from redmine_mailbridge.util.certificates import server_name


def configured_servers(settings: Settings) -> frozenset[str]:
    """Given settings, return the servers as `util/certificates.py` names them."""
    return frozenset(_servers(settings))


def active_tasks(settings: Settings) -> frozenset[str]:
    """Given settings, return the tasks with a schedule; receive:NAME is that of a mailbox that has its own."""
    names = {name for name in type(settings.tasks).model_fields if getattr(settings.tasks, name).active}
    own = {f"receive:{name}" for name, box in settings.active_mailboxes.items() if box.every is not None}
    return frozenset(names | (own if "receive" in names else set()))


def configured_subjects(settings: Settings) -> frozenset[str]:
    """Given settings, return what a condition may be about: "" where there is only one."""
    return frozenset({"", *settings.active_mailboxes}) | active_tasks(settings) | configured_servers(settings)


def _servers(settings: Settings) -> Iterator[str]:
    url = urlsplit(settings.redmine.url)
    yield server_name(url.hostname or "", url.port or 443)
    for box in settings.active_mailboxes.values():
        yield server_name(box.host, box.port)
        out = box.outgoing.over(settings.outgoing)
        if out.server is not None:
            yield server_name(out.server, out.port or SMTP_PORTS[out.security or "starttls"])
