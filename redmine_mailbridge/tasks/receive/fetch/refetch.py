"""Fetches mails that the store knows without content: mails that could not be fetched, or that an admin retries.

Such a mail may have been moved (to the failure folder), where it is identified by its size and time of receipt. A
failed attempt counts against a mail only if others were delivered since the last one; any other error is an outage.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace

import structlog

from redmine_mailbridge.errors import MailboxError, MailboxUnreachable
from redmine_mailbridge.mailboxes.contract import Mailbox
from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.model.mailbox import Listed, Location
from redmine_mailbridge.model.stored_mail import StoredMail
from redmine_mailbridge.store.mails.unfetched import due_to_fetch, fetched
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.raw_mails.spool import discard
from redmine_mailbridge.tasks.receive.fetch.fetch_each import AGAIN_AFTER, IN_A_ROW, MessageDownloader
from redmine_mailbridge.tasks.receive.result import ProcessingResult
from redmine_mailbridge.util.backoff import throttled

log = structlog.get_logger(__name__)

TRIES = 3
SHORTEST, LONGEST = AGAIN_AFTER, 1800.0
"""Limits of the seconds between two attempts, which are half the time since the mail became known."""


class Refetcher:
    """Fetches the missing mails of one mailbox, from `folders` if they were moved. Used by one thread at a time."""

    def __init__(self, mailbox: Mailbox, store: Store, fetcher: MessageDownloader, folders: Sequence[str]) -> None:
        self._mailbox = mailbox
        self._store = store
        self._fetcher = fetcher
        self._folders = folders
        self._came_then: dict[int, int] = {}
        """For each mail, the number of mails delivered before its last attempt."""

    def due(self) -> list[StoredMail]:
        """The mails whose next attempt is due, oldest first."""
        return due_to_fetch(self._store, self._mailbox.name)

    def fetch(self, rows: Sequence[StoredMail]) -> Iterator[ProcessingResult]:
        """Given mails without content, fetch them. Yield the results; an open mail with content can be processed.

        Never raise a MailboxError: failures are retried later and stop nothing else. The order is arbitrary; after
        three failures in a row, the others wait, since the server may be at fault.
        """
        outage: MailboxUnreachable | None = None
        in_a_row = 0
        for row in random.sample(rows, len(rows)):
            if outage is not None:
                yield self._later(row, outage, counts=False, requested=False)
                continue
            try:
                refetched = self._refetched(row)
            except MailboxUnreachable as error:
                alone = not throttled(str(error))
                in_a_row += 1
                outage = None if error.answered and alone and in_a_row < IN_A_ROW else error
                yield self._later(row, error, counts=alone and self._others_came(row))
            except MailboxError as error:
                yield self._later(row, error, counts=False)
            else:
                in_a_row = 0
                fetched = "fetched on a later try"
                yield self._gone(row) if refetched is None else ProcessingResult(refetched, refetched.state, fetched)

    def _others_came(self, row: StoredMail) -> bool:
        """Whether other mails have been delivered since the last attempt for this one."""
        came_at_last_try = self._came_then.get(row.id, 0)
        self._came_then[row.id] = self._fetcher.came
        return self._fetcher.came > came_at_last_try

    def _refetched(self, row: StoredMail) -> StoredMail | None:
        """Given a mail, fetch it from its folder or from where it was moved. Return its row; None if not found."""
        listed = row.listed
        refetched = self._fetched(row, listed)
        if refetched is not None:
            return refetched
        filed_to = (row.filed_to,) if row.filed_to else ()
        for folder in dict.fromkeys((*self._folders, *filed_to, row.location.folder)):
            for place in self._alike(listed, folder):
                refetched = self._fetched(row, replace(listed, location=place))
                if refetched is not None:
                    return refetched
        return None

    def _alike(self, listed: Listed, folder: str) -> Sequence[Location]:
        try:
            return [place for place in self._mailbox.alike(listed, folder) if place != listed.location]
        except MailboxUnreachable:
            raise
        except MailboxError:  # a missing folder contains nothing
            return ()

    def _fetched(self, row: StoredMail, listed: Listed) -> StoredMail | None:
        for raw in self._fetcher.fetch([listed]):
            try:
                refetched = fetched(self._store, row, raw)
            finally:
                discard(raw)
            if refetched is not None:
                self._fetcher.came += 1
                self._came_then.pop(row.id, None)
            return refetched
        return None

    def _later(self, row: StoredMail, error: MailboxError, *, counts: bool, requested: bool = True) -> ProcessingResult:
        tries = row.tries + counts
        if tries >= TRIES:
            reason = f"could not be fetched in {tries} attempts, while others could: {error}"
            return self._aside(row, reason)
        reason = f"not fetched yet: {error}" if requested else f"not requested, since others failed too: {error}"
        pause = min(max((self._store.clock() - row.kept_at) / 2, SHORTEST), LONGEST)
        retry_at = self._store.defer(row.id, reason, after=pause, counts=counts)
        return ProcessingResult(row, row.state, reason, retry_at=retry_at)

    def _gone(self, row: StoredMail) -> ProcessingResult:
        return self._aside(row, "its content is neither in the store nor on the server any more")

    def _aside(self, row: StoredMail, reason: str) -> ProcessingResult:
        self._store.finish(row.id, State.FAILED, reason, (reason,))
        return ProcessingResult(row, State.FAILED, reason)
