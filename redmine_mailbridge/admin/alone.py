"""The process of `admin`: the pages until SIGTERM or SIGINT, without the service."""

import signal
from collections.abc import Callable

from redmine_mailbridge import app
from redmine_mailbridge.admin.server import AdminServer
from redmine_mailbridge.settings.admin import LISTEN, AdminSettings
from redmine_mailbridge.settings.load import Loaded
from redmine_mailbridge.settings.problems import Problems


def serve(loaded: Loaded, listen: str | None, ready: Callable[[str], None]) -> None:
    """Given settings and perhaps another listener, serve the pages until told to stop.

    Raise SettingsError when the listener may not be, or cannot be had.
    """
