"""Intents of the bridge's own private notes: stored before a note is sent, deleted when its result is known.

Recovery sends nothing before the request has settled, and verifies first: a note whose response was lost is not
written twice, by this process or the next.
"""

import hashlib

from redmine_mailbridge.side_effects import SideEffect, side_effect
from redmine_mailbridge.store.database import Database
from redmine_mailbridge.store.meta import Meta
from redmine_mailbridge.util.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class NoteIntents:
    """The notes in progress, by issue and text. Safe for concurrent threads and processes."""

    database: Database

    def sent(self, issue: int, text: str) -> str | None:
        """When this note was sent, as `tasks/receive/settle.py` stamps it; None if it is not in progress."""
        with self.database.read() as db:
            return Meta(db).get(_key(issue, text))

    def keep(self, issue: int, text: str, stamp: str) -> None:
        """It is about to be sent; or it was sent at an unknown time, which counts from now on."""
        with side_effect(SideEffect.RECORD_INTENT), self.database.write() as db:
            Meta(db).put(_key(issue, text), stamp)

    def forget(self, issue: int, text: str) -> None:
        """It exists, or never will."""
        with side_effect(SideEffect.RECORD_SENT), self.database.write() as db:
            Meta(db).remove(_key(issue, text))


def _key(issue: int, text: str) -> str:
    return f"note-intent:{issue}:{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()[:32]}"
