"""May a mail that waited still be read by whom it goes to? Asked of Redmine right before the mail is handed over: its
note may have been made private meanwhile, its issue or project too.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from redmine_mailbridge.errors import RedmineUnavailable
from redmine_mailbridge.outgoing.resend import why_not
from redmine_mailbridge.outgoing.sender_profile import Desk
from redmine_mailbridge.redmine.issue_visibility import Look
from redmine_mailbridge.store.outbox import QueuedMail

TELLS = frozenset({"answer", "closed", "reminder", "escalation"})
"""The kinds that tell what stands in Redmine; the others tell a sender of his own mail."""


@dataclass(slots=True)
class Readable:
    """What is asked while one batch is sent: once for each mail, whoever else has it in Cc. `requester` gives the
    address of an issue's; `is_there` asks Redmine for a sign of life and raises RedmineUnavailable.
    """

    desks: Mapping[str, Desk]
    look: Look
    requester: Callable[[int], str]
    is_there: Callable[[], object]
    _known: dict[tuple[str, str], str] = field(default_factory=dict)
    _away: RedmineUnavailable | None = None

    def why_not(self, mail: QueuedMail) -> str:
        """Given a mail, return why it must not be sent; "" when it may. Raise MailbridgeError when nobody can tell:
        Redmine is asked no more in this batch when it does not answer otherwise either.
        """
        if mail.issue is None or mail.kind not in TELLS:
            return ""
        if self._away is not None:
            raise self._away
        key = (mail.message_id, mail.recipient if mail.kind == "escalation" else "")
        if key not in self._known:
            try:
                self._known[key] = why_not(mail, self.desks, self.look, self.requester(mail.issue))
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
