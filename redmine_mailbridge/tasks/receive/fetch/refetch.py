"""Fetches anew what the store knows of and has no bytes of: what did not come, what an admin wants tried again.

It may lie elsewhere by now (the failure folder): there it is known by its size and when it came. A try that fails
counts against a mail only when others have come since the last one; whatever else goes wrong is an outage.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace

import structlog

from redmine_mailbridge.errors import MailboxError, MailboxUnreachable
from redmine_mailbridge.mailboxes.contract import Mailbox
from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.model.mailbox import Listed, Location
from redmine_mailbridge.model.stored_mail import MailRow
from redmine_mailbridge.store.mails.unfetched import fetched, wanted
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.raw_files import discard
from redmine_mailbridge.tasks.receive.fetch.fetch_each import AGAIN_AFTER, IN_A_ROW, Fetcher
from redmine_mailbridge.tasks.receive.result import Outcome
from redmine_mailbridge.util.backoff import throttled

log = structlog.get_logger(__name__)

TRIES = 3
SHORTEST, LONGEST = AGAIN_AFTER, 1800.0
"""Seconds between two tries: half the time for which the mail is known, within these."""


class Anew:
    """Fetches the missing mails of one mailbox. Used by one thread at a time. `folders` is where they may lie else."""

    def __init__(self, mailbox: Mailbox, store: Store, fetcher: Fetcher, folders: Sequence[str]) -> None:
        self._mailbox = mailbox
        self._store = store
        self._fetcher = fetcher
        self._folders = folders
        self._came_then: dict[int, int] = {}
        """How many mails had come when each of these was asked for last."""

    def due(self) -> list[MailRow]:
        """The mails whose next try is due, oldest first."""
        return wanted(self._store, self._mailbox.name)

    def fetch(self, rows: Sequence[MailRow]) -> Iterator[Outcome]:
        """Given mails without bytes, ask for them. Yield what came of it: an open one with bytes is to be worked on.

        Raises no MailboxError: what breaks here is tried again later, and stops nothing else. They are asked for in
        any order, and when three in a row do not come, the others wait: it may be the server.
        """
        over: MailboxUnreachable | None = None
        in_a_row = 0
        for row in random.sample(rows, len(rows)):
            if over is not None:
                yield self._later(row, over, counts=False, asked=False)
                continue
            try:
                found = self._found(row)
            except MailboxUnreachable as error:
                alone = not throttled(str(error))
                in_a_row += 1
                over = None if error.answered and alone and in_a_row < IN_A_ROW else error
                yield self._later(row, error, counts=alone and self._others_came(row))
            except MailboxError as error:
                yield self._later(row, error, counts=False)
            else:
                in_a_row = 0
                yield self._gone(row) if found is None else Outcome(found, found.state, "fetched after all")

    def _others_came(self, row: MailRow) -> bool:
        """Have other mails come since this one was asked for last?"""
        then = self._came_then.get(row.id, 0)
        self._came_then[row.id] = self._fetcher.came
        return self._fetcher.came > then

    def _found(self, row: MailRow) -> MailRow | None:
        """Given a mail, fetch it from its place, or from where it lies by now. Return its row; None: nowhere."""
        listed = row.listed
        found = self._fetched(row, listed)
        if found is not None:
            return found
        for folder in dict.fromkeys((*self._folders, row.location.folder)):
            for place in self._alike(listed, folder):
                found = self._fetched(row, replace(listed, location=place))
                if found is not None:
                    return found
        return None

    def _alike(self, listed: Listed, folder: str) -> Sequence[Location]:
        try:
            return [place for place in self._mailbox.alike(listed, folder) if place != listed.location]
        except MailboxUnreachable:
            raise
        except MailboxError:  # a folder that is not there holds nothing
            return ()

    def _fetched(self, row: MailRow, listed: Listed) -> MailRow | None:
        for raw in self._fetcher.fetch([listed]):
            try:
                found = fetched(self._store, row, raw)
            finally:
                discard(raw)
            if found is not None:
                self._fetcher.came += 1
                self._came_then.pop(row.id, None)
            return found
        return None

    def _later(self, row: MailRow, error: MailboxError, *, counts: bool, asked: bool = True) -> Outcome:
        tries = row.tries + counts
        if tries >= TRIES:
            reason = f"could not be fetched in {tries} tries, while others could: {error}"
            return self._aside(row, reason)
        reason = f"not fetched yet: {error}" if asked else f"not asked for, as others did not come either: {error}"
        pause = min(max((self._store.clock() - row.kept_at) / 2, SHORTEST), LONGEST)
        at = self._store.defer(row.id, reason, after=pause, counts=counts)
        return Outcome(row, row.state, reason, retry_at=at)

    def _gone(self, row: MailRow) -> Outcome:
        return self._aside(row, "neither its bytes are in the store, nor is the mail on the server any more")

    def _aside(self, row: MailRow, reason: str) -> Outcome:
        self._store.end(row.id, State.ASIDE, reason, (reason,))
        return Outcome(row, State.ASIDE, reason)
