"""Before the first mail is read: do the names in the settings exist in Redmine?"""

import threading
from collections.abc import Callable

import structlog

from redmine_mailbridge.checks.names import unresolved
from redmine_mailbridge.checks.rules import unknown_of_rules
from redmine_mailbridge.errors import RedmineError
from redmine_mailbridge.redmine.metadata import Directory
from redmine_mailbridge.settings.models import Settings

log = structlog.get_logger(__name__)

PATIENCE = 10.0


def look_up_names(
    settings: Settings, directory: Directory, say: Callable[[str], object], *, patience: float = PATIENCE
) -> None:
    """Given settings, `say` a line for each name in them that Redmine does not know.

    A Redmine that is away, or does not answer within `patience` seconds, stops nothing: mail is fetched and kept
    meanwhile. What is learnt here is needed for the first mail anyway.
    """

    def look() -> None:
        try:
            for line in (*unresolved(settings, directory), *unknown_of_rules(settings, directory)):
                say(line)
        except RedmineError as error:
            log.warning("settings.names_not_looked_up", reason=str(error))

    looking = threading.Thread(target=look, name="names", daemon=True)
    looking.start()
    looking.join(patience)
    if looking.is_alive():
        log.warning("settings.names_not_looked_up", reason=f"Redmine does not answer within {patience:.0f} s")
