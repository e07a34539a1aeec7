"""The status that an issue gets when mail to its requester was not delivered (`issue.bounce_status`).

It cannot take part in a loop: only mail that a person caused counts, so that neither a rule's reminder nor a mail about
closing moves an issue that moves it back; a closed issue is not opened; and a closed status is not set, since closing
is announced to the customer by mail.
"""

from collections.abc import Mapping
from typing import Any

import structlog

from redmine_mailbridge.mail.mime.address_syntax import spellings
from redmine_mailbridge.policy.issue_fields import known_id
from redmine_mailbridge.redmine.metadata import MetadataCache
from redmine_mailbridge.store.issue_copy import IssueCopy
from redmine_mailbridge.store.outgoing.rows import BOUNCED, CAUSED_BY_PEOPLE, QueuedMail

log = structlog.get_logger(__name__)


class BounceStatus:
    """The status of each mailbox, by name or id (`statuses`). Safe to share among threads."""

    def __init__(self, statuses: Mapping[str, str], issues: IssueCopy, metadata: MetadataCache) -> None:
        self._statuses = statuses
        self._issues = issues
        self._metadata = metadata

    def of(self, mail: QueuedMail, issue_data: Mapping[str, Any]) -> int | None:
        """Given an undelivered mail and its issue from the API, return the id of the status to set; None to leave it.
        A mail that was never offered to a server, such as one that must not be read any more, changes nothing. Raise
        RedmineError.
        """
        name = self._statuses.get(mail.mailbox)
        if name is None or mail.kind not in CAUSED_BY_PEOPLE or not (mail.state == BOUNCED or mail.offered_at):
            return None
        row = self._issues.get(mail.issue or 0)
        if row is None or mail.recipient not in spellings(row.requester):
            return None
        statuses = self._metadata.statuses()
        number, now = known_id(name, statuses.ids), int(issue_data["status"]["id"])
        if number is None or number in statuses.closed:
            why = "it is a closed status" if number is not None else "it does not exist"
            log.warning("bounce_status.not_set", issue=row.id, status=name, reason=why)
            return None
        return None if now == number or now in statuses.closed else number
