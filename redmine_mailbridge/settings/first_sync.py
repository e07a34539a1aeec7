"""How a mailbox begins, and when it stops and asks: keys of `[mailboxes.NAME]`."""

import datetime as dt
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from redmine_mailbridge.settings.base import Table, key


class StartSettings(Table):
    """How a mailbox begins, and when it stops and asks."""

    start_from: Literal["now", "all"] | AwareDatetime | dt.date | None = key(
        'Which mail counts when the mailbox is read for the first time: "all" that lies there, only what comes from '
        '"now" on (the first look), or what came on a day (2026-01-31) or later, or from a moment on '
        "(2026-01-31T08:00:00Z, as `init` writes it). Earlier mail stays where it is. Where neither this nor "
        "first_sync_limit is set and mail lies there, the first pass asks, and takes none before it is answered.",
        None,
    )
    first_sync_limit: Annotated[int, Field(ge=0)] = key(
        "How many mails, the newest, are taken of those that lie there the first time; 0: all. "
        "They get no automatic answers.",
        0,
    )

    @property
    def undecided(self) -> bool:
        """Do the settings leave open what becomes of the mail that lies there the first time?"""
        return self.start_from is None and not self.first_sync_limit

    brake_at: Annotated[int, Field(ge=0)] = key(
        "When more new mails than this appear in a folder at once, nothing is read until an admin says so "
        "(`redmine-mailbridge release NAME`); 0: never.",
        2000,
    )
