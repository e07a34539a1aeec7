"""Who mails whom: who acknowledges messages, and who sends agents' notes to customers, by a mailbox's settings.

Redmine notifies users with an account, if its notifications are enabled; its API reports neither that nor the users'
preferences. So nothing is assumed: Redmine counts only if the settings set `answers.redmine_users`.
"""

from collections.abc import Iterator
from typing import Literal

from redmine_mailbridge.settings.mailbox import MailboxSettings
from redmine_mailbridge.settings.outgoing import OutgoingSettings
from redmine_mailbridge.util.dataclass import dataclass

Teller = Literal["the bridge", "Redmine", "no one"]


@dataclass(frozen=True, slots=True)
class WhoMails:
    """Who acknowledges messages, and who sends agents' public notes to customers with and without a Redmine account.

    `decided`: the settings state whether Redmine notifies users with an account. `marker` is the prefix of notes that
    are sent; "" if all are. `all_accounts`: each customer has an account, or gets one.
    """

    acknowledges: Teller
    with_account: Teller
    without_account: Teller
    decided: bool
    marker: str
    all_accounts: bool

    @property
    def words(self) -> str:
        """The summary in one line, for `check`."""
        received = "not acknowledged" if self.acknowledges == "no one" else f"acknowledged by {self.acknowledges}"
        notes = f"notes that start with {self.marker}" if self.marker else "agents' notes"
        by = [
            "not at all" if sender == "no one" else f"by {sender}"
            for sender in (self.with_account, self.without_account)
        ]
        return (
            f"messages are {received}; {notes} are sent to customers with a Redmine account {by[0]}, to others {by[1]}"
        )

    @property
    def unsent_reason(self) -> str:
        """Why agents' notes may reach no customer; "" if someone sends them to each, or the settings intend it."""
        if self.decided or "no one" not in (self.with_account, self.without_account):
            return ""
        return (
            'agents\' notes are sent to no customer: set answers.notes = "public_notes" (or "marked") and a server '
            'in [outgoing]; or set answers.redmine_users = "leave_to_redmine" if Redmine itself notifies users with an '
            "account and no one else should receive notes"
        )

    @property
    def risks(self) -> tuple[str, ...]:
        """What an admin should know about the chosen settings."""
        return tuple(self._risks())

    def _risks(self) -> Iterator[str]:
        if self.unsent_reason:
            return
        if self.without_account == "no one" and not self.all_accounts:
            yield "customers without an account never receive agents' notes"
        if self.with_account == "Redmine":
            who = "every customer has an account here (unknown_sender), so all" if self.all_accounts else "they"
            yield (
                f"{who} depend on Redmine's own notifications: make sure that they are enabled (Administration, "
                "Settings, Email notifications); Redmine notifies authors, assignees and watchers who have not "
                "disabled them"
            )
        if self.marker and "the bridge" in (self.with_account, self.without_account):
            yield f"the bridge sends no customer the notes that do not start with {self.marker}"


def who_mails(box: MailboxSettings, outgoing: OutgoingSettings) -> WhoMails:
    """Given a mailbox and [outgoing], return who mails whom."""
    answers, sends = box.answers, box.outgoing.over(outgoing).sends
    by_us = sends and answers.notes != "never"
    decided = "redmine_users" in answers.model_fields_set
    left_to_redmine = decided and answers.redmine_users == "leave_to_redmine"
    return WhoMails(
        acknowledges="the bridge" if sends and answers.received else "no one",
        with_account="Redmine" if left_to_redmine else "the bridge" if by_us else "no one",
        without_account="the bridge" if by_us else "no one",
        decided=decided,
        marker=answers.marker if answers.notes == "marked" else "",
        all_accounts=box.issue.unknown_sender == "create",
    )


def auto_replies(box: MailboxSettings, outgoing: OutgoingSettings) -> frozenset[str]:
    """Given a mailbox and [outgoing], return the kinds of auto-replies that it sends, if a route asks for them."""
    if not box.outgoing.over(outgoing).sends:
        return frozenset()
    return frozenset(
        {"refused", "withheld"} | {kind for kind in ("received", "received_reply") if getattr(box.answers, kind)}
    )


def silent_mailboxes(boxes: dict[str, MailboxSettings], outgoing: OutgoingSettings) -> Iterator[tuple[str, str]]:
    """Given mailboxes, yield the name of each whose customers receive no agents' notes, and why."""
    for name, box in boxes.items():
        why = who_mails(box, outgoing).unsent_reason
        if why:
            yield name, why
