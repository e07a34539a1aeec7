"""Before the first message is read: do the names in the settings exist in Redmine?"""

import threading
from collections.abc import Callable

import structlog

from redmine_mailbridge.checks.conversations import conversations
from redmine_mailbridge.checks.names import unresolved
from redmine_mailbridge.checks.rules import unknown_of_rules
from redmine_mailbridge.errors import AccessDenied, RedmineError
from redmine_mailbridge.redmine.metadata import MetadataCache
from redmine_mailbridge.settings.models import Settings

log = structlog.get_logger(__name__)

PATIENCE = 10.0


def verify_names(
    settings: Settings,
    metadata: MetadataCache,
    say: Callable[[str], object],
    denied: Callable[[AccessDenied], object],
    *,
    patience: float = PATIENCE,
) -> None:
    """Given settings, `say` a line for each name in them that Redmine does not know. `denied` receives the error if
    Redmine rejects the API key: nothing else may be asked then, since Redmine answers many requests with a wrong key as
    it answers anonymous ones.

    A Redmine that is unavailable, or does not answer within `patience` seconds, stops nothing: mail is fetched and
    stored in the meantime. What is read here is needed for the first message anyway.
    """

    def look() -> None:
        try:
            unfit = [f"{check.name}: {check.words}" for check in conversations(settings, metadata) if check.ok is False]
            for line in (*unresolved(settings, metadata), *unknown_of_rules(settings, metadata), *unfit):
                say(line)
        except AccessDenied as error:
            denied(error)
        except RedmineError as error:
            log.warning("settings.names_not_checked", reason=str(error))

    looking = threading.Thread(target=look, name="names", daemon=True)
    looking.start()
    looking.join(patience)
    if looking.is_alive():
        log.warning("settings.names_not_checked", reason=f"Redmine does not answer within {patience:.0f} s")
