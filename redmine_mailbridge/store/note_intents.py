"""That a private note of the bridge's own is on its way: noted before it is sent, forgotten when it is known whether it
is there.

Who finds it sends nothing before the request has settled, and looks first then: what a lost answer left open is not
written twice, by this process or the next.
"""

import hashlib
from dataclasses import dataclass

from redmine_mailbridge.side_effects import Effect, effect
from redmine_mailbridge.store.database import Database
from redmine_mailbridge.store.meta import Meta


@dataclass(frozen=True, slots=True)
class NoteIntents:
    """The notes that are on their way, by issue and text. Safe for many threads and processes."""

    database: Database

    def sent(self, issue: int, text: str) -> str | None:
        """When this note was sent, as `tasks/receive/settle.py` stamps it; None when it is not on its way."""
        with self.database.read() as db:
            return Meta(db).get(_key(issue, text))

    def keep(self, issue: int, text: str, stamp: str) -> None:
        """It is about to be sent; or it was, at a moment that nothing here can tell, and counts from now on."""
        with effect(Effect.RECORD_INTENT), self.database.write() as db:
            Meta(db).put(_key(issue, text), stamp)

    def forget(self, issue: int, text: str) -> None:
        """It is there, or will never be."""
        with effect(Effect.RECORD_SENT), self.database.write() as db:
            Meta(db).remove(_key(issue, text))


def _key(issue: int, text: str) -> str:
    return f"note-intent:{issue}:{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()[:32]}"
