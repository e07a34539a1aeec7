"""What the command line changed, for the record that the page *Changes* shows."""

import getpass
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from redmine_mailbridge.settings.models import Settings

COMMAND_LINE = "command line"
"""The origin of such a change, where a page would have an address."""


def record_change(settings: "Settings", action: str, detail: str = "") -> None:
    """Given settings and what a command has changed, note it with the user of this machine who ran it."""
    from redmine_mailbridge.wiring.store import audit, open_store

    store = open_store(settings)
    try:
        audit(store).add(current_user(), action, detail, address=COMMAND_LINE)
    finally:
        store.close()


def current_user() -> str:
    """Who runs the command; behind sudo, who typed it."""
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (OSError, KeyError):  # a container's user id without a name
        return f"uid {os.getuid()}"
