"""Wires what a bug report says about an installation: versions and kinds, without names, addresses and secrets."""

import importlib.metadata
import platform
import re
import ssl
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress

from redmine_mailbridge import __version__
from redmine_mailbridge.errors import MailbridgeError, StoreError
from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.store.database import Database
from redmine_mailbridge.util.process_owner import become_owner

DISTRIBUTION = "redmine-mailbridge"


def installation() -> Iterator[tuple[str, str]]:
    """What runs: each part, and its version."""
    yield DISTRIBUTION, __version__
    yield "Python", f"{platform.python_version()} ({platform.python_implementation()})"
    yield "system", f"{_distribution_of_linux()}{platform.system()} {platform.release()}, {platform.machine()}"
    yield "OpenSSL", ssl.OPENSSL_VERSION
    for name in _required():
        with suppress(importlib.metadata.PackageNotFoundError):  # optional
            yield name, importlib.metadata.version(name)


def setup(settings: Settings) -> Iterator[tuple[str, str]]:
    """How it is set up: kinds and numbers of what the settings contain, and the version of the store."""
    kinds = Counter(f"{box.protocol}{' with OAuth' if box.oauth else ''}" for box in settings.active_mailboxes.values())
    yield "mailboxes", ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())) or "none"
    yield "text format", settings.redmine.text_format or "as Redmine reports it"
    yield "store", _store(settings)
    yield "raw messages", "in the database" if settings.store.raw_in_database else "in a folder"
    yield "admin page", "off" if settings.admin.listen is None else "on"


def _store(settings: Settings) -> str:
    """The kind of database, its version, and that of its tables, which are not touched."""
    file = settings.store.sqlite_file
    if file is not None and not (file.is_file() and file.stat().st_size):
        return "SQLite, not there yet"
    kind = "PostgreSQL" if file is None else "SQLite"
    become_owner(file.parent if file is not None else None)
    try:
        database = Database(settings.store.database_url())
        try:
            server, tables, needed = database.versions()
        finally:
            database.close()
    except (StoreError, OSError) as error:
        return f"{kind}, cannot be read: {type(error).__name__}"
    return f"{kind} {server}, tables {tables or 'of no version'} (this program: {needed})"


def _required() -> list[str]:
    """The libraries that this program uses, also those of its extras."""
    try:
        lines = importlib.metadata.requires(DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        return []
    names = {match[0] for line in lines if (match := re.match(r"[A-Za-z0-9._-]+", line))}
    return sorted(names, key=str.lower)


def _distribution_of_linux() -> str:
    try:
        return f"{platform.freedesktop_os_release()['PRETTY_NAME']}, "
    except (OSError, KeyError):
        return ""


def refused(error: MailbridgeError) -> str:
    """Why the settings cannot be read, without their content."""
    number = len(str(error).splitlines())
    return f"cannot be used: {number} {'error' if number == 1 else 'errors'}, which `{DISTRIBUTION} check` lists"
