"""Who mails whom: what a mailbox's settings say of who acknowledges mail, and who tells customers of agents' notes.

Redmine mails those who have an account there, if its mails are on; its API tells neither that nor what users have
chosen. So nothing is taken for granted: Redmine counts only where the settings say `answers.redmine_users`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from redmine_mailbridge.settings.mailbox import MailboxSettings
from redmine_mailbridge.settings.outgoing import OutgoingSettings

Teller = Literal["the bridge", "Redmine", "nobody"]


@dataclass(frozen=True, slots=True)
class WhoMails:
    """Who acknowledges mail, and who tells customers with and without a Redmine account of agents' public notes.

    `decided`: the settings say themselves whether Redmine mails those with an account. `marker` begins the notes that
    are mailed; "" where all are. `all_accounts`: each customer has an account, or gets one.
    """

    acknowledges: Teller
    with_account: Teller
    without_account: Teller
    decided: bool
    marker: str
    all_accounts: bool

    @property
    def words(self) -> str:
        """It in one line, for `check`."""
        notes = f"notes that begin with {self.marker}" if self.marker else "agents' notes"
        return (
            f"mail is acknowledged by {self.acknowledges}; of {notes} customers with a Redmine account are told by "
            f"{self.with_account}, others by {self.without_account}"
        )

    @property
    def told_by_nobody(self) -> str:
        """Why an answer can go nowhere; "" when somebody tells each customer, or the settings say that it is meant."""
        if self.decided or "nobody" not in (self.with_account, self.without_account):
            return ""
        return (
            'nobody tells customers what agents answer: set answers.notes = "public_notes" (or "marked") and a server '
            'in [outgoing]; or answers.redmine_users = "leave_to_redmine", when Redmine itself mails those who have an '
            "account and nobody else is to hear of notes"
        )

    @property
    def risks(self) -> tuple[str, ...]:
        """What somebody should know about a choice that was made."""
        return tuple(self._risks())

    def _risks(self) -> Iterator[str]:
        if self.told_by_nobody:
            return
        if self.without_account == "nobody" and not self.all_accounts:
            yield "customers without an account never hear of what agents write"
        if self.with_account == "Redmine":
            who = "every customer has an account here (unknown_sender), so all" if self.all_accounts else "they"
            yield (
                f"{who} depend on Redmine's own mails: look that it sends them (Administration, Settings, Email "
                "notifications); it mails authors, assignees and watchers who have not switched that off"
            )
        if self.marker and "the bridge" in (self.with_account, self.without_account):
            yield f"notes that do not begin with {self.marker} go to no customer by our mail"


def who_mails(box: MailboxSettings, outgoing: OutgoingSettings) -> WhoMails:
    """Given a mailbox and [outgoing], return who mails whom."""
    answers, sends = box.answers, box.outgoing.over(outgoing).sends
    by_us = sends and answers.notes != "never"
    decided = "redmine_users" in answers.model_fields_set
    left = decided and answers.redmine_users == "leave_to_redmine"
    return WhoMails(
        acknowledges="the bridge" if sends and answers.received else "nobody",
        with_account="Redmine" if left else "the bridge" if by_us else "nobody",
        without_account="the bridge" if by_us else "nobody",
        decided=decided,
        marker=answers.marker if answers.notes == "marked" else "",
        all_accounts=box.issue.unknown_sender == "create",
    )


def silent_mailboxes(boxes: dict[str, MailboxSettings], outgoing: OutgoingSettings) -> Iterator[tuple[str, str]]:
    """Given mailboxes, yield the name of each whose customers nobody answers, and why."""
    for name, box in boxes.items():
        why = who_mails(box, outgoing).told_by_nobody
        if why:
            yield name, why
