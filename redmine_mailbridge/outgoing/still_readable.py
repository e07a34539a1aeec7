"""May the recipient of a queued mail still read it? Checked in Redmine right before the mail is handed over: its note,
issue or project may have become private meanwhile.
"""

from collections.abc import Callable, Mapping
from dataclasses import field

from redmine_mailbridge.errors import RedmineUnavailable
from redmine_mailbridge.mail.message_ids import APART, THIRD_PARTY
from redmine_mailbridge.outgoing.resend import why_not
from redmine_mailbridge.outgoing.sender_profile import SenderProfile
from redmine_mailbridge.redmine.issue_visibility import ShowIssue
from redmine_mailbridge.store.outgoing.rows import QueuedMail
from redmine_mailbridge.util.dataclass import dataclass

FROM_REDMINE = frozenset({"answer", "closed", "reminder", "escalation", THIRD_PARTY})
"""The kinds with content from Redmine; the others inform a sender about the sender's own mail."""


@dataclass(slots=True)
class ReadableCheck:
    """What is asked while one batch is sent: once for each mail, whoever else has it in Cc. `requester` gives the
    address of an issue's; `is_there` asks Redmine for a sign of life and raises RedmineUnavailable.
    """

    profiles: Mapping[str, SenderProfile]
    show_issue: ShowIssue
    requester: Callable[[int], str]
    is_there: Callable[[], object]
    _known: dict[tuple[str, str], str] = field(default_factory=dict)
    _away: RedmineUnavailable | None = None

    def why_not(self, mail: QueuedMail) -> str:
        """Given a mail, return why it must not be sent; "" when it may. Raise MailbridgeError if that cannot be
        determined: once Redmine does not answer a sign of life either, this batch does not ask it again.
        """
        if mail.issue is None or mail.kind not in FROM_REDMINE:
            return ""
        if self._away is not None:
            raise self._away
        key = (mail.message_id, mail.recipient if mail.kind in APART else "")
        if key not in self._known:
            try:
                self._known[key] = why_not(mail, self.profiles, self.show_issue, self.requester(mail.issue))
            except RedmineUnavailable:
                self._sign_of_life()
                raise
        return self._known[key]

    def _sign_of_life(self) -> None:
        try:
            self.is_there()
        except RedmineUnavailable as error:
            self._away = error
            raise
