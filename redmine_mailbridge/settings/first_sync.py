"""How reading a mailbox starts, and when it pauses for an admin's decision: keys of `[mailboxes.NAME]`."""

import datetime as dt
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from redmine_mailbridge.settings.base import SettingsTable, setting


class StartSettings(SettingsTable):
    """How reading a mailbox starts, and when it pauses for an admin's decision."""

    start_from: Literal["now", "all"] | AwareDatetime | dt.date | None = setting(
        'Which messages the first sync of a mailbox imports: "all" existing ones, only those that arrive from "now" '
        "on (the time of the first sync), or those that arrived since a day (2026-01-31) or a time "
        "(2026-01-31T08:00:00Z, as `init` writes it). Older messages stay in place. If neither this nor "
        "first_sync_limit is set and the mailbox has messages, the first sync imports none and asks an admin.",
        None,
    )
    first_sync_limit: Annotated[int, Field(ge=0)] = setting(
        "How many existing messages, newest first, the first sync imports; 0: all. They get no auto-replies.",
        0,
    )

    @property
    def undecided(self) -> bool:
        """Do the settings leave open what happens to existing messages at the first sync?"""
        return self.start_from is None and not self.first_sync_limit

    @property
    def takes_all(self) -> bool:
        """Is every message new that was not read yet, however old it is?"""
        return False

    max_new_mails: Annotated[int, Field(ge=0)] = setting(
        "When more new messages than this appear in a folder at once, reading pauses until an admin resumes it "
        "(`redmine-mailbridge mailboxes resume NAME`); 0: never.",
        2000,
    )
